"""The result of a run: a list of generations, with outcomes and durations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, cast, final, overload

from lokki_tf.errors import LokkiError
from lokki_tf.model import AnyNode, Definition, MapItems, Outcome, Status, Wait, generations
from lokki_tf.model.texts import Text
from lokki_tf.runtime.failure import Failure
from lokki_tf.tracebacks import ends_at_caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeVar  # type checkers have it

    from .recording import Recording

    R_co = TypeVar("R_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)


@final
class Nothing:
    """Marks a node without a result; ``None`` is a possible result."""

    def __repr__(self) -> str:
        return "<no result>"


NOTHING: Final = Nothing()

ItemKey = int | tuple[int, ...]

Generation = list[tuple[str, Any]]

_FIRST_FAILED = 10
_ENDED = ("done", "cached", "skipped", "failed, caught")


class Outputs(dict[str, Any]):
    """Results by name, whose representation is shortened as that of a run."""

    __slots__ = ()

    def __repr__(self) -> str:
        from .table import shortened_repr

        return shortened_repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # where it is serialized, it is a plain dict


def _is_silent(node: AnyNode) -> bool:
    """Return whether a node has no result: a wait that does not follow a call in a chain."""
    return isinstance(node, Wait) and node.value is None


class Recorded(NamedTuple):
    """What is known of the nodes of a run, by their positions in the graph.

    Args:
        values: Their results.
        starts: When they began, in seconds after the beginning of the run.
        ends: When they ended.
        attempts: The numbers of their attempts.
        errors: Their errors.
        skipped: Those that were skipped.
        caught: Those whose errors were caught.
        cached: Those that have results of earlier runs.
        failed_items: Errors of items, by the names of their maps.
        totals: The number of items of each map that has begun, by its name.
    """

    values: list[Any]
    starts: list[float | None]
    ends: list[float | None]
    attempts: dict[int, int]
    errors: dict[int, BaseException]
    skipped: frozenset[int]
    caught: frozenset[int]
    cached: frozenset[int]
    failed_items: dict[str, dict[ItemKey, BaseException]]
    totals: Mapping[str, int]


@ends_at_caller
class Run(Sequence[Generation], Generic[R_co]):
    """The outcome of a run, complete or up to a failure.

    It behaves as a list of generations, each a list of ``(name, value)``. A generation depends only
    on earlier ones. Nodes without a result are not included.

    Args:
        definition: The pipeline.
        values: Results by the nodes' indices, :data:`NOTHING` where there is none.
        starts: Start of each node, in seconds from the start of the run.
        ends: End of each node, in seconds from the start of the run.
        attempts: Number of attempts of nodes, where it is not one.
        errors: Errors of failed nodes.
        skipped: Nodes whose condition was false.
        caught: Nodes that have failed, with a failure as their result.
        cached: Nodes whose results are those of an earlier run.
        failed_items: Errors of failed items, by the map's name.
        totals: The number of items of each map that has begun, by its name.
        duration: Duration of the run in seconds.
        busy: Why the whole run was skipped, if it was: the runs that were going on.
    """

    recording: Recording | None = None
    """What it has recorded for its report."""
    write_report: Callable[[Run[Any], BaseException | None], str] | None = None
    """Writes its report; what runs a pipeline sets it."""
    failure: BaseException | None = None
    """The error that ended it."""
    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __init__(
        self,
        definition: Definition,
        *,
        values: list[Any],
        starts: list[float | None],
        ends: list[float | None],
        attempts: dict[int, int],
        errors: dict[int, BaseException],
        skipped: frozenset[int] = frozenset(),
        caught: frozenset[int] = frozenset(),
        cached: frozenset[int] = frozenset(),
        failed_items: dict[str, dict[ItemKey, BaseException]],
        duration: float,
        totals: Mapping[str, int] = MappingProxyType({}),
        busy: str | None = None,
    ) -> None:
        self.definition = definition
        self.busy = busy
        self.duration = duration
        self._nodes = definition.whole.nodes
        self._values = values
        self._starts = starts
        self._ends = ends
        self._attempts = attempts
        self._errors = errors
        self._skipped = skipped
        self._caught = caught
        self._cached = cached
        self._failed_items = failed_items
        self._totals = totals

    @property
    def recorded(self) -> Recorded:
        """What is known of the nodes, by their positions."""
        return Recorded(
            self._values,
            self._starts,
            self._ends,
            self._attempts,
            self._errors,
            self._skipped,
            self._caught,
            self._cached,
            self._failed_items,
            self._totals,
        )

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The results of nodes that are done, by name; skipped ones have none."""
        # Without a cleanup step, whose result is not used.
        numbered = enumerate(zip(self.definition.graph.nodes, self._values, strict=False))
        return Outputs(
            (node.name, value)
            for index, (node, value) in numbered
            if value is not NOTHING and index not in self._skipped and not _is_silent(node)
        )

    @property
    def result(self) -> R_co:
        """The last node's result; a dict by name if several nodes are last.

        A node that was skipped has none: it is not in the dict, and the result of a single one is
        ``None``.

        Raises:
            LokkiError: If one of them did not end.
        """
        last = self.definition.graph.terminals
        status = self.status
        missing = [name for name in last if status[name] not in _ENDED]
        if missing:
            names = ", ".join(repr(name) for name in missing)
            raise LokkiError(
                f"the run has no result: {names} did not end",
                place=self.definition.graph.by_name[missing[0]].place,
                remedy="see run.errors for failures, and run.outputs for the results",
            )
        if len(last) == 1:
            return cast("R_co", self.outputs.get(last[0]))
        return cast("R_co", {name: self.outputs[name] for name in last if name in self.outputs})

    @property
    def status(self) -> dict[str, Status]:
        """The status of each node, by name."""
        return {node.name: self._status(index) for index, node in enumerate(self._nodes)}

    def _status(self, index: int) -> Status:
        if index in self._skipped:
            return "skipped"
        if index in self._caught:
            return "failed, caught"
        if self._values[index] is not NOTHING:
            return "cached" if index in self._cached else "done"
        if index in self._errors:
            return "failed"
        return "not run" if self._starts[index] is None else "interrupted"

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of each node, by name."""
        attempts = self.attempts
        return {
            node.name: Outcome(
                self._status(index), start, end, attempts[node.name], self._items(index)
            )
            for index, (node, start, end) in enumerate(
                zip(self._nodes, self._starts, self._ends, strict=True)
            )
        }

    def _items(self, index: int) -> MapItems | None:
        """Return the items of a map whose items were known, those with a failure as failed."""
        name, value = self._nodes[index].name, self._values[index]
        if name not in self._totals:
            return None
        failed: dict[ItemKey, Any] = dict(self.failed_items.get(name, {}))
        if type(value) is list:
            failed |= {key: one for key, one in enumerate(value) if isinstance(one, Failure)}
        return MapItems(self._totals[name], len(failed), tuple(sorted(failed)[:_FIRST_FAILED]))

    @property
    def errors(self) -> dict[str, BaseException]:
        """The error of each node that failed, by name, caught ones included."""
        return {self._nodes[index].name: error for index, error in self._errors.items()}

    @property
    def failed_items(self) -> dict[str, dict[ItemKey, BaseException]]:
        """The errors of failed items by index, for each map with failed items.

        If a map runs for each item of another map, its items have a tuple of indices, the outer one
        first.
        """
        return {name: dict(sorted(items.items())) for name, items in self._failed_items.items()}

    @property
    def attempts(self) -> dict[str, int]:
        """The number of attempts of each node, by name."""
        return {
            node.name: 0 if self._starts[index] is None else self._attempts.get(index, 1)
            for index, node in enumerate(self._nodes)
        }

    @property
    def timings(self) -> dict[str, tuple[float, float]]:
        """Start and end of each node, retries included, in seconds from the run's start."""
        return {
            node.name: (start, end)
            for node, start, end in zip(self._nodes, self._starts, self._ends, strict=True)
            if start is not None and end is not None
        }

    @cached_property
    def _generations(self) -> list[Generation]:
        outputs = self.outputs
        return [
            [(node.name, outputs[node.name]) for node in generation if node.name in outputs]
            for generation in generations(self.definition.graph.nodes)
        ]

    def __len__(self) -> int:
        return len(self._generations)

    def __iter__(self) -> Iterator[Generation]:
        return iter(self._generations)

    @overload
    def __getitem__(self, index: int) -> Generation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Generation]: ...
    def __getitem__(self, index: int | slice) -> Generation | list[Generation]:
        return self._generations[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Run):
            return self._generations == other._generations
        if isinstance(other, list):
            return self._generations == other
        return NotImplemented

    def __repr__(self) -> str:
        from .table import shortened_repr

        return shortened_repr(self._generations)

    def table(self) -> str:
        """Return a table of the nodes with status, duration and shortened result, as text."""
        from .table import as_text

        return Text(as_text(self))

    def to_html(self) -> str:
        """Return a report of the run as one HTML page, which needs no network.

        It has the picture, the chart of times, the table, the inputs and results in short, errors
        with their tracebacks, retries, and the cards of steps; what steps have printed, only if the
        run was started with ``report=``.

        Raises:
            LokkiError: If the run was not made by a pipeline.
        """
        if self.write_report is None:
            raise LokkiError(
                f"the run of {self.definition.name!r} has no report: no pipeline has run it",
                remedy="run it with local_run() of the pipeline",
            )
        return Text(self.write_report(self, self.failure))

    def _repr_html_(self) -> str:
        from .table import as_html

        return as_html(self)

    def __rich__(self) -> Any:
        from .table import as_rich

        return as_rich(self)
