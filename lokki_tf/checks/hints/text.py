"""Annotations and values in a few words."""

from __future__ import annotations

import re
from typing import Any

_LONGEST = 80
_PLAIN = (int, float, complex, bool, str, bytes, list, tuple, set, frozenset, dict)
_VOWELS = tuple("aeiouAEIOU")
# Modules and functions in front of a name, but nothing inside quotes.
_AROUND = re.compile(r"""('[^']*'|"[^"]*")|(?:[^\W\d]\w*\.|<locals>\.)+""")


def told(hint: Any, *, full: bool = False) -> str:
    """An annotation as its author wrote it, or nearly so.

    Args:
        hint: The annotation.
        full: With the modules of its names.
    """
    try:
        text = _written(hint)
        text = text if full else _AROUND.sub(lambda match: match[1] or "", text)
    except Exception:  # of the object that stands there
        return "something else"
    text = text.replace("NoneType", "None")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _written(hint: Any) -> str:
    if not isinstance(hint, type):
        return repr(hint)
    around = "" if hint.__module__ == "builtins" else f"{hint.__module__}."
    return around + hint.__qualname__


def value_told(value: Any) -> str:
    """A value with its class; of one whose representation may be long, the class alone."""
    if value is None:
        return "None"
    name = type(value).__name__
    kind = f"{'an' if name.startswith(_VOWELS) else 'a'} {name}"
    if not any(type(value) is plain for plain in _PLAIN):
        return kind
    from reprlib import repr as short  # contradictions are few

    try:
        return f"{short(value)}, {kind}"
    except Exception:  # of a member's; and a whole number may be too long to be written
        return kind
