"""Validation of TOML tables against dataclasses, and conversion to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from functools import cache, reduce
from math import inf
from operator import or_
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from lokki_tf.errors import OptionError
from lokki_tf.model import TextOrRef, options
from lokki_tf.model.terraform_refs import ref_of

from .settings import EARLIER_NAMES, NO_SETTINGS, Config

STAGES = "stage"
T = TypeVar("T")
KeyPath = tuple[str, ...]


class InvalidSetting(Exception):
    """A table contains something that the settings do not have.

    Args:
        path: The keys that lead to it.
        message: What is wrong.
        remedy: What to do about it.
    """

    def __init__(self, path: KeyPath, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.remedy = remedy


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf


def _is_text_or_ref(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and set(value) == {"ref"})


_TEXTS_OR_REFS = tuple[TextOrRef, ...]
_LEAVES: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    str: ("a string", lambda value: isinstance(value, str)),
    TextOrRef: ('a string or a reference { ref = "…" }', _is_text_or_ref),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: (
        "a whole number of at least 0",
        lambda value: _is_number(value) and isinstance(value, int),
    ),
    float: ("a number of at least 0", _is_number),
    tuple[str, ...]: (
        "a list of strings",
        lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    ),
    _TEXTS_OR_REFS: (
        "a list of strings or references",
        lambda value: isinstance(value, list) and all(map(_is_text_or_ref, value)),
    ),
}
_STRINGS = Mapping[str, str], Mapping[str, TextOrRef]


@cache
def fields(kind: Any) -> Mapping[str, Any]:
    """Return the fields of a dataclass by their names in TOML, with their types."""
    hints = get_type_hints(kind)
    own = [one.name for one in dataclass_fields(kind) if one.name not in NO_SETTINGS]
    return {name.rstrip("_"): hints[name] for name in own}


def check(table: Mapping[str, Any], kind: Any, path: KeyPath = ()) -> None:
    """Validate a table against a dataclass.

    Args:
        table: The parsed table.
        kind: The dataclass.
        path: The keys that lead to the table.

    Raises:
        InvalidSetting: At the first unknown field, or value that is not allowed.
    """
    known = fields(kind)
    for name, value in table.items():
        here = (*path, name)
        present = present_name(here)
        if present not in known:
            raise _unknown(here, list(known))
        if present != name and present in table:
            message = f"{'.'.join(here)} is the earlier name of {present}, which is set as well"
            raise InvalidSetting(here, message, "remove it")
        hint = _required(known[present])
        if is_dataclass(hint):
            check(_table(value, here), hint, here)
        elif hint in _STRINGS:
            for key, member in _table(value, here, " of strings").items():
                _leaf(member, get_args(hint)[1], (*here, key))
        else:
            _leaf(value, hint, here)
            rule = None if isinstance(value, dict) else options(kind)[present].rule()
            # An empty string unsets an optional setting, so there is no value to validate.
            if rule and not (value == "" and hint is not known[present]) and not rule.fits(value):
                raise _misfit(here, value, rule.expected, rule.remedy(value))


def present_name(path: KeyPath) -> str:
    """Return the present name of a table or field, which may be written under an earlier one.

    Args:
        path: The keys that lead to it.
    """
    own = path[2:] if path[0] == STAGES else path
    return EARLIER_NAMES.get(own, path[-1])


def with_present_names(
    table: Mapping[str, Any], renamed: Callable[[KeyPath, str], object], path: KeyPath = ()
) -> dict[str, Any]:
    """Return a table that :func:`check` has accepted, with present names only.

    Args:
        table: The table.
        renamed: Is called with the path of each earlier name, and the present name.
        path: The keys that lead to the table.
    """
    made: dict[str, Any] = {}
    for name, value in table.items():
        here = (*path, name)
        present = present_name(here)
        if present != name:
            renamed(here, present)
        made[present] = (
            with_present_names(value, renamed, here) if isinstance(value, dict) else value
        )
    return made


def build(kind: type[T], table: Mapping[str, Any]) -> T:
    """Convert a table that :func:`check` has accepted to the dataclass.

    Fields that the table lacks have their defaults; an empty string in an optional field is
    ``None``.
    """
    hints = get_type_hints(kind)
    given = {name: name.rstrip("_") for name in hints if name.rstrip("_") in table}
    return kind(**{name: _made(hints[name], table[key]) for name, key in given.items()})


def _made(hint: Any, value: Any) -> Any:
    needed = _required(hint)
    if needed is not hint and value == "":
        return None
    if is_dataclass(needed):
        return build(cast("type[Any]", needed), value)
    if get_origin(needed) is Literal:
        return _choice(value, needed)
    found = ref_of(value) if needed == TextOrRef else None
    if found is not None:
        return found
    if isinstance(value, dict):
        return MappingProxyType(
            {key: _made(get_args(needed)[1], one) for key, one in value.items()}
        )
    if isinstance(value, list):
        return tuple(_made(get_args(needed)[0], one) for one in value)
    return value


def _required(hint: Any) -> Any:
    """Return the type without ``| None``."""
    if get_origin(hint) is not UnionType or NoneType not in get_args(hint):
        return hint
    return reduce(or_, (one for one in get_args(hint) if one is not NoneType))


def _table(value: Any, path: KeyPath, of: str = "") -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _misfit(path, value, f"a table{of}", f"write [{'.'.join(path)}] on a line of its own")
    return value


def _leaf(value: Any, hint: Any, path: KeyPath) -> None:
    if get_origin(hint) is Literal:
        if _choice(value, hint) is None:
            choices = get_args(hint)
            listed = " or ".join(repr(one) for one in choices)
            raise _misfit(path, value, listed, nearest(str(value).upper(), choices))
        return
    expected, fits = _LEAVES[hint]
    members = value if isinstance(value, list) else [value]
    for one in members:
        if isinstance(one, dict) and "ref" in one:
            _check_ref(one, hint, path)
    if not fits(value):
        quotes = hint in (str, TextOrRef) and not isinstance(value, dict | list)
        raise _misfit(path, value, expected, "put it in quotes" if quotes else None)


def _check_ref(value: Mapping[str, Any], hint: Any, path: KeyPath) -> None:
    """Refuse references where no reference is possible, and those that are not valid."""
    if hint not in (TextOrRef, _TEXTS_OR_REFS):
        message = f"{'.'.join(path)} is a reference, and must be known before Terraform runs"
        raise InvalidSetting(path, message, "write the value itself")
    try:
        ref_of(value)
    except OptionError as error:
        raise InvalidSetting(path, f"{'.'.join(path)}: {error.message}", error.remedy) from None


def _choice(value: Any, hint: Any) -> str | None:
    """Return the choice that a value means, regardless of its case."""
    for one in get_args(hint):
        if isinstance(value, str) and value.lower() == one.lower():
            return cast("str", one)
    return None


def _misfit(path: KeyPath, value: Any, expected: str, remedy: str | None = None) -> InvalidSetting:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return InvalidSetting(path, f"{'.'.join(path)} is {shown}: expected {expected}", remedy)


def _unknown(path: KeyPath, known: list[str]) -> InvalidSetting:
    *table, name = path
    where = f"[{'.'.join(table)}] has" if table else "there is"
    remedy = nearest(name, known) or _elsewhere(name) or f"there are {', '.join(known)}"
    return InvalidSetting(path, f"{where} no field {name!r}", remedy)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the remedy for a misspelt name, if a known name is similar.

    Args:
        name: The name that was written.
        known: The names that exist.
    """
    from difflib import get_close_matches

    by_fold = {one.upper(): one for one in known}
    close = get_close_matches(name.upper(), by_fold, n=1)
    return f"did you mean {by_fold[close[0]]!r}?" if close else None


def _elsewhere(name: str) -> str | None:
    """Return the remedy for a field in the wrong table."""
    tables = [f"[{'.'.join(table)}]" for table, field in _all_fields(Config) if field == name]
    if not tables:
        return None
    if tables == ["[]"]:
        return f"{name} belongs above the first [table]"
    return f"{name} is a field of {' or '.join(tables)}"


def _all_fields(kind: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    for name, hint in fields(kind).items():
        yield path, name
        if is_dataclass(hint):
            yield from _all_fields(hint, (*path, name))
