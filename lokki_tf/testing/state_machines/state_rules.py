"""Check the fields of each state in a definition: names, types, ranges and required fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lokki_tf.testing.state_machines.choice import COMPARISONS
from lokki_tf.testing.state_machines.findings import SCHEMA, Finding
from lokki_tf.testing.state_machines.jsonata import is_expression, syntax_error
from lokki_tf.testing.state_machines.limits import VARIABLE_NAME_CHARACTERS
from lokki_tf.testing.state_machines.map_rules import examine_map
from lokki_tf.testing.state_machines.path_rules import (
    examine_either,
    examine_path,
    examine_template,
)
from lokki_tf.testing.state_machines.task_rules import examine_task
from lokki_tf.testing.state_machines.values import Json, is_integer, is_number, timestamp

State = dict[str, Any]
JSONATA = "JSONata"

_COMMON = {"Type", "Comment", "QueryLanguage", "InputPath", "OutputPath"}
_FLOW = {"Next", "End", "Assign"}
_WORK = _FLOW | {"ResultPath", "ResultSelector", "Parameters", "Retry", "Catch"}
_TIMES = {"TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath"}
FIELDS: dict[str, set[str]] = {
    "Pass": _COMMON | _FLOW | {"Result", "ResultPath", "Parameters"},
    "Wait": _COMMON | _FLOW | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Succeed": _COMMON,
    "Fail": {"Type", "Comment", "QueryLanguage", "Error", "ErrorPath", "Cause", "CausePath"},
    "Choice": _COMMON | {"Choices", "Default", "Assign"},
    "Task": _COMMON | _WORK | _TIMES | {"Resource", "Credentials"},
    "Parallel": _COMMON | _WORK | {"Branches"},
    "Map": _COMMON
    | _WORK
    | {"ItemProcessor", "Iterator", "ItemsPath", "ItemSelector", "ItemReader", "ItemBatcher"}
    | {"ResultWriter", "Label", "MaxConcurrency", "MaxConcurrencyPath"}
    | {"ToleratedFailurePercentage", "ToleratedFailurePercentagePath"}
    | {"ToleratedFailureCount", "ToleratedFailureCountPath"},
}
_IN_PATHS = {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "ItemsPath"}
_IN_JSONATA: dict[str, set[str]] = {
    "Pass": {"Output"},
    "Wait": {"Output"},
    "Succeed": {"Output"},
    "Choice": {"Output"},
    "Task": {"Arguments", "Output"},
    "Parallel": {"Arguments", "Output"},
    "Map": {"Items", "Output"},
}
"""By type: the fields of states in JSONata that those in JSONPath do not have."""
_STAND_INS: dict[str, Json] = {"Timestamp": "2000-01-01T00:00:00Z"}
_PATH_FIELDS = ("InputPath", "OutputPath", "ItemsPath", "SecondsPath", "TimestampPath")
_TEMPLATE_FIELDS = ("Parameters", "ResultSelector", "ItemSelector")
_VARIABLE_NAME = re.compile(r"[^\W\d]\w*$")


def examine_state(state: State, location: str, language: str) -> Iterator[Finding]:
    """Yield findings for the fields of one state.

    Args:
        state: The state.
        location: Its path in the definition.
        language: The query language of the whole definition.
    """
    kind = state.get("Type")
    if not isinstance(kind, str) or kind not in FIELDS:
        message = f"Type must be one of {', '.join(FIELDS)}, got '{kind}'"
        yield Finding(SCHEMA, message, f"{location}/Type")
        return
    own = state.get("QueryLanguage", language)
    if own not in ("JSONPath", JSONATA):
        message = "QueryLanguage must be JSONPath or JSONata"
        yield Finding(SCHEMA, message, f"{location}/QueryLanguage")
    elif (own, language) == ("JSONPath", JSONATA):
        message = (
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
        )
        yield Finding(SCHEMA, message, location)
    for field in sorted(set(state) - _fields(kind, own)):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"{location}/{field}")
    yield from _examine_ending(state, kind, location)
    if own == JSONATA:
        yield from _examine_names_of(state, location)
        yield from _examine_expressions(_own_fields(state), location)
        state = _with_stand_ins(state)
    else:
        yield from _examine_paths(state, location)
        yield from _examine_variables(state, location)
    if kind == "Map":
        yield from examine_map(state, location, language)
    yield from _RULES.get(kind, _nothing)(state, location)
    for field in ("Retry", "Catch"):
        yield from _examine_handlers(state, field, location)


def _fields(kind: str, language: Json) -> set[str]:
    """Return the fields that a state of a type may have in a query language."""
    if language != JSONATA:
        return FIELDS[kind]
    own = {field for field in FIELDS[kind] if not field.endswith("Path")} - _IN_PATHS
    return (own | _IN_JSONATA.get(kind, set())) - ({"Result"} if kind == "Pass" else set())


def _own_fields(state: State) -> State:
    """Return a state without the states in it, which are examined on their own."""
    inner = ("Branches", "ItemProcessor", "Iterator")
    return {field: value for field, value in state.items() if field not in inner}


def _examine_expressions(value: Json, location: str) -> Iterator[Finding]:
    """Yield findings for the syntax of all expressions in JSONata."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _examine_expressions(item, f"{location}/{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _examine_expressions(item, f"{location}[{position}]")
    elif is_expression(value) and (problem := syntax_error(value)):
        yield Finding(SCHEMA, f"The JSONata expression is not valid: {problem}", location)


def _with_stand_ins(holder: State) -> State:
    """Return a state with valid literals in the place of expressions, whose results are unknown."""
    found = {}
    for field, value in holder.items():
        if field in ("ItemReader", "ReaderConfig", "ItemBatcher") and isinstance(value, dict):
            value = _with_stand_ins(value)
        found[field] = _STAND_INS.get(field, 1) if is_expression(value) else value
    return found


def _nothing(state: State, location: str) -> Iterator[Finding]:
    yield from ()


def _examine_ending(state: State, kind: str, location: str) -> Iterator[Finding]:
    if kind in ("Choice", "Succeed", "Fail"):
        return
    if ("Next" in state) == (state.get("End") is True):
        yield Finding(SCHEMA, "A state must have either Next or End: true", location)


def _examine_paths(state: State, location: str) -> Iterator[Finding]:
    for field in _PATH_FIELDS:
        if state.get(field) is not None:
            yield from examine_path(state[field], f"{location}/{field}")
    for inner_path, holder in holders_of(state):
        if holder.get("ResultPath") is not None:
            here = f"{location}{inner_path}/ResultPath"
            yield from examine_path(holder["ResultPath"], here, result=True)
    for field in _TEMPLATE_FIELDS:
        if field in state:
            yield from _examine_template(state[field], f"{location}/{field}")


def _examine_template(template: Json, location: str) -> Iterator[Finding]:
    if not isinstance(template, dict):
        yield Finding(SCHEMA, "A payload template must be a JSON object", location)
        return
    yield from examine_template(template, location)


def _examine_variables(state: State, location: str) -> Iterator[Finding]:
    for inner_path, holder in holders_of(state):
        if "Assign" in holder:
            here = f"{location}{inner_path}/Assign"
            yield from _examine_template(holder["Assign"], here)
            yield from _examine_names(holder["Assign"], here)


def _examine_names_of(state: State, location: str) -> Iterator[Finding]:
    """Yield findings for the variables that a state in JSONata assigns."""
    for inner_path, holder in holders_of(state):
        if "Assign" in holder:
            yield from _examine_names(holder["Assign"], f"{location}{inner_path}/Assign")


def _examine_names(assign: Json, location: str) -> Iterator[Finding]:
    for key in assign if isinstance(assign, dict) else ():
        name = key.removesuffix(".$")
        if (
            name == "states"
            or len(name) > VARIABLE_NAME_CHARACTERS
            or not _VARIABLE_NAME.match(name)
        ):
            message = (
                "A variable's name must be a Unicode identifier of at most "
                f"{VARIABLE_NAME_CHARACTERS} characters other than 'states', got '{name}'"
            )
            yield Finding(SCHEMA, message, location)


def _examine_handlers(state: State, field: str, location: str) -> Iterator[Finding]:
    rules = state.get(field)
    if rules is None:
        return
    if not isinstance(rules, list):
        yield Finding(SCHEMA, f"{field} must be an array", f"{location}/{field}")
        return
    for position, rule in enumerate(rules):
        here = f"{location}/{field}[{position}]"
        if not isinstance(rule, dict):
            yield Finding(SCHEMA, f"Each entry of {field} must be a JSON object", here)
            continue
        yield from _examine_errors(rule, position == len(rules) - 1, here)
        yield from (_examine_retrier if field == "Retry" else _examine_catcher)(rule, here)


def _examine_errors(rule: State, last: bool, location: str) -> Iterator[Finding]:
    names = rule.get("ErrorEquals")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        message = "ErrorEquals must be an array of strings that is not empty"
        yield Finding(SCHEMA, message, f"{location}/ErrorEquals")
    elif "States.ALL" in names and (len(names) > 1 or not last):
        message = "States.ALL must be the only error name of the last rule"
        yield Finding(SCHEMA, message, f"{location}/ErrorEquals")


_RETRIER_NUMBERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "IntervalSeconds": ("an integer from 1", lambda n: is_integer(n) and 1 <= n <= 99_999_999),
    "MaxAttempts": ("an integer from 0", lambda n: is_integer(n) and 0 <= n <= 99_999_999),
    "MaxDelaySeconds": ("an integer from 1", lambda n: is_integer(n) and 1 <= n < 31_622_400),
    "BackoffRate": ("a number from 1.0", lambda n: is_number(n) and n >= 1),
    "JitterStrategy": ("FULL or NONE", lambda text: text in ("FULL", "NONE")),
}


def _examine_retrier(rule: State, location: str) -> Iterator[Finding]:
    for field, (wanted, test) in _RETRIER_NUMBERS.items():
        if field in rule and not test(rule[field]):
            message = f"{field} must be {wanted}, got {rule[field]}"
            yield Finding(SCHEMA, message, f"{location}/{field}")
    most, first = rule.get("MaxDelaySeconds"), rule.get("IntervalSeconds", 1)
    if is_integer(most) and is_integer(first) and most <= first:
        message = f"MaxDelaySeconds must be greater than IntervalSeconds, got {most} and {first}"
        yield Finding(SCHEMA, message, f"{location}/MaxDelaySeconds")
    for field in sorted(set(rule) - set(_RETRIER_NUMBERS) - {"ErrorEquals", "Comment"}):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"{location}/{field}")


def _examine_catcher(rule: State, location: str) -> Iterator[Finding]:
    if not isinstance(rule.get("Next"), str):
        yield Finding(SCHEMA, "A catcher must have the field Next", f"{location}/Next")
    allowed = {"ErrorEquals", "Next", "ResultPath", "Assign", "Output", "Comment"}
    for field in sorted(set(rule) - allowed):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"{location}/{field}")


def _examine_fail(state: State, location: str) -> Iterator[Finding]:
    for field in ("Error", "Cause"):
        yield from examine_either(state, field, f"{field}Path", location)


def _examine_wait(state: State, location: str) -> Iterator[Finding]:
    fields = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
    if sum(field in state for field in fields) != 1:
        message = f"A Wait state must have exactly one of {', '.join(fields)}"
        yield Finding(SCHEMA, message, location)
    seconds = state.get("Seconds", 0)
    if not is_integer(seconds) or not 0 <= seconds <= 99_999_999:
        message = f"Seconds must be an integer from 0 to 99999999, got {seconds}"
        yield Finding(SCHEMA, message, f"{location}/Seconds")
    if "Timestamp" in state and timestamp(state["Timestamp"]) is None:
        message = "String does not match RFC3339 timestamp"
        yield Finding(SCHEMA, message, f"{location}/Timestamp")


def _examine_choice(state: State, location: str) -> Iterator[Finding]:
    choices = state.get("Choices")
    if not isinstance(choices, list) or not choices:
        message = "Choices must be an array that is not empty"
        yield Finding(SCHEMA, message, f"{location}/Choices")
        return
    for position, rule in enumerate(choices):
        here = f"{location}/Choices[{position}]"
        if not isinstance(rule, dict) or not isinstance(rule.get("Next"), str):
            yield Finding(SCHEMA, "A choice rule must be a JSON object with the field Next", here)
            continue
        if "Condition" in rule:
            yield from _examine_condition(rule, here)
        else:
            yield from _examine_rule(rule, here, {"Next", "Assign", "Comment"})


def _examine_condition(rule: State, location: str) -> Iterator[Finding]:
    """Yield findings for a choice rule in JSONata."""
    for field in sorted(set(rule) - {"Condition", "Next", "Assign", "Output", "Comment"}):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"{location}/{field}")
    condition = rule["Condition"]
    if not is_expression(condition) and not isinstance(condition, bool):
        message = "Condition must be a boolean or an expression in JSONata"
        yield Finding(SCHEMA, message, f"{location}/Condition")


def _examine_rule(rule: Json, location: str, extra: set[str]) -> Iterator[Finding]:
    if not isinstance(rule, dict):
        yield Finding(SCHEMA, "A choice rule must be a JSON object", location)
        return
    found = [key for key in rule if key not in extra and key not in ("Variable", "Comment")]
    if len(found) != 1:
        message = f"A choice rule must have exactly one comparison, got {len(found)}"
        yield Finding(SCHEMA, message, location)
        return
    name, wanted = found[0], rule[found[0]]
    if name in ("And", "Or", "Not"):
        for part in wanted if isinstance(wanted, list) else [wanted]:
            yield from _examine_rule(part, f"{location}/{name}", {"Comment"})
        return
    if name != "IsPresent" and name.removesuffix("Path") not in COMPARISONS:
        yield Finding(SCHEMA, f"Field '{name}' is not supported", f"{location}/{name}")
        return
    yield from examine_path(rule.get("Variable"), f"{location}/Variable")
    if name.endswith("Path"):
        yield from examine_path(wanted, f"{location}/{name}")
    elif not _fits(name, wanted):
        yield Finding(SCHEMA, f"The value of {name} has the wrong type", f"{location}/{name}")


def _fits(name: str, wanted: Json) -> bool:
    if name.startswith(("Is", "Boolean")):
        return isinstance(wanted, bool)
    return is_number(wanted) if name.startswith("Numeric") else isinstance(wanted, str)


def _examine_parallel(state: State, location: str) -> Iterator[Finding]:
    if not isinstance(state.get("Branches"), list) or not state["Branches"]:
        message = "Branches must be an array that is not empty"
        yield Finding(SCHEMA, message, f"{location}/Branches")


_RULES: dict[str, Callable[[State, str], Iterator[Finding]]] = {
    "Task": examine_task,
    "Fail": _examine_fail,
    "Wait": _examine_wait,
    "Choice": _examine_choice,
    "Parallel": _examine_parallel,
}


def holders_of(state: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield a state, its choice rules and its catchers, each with its path in the state.

    These are the objects that can have the fields ``Assign`` and ``Next``.
    """
    yield "", state
    for field in ("Choices", "Catch"):
        rules = state.get(field)
        for position, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict):
                yield f"/{field}[{position}]", rule
