"""Validation of a compiled state machine: assignment of variables, transitions, parameters.

Other validators do not find a variable that is never assigned: the execution fails instead. Source
of the rules: Step Functions Developer Guide, "Passing data between states with variables".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VARIABLE = re.compile(r"(?<![\w$])\$([A-Za-z_]\w*)")
# The parameters of each service that lokki_tf uses; unknown ones fail only at run time.
_PARAMETERS = {
    "lambda:invoke": {
        "FunctionName",
        "Payload",
        "InvocationType",
        "ClientContext",
        "LogType",
        "Qualifier",
    },
    "lambda:invoke.waitForTaskToken": {"FunctionName", "Payload"},
    "sns:publish": {"TopicArn", "Subject", "Message"},
    "batch:submitJob.sync": {
        "JobName",
        "JobQueue",
        "JobDefinition",
        "ContainerOverrides",
        "Parameters",
        "RetryStrategy",
        "Timeout",
    },
    "aws-sdk:s3:putObject": {"Bucket", "Key", "Body"},
    "aws-sdk:s3:getObject": {"Bucket", "Key"},
}


def check_state_machine(state_machine: Mapping[str, Any]) -> list[Finding]:
    """Return findings: undefined or forbidden variables, wrong transitions, unknown parameters.

    Args:
        state_machine: A definition in JSONPath.
    """
    return list(_scope(state_machine, frozenset(), frozenset(), {}))


def _scope(
    scope: Mapping[str, Any],
    readable: frozenset[str],
    outer: frozenset[str],
    seen: dict[str, None],
) -> Iterator[Finding]:
    """Checks one ``States`` object in the order of execution.

    Args:
        scope: An object with ``StartAt`` and ``States``.
        readable: Variables that are assigned when the scope begins.
        outer: Variables that outer scopes assign anywhere.
        seen: Names of all states visited so far, in the whole state machine.
    """
    states = scope["States"]
    assigned_here = {
        _bare(key)
        for state in states.values()
        for rule in (state, *state.get("Catch", []))
        for key in rule.get("Assign", {})
    }
    for name in sorted(assigned_here & outer):
        yield _finding(f"variable ${name} is assigned in a branch and in an enclosing scope")
    reached = _reachable_states(scope, readable)
    for title, readable in reached.items():
        if title not in states:
            yield _finding(f"state {title!r} does not exist")
            continue
        state = states[title]
        if title in seen:
            yield _finding(f"two states are named {title!r}")
        seen[title] = None
        for variable in sorted(set(_read(state)) - readable):
            yield _finding(f"state {title!r} reads ${variable}, which no earlier state assigns")
        yield from _unknown_parameters(title, state)
        for branch in state.get("Branches", []):
            yield from _scope(branch, readable, outer | assigned_here, seen)
        if "ItemProcessor" in state:
            inner = state["ItemProcessor"]
            # Children of a Distributed Map are separate executions.
            inline = inner.get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED"
            visible = readable if inline else frozenset()
            yield from _scope(inner, visible, outer | assigned_here, seen)
    for name in sorted(set(states) - set(reached)):
        yield _finding(f"state {name!r} is never reached")


def _reachable_states(
    scope: Mapping[str, Any], readable: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Return the reachable states, each with the variables that every path to it assigns."""
    found = {scope["StartAt"]: readable}
    waiting = [scope["StartAt"]]
    while waiting:
        title = waiting.pop()
        state = scope["States"].get(title, {})
        for following, rule in _following(state):
            # A state that fails assigns only its catcher's variables.
            assigned = found[title] | {_bare(key) for key in rule.get("Assign", {})}
            known = found.get(following)
            both = assigned if known is None else known & assigned
            if both != known:
                found[following] = both
                waiting.append(following)
    return found


def _following(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the states that may follow one, each with the objects that assign variables."""
    for key in ("Next", "Default"):
        if key in state:
            yield state[key], state
    for rule in (*state.get("Choices", []), *state.get("Catch", [])):
        yield rule["Next"], rule


def _read(state: Mapping[str, Any]) -> Iterator[str]:
    """Return variables that a state itself reads, without its branches."""
    inner = ("Branches", "ItemProcessor")
    waiting: list[Any] = [{key: value for key, value in state.items() if key not in inner}]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            for key, value in current.items():
                if key.endswith((".$", "Path")) and isinstance(value, str):
                    yield from _VARIABLE.findall(value)
                else:
                    waiting.append(value)
        elif isinstance(current, list):
            waiting.extend(current)


def _unknown_parameters(title: str, state: Mapping[str, Any]) -> Iterator[Finding]:
    resource = str(state.get("Resource", ""))
    for service, known in _PARAMETERS.items():
        if resource.endswith(service):
            for key in state.get("Parameters", {}):
                if _bare(key) not in known:
                    yield _finding(f"state {title!r} passes {service} an unknown {key!r}")


def _bare(key: str) -> str:
    return key.removesuffix(".$")


def _finding(message: str) -> Finding:
    return Finding(
        "state-machine", message, remedy="this is an error in lokki_tf; please report it"
    )
