"""Run Map states: inline ones here, Distributed Maps in ``distributed``."""

from __future__ import annotations

from lokki_tf.testing.state_machines.distributed import attempt
from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import Frame, StateRun
from lokki_tf.testing.state_machines.limits import INLINE_MAP_CONCURRENCY
from lokki_tf.testing.state_machines.map_fields import (
    is_distributed,
    item_context,
    items_of,
    number,
    processor_of,
    selected,
)
from lokki_tf.testing.state_machines.parallel import run_frames
from lokki_tf.testing.state_machines.transition import Transition
from lokki_tf.testing.state_machines.values import Json
from lokki_tf.testing.state_machines.work import run_work


def run_map(run: StateRun) -> Transition:
    """Run a Map state."""
    return run_work(run, attempt if is_distributed(run.state) else _attempt)


def _attempt(run: StateRun, value: Json) -> Json:
    frame = run.frame
    items = items_of(run, value)
    concurrency = int(number(run, value, "MaxConcurrency", 0)) or INLINE_MAP_CONCURRENCY
    if frame.progress.redriven is None:
        frame.event("MapStateStarted", length=len(items))
    run.begun = True
    frames = [
        frame.inner(progress, item_context(index, item))
        for index, (item, progress) in enumerate(
            zip(items, frame.progress.scopes(len(items)), strict=True)
        )
    ]

    def work(index: int) -> Json:
        if frames[index].progress.done:
            return frames[index].progress.result
        return _iterate(run, selected(run, value, index, items[index]), index, frames[index])

    return run_frames(run, frames, work, concurrency)


def _iterate(run: StateRun, value: Json, index: int, frame: Frame) -> Json:
    frame.cancel_scope.check()
    if frame.progress.redriven is None:
        frame.event("MapIterationStarted", name=run.name, index=index)
    try:
        result = frame.walk(processor_of(run.state), value, frame)
    except StateFailure:
        frame.event("MapIterationFailed", name=run.name, index=index)
        raise
    frame.event("MapIterationSucceeded", name=run.name, index=index)
    return result
