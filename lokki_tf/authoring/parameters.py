"""Parameters of a run: their types, and their declarations at several places."""

from __future__ import annotations

import inspect
import types
import typing
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, NamingError, OptionError
from lokki_tf.model import REQUIRED, FlowParameter
from lokki_tf.model.terraform_refs import refs_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lokki_tf.errors import Place

_KINDS = (int, float, str, bool, list, dict)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function's annotations, resolved; empty if they cannot be."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # an annotation with an undefined name only means that the type is unknown
        return {}


def kind_of(annotation: Any, default: Any) -> Any:
    """Return a parameter's type, from its annotation or else its default; ``Any`` allows all."""
    if annotation is inspect.Parameter.empty:
        annotation = Any if default in (None, inspect.Parameter.empty) else type(default)
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        others = [one for one in typing.get_args(annotation) if one is not type(None)]
        return kind_of(others[0], default) if len(others) == 1 else Any
    return origin if origin in _KINDS else Any


def declared(name: Any, kind: Any, default: Any, place: Place) -> FlowParameter:
    """Return the declaration of a parameter.

    Args:
        name: Its name.
        kind: ``int``, ``float``, ``str``, ``bool``, ``list``, ``dict``, or ``Any``.
        default: Its default, or ``REQUIRED``.
        place: Source location of the declaration.

    Raises:
        NamingError: If the name is not an identifier.
        OptionError: If the type is not one of these, or the default does not have it.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise NamingError(
            f"Parameter({name!r}): the name must be an identifier, as it is an option of commands",
            place=place,
            remedy='write Parameter("day", str)',
        )
    known = Any if kind is Any else kind_of(kind, default)
    if known is Any and kind is not Any:
        raise OptionError(
            f"Parameter({name!r}, {kind!r}): the type must be one that JSON has, got {kind!r}",
            place=place,
            remedy=f"write one of {', '.join(one.__name__ for one in _KINDS)}, or Any",
        )
    refuse_refs(name, default, place)
    made = FlowParameter(name, known, default, place)
    if default is not REQUIRED and not accepts(made, default):
        raise OptionError(
            f"Parameter({name!r}): the default {default!r} is not of type {known.__name__}",
            place=place,
            remedy="correct the type or the default",
        )
    return made


def refuse_refs(name: str, default: Any, place: Place) -> None:
    """Raise an error for a default that contains a reference to Terraform.

    Args:
        name: The parameter's name.
        default: Its default.
        place: Source location of the declaration.

    Raises:
        OptionError: If it does.
    """
    for ref in refs_in(default):
        raise OptionError(
            f"the default of parameter {name!r} contains {ref!r}, whose value only Terraform knows",
            place=place,
            remedy="pass the reference to the steps themselves",
        )


def accepts(parameter: FlowParameter, value: Any) -> bool:
    """Return whether a parameter accepts a value; ``None`` is accepted if it is the default."""
    from lokki_tf.runtime.parameters import fits  # imported here: it imports json

    if not isinstance(parameter.kind, type) or (value is None and parameter.default is None):
        return True
    return fits(value, parameter.kind.__name__)


def declarations(found: Iterable[FlowParameter]) -> tuple[FlowParameter, ...]:
    """Return each parameter once, in the order of the first declarations.

    Args:
        found: Declarations, in which a name may be repeated.

    Raises:
        BindingError: If two declarations of a name have different types or defaults.
    """
    known: dict[str, FlowParameter] = {}
    for one in found:
        other = known.setdefault(one.name, one)
        if other is not one and not _agree(one, other):
            raise BindingError(
                f"parameter {one.name!r} is declared twice, as {_shown(other)} at {other.place} "
                f"and as {_shown(one)} at {one.place}",
                place=one.place,
                remedy="declare it once, and use that at both places, or rename one",
            )
    return tuple(known.values())


def _agree(one: FlowParameter, other: FlowParameter) -> bool:
    if one.kind is not other.kind:
        return False
    if one.default is other.default:
        return True
    try:
        return type(one.default) is type(other.default) and bool(one.default == other.default)
    except Exception:  # of a class of the user's
        return False


def _shown(one: FlowParameter) -> str:
    kind = one.kind.__name__ if isinstance(one.kind, type) else "Any"
    return kind if one.default is REQUIRED else f"{kind} = {one.default!r}"
