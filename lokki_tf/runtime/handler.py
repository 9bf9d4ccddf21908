"""One call of a step: arguments in, function called, result out.

The state machine sends::

    {"node": "score", "run": "<execution's name>", "store": "s3://bucket", "inline": 20000,
     "args": {"0": envelope, …}, "kwargs": {"rows": envelope, …},
     "retry": ["builtins.OSError", …], "main": "pipeline"}

and gets the envelope of the result. The last four may be left out. ``inline`` is the longest
JSON, in bytes, that may travel in the envelope; ``main`` the name under which the zip holds
what was ``__main__`` where the pipeline was written.
"""

from __future__ import annotations

from . import store
from .call import call
from .envelope import pack, references, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .envelope import Envelope


def run(function: Callable[..., Any], event: dict[str, Any], context: Any = None) -> Envelope:
    """Calls the function as the event says.

    Args:
        function: The step's function.
        event: As described at the top of this module.
        context: Lambda's context; unused, so that templates may leave it out.

    Returns:
        The envelope of the function's result.

    Raises:
        Exception: What the function raises, see :func:`_as_listed`.
    """
    if "node" not in event:
        raise ValueError(
            "this function is a step of a state machine and expects its event: "
            '{"node": …, "run": …, "inline": …, "kwargs": {"name": {"value": …}}}'
        )
    args, kwargs = arguments(event)
    try:
        value = call(function, args, kwargs)
    except Exception as error:
        raise _as_listed(error, event.get("retry")) from error.__cause__
    folder = f"{event['store']}/runs/{event['run']}"
    return pack(
        value,
        event["inline"],
        lambda form, data: store.write(f"{folder}/{event['node']}.{form}", data),
    )


def arguments(event: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The function's arguments, by position and by name, with all references read."""
    by_position = event.get("args", {})
    envelopes = [by_position[str(index)] for index in range(len(by_position))]
    by_name = event.get("kwargs", {})
    uris = [uri for one in (*envelopes, *by_name.values()) for uri in references(one)]
    objects = store.read_all(uris) if uris else {}
    modules = {"__main__": event["main"]} if "main" in event else None
    args = [unpack(one, objects.__getitem__, modules) for one in envelopes]
    kwargs = {name: unpack(one, objects.__getitem__, modules) for name, one in by_name.items()}
    return args, kwargs


def _as_listed(error: Exception, listed: list[str] | None) -> Exception:
    """The error under the name by which the state machine's retrier decides.

    Lambda reports an error by the bare name of its class, and Step Functions compares
    names. So a subclass of a listed exception is reported under the listed one's name,
    and a stranger of the same bare name under its full name.
    """
    if not listed:
        return error
    kind = type(error)
    match = next((base for base in kind.__mro__ if _full_name(base) in listed), None)
    if match is kind:
        return error
    if match is not None:
        return _renamed(error, match.__name__)
    if kind.__name__ in {name.rpartition(".")[2] for name in listed}:
        return _renamed(error, _full_name(kind))
    return error


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _renamed(error: Exception, name: str) -> Exception:
    named: type[Exception] = type(name, (Exception,), {})
    return named(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
