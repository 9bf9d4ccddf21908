"""Parts of results, which the step that receives them selects.

An event contains the whole once, under ``wholes``, and for each argument how to select its part::

    {"part": {"path": ["rows", 0, {"attribute": "total"}], "what": "part … of …"}, "of": "0"}

``skippable`` says that the whole may be that of a skipped step; its parts are ``None`` then.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MISSING = (KeyError, IndexError, AttributeError, TypeError)


def selected(whole: Any, selection: Mapping[str, Any]) -> Any:
    """Return a part of a value.

    Args:
        whole: The value.
        selection: ``path``: keys, indices, and attributes as ``{"attribute": name}``; ``what``: the
            part, for the error; ``skippable``, as described at the top of this module.

    Raises:
        KeyError: As Python raises it, with the part in its message.
        IndexError: The same.
        AttributeError: The same.
        TypeError: The same, if the value has no parts.
    """
    if whole is None and selection.get("skippable"):
        return None
    value = whole
    try:
        for key in selection["path"]:
            value = getattr(value, key["attribute"]) if isinstance(key, dict) else value[key]
    except _MISSING as error:
        if type(error) not in _MISSING:  # the value's own class, which a step may retry
            raise
        raise type(error)(f"{selection['what']} does not exist: {error}") from error
    return value
