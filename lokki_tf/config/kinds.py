"""Tables held against dataclasses: field by field, by the types that they declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from functools import cache
from math import inf
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from .rules import Rule, rule_of
from .settings import Config

T = TypeVar("T")
Path = tuple[str, ...]


class Refusal(Exception):
    """A table has something that the settings have not.

    Args:
        path: The keys that lead there.
        message: What is wrong.
        remedy: What to do about it.
    """

    def __init__(self, path: Path, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.remedy = remedy


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf


_LEAVES: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    str: ("a string", lambda value: isinstance(value, str)),
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
}
_STRINGS = Mapping[str, str]


@cache
def fields(kind: Any) -> Mapping[str, Any]:
    """The fields of a dataclass, as TOML calls them, with their types."""
    hints = get_type_hints(kind)
    own = [one.name for one in dataclass_fields(kind) if not one.metadata.get("no_field")]
    return {name.rstrip("_"): hints[name] for name in own}


@cache
def _rules(kind: Any) -> Mapping[str, Rule]:
    found = {one.name.rstrip("_"): rule_of(one.metadata) for one in dataclass_fields(kind)}
    return {name: rule for name, rule in found.items() if rule is not None}


def check(table: Mapping[str, Any], kind: Any, path: Path = ()) -> None:
    """Holds a table against a dataclass.

    Args:
        table: As TOML gives it.
        kind: The dataclass.
        path: The keys that lead to the table.

    Raises:
        Refusal: At the first unknown field, or value of another type.
    """
    known = fields(kind)
    for name, value in table.items():
        here = (*path, name)
        if name not in known:
            raise _unknown(here, list(known))
        hint = _required(known[name])
        if is_dataclass(hint):
            check(_table(value, here), hint, here)
        elif hint == _STRINGS:
            for key, member in _table(value, here, " of strings").items():
                _leaf(member, str, (*here, key))
        else:
            _leaf(value, hint, here)
            rule = _rules(kind).get(name)
            # An empty string takes an optional setting back, so there is nothing to hold.
            if rule and not (value == "" and hint is not known[name]) and not rule.fits(value):
                raise _misfit(here, value, rule.expected)


def build(kind: type[T], table: Mapping[str, Any]) -> T:
    """The dataclass filled from a table that :func:`check` has passed."""
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
    if isinstance(value, dict):
        return MappingProxyType(dict(value))
    return tuple(value) if isinstance(value, list) else value


def _required(hint: Any) -> Any:
    """The type without the ``| None``."""
    if get_origin(hint) is not UnionType:
        return hint
    return next(one for one in get_args(hint) if one is not NoneType)


def _table(value: Any, path: Path, of: str = "") -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _misfit(path, value, f"a table{of}", f"write [{'.'.join(path)}] on a line of its own")
    return value


def _leaf(value: Any, hint: Any, path: Path) -> None:
    if get_origin(hint) is Literal:
        if _choice(value, hint) is None:
            choices = get_args(hint)
            listed = " or ".join(repr(one) for one in choices)
            raise _misfit(path, value, listed, nearest(str(value).upper(), choices))
        return
    expected, fits = _LEAVES[hint]
    if not fits(value):
        quotes = hint is str and not isinstance(value, dict | list)
        raise _misfit(path, value, expected, "put it in quotes" if quotes else None)


def _choice(value: Any, hint: Any) -> str | None:
    """The choice that a value means, in whatever case it is written."""
    for one in get_args(hint):
        if isinstance(value, str) and value.lower() == one.lower():
            return cast("str", one)
    return None


def _misfit(path: Path, value: Any, expected: str, remedy: str | None = None) -> Refusal:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return Refusal(path, f"{'.'.join(path)} is {shown}: expected {expected}", remedy)


def _unknown(path: Path, known: list[str]) -> Refusal:
    *table, name = path
    where = f"[{'.'.join(table)}] has" if table else "there is"
    remedy = nearest(name, known) or _elsewhere(name) or f"there are {', '.join(known)}"
    return Refusal(path, f"{where} no field {name!r}", remedy)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The remedy for a misspelt name, if there is one that resembles it.

    Args:
        name: What was written.
        known: What could have been meant.
    """
    from difflib import get_close_matches

    by_fold = {one.upper(): one for one in known}
    close = get_close_matches(name.upper(), by_fold, n=1)
    return f"did you mean {by_fold[close[0]]!r}?" if close else None


def _elsewhere(name: str) -> str | None:
    """The remedy for a field that stands in the wrong table."""
    tables = [f"[{'.'.join(table)}]" for table, field in _all_fields(Config) if field == name]
    if not tables:
        return None
    if tables == ["[]"]:
        return f"{name} stands above the first [table]"
    return f"{name} is a field of {' or '.join(tables)}"


def _all_fields(kind: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    for name, hint in fields(kind).items():
        yield path, name
        if is_dataclass(hint):
            yield from _all_fields(hint, (*path, name))
