"""Evaluate the JSONata expressions of states, which are texts between ``{%`` and ``%}``.

Source: Step Functions Developer Guide, "Transforming data with JSONata in Step Functions", for the
variable ``$states``, the additional functions and the function ``$eval`` that is missing. The
language itself is implemented by the package ``jsonata-python``. It is imported when the first
expression is evaluated, because most state machines have none.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
import uuid
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from lokki_tf.testing.state_machines.failures import StateFailure, UndefinedVariable
from lokki_tf.testing.state_machines.values import Json, dump, load

if TYPE_CHECKING:
    from lokki_tf.testing.state_machines.frame import StateRun

QUERY_ERROR = "States.QueryEvaluationError"
_REFERENCE = re.compile(r"\$([^\W\d]\w*)(?:\s*\.\s*(\w+))?")
_KINDS: dict[str, Callable[[Json], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def is_expression(value: Json) -> bool:
    """Whether a value of a field is an expression: no blank is outside of its marks."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def syntax_error(text: str) -> str | None:
    """Return what is wrong with the syntax of an expression, or None."""
    try:
        _lend(text[2:-2].strip())
    except ImportError:
        return "JSONata needs the package jsonata-python: install lokki-tf[testing]"
    except Exception as error:
        return f"{error}"
    return None


def fill(
    run: StateRun,
    template: Json,
    field: str,
    states: Mapping[str, Json],
    *,
    kind: str | None = None,
) -> Json:
    """Return a value with all expressions in it replaced by their results.

    Args:
        run: The visit of the state.
        template: The value of a field.
        field: The name of the field, or its path in the state, for errors.
        states: The entries of ``$states``.
        kind: The type of JSON that the value must have.

    Raises:
        StateFailure: If an expression fails, has no result, or one of another type.
    """
    if isinstance(template, dict):
        return {key: fill(run, item, f"{field}/{key}", states) for key, item in template.items()}
    if isinstance(template, list):
        items = enumerate(template)
        return [fill(run, item, f"{field}[{position}]", states) for position, item in items]
    if not is_expression(template):
        return template
    text = template[2:-2].strip()
    about = f"The JSONata expression '{text}' specified for the field '{field}'"
    value = _evaluated(run, text, field, about, states)
    if kind is not None and not _KINDS[kind](value):
        found = next(name for name, test in _KINDS.items() if test(value))
        message = (
            f"{about} returned an unexpected result type. Expected '{kind}', but was '{found}' "
            f"for value: {dump(value)}"
        )
        raise failure(run, field, message)
    return value


def failure(run: StateRun, field: str, message: str) -> StateFailure:
    """Return the failure of an expression, after its event was added to the history."""
    failed = run.located(StateFailure(QUERY_ERROR, message))
    run.frame.event("EvaluationFailed", **failed.details, location=field, state=run.name)
    return failed


def _evaluated(
    run: StateRun, text: str, field: str, about: str, states: Mapping[str, Json]
) -> Json:
    try:
        expression = _lend(text)
        result = expression.evaluate(None, _bindings(run, text, states))
        _return(text, expression)
    except Exception as error:
        code = getattr(error, "error", None)
        code = f"{code}: " if code else ""
        message = f"{about} threw an error during evaluation. {code}{error}"
        raise failure(run, field, message) from None
    if result is None:
        raise failure(run, field, f"{about} returned nothing (undefined).")
    try:
        return _to_json(result)
    except TypeError:
        raise failure(run, field, f"{about} returned an unsupported result type.") from None


def _bindings(run: StateRun, text: str, states: Mapping[str, Json]) -> dict[str, Any]:
    """Return the values of the variables to which an expression refers.

    Only the entries of ``$states`` that it names are converted, since others can be large.
    """
    found: dict[str, Any] = {}
    entries: set[str] = set()
    for name, entry in _REFERENCE.findall(text):
        if name == "states":
            entries |= {entry} if entry else {*states, "context"}
        elif name not in found:
            try:
                found[name] = _from_json(run.frame.variables.get(name))
            except UndefinedVariable:
                continue  # a function, a variable of the expression, or undefined
    chosen = {key: value for key, value in states.items() if key in entries}
    if "context" in entries and "context" not in states:
        chosen["context"] = run.context
    found["states"] = _from_json(chosen)
    return found


def _from_json(value: Json) -> Any:
    from jsonata.utils import Utils

    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {key: _from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return value


def _to_json(value: Any) -> Json:
    """Return a result as JSON.

    Raises:
        TypeError: If it contains a function.
    """
    from jsonata.utils import Utils

    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if hasattr(value, "__iter__"):
        return [_to_json(item) for item in value]
    raise TypeError


_idle: dict[str, list[Any]] = {}
_lock = Lock()


def _lend(text: str) -> Any:
    """Return a parsed expression that no other thread evaluates."""
    with _lock:
        free = _idle.get(text)
        if free:
            return free.pop()
    from jsonata.jsonata import Jsonata

    expression = Jsonata(text)
    expression.set_output_convert_nulls(False)
    for name, function in _FUNCTIONS.items():
        expression.register_lambda(name, function)
    expression.assign("eval", None)
    return expression


def _return(text: str, expression: Any) -> None:
    with _lock:
        if len(_idle) > 4096:
            _idle.clear()
        _idle.setdefault(text, []).append(expression)


def _partition(items: list[Any], length: int) -> list[Any]:
    return [items[begin : begin + length] for begin in range(0, len(items), length)]


def _range(first: int, last: int, step: int = 1) -> list[int]:
    from jsonata.utils import Utils

    # A sequence: one with a single item is that item, observed.
    found: list[int] = Utils.create_sequence()
    found.extend(range(first, last + (1 if step > 0 else -1), step))
    return found


def _hash(text: Any, algorithm: str = "SHA-256") -> str:
    shown = text if isinstance(text, str) else dump(_to_json(text))
    return hashlib.new(algorithm.replace("-", ""), shown.encode()).hexdigest()


def _random(*seed: Any) -> float:
    return random.Random(seed[0] if seed else None).random()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": lambda: str(uuid.uuid4()),
    "parse": lambda text: _from_json(load(text)),
}
"""The functions that Step Functions adds to JSONata."""
