"""Short texts of annotations and values."""

from __future__ import annotations

import re
from typing import Any

_LONGEST = 80
_PLAIN = (int, float, complex, bool, str, bytes, list, tuple, set, frozenset, dict)
_VOWELS = tuple("aeiouAEIOU")
# Modules and functions before a name, but not inside quotes.
_AROUND = re.compile(r"""('[^']*'|"[^"]*")|(?:[^\W\d]\w*\.|<locals>\.)+""")


def hint_text(hint: Any, *, full: bool = False) -> str:
    """Return an annotation approximately as its author wrote it.

    Args:
        hint: The annotation.
        full: Whether names include their modules.
    """
    try:
        text = _written(hint)
        text = text if full else _AROUND.sub(lambda match: match[1] or "", text)
    except Exception:  # from the object's representation
        return "something else"
    text = text.replace("NoneType", "None")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _written(hint: Any) -> str:
    if not isinstance(hint, type):
        return repr(hint)
    around = "" if hint.__module__ == "builtins" else f"{hint.__module__}."
    return around + hint.__qualname__


def value_text(value: Any) -> str:
    """Return a value with its class; only the class if the representation may be long."""
    if value is None:
        return "None"
    name = type(value).__name__
    kind = f"{'an' if name.startswith(_VOWELS) else 'a'} {name}"
    if not any(type(value) is plain for plain in _PLAIN):
        return kind
    from reprlib import repr as short  # imported here, since contradictions are rare

    try:
        return f"{short(value)}, {kind}"
    except Exception:  # a member's error, or an int with too many digits to be written
        return kind
