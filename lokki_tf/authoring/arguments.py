"""Arguments of steps while a graph is written: literals, and placeholders at any depth."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model import Group, Literal, TerraformRef

from .nesting import CALLED, is_pipeline, refuse_pipeline
from .placeholders import Placeholder, spec_of
from .specs import (
    ChainSpec,
    PartSpec,
    ValueSpec,
    WaitSpec,
    close_all,
    whole_of,
)
from .stepped import Stepped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from lokki_tf.errors import Place

    from .specs import Argument

DATASET = "__lokki_dataset__"
"""The method of datasets in S3 that returns what a map reads."""
_CONTAINERS: dict[type, Any] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    dict: "dict",
}


_WALKED = (list, tuple, set, frozenset, dict)
_ORDINARY = frozenset({*_WALKED, type(None), bool, int, float, complex, str, bytes})
"""Types whose values are not results themselves; a literal may contain millions."""
_SCALARS = _ORDINARY.difference(_WALKED)


def argument(value: Any, place: Place) -> Argument:
    """Convert a value to an argument: a spec, a group that contains some, or a literal.

    Args:
        value: The value passed by the user, which may contain placeholders, or a spec.
        place: Source location, for the error.

    Raises:
        BindingError: If it is a step that was not called, or contains a placeholder that cannot be
            replaced there.
    """
    value = closed(called_pipeline(value), place)
    if isinstance(value, TerraformRef):
        return value
    if isinstance(value, ValueSpec | PartSpec):
        whole = whole_of(value)
        if isinstance(whole, WaitSpec) and whole.source is None:
            raise BindingError(
                "a wait has no result that a step could receive",
                place=place,
                remedy="set the order with after(), or write .wait(…) after a call",
            )
        return value
    refuse_pipeline(value, place)
    _refuse_method(value, place)
    if _is_dataset(value):
        raise BindingError(
            f"{value!r} is an argument of a step, but only maps read from S3",
            place=place,
            remedy="call .map(step) on it; for all items at once, pass on the list that this "
            "returns",
        )
    if isinstance(value, Stepped):
        raise BindingError(
            f"step {value.__name__!r} is passed without being called",
            place=place,
            remedy=f"call it: {value.__name__}(…)",
        )
    if not isinstance(value, _WALKED) or not _holds_placeholder(value, place):
        return Literal(value)
    try:
        return _group(value, place)
    except RecursionError:
        raise BindingError(
            "a result is in lists and dicts that are nested too deep, or in one that contains "
            "itself",
            place=place,
            remedy="pass a flatter value, and nest it inside a step",
        ) from None


def called_pipeline(value: Any) -> Any:
    """Return the placeholders of a called flow's results; other values unchanged."""
    called = getattr(value, CALLED, None) if is_pipeline(value) else None
    found = None if called is None else called()
    return value if found is None else found


def results_of(values: Iterable[Any]) -> Iterator[Any]:
    """Yield values, with the results of called flows in their places."""
    for value in values:
        results = called_pipeline(value)
        yield from results if is_pipeline(value) and isinstance(results, tuple) else (results,)


def closed(value: Any, place: Place) -> Any:
    """Return the spec of a placeholder, with all maps of a chain closed; other values unchanged.

    Args:
        value: Any value.
        place: Source location of what closes the maps, for the error.

    Raises:
        BindingError: If a map of the chain has been closed in another way.
    """
    if not isinstance(value, Placeholder):
        return value
    spec = spec_of(value)
    return close_all(spec, place) if isinstance(spec, ChainSpec) else spec


def _refuse_method(value: Any, place: Place) -> None:
    """Raise an error for a method of a placeholder, where a field of that name is meant."""
    if _is_method(value):
        owner, name = value.__self__, value.__name__
        raise BindingError(
            f".{name} is a method of {spec_of(owner).what} here, and no value",
            place=place,
            remedy=f'for the field of that name, write part(…, "{name}"); '
            f"to continue the chain, call it: .{name}(…)",
        )


def _is_method(value: Any) -> bool:
    return isinstance(value, MethodType) and isinstance(value.__self__, Placeholder)


def _holds_placeholder(value: Any, place: Place) -> bool:
    waiting, seen, found = [value], set(), False
    while waiting:
        current = waiting.pop()
        if id(current) in seen:  # a container may contain itself
            continue
        seen.add(id(current))
        members = list(current.values()) if isinstance(current, dict) else list(current)
        within = _has_result(members)
        keys = isinstance(current, dict) and _has_result(current)
        if keys or (within and type(current) not in _CONTAINERS):
            what = "as a key of a dict" if keys else f"inside a {type(current).__name__}"
            raise BindingError(
                f"a result of a step or a reference is used {what}, where it cannot be filled in",
                place=place,
                remedy="pass it in a list, tuple, set or dict, and build the rest in a step",
            )
        found = found or within
        if not _SCALARS.issuperset(map(type, members)):
            waiting.extend(member for member in members if isinstance(member, _WALKED))
    return found


def _has_result(values: Collection[Any]) -> bool:
    return not _ORDINARY.issuperset(map(type, values)) and any(map(_is_result, values))


def _is_result(value: Any) -> bool:
    return (
        isinstance(value, Placeholder | Stepped | TerraformRef)
        or is_pipeline(value)
        or _is_method(value)
        or _is_dataset(value)
    )


def _is_dataset(value: Any) -> bool:
    return hasattr(type(value), DATASET)


def _group(value: Any, place: Place) -> Group:
    kind = _CONTAINERS[type(value)]
    members = list(value.values() if kind == "dict" else value)
    if kind in ("set", "frozenset"):
        members.sort(key=_steady)
    # The members contain specs until the builder replaces them by bindings.
    bindings: Any = tuple(argument(member, place) for member in members)
    return Group(kind, bindings, tuple(value) if kind == "dict" else ())


def _steady(member: Any) -> tuple[int, str]:
    """Return a sort key that is the same in every run, unlike the order of a set."""
    if isinstance(member, Placeholder):
        return spec_of(member).order, ""
    return -1, f"{type(member).__name__} {member!r}"
