"""Check a definition across its states: unique names, transitions, and scopes of variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from lokki_tf.testing.state_machines.express_rules import examine_express
from lokki_tf.testing.state_machines.findings import DUPLICATE, SCHEMA, TARGET, Finding
from lokki_tf.testing.state_machines.limits import STATE_NAME_CHARACTERS
from lokki_tf.testing.state_machines.map_fields import is_distributed, is_express, processor_of
from lokki_tf.testing.state_machines.state_rules import JSONATA, examine_state, holders_of
from lokki_tf.testing.state_machines.values import Json

Scope = Mapping[str, Any]

_DEFINITION_FIELDS = {"Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"}
_SCOPE_FIELDS = {"Comment", "StartAt", "States", "QueryLanguage"}


def examine_definition(definition: Scope) -> Iterator[Finding]:
    """Yield all findings for a definition."""
    for field in sorted(set(definition) - _DEFINITION_FIELDS):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"/{field}")
    language = definition.get("QueryLanguage", "JSONPath")
    if language not in ("JSONPath", JSONATA):
        yield Finding(SCHEMA, "QueryLanguage must be JSONPath or JSONata", "/QueryLanguage")
    if not isinstance(definition.get("TimeoutSeconds", 1), int):
        yield Finding(SCHEMA, "TimeoutSeconds must be an integer", "/TimeoutSeconds")
    yield from _examine_scope(definition, "", _Seen(str(language)), frozenset())


class _Seen:
    """The state names and labels of the whole definition that were checked so far.

    Args:
        language: The query language of the definition.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.states: dict[str, str] = {}
        self.labels: set[str] = set()


def _examine_scope(
    scope: Scope, location: str, seen: _Seen, outer: frozenset[str]
) -> Iterator[Finding]:
    """Yield the findings for a scope and all scopes inside it.

    Args:
        scope: The definition, a branch, or the processor of a map.
        location: Its path in the definition, for findings.
        seen: Names and labels of the scopes before it; its own are added.
        outer: Variables of the scopes around it.
    """
    missing = [field for field in ("States", "StartAt") if field not in scope]
    if missing:
        message = f"These fields are required: [{', '.join(missing)}]"
        yield Finding(SCHEMA, message, location or "/")
        return
    states = scope["States"]
    if not isinstance(states, dict) or not states:
        yield Finding(SCHEMA, "There must be at least one state", f"{location}/States")
        return
    if not _is_state(scope.get("StartAt"), states):
        message = f"Missing 'StartAt' target: {scope.get('StartAt')}"
        yield Finding(TARGET, message, f"{location}/StartAt")
    for name, state in states.items():
        here = f"{location}/States/{name}"
        if not isinstance(state, dict):
            yield Finding(SCHEMA, "A state must be a JSON object", here)
            continue
        yield from _examine_name(name, here, seen)
        yield from examine_state(state, here, seen.language)
        yield from _examine_targets(state, states, here)
        yield from _examine_assignments(state, outer, here)
        names = frozenset(_assigned(states))
        if state.get("QueryLanguage", seen.language) == JSONATA:
            # The catchers of a state may assign variables with the names of inner ones, observed
            # for JSONata only.
            names = frozenset(_assigned({k: each for k, each in states.items() if k != name}))
        yield from _examine_inner(state, here, seen, outer | names)
    yield from _examine_reach(scope, states, location)


def _examine_name(name: str, location: str, seen: _Seen) -> Iterator[Finding]:
    if len(name) > STATE_NAME_CHARACTERS:
        message = f"A state's name must have at most {STATE_NAME_CHARACTERS} characters"
        yield Finding(SCHEMA, message, location)
    if name in seen.states:
        message = f"State names must be unique, '{name}' is also used at {seen.states[name]}"
        yield Finding(DUPLICATE, message, location)
    seen.states[name] = location


def _examine_targets(state: Scope, states: Scope, location: str) -> Iterator[Finding]:
    for field, target in targets(state):
        if not _is_state(target, states):
            yield Finding(TARGET, f"Missing '{field}' target: {target}", f"{location}/{field}")


def _is_state(target: Json, states: Scope) -> TypeGuard[str]:
    return isinstance(target, str) and target in states


def targets(state: Scope) -> Iterator[tuple[str, Json]]:
    """Yield the paths of the fields that name a next state, with the names."""
    if "Default" in state:
        yield "Default", state["Default"]
    for inner_path, holder in holders_of(state):
        if "Next" in holder:
            yield f"{inner_path}/Next".removeprefix("/"), holder["Next"]


def _examine_reach(scope: Scope, states: Scope, location: str) -> Iterator[Finding]:
    """Yield a finding for each state to which no transition leads."""
    reached: set[str] = set()
    waiting = [scope.get("StartAt")]
    while waiting:
        name = waiting.pop()
        if _is_state(name, states) and name not in reached:
            reached.add(name)
            if isinstance(states[name], dict):
                waiting.extend(target for _, target in targets(states[name]))
    for name in states:
        if name not in reached:
            yield Finding(TARGET, f'State "{name}" is not reachable.', f"{location}/States/{name}")


def _assigned(states: Scope) -> Iterator[str]:
    """Yield the variables that the states of one scope assign."""
    for state in states.values():
        if isinstance(state, dict):
            for _, assign in assignments(state):
                yield from (name.removesuffix(".$") for name in assign)


def assignments(state: Scope) -> Iterator[tuple[str, Scope]]:
    """Yield the ``Assign`` fields of a state, its choices and its catchers."""
    for inner_path, holder in holders_of(state):
        if isinstance(holder.get("Assign"), dict):
            yield f"{inner_path}/Assign", holder["Assign"]


def _examine_assignments(state: Scope, outer: frozenset[str], location: str) -> Iterator[Finding]:
    for inner_path, assign in assignments(state):
        for name in assign:
            if name.removesuffix(".$") in outer:
                variable = name.removesuffix(".$")
                message = f"The variable '{variable}' is assigned in an outer scope, rename it"
                yield Finding(SCHEMA, message, f"{location}{inner_path}/{name}")


def _examine_inner(
    state: Scope, location: str, seen: _Seen, outer: frozenset[str]
) -> Iterator[Finding]:
    if state.get("Type") == "Parallel" and isinstance(state.get("Branches"), list):
        for position, branch in enumerate(state["Branches"]):
            here = f"{location}/Branches[{position}]"
            yield from _examine_fields(branch, _SCOPE_FIELDS, here)
            if isinstance(branch, dict):
                yield from _examine_scope(branch, here, seen, outer)
    if state.get("Type") == "Map":
        processor = processor_of(state)
        here = f"{location}/{'ItemProcessor' if 'ItemProcessor' in state else 'Iterator'}"
        yield from _examine_fields(processor, _SCOPE_FIELDS | {"ProcessorConfig"}, here)
        yield from _examine_label(state.get("Label"), location, seen)
        # The children of a Distributed Map are separate executions without an outer scope.
        around = frozenset[str]() if is_distributed(state) else outer
        yield from _examine_scope(processor, here, seen, around)
        if is_express(state):
            yield from examine_express(processor, here)


def _examine_fields(scope: Json, allowed: set[str], location: str) -> Iterator[Finding]:
    if not isinstance(scope, dict):
        message = "The value must be a JSON object with StartAt and States"
        yield Finding(SCHEMA, message, location)
        return
    for field in sorted(set(scope) - allowed):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"{location}/{field}")


def _examine_label(label: Json, location: str, seen: _Seen) -> Iterator[Finding]:
    if not isinstance(label, str):
        return
    if label in seen.labels:
        message = f"Labels must be unique, '{label}' is used twice"
        yield Finding(SCHEMA, message, f"{location}/Label")
    seen.labels.add(label)
