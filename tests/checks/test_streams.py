"""check reports uses of results that are read one by one, which would fail or find nothing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.checks.code import check_code
from lokki_tf.model.streams import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable as Rows
    from collections.abc import Iterator as Lines

    from nowhere import Unknown  # type: ignore[import-not-found]


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def plus_one(item: int) -> int:
    return item + 1


def sized(values: Iterable[int]) -> int:
    return len(values)  # type: ignore[arg-type]


def indexed(values: Iterable[int]) -> int:
    return values[0]  # type: ignore[index,no-any-return]


def asked(values: Iterable[int]) -> int:
    if not values:
        return 0
    return sum(values)


def looped(values: Iterator[int]) -> int:
    total = sum(values)
    for one in values:
        total += one
    return total


def right(values: Iterable[int], more: Iterator[int] | None = None) -> int:
    return sum(values) + max(values) + sum(more or ())


def reassigned(values: Iterable[int]) -> int:
    values = list(values)
    return len(values) + values[0]


def of_list(values: list[int]) -> int:
    return len(values)


def findings(*functions: Callable[..., Any]) -> list[str]:
    mapped = numbers(3).map(plus_one)
    pipeline = Pipeline("p", steps=[step(one)(mapped) for one in functions])
    return [
        f"{one.severity}: {one.message}"
        for one in check_code(pipeline.definition)
        if one.rule in ("streams", "annotations")
    ]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (sized, "error: .*annotated as Iterable: len\\(\\) is not possible"),
        (indexed, "error: .*annotated as Iterable: it has no indices"),
        (asked, "error: .*annotated as Iterable: whether there are any is not known"),
        (looped, "warning: .*annotated as Iterator: only the first of its 2 loops has items"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_uses_that_cannot_work_are_reported(function: Any, said: str) -> None:
    """Length, indices and truth are errors; a second loop over an iterator is a warning."""
    (found,) = findings(function)
    assert re.match(said, found)


def test_what_works_is_accepted() -> None:
    """Several loops over an iterable, a parameter that becomes a list, and one that is a list."""
    assert findings(right, reassigned, of_list) == []


def test_the_items_of_an_annotation_are_compared() -> None:
    """Results of another type than the iterator's contradict."""

    def texts(values: Iterator[str]) -> str:
        return "".join(values)

    (found,) = findings(texts)
    assert "takes Iterator[str]" in found


def test_an_iterator_that_no_map_takes_is_a_warning() -> None:
    """A generator becomes a list, and a map takes any iterator; others are serialized."""

    def returned() -> Iterator[int]:
        return itertools.count()

    def taken(value: object) -> object:
        return value

    alone = Pipeline("p", steps=[step(taken)(step(returned)())])
    fed = Pipeline("p", steps=[step(returned)().map(plus_one), step(taken)(numbers(3))])
    found = [[one.message for one in check_code(one.definition)] for one in (alone, fed)]
    assert [len(messages) for messages in found] == [1, 0]
    assert "returns an iterator, and no map runs over its items" in found[0][0]


def annotated(
    one: Iterable[int],
    two: Iterator[int] | None,
    three: Generator[int, None, None],
    four: list[int],
    five: str,
    *rest: Iterable[int],
) -> None: ...


def not_evaluable(one: Rows[Unknown], two: Lines[Unknown] | None, three: list[Unknown]) -> None: ...


def named(one: Iterable[Unknown], two: Iterator[Unknown] | None, three: Unknown) -> None: ...


def test_annotations_decide() -> None:
    """Iterable, Iterator and Generator do; names that cannot be evaluated are read as text."""
    kinds = [kind_of(annotated, where) for where in (0, "two", 2, 3, "five", 5, 6)]
    assert kinds == ["iterable", "iterator", "iterator", None, None, "iterable", "iterable"]
    assert [kind_of(named, where) for where in range(3)] == ["iterable", "iterator", None]
    assert [kind_of(not_evaluable, where) for where in range(3)] == [None] * 3
