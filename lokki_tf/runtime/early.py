"""The S3 client of a function that needs it in every call, made while Lambda initializes it.

That phase has a full processor for functions of any memory, and at most ten seconds.
Source: Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle".
"""

from __future__ import annotations

from contextlib import suppress

from .store import client


def connect() -> None:
    """Make the client; a call that needs it reports an error."""
    with suppress(Exception):
        client()
