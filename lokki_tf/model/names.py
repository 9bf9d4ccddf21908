"""Names that satisfy the limits of AWS."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container


def shortened(name: str, longest: int) -> str:
    """Shorten a name to its beginning and a hash of the whole, if it is too long.

    Args:
        name: Any name.
        longest: Allowed number of characters, at least 12.
    """
    if len(name) <= longest:
        return name
    return f"{name[: longest - 9]}-{digest(name)}"


def digest(name: str) -> str:
    """Return eight characters of a name's hash, the same on every computer."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def unique(name: str, taken: Container[str], longest: int) -> str:
    """Return the name, or the first name with a number at its end that is not taken.

    Args:
        name: The preferred name.
        taken: Names in use.
        longest: Allowed number of characters.
    """
    candidate, number = shortened(name, longest), 1
    while candidate in taken:
        number += 1
        candidate = f"{shortened(name, longest - len(str(number)) - 1)}_{number}"
    return candidate


def identifier(name: str) -> str:
    """Replace everything but ASCII letters, digits and ``_``, and prefix a leading digit."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"n_{plain}"
