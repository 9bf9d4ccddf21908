"""Read the fields that inline and Distributed Map states share."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.jsonata import fill as fill_jsonata
from lokki_tf.testing.state_machines.queries import filled, given
from lokki_tf.testing.state_machines.references import View
from lokki_tf.testing.state_machines.templates import fill, select
from lokki_tf.testing.state_machines.values import Json, dump, is_integer, is_number


def processor_of(state: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the ``ItemProcessor`` or its old form ``Iterator``; empty if it is not an object."""
    processor = state.get("ItemProcessor") or state.get("Iterator")
    return processor if isinstance(processor, dict) else {}


def is_distributed(state: Mapping[str, Json]) -> bool:
    """Whether a Map state is a Distributed Map."""
    return _config(state).get("Mode") == "DISTRIBUTED"


def is_express(state: Mapping[str, Json]) -> bool:
    """Whether a Map state is a Distributed Map whose children are Express executions."""
    return is_distributed(state) and _config(state).get("ExecutionType") == "EXPRESS"


def _config(state: Mapping[str, Json]) -> Mapping[str, Json]:
    config = processor_of(state).get("ProcessorConfig")
    return config if isinstance(config, dict) else {}


def number(
    run: StateRun,
    value: Json,
    field: str,
    default: float,
    holder: Json = None,
    *,
    place: str = "",
    negative: str = RUNTIME,
) -> float:
    """Return the number in a field, or at the path in the field whose name ends in ``Path``.

    Args:
        run: The visit of the state.
        value: The value that ``$`` refers to in the path.
        field: The field's name without ``Path``.
        default: The number if neither field exists.
        holder: The object with the field; the state if None.
        place: The path of the holder in the state, with a slash at its end.
        negative: The name of the error for a negative number.

    Raises:
        StateFailure: If the value is not a number, or not in the range of the field.
    """
    holder = run.state if holder is None else holder
    found = given(run, holder, field, value, place)
    if found is None and f"{field}Path" not in holder:
        return default
    percentage = field == "ToleratedFailurePercentage"
    amount = as_number(found, integer=not percentage)
    if amount is None:
        kind = "float" if percentage else "integer"
        shown = found if isinstance(found, str) else dump(found)
        message = f'The {field}Path field refers to value "{shown}" which is not a valid {kind}: '
        raise StateFailure(RUNTIME, f"{message}{holder.get(f'{field}Path')}")
    if percentage and not 0 <= amount <= 100:
        raise StateFailure(RUNTIME, f"{field} must be between 0 and 100.")
    if amount < 0:
        positive = "field MaxItems must be positive"
        message = f"{field} cannot be negative." if negative == RUNTIME else positive
        raise StateFailure(negative, message)
    return amount


def as_number(value: Json, *, integer: bool) -> float | None:
    """Return a number, also one that is given as text, as AWS accepts it at paths, observed.

    Args:
        value: Any value.
        integer: Whether the number must be an integer.

    Returns:
        The number, or None if the value is none.
    """
    if isinstance(value, str):
        try:
            return float(int(value) if integer else float(value))
        except ValueError:
            return None
    fits = is_integer(value) if integer else is_number(value)
    return float(value) if fits else None


def items_of(run: StateRun, value: Json) -> list[Json]:
    """Apply ``ItemsPath``, in JSONata ``Items``.

    Raises:
        StateFailure: If the value is not an array.
    """
    if run.is_jsonata:
        template = run.state.get("Items", "{% $states.input %}")
        found: list[Json] = fill_jsonata(run, template, "Items", {"input": run.input}, kind="array")
        return found
    items = select(run.state.get("ItemsPath", "$"), run.view(value), "ItemsPath")
    if isinstance(items, list):
        return items
    path = run.state.get("ItemsPath", "$").replace("$$", "$")  # as AWS names it, observed
    raise StateFailure(RUNTIME, f'Reference path "{path}" must point to array.')


def selected(run: StateRun, value: Json, index: int, item: Json) -> Json:
    """Apply ``ItemSelector``, or its old form ``Parameters``, to one item."""
    template = run.state.get("ItemSelector", run.state.get("Parameters"))
    if template is None:
        return item
    if not run.is_jsonata:
        context = {**run.context, **item_context(index, item)}
        return fill(template, View(value, context, run.frame.variables))
    visit = copy(run)  # the iterations of an inline map are selected in threads
    visit.item = item_context(index, item)
    return filled(visit, template, value, "ItemSelector")


def item_context(index: int, item: Json) -> dict[str, Json]:
    """Return the entry ``Map`` of the context object for one item."""
    return {"Map": {"Item": {"Index": index, "Value": item}}}
