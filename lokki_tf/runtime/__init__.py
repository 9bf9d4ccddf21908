"""What runs inside Lambda: standard library only, boto3 when it is first needed.

These files are copied into each step's zip as the package ``lokki_runtime``; so they
import each other relatively and nothing else of the house.
"""

from .handler import run

__all__ = ["run"]
