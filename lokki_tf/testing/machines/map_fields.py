"""The fields of Map states that both modes have."""

from __future__ import annotations

from collections.abc import Mapping

from lokki_tf.testing.machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.machines.frame import StateRun
from lokki_tf.testing.machines.references import View
from lokki_tf.testing.machines.templates import fill, given, select
from lokki_tf.testing.machines.values import Json, is_number


def processor_of(state: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the ``ItemProcessor``, also under its old name ``Iterator``; empty if it is none."""
    processor = state.get("ItemProcessor") or state.get("Iterator")
    return processor if isinstance(processor, dict) else {}


def is_distributed(state: Mapping[str, Json]) -> bool:
    """Whether the children of a Map state are executions of their own."""
    config = processor_of(state).get("ProcessorConfig")
    return isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED"


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
    found = given(holder, field, run.view(value), default)
    if found is not default and not (is_number(found) and found >= 0):
        raise StateFailure(RUNTIME, f"{field} of the state '{run.name}' is no number of at least 0")
    return float(found)


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
        template, View(value, {**view.context, **item_context(index, item)}, view.variables)
    )


def item_context(index: int, item: Json) -> dict[str, Json]:
    """Return what the context object has for one item."""
    return {"Map": {"Item": {"Index": index, "Value": item}}}
