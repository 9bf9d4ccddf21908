"""Map states: the inline mode, and what both modes share."""

from __future__ import annotations

from collections.abc import Mapping

from lokki_tf.testing.machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.machines.frame import Frame, StateRun
from lokki_tf.testing.machines.interpreter import Transition, run_states
from lokki_tf.testing.machines.limits import INLINE_MAP_CONCURRENCY
from lokki_tf.testing.machines.parallel import run_together
from lokki_tf.testing.machines.templates import evaluate, fill, select
from lokki_tf.testing.machines.values import Json
from lokki_tf.testing.machines.work import run_work


def run_map(run: StateRun) -> Transition:
    """Run a Map state."""
    if processor_of(run.state).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        from lokki_tf.testing.machines.distributed import attempt

        return run_work(run, attempt)
    return run_work(run, _attempt)


def processor_of(state: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the ``ItemProcessor``, also under its old name ``Iterator``."""
    processor: Mapping[str, Json] = state.get("ItemProcessor") or state.get("Iterator") or {}
    return processor


def number(run: StateRun, value: Json, field: str, default: float, holder: Json = None) -> float:
    """Return a number that is given as such or by a path.

    Args:
        run: the visit.
        value: what paths look into.
        field: the field's name; ``…Path`` beside it may give a path.
        default: the number where there is neither.
        holder: the object that has the field; the state, if None.

    Raises:
        StateFailure: if it is no number of at least 0.
    """
    holder = run.state if holder is None else holder
    found = holder.get(field, default)
    if f"{field}Path" in holder:
        found = evaluate(holder[f"{field}Path"], run.view(value), f"{field}Path")
    if not isinstance(found, int | float) or isinstance(found, bool) or found < 0:
        raise StateFailure(RUNTIME, f"{field} of the state '{run.name}' is no number of at least 0")
    return found


def items_of(run: StateRun, value: Json) -> list[Json]:
    """Apply ``ItemsPath``.

    Raises:
        StateFailure: if what it leads to is no array.
    """
    items = select(run.state.get("ItemsPath", "$"), run.view(value), "ItemsPath")
    if isinstance(items, list):
        return items
    raise StateFailure(
        RUNTIME, f'Reference path "{run.state.get("ItemsPath", "$")}" must point to array.'
    )


def selected(run: StateRun, value: Json, index: int, item: Json) -> Json:
    """Apply ``ItemSelector``, also under its old name ``Parameters``, to one item."""
    template = run.state.get("ItemSelector", run.state.get("Parameters"))
    if template is None:
        return item
    view = run.view(value)
    return fill(
        template, type(view)(value, {**view.context, **item_context(index, item)}, view.variables)
    )


def item_context(index: int, item: Json) -> dict[str, Json]:
    """Return what the context object has for one item."""
    return {"Map": {"Item": {"Index": index, "Value": item}}}


def _attempt(run: StateRun, value: Json) -> Json:
    frame = run.frame
    items = items_of(run, value)
    concurrency = int(number(run, value, "MaxConcurrency", 0)) or INLINE_MAP_CONCURRENCY
    frame.event("MapStateStarted", length=len(items))
    frames = [frame.inner(item_context(index, item)) for index, item in enumerate(items)]

    def work(index: int) -> Json:
        return _iterate(run, selected(run, value, index, items[index]), index, frames[index])

    try:
        results = run_together(work, frames, concurrency) if items else []
    except StateFailure as failure:
        frame.event("MapStateFailed", error=failure.error, cause=failure.cause)
        raise
    finally:
        for inner in frames:
            inner.close()
    frame.last_event = max([frame.last_event, *(inner.last_event for inner in frames)])
    frame.event("MapStateSucceeded")
    return results


def _iterate(run: StateRun, value: Json, index: int, frame: Frame) -> Json:
    frame.permit.check()
    frame.event("MapIterationStarted", name=run.name, index=index)
    try:
        result = run_states(processor_of(run.state), value, frame)
    except StateFailure:
        frame.event("MapIterationFailed", name=run.name, index=index)
        raise
    frame.event("MapIterationSucceeded", name=run.name, index=index)
    return result
