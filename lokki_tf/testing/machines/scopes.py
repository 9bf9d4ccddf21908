"""How the states of a definition hang together: names, transitions, scopes of variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from lokki_tf.testing.machines.findings import DUPLICATE, SCHEMA, TARGET, Finding
from lokki_tf.testing.machines.limits import STATE_NAME_CHARACTERS
from lokki_tf.testing.machines.map_fields import is_distributed, processor_of
from lokki_tf.testing.machines.state_rules import examine_state, holders_of
from lokki_tf.testing.machines.values import Json

Scope = Mapping[str, Any]

_MACHINE_FIELDS = {"Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"}
_SCOPE_FIELDS = {"Comment", "StartAt", "States", "QueryLanguage"}


def examine_machine(definition: Scope) -> Iterator[Finding]:
    """Yield what is wrong with a whole definition."""
    for field in sorted(set(definition) - _MACHINE_FIELDS):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"/{field}")
    if definition.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield Finding(SCHEMA, "The local AWS runs JSONPath only", "/QueryLanguage")
    if not isinstance(definition.get("TimeoutSeconds", 1), int):
        yield Finding(SCHEMA, "TimeoutSeconds is an integer", "/TimeoutSeconds")
    yield from _examine_scope(definition, "", _Seen(), frozenset())


class _Seen:
    """The names of the whole machine so far."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.labels: set[str] = set()


def _examine_scope(
    scope: Scope, location: str, seen: _Seen, outer: frozenset[str]
) -> Iterator[Finding]:
    states = scope.get("States")
    if not isinstance(states, dict) or not states:
        yield Finding(SCHEMA, "There must be at least one state", f"{location}/States")
        return
    if not _stands(scope.get("StartAt"), states):
        message = f"Missing 'StartAt' target: {scope.get('StartAt')}"
        yield Finding(TARGET, message, f"{location}/StartAt")
    names = frozenset(_assigned(states))
    for name, state in states.items():
        here = f"{location}/States/{name}"
        if not isinstance(state, dict):
            yield Finding(SCHEMA, "A state is a JSON object", here)
            continue
        yield from _examine_name(name, here, seen)
        yield from examine_state(state, here)
        yield from _examine_targets(state, states, here)
        yield from _examine_assignments(state, outer, here)
        yield from _examine_inner(state, here, seen, outer | names)
    yield from _examine_reach(scope, states, location)


def _examine_name(name: str, location: str, seen: _Seen) -> Iterator[Finding]:
    if len(name) > STATE_NAME_CHARACTERS:
        yield Finding(SCHEMA, "A state's name has 80 characters at most", location)
    if name in seen.states:
        message = f"State name '{name}' also stands at {seen.states[name]}"
        yield Finding(DUPLICATE, message, location)
    seen.states[name] = location


def _examine_targets(state: Scope, states: Scope, location: str) -> Iterator[Finding]:
    for field, target in targets(state):
        if not _stands(target, states):
            yield Finding(TARGET, f"Missing '{field}' target: {target}", f"{location}/{field}")


def _stands(target: Json, states: Scope) -> TypeGuard[str]:
    return isinstance(target, str) and target in states


def targets(state: Scope) -> Iterator[tuple[str, Json]]:
    """Yield the fields that name a next state, with the names."""
    if "Default" in state:
        yield "Default", state["Default"]
    for place, holder in holders_of(state):
        if "Next" in holder:
            yield f"{place}/Next".removeprefix("/"), holder["Next"]


def _examine_reach(scope: Scope, states: Scope, location: str) -> Iterator[Finding]:
    reached: set[str] = set()
    waiting = [scope.get("StartAt")]
    while waiting:
        name = waiting.pop()
        if _stands(name, states) and name not in reached:
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
    for place, holder in holders_of(state):
        if isinstance(holder.get("Assign"), dict):
            yield f"{place}/Assign", holder["Assign"]


def _examine_assignments(state: Scope, outer: frozenset[str], location: str) -> Iterator[Finding]:
    for place, assign in assignments(state):
        for name in assign:
            if name.removesuffix(".$") in outer:
                message = f"The variable '{name.removesuffix('.$')}' belongs to an outer scope"
                yield Finding(SCHEMA, message, f"{location}{place}/{name}")


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
        # A Distributed Map's children are executions of their own: no scope is around theirs.
        around = frozenset[str]() if is_distributed(state) else outer
        yield from _examine_scope(processor, here, seen, around)


def _examine_fields(scope: Json, allowed: set[str], location: str) -> Iterator[Finding]:
    if not isinstance(scope, dict):
        yield Finding(SCHEMA, "This is a JSON object with StartAt and States", location)
        return
    for field in sorted(set(scope) - allowed):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"{location}/{field}")


def _examine_label(label: Json, location: str, seen: _Seen) -> Iterator[Finding]:
    if not isinstance(label, str):
        return
    if label in seen.labels:
        yield Finding(SCHEMA, f"The label '{label}' stands twice", f"{location}/Label")
    seen.labels.add(label)
