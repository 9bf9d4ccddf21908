"""Evaluate fields of states in the state's query language: JSONPath or JSONata."""

from __future__ import annotations

from collections.abc import Mapping

from lokki_tf.testing.state_machines import jsonata, templates
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.transition import Transition
from lokki_tf.testing.state_machines.values import Json


def given(
    run: StateRun, holder: Mapping[str, Json], field: str, value: Json, place: str = ""
) -> Json:
    """Return the value of a field, also of its path or expression; None if there is none.

    Args:
        run: The visit of the state.
        holder: The object with the field: the state, or an object in it.
        field: The field's name. In JSONPath, ``Path`` at its end names a path.
        value: The value that ``$`` refers to in JSONPath.
        place: The path of the holder in the state, with a slash at its end.

    Raises:
        StateFailure: If there is no value at the path, or the expression fails.
    """
    if run.is_jsonata:
        return jsonata.fill(run, holder.get(field), f"{place}{field}", {"input": run.input})
    return templates.given(holder, field, run.view(value))


def arguments(run: StateRun, holder: Mapping[str, Json], value: Json, place: str = "") -> Json:
    """Return the arguments in a state or an object in it; the value if it has none.

    They are in the field ``Parameters`` in JSONPath, and ``Arguments`` in JSONata.

    Raises:
        StateFailure: If an expression has no value.
    """
    field = "Arguments" if run.is_jsonata else "Parameters"
    return filled(run, holder[field], value, f"{place}{field}") if field in holder else value


def filled(run: StateRun, template: Json, value: Json, field: str) -> Json:
    """Return a template with all its expressions replaced by their values.

    Raises:
        StateFailure: If an expression has no value.
    """
    if run.is_jsonata:
        return jsonata.fill(run, template, field, {"input": run.input})
    return templates.fill(template, run.view(value))


def transition(
    run: StateRun,
    following: str | None,
    value: Json,
    holder: Mapping[str, Json] | None = None,
    place: str = "",
    **states: Json,
) -> Transition:
    """Return the transition of a state in JSONata, by the fields ``Output`` and ``Assign``.

    Args:
        run: The visit of the state.
        following: The name of the next state, or None.
        value: The output without the field ``Output``.
        holder: The object with the fields: a choice rule, a catcher, or by default the state.
        place: The path of the holder in the state, with a slash at its end.
        states: The entries of ``$states`` besides the input and the context object.

    Raises:
        StateFailure: If an expression has no value.
    """
    holder = run.state if holder is None else holder
    entries = {"input": run.input, **states}
    assigned = jsonata.fill(run, holder.get("Assign", {}), f"{place}Assign", entries)
    if "Output" in holder:
        value = jsonata.fill(run, holder["Output"], f"{place}Output", entries)
    return Transition(value, following, assigned)
