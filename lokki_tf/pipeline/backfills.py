"""Backfills by local runs: one for each of many values of a parameter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError
from lokki_tf.local.events import Event, EventKind
from lokki_tf.local.strict import described
from lokki_tf.operate.backfill_values import SKIPPED, BackfillOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lokki_tf.operate.backfill_values import BackfillValue

    from .base import Pipeline

_NOT_RUN = ("cached", "skipped")


def local_backfill(
    pipeline: Pipeline,
    values: Iterable[BackfillValue],
    parameter: str,
    others: Mapping[str, Any],
    *,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Iterator[BackfillOutcome]:
    """Run a pipeline locally for each value, one after another, and yield how each run ends.

    A run that fails does not end the backfill. With stored results, the steps of runs that have
    succeeded before do not run again.

    Args:
        pipeline: The pipeline.
        values: The values.
        parameter: Name of the parameter.
        others: The other parameters of all runs, by name.
        on_event: Receives the start and the end of each run, as of a step with the value's name.
        options: Further arguments of :meth:`Pipeline.local_run`.

    Raises:
        LokkiError: If a run cannot begin.
    """
    report = on_event or (lambda event: None)
    for value in values:
        began, name = time.time(), value.text
        report(Event("step_started", name, name, began, pipeline=pipeline.name))
        error: BaseException | None = None
        outcome = BackfillOutcome(value, "SUCCEEDED")
        try:
            run = pipeline.local_run(value.given(parameter, others), **options)
        except LokkiError as failure:
            if getattr(failure, "run", None) is None:
                raise  # nothing has run: the next value would fail in the same way
            error = failure.__cause__ or failure
            outcome = BackfillOutcome(value, "FAILED", error=described(error))
        else:
            if run.busy is not None:
                error = RuntimeError(run.busy)
                outcome = BackfillOutcome(value, SKIPPED, error=run.busy)
            elif all(status in _NOT_RUN for status in run.status.values()):
                outcome = BackfillOutcome(value, "SUCCEEDED", earlier=True)
        ends: EventKind = "step_cached" if outcome.earlier else "step_finished"
        if error is not None:
            ends = "step_failed"
        now = time.time()
        took = now - began
        report(Event(ends, name, name, now, took, error=error, pipeline=pipeline.name))
        yield outcome
