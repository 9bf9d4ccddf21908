"""What calls and chains of steps are to type checkers. Nothing here exists in a run.

A call of a step is a placeholder: it is passed on as if it were the later result, and has the
methods of chains. No type expresses both for every result, so a call is

- a list with these methods (:class:`ListResult`) if the step returns a list or is a generator;
- :class:`Result` if the step returns ``None``;
- the step's result, without these methods, otherwise. :func:`lokki_tf.chain` adds them.

What ``.next``, ``.map`` and ``.agg`` return is of type :class:`Result`, which any parameter
accepts. Items, further arguments and their names are checked everywhere, except in a call or link
with options of lokki_tf (``retry``, ``concurrency_limit``, …): type checkers cannot add parameters
to those of a function, so an option needs an overload in which further arguments are not checked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, overload
from typing import Literal as OneOf

if TYPE_CHECKING:
    from typing import Self

    from .keywords import Retry
    from .stepped import Stepped

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item")
Level = TypeVar("Level")
First_contra = TypeVar("First_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)
Level_co = TypeVar("Level_co", covariant=True)


class AnyStep(Protocol[First_contra, P, R_co]):
    """A step or task with its first parameter, further ones, and its result in a run.

    The first parameter has a type variable of its own because type checkers compare parameters in a
    ``ParamSpec`` exactly, and a step that takes a ``Sequence`` also takes a list.
    """

    def _returns(self, first: First_contra, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class StepWithoutParameters(Protocol[R_co]):
    """A step or task that can be called without arguments."""

    def _returns(self) -> R_co: ...


class MapResults(list[T], Generator[T, Any, Any]):  # type: ignore[misc]  # it is one of them
    """The results of a map: a list, or an iterator for a parameter that is annotated so."""


class Closed:
    """No map is open."""


class Open(Generic[Level_co]):
    """A map is open, inside of those of another level."""


class Mappable(Generic[T_co, Level_co]):
    """What ``.map`` can be called on: the result of a call, or a dataset in S3."""

    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, ..., R],
        *args: Any,
        mode: OneOf["distributed", "inline"],
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, ..., R],
        *args: Any,
        execution_type: OneOf["standard", "express"],
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, ..., R],
        *args: Any,
        concurrency_limit: int | None,
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, ..., R],
        *args: Any,
        tolerated_failure_percentage: int | None,
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, ..., R],
        *args: Any,
        tolerated_failure_count: int | None,
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, ..., R],
        *args: Any,
        batch_size: int,
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level],
        step: AnyStep[Item, ..., R],
        *args: Any,
        retry: Retry | Sequence[Retry],
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Any, Level],
        step: AnyStep[Any, ..., R],
        *args: Any,
        over: Mappable[Any, Closed],
        **kwargs: Any,
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Any], Level], step: StepWithoutParameters[R]
    ) -> Result[R, Open[Level]]: ...
    @overload
    def map(
        self: Mappable[Iterable[Item], Level], step: Sequence[Stepped], **kwargs: Any
    ) -> Result[Any, Open[Level]]: ...
    def map(self, step: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a step for each item, in parallel."""


class Links(Mappable[T_co, Level_co], Generic[T_co, Level_co]):
    """The methods of chains.

    ``T_co`` is the type of the result, of one item if a map is open; ``Level_co`` counts open maps.
    """

    @overload
    def next(
        self, step: AnyStep[T_co, P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Result[R, Level_co]: ...
    @overload
    def next(self, step: StepWithoutParameters[R]) -> Result[R, Level_co]: ...
    @overload
    def next(
        self,
        step: AnyStep[T_co, ..., R],
        *args: Any,
        retry: Retry | Sequence[Retry],
        **kwargs: Any,
    ) -> Result[R, Level_co]: ...
    def next(self, step: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a step with this result, or with that of each item."""

    @overload
    def agg(
        self: Links[T, Open[Level]],
        step: AnyStep[MapResults[T], P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result[R, Level]: ...
    @overload
    def agg(self: Links[T, Open[Level]], step: StepWithoutParameters[R]) -> Result[R, Level]: ...
    @overload
    def agg(
        self: Links[T, Open[Level]],
        step: AnyStep[MapResults[T], ..., R],
        *args: Any,
        retry: Retry | Sequence[Retry],
        **kwargs: Any,
    ) -> Result[R, Level]: ...
    def agg(self, step: Any, *args: Any, **kwargs: Any) -> Any:
        """Close a map and call a step with the list of its results."""

    def after(self, *calls: Any) -> Self:
        """Wait for other calls."""
        return self


class Result(Links[T_co, Level_co], Any):  # type: ignore[misc]  # so that any parameter accepts it
    """The result of ``.next``, ``.map`` or ``.agg``, or of a step without a result."""


class OnlyAny:
    """A result that no step has; only ``Any`` is compatible with it."""


class ListResult(list[T], Links[list[T], Closed]):
    """The result of a step that returns a list."""
