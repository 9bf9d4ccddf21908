"""The code that runs in Lambda: standard library only, and boto3 when it is first needed.

These files are copied into each step's zip as the package ``lokki_runtime``. They therefore import
each other relatively, and nothing else of lokki_tf.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .handler import run

__all__ = ["run"]


def __getattr__(name: str) -> object:
    """Import the handler when it is used: a pipeline is defined without it."""
    if name == "run":
        from .handler import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
