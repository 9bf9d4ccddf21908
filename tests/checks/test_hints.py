"""Which annotations contradict each other, and how they are written in messages."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import fractions
import os
import pathlib
import types
import typing
from collections import abc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf.checks.annotations.functions import Annotations, annotations_of
from lokki_tf.checks.annotations.hints import (
    contradicts,
    hint_text,
    item_hint,
    member_hint,
    value_text,
)

T = typing.TypeVar("T")
UserId = typing.NewType("UserId", int)
Rows = list[int]
Maybe = typing.Optional[int]  # noqa: UP045


class Base: ...


class Derived(Base): ...


class Mixin: ...


class Both(Base, Mixin): ...


class Alone: ...


class Box(typing.Generic[T]): ...


class Proto(typing.Protocol):
    def ask(self) -> int: ...


class Table(typing.TypedDict):
    rows: int


class Point(typing.NamedTuple):
    x: int


class Color(enum.Enum):
    RED = 1


class Shouting(type):
    """A metaclass that answers no question about its classes."""

    def __subclasscheck__(cls, other: type) -> bool:
        raise RuntimeError("no")

    def __instancecheck__(cls, other: object) -> bool:
        raise RuntimeError("no")

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError("no")

    def __repr__(cls) -> str:
        raise RuntimeError("no")


class Loud(metaclass=Shouting): ...


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Asking(type):
    """A metaclass with its own subclass check, as for shapes of arrays."""

    def __instancecheck__(cls, other: object) -> bool:
        return True


class Shaped(metaclass=Asking): ...


class Meant(Any):  # type: ignore[misc]
    ...


FITS = [
    (int, int), (bool, int), (int, bool), (int, float), (bool, float), (int, complex),
    (float, complex), (int, UserId), (UserId, float), (int, typing.Annotated[int, "positive"]),
    (int, typing.Final[int]), (int, Any), (Any, int), (int, object), (object, int), (int, T),
    (T, int), (UserId, str), (Table, list), (typing.Literal["a"], int),
    (int, Proto), (Proto, int), (int, Meant), (int, "Unknown"), (int, typing.Self),
    (int, int | str), (int | str, int), (int | str, str | bytes), (int | None, int),
    (int, Maybe), (None, None), (None, int | None), (int | None, str | None),
    (str, typing.Literal["a", "b"]), (typing.Literal[1, "a"], str), (typing.Literal["a"], str),
    (Derived, Base), (Base, Derived), (Base, Mixin), (Alone, Alone), (Color, enum.Enum),
    (int, typing.SupportsInt), (abc.Callable[[int], int], int), (int, abc.Callable[..., int]),
    (typing.Never, int), (int, Shaped), (int, Loud), (Loud, int), (Alone, Shaped),
    (list, abc.Sequence), (list, abc.Iterable), (list, abc.Collection), (dict, abc.Mapping),
    (str, abc.Sequence), (str, abc.Iterable), (str, abc.Sequence[int]), (abc.Sequence, list),
    (abc.Iterable[int], list[int]), (abc.Iterable, abc.Sized), (abc.Hashable, abc.Sequence),
    (list[int], list), (list, list[int]), (list[int], abc.Sequence[float]), (list[bool], Rows),
    (list[int], list[int | str]), (list[int | str], list[str]), (list[Any], list[str]),
    (list[T], list[str]), (list[list[int]], list[list[str]]), (list[int], list[int]),
    (list, list[str]), (dict[str, int], dict), (dict[str, int], abc.Mapping[str, float]),
    (dict[str, int], abc.Iterable[str]), (collections.Counter[str], dict[str, int]),
    (collections.defaultdict[str, int], dict[str, int]), (dict, collections.OrderedDict),
    (tuple[int, str], tuple[int, str]), (tuple[int, ...], tuple[int, int]),
    (tuple[int, int], tuple[int, ...]), (tuple[int, str], abc.Sequence[int | str]),
    (tuple[()], tuple[int]), (tuple[int, *tuple[str, ...]], tuple[int]),
    (Table, dict), (Table, abc.Mapping[str, Any]), (dict, Table), (Table, Table),
    (list[Table], list[dict]), (Point, tuple), (tuple[int, ...], Point), (Point, tuple[int]),
    (Box[int], Box[int]), (Box[int], Box), (Box[T], Box[int]), (type[int], type),
    (dt.datetime, dt.date), (dt.date, dt.datetime), (pathlib.Path, os.PathLike), (bytearray, bytes),
    (fractions.Fraction, float), (int, fractions.Fraction), (types.NoneType, None),
]  # fmt: skip

CONTRADICTS = [
    (int, str), (str, int), (float, int), (complex, float), (int, list), (int, abc.Iterable),
    (str, bytes), (None, int), (int, None), (None, list | str), (int, Box[T]),
    (Color, str),
    (int | None, str), (int | float, str | bytes), (Alone, Base),
    (Base, int), (str, Color), (str, dt.date), (str, pathlib.Path), (decimal.Decimal, float),
    (list, tuple), (list, set), (list, dict), (dict, list), (list, abc.Mapping), (dict, str),
    (abc.Sequence, dict), (list[int], str), (abc.Iterable[int], int),
    (list[int], list[str]), (list[int], abc.Sequence[str]), (abc.Iterable[int], list[str]),
    (list[float], list[int]), (list[int] | None, list[str]), (list[list], list[str]),
    (list[int], list[str]), (list[Base], list[Alone]), (set[int], frozenset[int]),
    (dict[str, int], dict[str, str]), (dict[str, int], dict[int, int]), (dict, Box),
    (dict[str, int], abc.Iterable[int]), (dict[str, int], abc.Mapping[str, list[int]]),
    (collections.Counter[str], dict[int, int]),
    (tuple[int, str], tuple[str, int]),
    (tuple[int, ...], tuple[str]),
    (tuple[int, str], tuple[int, ...]), (tuple[int, ...], list[int]), (Point, list),
    (tuple[int, str], abc.Sequence[int]), (Box[int], Box[str]),
    (type[int], type[str]), (bytes, str), (list[int], dict[int, int]),
]  # fmt: skip


@pytest.mark.parametrize(("promised", "wanted"), FITS, ids=hint_text)
def test_what_may_fit_does_not_contradict(promised: Any, wanted: Any) -> None:
    """Annotations that one value may fit both do not contradict each other."""
    assert not contradicts(promised, wanted)


@pytest.mark.parametrize(("promised", "wanted"), CONTRADICTS, ids=hint_text)
def test_what_cannot_fit_contradicts(promised: Any, wanted: Any) -> None:
    """Classes without anything in common contradict, in brackets and out of them."""
    assert contradicts(promised, wanted)


@pytest.mark.parametrize(
    ("kind", "wanted", "wrong"),
    [
        (Base, Derived, True), (Derived, Base, False), (int, bool, True), (bool, int, False),
        (list, abc.Sequence, False), (list, Rows, False), (int, float, False), (Base, Mixin, True),
        (types.NoneType, int, True), (types.NoneType, int | None, False), (type, type[int], False),
    ],
    ids=lambda value: hint_text(value)[:40],
)  # fmt: skip
def test_a_value_that_is_known_is_no_subclass(kind: type, wanted: Any, wrong: bool) -> None:
    """Of a given value its class is known, so a parameter may not hope for a subclass."""
    assert contradicts(kind, wanted, exact=True) is wrong


def test_a_class_that_is_made_again_is_the_same() -> None:
    """A cell that runs again makes a class of the old name, and old annotations still fit."""
    again = type("Alone", (), {"__module__": Alone.__module__})
    assert not contradicts(Alone, again)
    assert not contradicts(again, Alone, exact=True)


ODD = [
    5, "no name", "1 +", [int], (int, str), {}, ..., print, NotImplemented, object(), float("nan"),
    Loud, Shaped, list[5], dict[(), "str"], tuple[...], typing.Callable, typing.Generic,
    typing.Self, typing.ClassVar[int], typing.Final, typing.Concatenate[int, ...],
    typing.TypeGuard[int], typing.ParamSpec("P").args, typing.TypeVarTuple("Ts"),
    typing.Unpack[tuple[int, ...]], typing.ForwardRef("Gone"), type("", (), {}), Box[5],
    typing.Literal[()],
]  # fmt: skip
hints = st.recursive(
    st.sampled_from([*ODD, *(one for pair in FITS + CONTRADICTS for one in pair)]),
    lambda inner: st.one_of(
        inner.map(lambda one: types.GenericAlias(list, (one,))),
        st.tuples(inner, inner).map(lambda two: types.GenericAlias(dict, two)),
        st.lists(inner, max_size=3).map(lambda some: types.GenericAlias(tuple, tuple(some))),
        st.tuples(st.sampled_from(ODD), inner).map(lambda two: types.GenericAlias(*two)),
    ),
    max_leaves=4,
)


@given(hints, hints, st.booleans())
def test_no_annotation_raises(promised: Any, wanted: Any, exact: bool) -> None:
    """Any object as an annotation can be compared and formatted without an error."""
    assert contradicts(promised, wanted, exact=exact) in (True, False)
    assert isinstance(hint_text(promised), str)
    assert isinstance(hint_text(wanted, full=True), str)
    item_hint(promised)
    member_hint(promised, tuple, 1)


@given(hints, hints)
def test_no_function_raises(one: Any, other: Any) -> None:
    """A function with any annotations can be read."""

    def work(rows, *more, limit=None):  # type: ignore[no-untyped-def]
        yield rows

    for annotated in (work, types.FunctionType((lambda rows: rows).__code__, {})):
        annotated.__annotations__ = {"rows": one, "more": other, "limit": one, "return": other}
        assert isinstance(annotations_of(annotated), Annotations)
    assert isinstance(annotations_of(one), Annotations)


@pytest.mark.parametrize(
    ("hint", "item"),
    [
        (list[int], int), (tuple[int, ...], int), (tuple[int, str], int | str), (range, int),
        (abc.Iterator[str], str), (dict[str, int], str), (str, str), (list, Any), (int, Any),
        (list[int] | None, int), (list[int] | set[str], int | str), (list[int] | Alone, Any),
        (abc.AsyncIterator[int], int), (Box[int], Any), (5, Any), (type[int], Any), (bytes, int),
        (typing.Sequence[Base], Base), (collections.deque[int], int),
        (abc.ItemsView[str, int], Any),
    ],
    ids=lambda value: hint_text(value)[:40],
)  # fmt: skip
def test_an_item_is_what_the_brackets_say(hint: Any, item: Any) -> None:
    """The item of a container is known where its annotation says it."""
    found = item_hint(hint)
    assert found == item or set(typing.get_args(found)) == set(typing.get_args(item)) != set()


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"), (None, "None"), (Base, "Base"), (list[Base], "list[Base]"),
        (Maybe, "Optional[int]"), (int | None, "int | None"),
        (dict[str, list[dt.date]], "dict[str, list[date]]"), (types.NoneType, "None"),
        (typing.Literal["a.b", 1.5], "Literal['a.b', 1.5]"), (abc.Sequence[int], "Sequence[int]"),
        (tuple[int, ...], "tuple[int, ...]"), (Loud, "Loud"), (Mute(), "something else"),
        (list[tuple[tuple[str, ...], ...]] | dict[str, tuple[str, ...]] | set[tuple[str, int]],
         "list[tuple[tuple[str, ...], ...]] | dict[str, tuple[str, ...]] | set[tuple[str,…"),
    ],
    ids=lambda value: hint_text(value)[:40],
)  # fmt: skip
def test_annotations_are_shown_in_short_form(hint: Any, text: str) -> None:
    """An annotation reads as its author wrote it, without modules."""
    assert hint_text(hint) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3, an int"), ("x", "'x', a str"), (None, "None"), (Base(), "a Base"),
        (list(range(99)), "[0, 1, 2, 3, 4, 5, ...], a list"),
        ("x" * 99, "'xxxxxxxxxxxx...xxxxxxxxxxxxx', a str"), ({1: 2}, "{1: 2}, a dict"),
        (Loud(), "a Loud"), (collections.OrderedDict(), "an OrderedDict"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_are_shown_in_short_form(value: Any, text: str) -> None:
    """A value is shown with its class; a long or unusual one by its class only."""
    assert value_text(value) == text


def test_a_value_that_cannot_be_written_is_shown_by_its_class() -> None:
    """An integer with too many digits or a failing repr does not cause an error."""
    assert value_text(10**5000).endswith("an int")
    assert value_text([Mute()]).endswith("a list")
