"""Results that are locations in S3, which the state machine reads from a step's envelope."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONGEST = 1_024  # bytes of a key in S3


def texts_of(value: Any, layouts: Mapping[str, Any], node: str) -> dict[str, str]:
    """Return the texts of a result, by their keys in its envelope.

    Args:
        value: The result.
        layouts: How each text is selected, see :mod:`.parts`; ``None`` for the whole result.
        node: The node with the result, for the error.

    Raises:
        TypeError: If one is not a text.
        ValueError: If one is longer than a key in S3.
    """
    found: dict[str, str] = {}
    for key, layout in layouts.items():
        part, what = value, f"the result of {node!r}"
        if layout is not None:
            from .parts import selected

            part, what = selected(value, layout), layout["what"]
        found[key] = text_of(part, what)
    return found


def text_of(value: Any, what: str) -> str:
    """Return a location in S3 as a text.

    Args:
        value: A bucket, key or prefix.
        what: The value, for the error.

    Raises:
        TypeError: If it is not a text.
        ValueError: If it is longer than a key in S3.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is a location in S3, so it must be a str, got {value!r:.100}")
    if len(value.encode("utf-8", "surrogatepass")) > LONGEST:
        raise ValueError(f"{what} is a location in S3 and has more than {LONGEST:,} bytes")
    return str.__str__(value)
