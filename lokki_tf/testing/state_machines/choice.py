"""Choice states: evaluate the choice rules and return the transition of the first match."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

from lokki_tf.testing.state_machines.failures import (
    RUNTIME,
    PathNotFound,
    StateFailure,
    UndefinedVariable,
)
from lokki_tf.testing.state_machines.flow import assigned, effective_input, output
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.jsonata import fill as fill_jsonata
from lokki_tf.testing.state_machines.queries import transition
from lokki_tf.testing.state_machines.references import View, parse_reference
from lokki_tf.testing.state_machines.templates import fill
from lokki_tf.testing.state_machines.transition import Transition
from lokki_tf.testing.state_machines.values import Json, is_number, timestamp

_RELATIONS: dict[str, Callable[[Json, Json], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}


def _number(value: Json) -> float | int | None:
    return value if is_number(value) else None


def _string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


_TYPES: dict[str, Callable[[Json], Json]] = {
    "String": _string,
    "Numeric": _number,
    "Boolean": _boolean,
    "Timestamp": timestamp,
}
COMPARISONS: dict[str, Callable[[Json, Json], bool]] = {
    "StringMatches": lambda value, pattern: (
        isinstance(value, str) and _wildcard(pattern).fullmatch(value) is not None
    ),
    "IsNull": lambda value, wanted: (value is None) == wanted,
    "IsNumeric": lambda value, wanted: (_number(value) is not None) == wanted,
    "IsString": lambda value, wanted: isinstance(value, str) == wanted,
    "IsBoolean": lambda value, wanted: isinstance(value, bool) == wanted,
    "IsTimestamp": lambda value, wanted: (timestamp(value) is not None) == wanted,
}
"""By comparison operator: a function that compares the variable's value with the rule's operand."""


def _wildcard(pattern: str) -> re.Pattern[str]:
    r"""Return the pattern of ``StringMatches``: ``*`` is any text, ``\*`` an asterisk."""
    parts = re.findall(r"\\.|\*|[^\\*]+", pattern, re.DOTALL)
    texts = [".*" if part == "*" else re.escape(re.sub(r"\\(.)", r"\1", part)) for part in parts]
    return re.compile("".join(texts), re.DOTALL)


def _typed(kind: str, relation: str) -> Callable[[Json, Json], bool]:
    """Return a comparison such as ``NumericLessThan``, which is false for values of other types."""
    convert, compare = _TYPES[kind], _RELATIONS[relation]

    def passes(value: Json, wanted: Json) -> bool:
        left, right = convert(value), convert(wanted)
        return left is not None and right is not None and compare(left, right)

    return passes


for _kind in _TYPES:
    for _name in _RELATIONS if _kind != "Boolean" else ("Equals",):
        COMPARISONS[f"{_kind}{_name}"] = _typed(_kind, _name)


def run_choice(run: StateRun) -> Transition:
    """Run a Choice state: follow the first rule that matches, otherwise ``Default``.

    Raises:
        StateFailure: If no rule matches and the state has no ``Default``, or a rule refers to a
            missing value.
    """
    if run.is_jsonata:
        return _run_in_jsonata(run)
    value = effective_input(run)
    view = run.view(value)
    for rule in run.state["Choices"]:
        if _passes(rule, view):
            return Transition(output(run, value), rule["Next"], fill(rule.get("Assign", {}), view))
    if "Default" not in run.state:
        raise _no_match(run)
    return Transition(output(run, value), run.state["Default"], assigned(run, value))


def _run_in_jsonata(run: StateRun) -> Transition:
    for position, rule in enumerate(run.state["Choices"]):
        place, states = f"Choices[{position}]/", {"input": run.input}
        if fill_jsonata(run, rule["Condition"], f"{place}Condition", states, kind="boolean"):
            return transition(run, rule["Next"], run.input, rule, place)
    if "Default" not in run.state:
        raise _no_match(run)
    return transition(run, run.state["Default"], run.input)


def _no_match(run: StateRun) -> StateFailure:
    return StateFailure(
        "States.NoChoiceMatched",
        f"The state '{run.name}' has no Default, and no choice matched.",
    )


def _passes(rule: Mapping[str, Json], view: View) -> bool:
    """Return whether a rule matches; rules inside ``And``, ``Or`` and ``Not`` have no ``Next``."""
    if "And" in rule:
        return all(_passes(part, view) for part in rule["And"])
    if "Or" in rule:
        return any(_passes(part, view) for part in rule["Or"])
    if "Not" in rule:
        return not _passes(rule["Not"], view)
    if "IsPresent" in rule:
        return _is_present(rule["Variable"], view) is rule["IsPresent"]
    name = comparison_of(rule)
    wanted = rule[name]
    if name.endswith("Path"):
        wanted, name = _read(wanted, view), name[: -len("Path")]
    return bool(COMPARISONS[name](_read(rule["Variable"], view), wanted))


def comparison_of(rule: Mapping[str, Json]) -> str:
    """Return the rule's comparison operator."""
    return next(key for key in rule if key.removesuffix("Path") in COMPARISONS)


def _is_present(path: str, view: View) -> bool:
    """Return whether a path selects a value, ``null`` included."""
    reference = parse_reference(path)
    try:
        found = reference.evaluate(view)
    except (PathNotFound, UndefinedVariable):
        return False
    return reference.path.definite or bool(found)


def _read(path: str, view: View) -> Json:
    """Return the value that a path selects.

    Raises:
        StateFailure: If it selects none.
    """
    try:
        return parse_reference(path).evaluate(view)
    except PathNotFound:
        raise StateFailure(
            RUNTIME,
            f"Invalid path '{path}': "
            "The choice state's condition path references an invalid value.",
        ) from None
    except UndefinedVariable as undefined:
        raise StateFailure(
            RUNTIME,
            f"The variable '{undefined.name}' that a choice refers to has not been assigned",
        ) from None
