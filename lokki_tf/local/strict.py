"""Values as the cloud would hand them on: every one serialized and read again."""

from __future__ import annotations

from typing import Any

from lokki_tf.errors import SerializationError
from lokki_tf.model import Map, Node

REMEDY = (
    "return plain data (numbers, text, lists, dicts, dataclasses, arrays, data frames); "
    "open files, connections, locks and lambdas stay in the step that made them"
)


class Wire:
    """What stands between two steps in the cloud, without the cloud."""

    __slots__ = ("_freeze", "_thaw")

    def __init__(self) -> None:
        # Not at the top: the runtime brings json, and only strict runs need it.
        from lokki_tf.runtime.envelope import freeze, thaw

        self._freeze = freeze
        self._thaw = thaw

    def freeze(self, value: Any) -> Any:
        """What travels in the value's place.

        Raises:
            Exception: Whatever pickle raises for a value that it cannot take.
        """
        return self._freeze(value)

    def thaw(self, frozen: Any) -> Any:
        """A value of its own for one who receives it; a list, if it travelled in pieces."""
        if isinstance(frozen, list):
            return [self.thaw(one) for one in frozen]
        return self._thaw(*frozen)


def cannot_travel(
    node: Node | Map,
    what: str,
    error: BaseException | str,
    *,
    way: str = "between steps",
    remedy: str = REMEDY,
) -> SerializationError:
    """The error that says so.

    Args:
        node: Whose value it is.
        what: Which value: ``the result``, ``argument 'rows'``.
        error: What pickle said.
        way: Where it was to travel.
        remedy: What to do.
    """
    return SerializationError(
        f"{what} of {label(node)} cannot travel {way}: {described(error)}",
        place=node.place,
        remedy=remedy,
    )


def label(node: Node | Map) -> str:
    """How errors call a node: by its step, and by its own name where that is another."""
    if isinstance(node, Map):
        return f"map {node.name!r}"
    if node.name == node.step.name:
        return f"step {node.step.name!r}"
    return f"node {node.name!r} (step {node.step.name!r})"


def described(error: BaseException | str) -> str:
    """An error's class and text, whatever its ``__str__`` does."""
    if isinstance(error, str):
        return error
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be made)"
    name = type(error).__qualname__
    return f"{name}: {text}" if text else name
