"""Values as later steps receive them in AWS: each is serialized and deserialized."""

from __future__ import annotations

from typing import Any

from lokki_tf.errors import SerializationError
from lokki_tf.model import AnyNode, Map, Wait

REMEDY = (
    "return plain data (numbers, text, lists, dicts, dataclasses, arrays, data frames); "
    "create open files, connections, locks and lambdas in the step that uses them"
)
FOR_PROCESSES = (
    "executor='thread' accepts any value; for other processes define the "
    "function at the top level of a module, with arguments and results that can be pickled"
)


class RoundTripSerializer:
    """Serialization of values between steps, as in AWS."""

    __slots__ = ("_freeze", "_thaw")

    def __init__(self) -> None:
        # Imported here: the runtime imports json, which only strict runs need.
        from lokki_tf.runtime.envelope import serialize, thaw

        self._freeze = serialize
        self._thaw = thaw

    def freeze(self, value: Any) -> Any:
        """Serialize a value.

        Raises:
            Exception: Any error of pickle, for a value that cannot be pickled.
        """
        return self._freeze(value)

    def thaw(self, frozen: Any) -> Any:
        """Deserialize a value, for one consumer; a list, if it was serialized in parts."""
        if isinstance(frozen, list):
            return [self.thaw(one) for one in frozen]
        if type(frozen) is not tuple:  # a Spooled or a Feed
            return frozen.converted(self.thaw)
        return self._thaw(*frozen)


def not_serializable(
    node: AnyNode,
    what: str,
    error: BaseException | str,
    *,
    way: str = "between steps",
    remedy: str = REMEDY,
) -> SerializationError:
    """Return the error for a value that cannot be serialized.

    Args:
        node: The node with the value.
        what: Which value: ``the result``, ``argument 'rows'``.
        error: The error of pickle.
        way: Where it was to be sent.
        remedy: What to do.
    """
    return SerializationError(
        f"{what} of {label(node)} cannot be serialized {way}: {described(error)}",
        place=node.place,
        remedy=remedy,
    )


def not_sent(node: AnyNode, what: str, error: BaseException | str) -> SerializationError:
    """Return the error for a value that cannot be sent to another process, or from it.

    Args:
        node: The node with the value.
        what: Which value.
        error: The error of pickle.
    """
    return not_serializable(node, what, error, way="to another process", remedy=FOR_PROCESSES)


def label(node: AnyNode) -> str:
    """Return a node's name for errors: that of its step, and its own if it differs."""
    if isinstance(node, Map):
        return f"map {node.name!r}"
    if isinstance(node, Wait):
        return f"wait {node.name!r}"
    if node.name == node.step.name:
        return f"step {node.step.name!r}"
    return f"node {node.name!r} (step {node.step.name!r})"


def is_not_ready(error: BaseException | None) -> bool:
    """Return whether an error, perhaps one that was read from a history, is ``NotReady``."""
    return type(error).__name__ == "NotReady"


def described(error: BaseException | str) -> str:
    """Return an error's class and text, even if its ``__str__`` raises."""
    if isinstance(error, str):
        return error
    from lokki_tf.runtime.log import text_of  # imported here: it imports json

    text, name = text_of(error), type(error).__qualname__
    return f"{name}: {text}" if text else name
