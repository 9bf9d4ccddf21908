"""Evaluate payload templates and the fields that contain paths.

In a payload template, the value of each field whose name ends in ``.$`` is an expression.
"""

from __future__ import annotations

from collections.abc import Mapping

from lokki_tf.testing.state_machines.expressions import parse_expression
from lokki_tf.testing.state_machines.failures import (
    RUNTIME,
    PathNotFound,
    StateFailure,
    UndefinedVariable,
)
from lokki_tf.testing.state_machines.intrinsic_functions import IntrinsicFailure
from lokki_tf.testing.state_machines.paths import parse_path
from lokki_tf.testing.state_machines.references import View
from lokki_tf.testing.state_machines.values import Json, dump

_SHOWN = 2_000


def evaluate(text: str, view: View, field: str) -> Json:
    """Return the value of one expression.

    Args:
        text: A path or a call of an intrinsic function.
        view: The data of the expression.
        field: The name of the field with the expression, for the failure's cause.

    Raises:
        StateFailure: If the expression has no value.
    """
    try:
        return parse_expression(text).evaluate(view)
    except PathNotFound as missing:
        shown = dump(missing.data)[:_SHOWN]
        raise StateFailure(
            RUNTIME,
            f"The JSONPath '{missing.path}' specified for the field '{field}' "
            f"could not be found in the input '{shown}'",
        ) from None
    except UndefinedVariable as undefined:
        raise StateFailure(
            RUNTIME,
            f"The variable '{undefined.name}' of the field '{field}' has not been assigned",
        ) from None
    except IntrinsicFailure as failure:
        raise StateFailure(
            "States.IntrinsicFailure",
            f"The function '{text}' of the field '{field}' failed: {failure}",
        ) from None


def given(holder: Mapping[str, Json], field: str, view: View, default: Json = None) -> Json:
    """Return the value of a field, or at the path in the field whose name ends in ``Path``.

    Args:
        holder: The object with the field.
        field: The field's name without ``Path``.
        view: The data of the path.
        default: The value if neither field exists.

    Raises:
        StateFailure: If the data contains no value at the path.
    """
    path = f"{field}Path"
    return evaluate(holder[path], view, path) if path in holder else holder.get(field, default)


def fill(template: Json, view: View) -> Json:
    """Return a payload template with all its expressions replaced by their values.

    Raises:
        StateFailure: If an expression has no value.
    """
    if isinstance(template, dict):
        return {
            (key[:-2] if key.endswith(".$") else key): (
                evaluate(value, view, key) if key.endswith(".$") else fill(value, view)
            )
            for key, value in template.items()
        }
    if isinstance(template, list):
        return [fill(item, view) for item in template]
    return template


def select(path: str | None, view: View, field: str) -> Json:
    """Apply ``InputPath`` or ``OutputPath``: ``null`` gives an empty object.

    Raises:
        StateFailure: If the data contains no value at the path.
    """
    if path == "$":
        return view.value
    return {} if path is None else evaluate(path, view, field)


def apply_result_path(raw_input: Json, result: Json, result_path: str | None) -> Json:
    """Apply ``ResultPath``: put a result into a copy of a state's input.

    Raises:
        StateFailure: ``States.ResultPathMatchFailure`` if the path does not fit the input.
    """
    if result_path == "$":
        return result
    if result_path is None:
        return raw_input
    return _placed(raw_input, parse_path(result_path).keys, result, result_path)


def _placed(value: Json, keys: list[str | int], result: Json, path: str) -> Json:
    if not keys:
        return result
    key, rest = keys[0], keys[1:]
    if isinstance(key, str) and isinstance(value, dict):
        return {**value, key: _placed(value.get(key, {} if rest else None), rest, result, path)}
    if isinstance(key, int) and isinstance(value, list) and 0 <= key < len(value):
        return [*value[:key], _placed(value[key], rest, result, path), *value[key + 1 :]]
    raise StateFailure(
        "States.ResultPathMatchFailure",
        f"Unable to apply ResultPath '{path}' to the input '{dump(value)[:_SHOWN]}'",
    )
