"""The code that runs in Lambda: standard library only, and boto3 when it is first needed.

These files are copied into each step's zip as the package ``lokki_runtime``. They therefore import
each other relatively, and nothing else of lokki_tf.
"""

from .handler import run

__all__ = ["run"]
