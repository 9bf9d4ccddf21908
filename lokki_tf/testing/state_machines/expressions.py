"""Parse an expression in a field of a state: a path or a call of an intrinsic function."""

from __future__ import annotations

from functools import lru_cache

from lokki_tf.testing.state_machines.intrinsics import parse_call
from lokki_tf.testing.state_machines.references import Expression, parse_reference


@lru_cache(maxsize=8192)
def parse_expression(text: str) -> Expression:
    """Parse a path or a call of an intrinsic function.

    Raises:
        PathSyntaxError: If the text is neither.
    """
    if text.startswith("$"):
        return parse_reference(text)
    return parse_call(text)
