"""Names that fit where AWS limits them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container


def shortened(name: str, longest: int) -> str:
    """The name, or its beginning and a hash of the whole where it is too long.

    Args:
        name: Any name.
        longest: Most characters allowed, at least 12.
    """
    if len(name) <= longest:
        return name
    return f"{name[: longest - 9]}-{digest(name)}"


def digest(name: str) -> str:
    """Eight characters that stand for a name, the same on every machine."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def unique(name: str, taken: Container[str], longest: int) -> str:
    """The name, or with a number at its end the first one that is not taken.

    Args:
        name: Wanted.
        taken: Names in use.
        longest: Most characters allowed.
    """
    candidate, number = shortened(name, longest), 1
    while candidate in taken:
        number += 1
        candidate = f"{shortened(name, longest - len(str(number)) - 1)}_{number}"
    return candidate


def identifier(name: str) -> str:
    """The name with everything but ASCII letters, digits and ``_`` replaced, no digit first."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"n_{plain}"
