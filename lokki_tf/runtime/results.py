"""Results of a map that a step reads one after another."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class Results:
    """The results of a map, read as they are iterated over.

    Each ``iter()`` starts with the first, in order. There are neither ``len()`` nor indices.

    Args:
        read: Returns an iterator over the results, each time from the first.
        once: Whether the step receives an iterator, for one pass.
    """

    __slots__ = ("_read", "once")

    def __init__(self, read: Callable[[], Iterator[Any]], *, once: bool = False) -> None:
        self._read = read
        self.once = once

    def __iter__(self) -> Iterator[Any]:
        return self._read()

    def __bool__(self) -> bool:
        raise TypeError(
            "whether there are results is only known when they are read: they are read one after "
            "another, because the parameter is annotated as Iterable; annotate it as list"
        )

    def __len__(self) -> int:
        raise TypeError(
            "results that are read one after another, because the parameter is annotated as "
            "Iterable, have no len(); annotate the parameter as list, or count them"
        )

    def __getitem__(self, index: Any) -> Any:
        raise TypeError(
            "results that are read one after another, because the parameter is annotated as "
            "Iterable, have no indices; annotate the parameter as list"
        )


def begun(value: Any) -> Any:
    """Return what a step receives for an argument: an iterator, if it takes results only once.

    Args:
        value: Any argument.
    """
    return iter(value) if type(value) is Results and value.once else value
