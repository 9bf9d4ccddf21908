"""Parts of values of a later run: items, attributes, and the values of a tuple.

The step that receives a part selects it, so it needs no step of its own.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, PlaceholderError
from lokki_tf.model.annotations import Excluded, fixed_length, part_hint, returned

from .places import calling_place
from .specs import CallSpec, ChainSpec, ParameterSpec, PartSpec, close_all

if TYPE_CHECKING:
    from lokki_tf.model import Key

    from .specs import ValueSpec

_LARGEST = 2**53 - 1  # JSON readers that use doubles lose digits of larger integers
_OF_RESULT = (
    "to unpack it, annotate the step's result, -> tuple[int, str]; to run a step for each item, "
    "write .map(step); to compute with it, pass it to a step"
)
_OF_PARAMETER = (
    "to run a step for each item, pass it to a step that returns the list, and write .map(step) "
    "after that; to compute with it, pass it to a step"
)


def part_of(spec: PartSpec | ValueSpec | ChainSpec, key: Key) -> PartSpec:
    """Return a part of a value; all open maps of a chain are closed.

    Args:
        spec: The value, or a part of it.
        key: What is selected.
    """
    if isinstance(spec, PartSpec):
        return PartSpec(spec.of, (*spec.path, key), spec.place)
    of: ValueSpec = close_all(spec, calling_place()) if isinstance(spec, ChainSpec) else spec
    return PartSpec(of, (key,), of.place)


def item_key(key: Any, what: str) -> Key:
    """Return the key of an item as plain data.

    Args:
        key: A string, or a whole number.
        what: The whole value, for the error.

    Raises:
        BindingError: If it is neither, or JSON does not preserve it.
    """
    if isinstance(key, str) and _is_unicode(key):
        return str.__str__(key)
    if not isinstance(key, str | bool | slice) and hasattr(type(key), "__index__"):
        index = operator.index(key)
        if abs(index) <= _LARGEST:
            return index
    raise BindingError(
        f"[{key!r}] of {what}: a part is selected by a name or a number, got {type(key).__name__}",
        place=calling_place(),
        remedy="pass the whole to a step, and select there",
    )


def values_of(spec: PartSpec | ValueSpec | ChainSpec) -> list[PartSpec]:
    """Return the values of a tuple whose annotation fixes their number.

    Raises:
        PlaceholderError: If the number of values is unknown.
    """
    of = spec.of if isinstance(spec, PartSpec) else spec
    remedy = _OF_PARAMETER if isinstance(of, ParameterSpec) else _OF_RESULT
    return [part_of(spec, index) for index in range(length_of(_hint_of(spec), spec.what, remedy))]


def length_of(hint: Any, what: str, remedy: str = _OF_RESULT) -> int:
    """Return the number of values of a tuple whose annotation fixes it.

    Args:
        hint: The annotation.
        what: The value, for the error.
        remedy: What to write instead, for the error.

    Raises:
        PlaceholderError: If the number is unknown.
    """
    length = fixed_length(hint)
    if length is None:
        raise PlaceholderError(
            f"{what} exists only when the pipeline runs, so its number of values is unknown here",
            place=calling_place(),
            remedy=remedy,
        )
    return length


def _hint_of(spec: PartSpec | ValueSpec | ChainSpec) -> Any:
    """Return the annotation of a value; ``Any`` if it is unknown."""
    path, of = (spec.path, spec.of) if isinstance(spec, PartSpec) else ((), spec)
    if not isinstance(of, CallSpec):
        return Any
    try:
        return part_hint(returned(of.step.function), path)
    except Excluded:  # an error of check
        return Any


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
