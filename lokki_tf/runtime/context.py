"""The identity of a running step: what ``run_context()`` returns.

Pickles name the classes of this module by its place in lokki_tf, in bundles too.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from .cards import Card

CURRENT: ContextVar[tuple[Any, ...] | None] = ContextVar("lokki_tf run context", default=None)
"""While a step runs: a function that makes its context, and that function's arguments."""


class RunContext:
    """The identity of a call of a step.

    Args:
        run_id: Id of the run: in AWS the execution's name.
        pipeline: Name of the pipeline in AWS, which ends with the stage if there is one.
        stage: Name of the stage, ``None`` without stages.
        step: Name of the step.
        attempt: Number of the attempt, from 1. In AWS, attempts after errors of the Lambda service
            count as well.
        started_at: When the run began, in UTC.
        scheduled_at: The time for which a schedule has started the run, or when the interval of a
            backfill begins, in UTC; ``None`` for other runs.
        parameters: The run's parameters with their defaults, in copies of their own.
        item_index: In a map the index of the item; in maps inside maps a tuple of indices, the
            outermost first. ``None`` elsewhere.
        task_token: Of a step with ``callback=True``, the token with which it is answered.
        opened: Returns the parts of the call's card; ``None`` outside of the call.
    """

    __module__ = "lokki_tf.runtime.context"
    __slots__ = (
        "_opened",
        "attempt",
        "item_index",
        "parameters",
        "pipeline",
        "run_id",
        "scheduled_at",
        "stage",
        "started_at",
        "step",
        "task_token",
    )
    _opened: Callable[[], list[dict[str, Any]]] | None
    attempt: int
    item_index: int | tuple[int, ...] | None
    parameters: dict[str, Any]
    pipeline: str
    run_id: str
    scheduled_at: datetime | None
    stage: str | None
    started_at: datetime
    step: str
    task_token: str | None

    def __init__(
        self, *, opened: Callable[[], list[dict[str, Any]]] | None = None, **fields: Any
    ) -> None:
        object.__setattr__(self, "_opened", opened)
        for name in _FIELDS:
            object.__setattr__(self, name, fields[name])

    @property
    def card(self) -> Card:
        """The card of this call, to which the step appends content for the report of the run.

        Raises:
            RuntimeError: If this context was sent to another step or process.
        """
        opened = self._opened
        if opened is None:
            raise RuntimeError(
                "run_context().card belongs to the call of the step: append to it in the step "
                "itself, not through a context that was returned or sent to another process"
            )
        from .cards import Card  # imported here: few steps have a card

        return Card(opened())

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"run_context().{name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunContext) and self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]  # it contains a dict

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._fields().items())
        return f"RunContext({shown})"

    def __reduce__(self) -> Any:
        return _made, (self._fields(),)

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS = tuple(name for name in RunContext.__slots__ if name != "_opened")


def _made(fields: dict[str, Any]) -> RunContext:
    return RunContext(**fields)


_made.__module__ = RunContext.__module__


def run_context() -> RunContext:
    """Return the identity of the running step: its run, attempt, parameters and so on.

    Each call returns a new object.

    Raises:
        RuntimeError: If no step runs in this thread.
    """
    current = CURRENT.get()
    if current is None:
        raise RuntimeError(
            "run_context() must be called while a step runs, in the step's own thread: call it "
            "inside the step and pass what it returns on. In AWS, an execution that began before "
            "the pipeline was deployed with this call has no context"
        )
    make, *arguments = current
    made: RunContext = make(*arguments)
    return made
