"""Variables of a compiled machine: each is assigned before it is read, in a scope that may.

No validator of AWS's or others' finds a variable that is never assigned; an execution
does, by failing. Source of the rules: Step Functions Developer Guide, "Passing data
between states with variables".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VARIABLE = re.compile(r"(?<![\w$])\$([A-Za-z_]\w*)")
# What each service takes of what we write; a word that it does not know fails at run time alone.
_PARAMETERS = {
    "lambda:invoke": {
        "FunctionName",
        "Payload",
        "InvocationType",
        "ClientContext",
        "LogType",
        "Qualifier",
    },
    "sns:publish": {"TopicArn", "Subject", "Message"},
    "batch:submitJob.sync": {
        "JobName",
        "JobQueue",
        "JobDefinition",
        "ContainerOverrides",
        "Parameters",
        "Timeout",
    },
    "aws-sdk:s3:putObject": {"Bucket", "Key", "Body"},
    "aws-sdk:s3:getObject": {"Bucket", "Key"},
}


def check_machine(machine: Mapping[str, Any]) -> list[Finding]:
    """Undefined or forbidden variables, states that lead nowhere, unknown parameters.

    Args:
        machine: A definition in JSONPath.
    """
    return list(_scope(machine, frozenset(), frozenset(), {}))


def _scope(
    scope: Mapping[str, Any],
    readable: frozenset[str],
    outer: frozenset[str],
    seen: dict[str, None],
) -> Iterator[Finding]:
    """One ``States`` object: walks it in order of running.

    Args:
        scope: With ``StartAt`` and ``States``.
        readable: Variables that are assigned when the scope begins.
        outer: Variables that outer scopes assign anywhere.
        seen: Names of all states met so far, in the whole machine.
    """
    states = scope["States"]
    assigned_here = {
        _bare(key)
        for state in states.values()
        for rule in (state, *state.get("Catch", []))
        for key in rule.get("Assign", {})
    }
    for name in sorted(assigned_here & outer):
        yield _finding(f"variable ${name} is assigned in a branch and in a scope around it")
    reached = _reached(scope, readable)
    for title, readable in reached.items():
        if title not in states:
            yield _finding(f"state {title!r} is not there")
            continue
        state = states[title]
        if title in seen:
            yield _finding(f"two states are named {title!r}")
        seen[title] = None
        for variable in sorted(set(_read(state)) - readable):
            yield _finding(f"state {title!r} reads ${variable}, which nothing before it assigns")
        yield from _unknown_parameters(title, state)
        for branch in state.get("Branches", []):
            yield from _scope(branch, readable, outer | assigned_here, seen)
        if "ItemProcessor" in state:
            inner = state["ItemProcessor"]
            # Children of a Distributed Map are executions of their own.
            inline = inner.get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED"
            visible = readable if inline else frozenset()
            yield from _scope(inner, visible, outer | assigned_here, seen)
    for name in sorted(set(states) - set(reached)):
        yield _finding(f"state {name!r} is never reached")


def _reached(scope: Mapping[str, Any], readable: frozenset[str]) -> dict[str, frozenset[str]]:
    """The states that can be reached, each with the variables assigned on every way there."""
    found = {scope["StartAt"]: readable}
    waiting = [scope["StartAt"]]
    while waiting:
        title = waiting.pop()
        state = scope["States"].get(title, {})
        for following, rule in _following(state):
            # A state that fails assigns nothing but what its catcher says.
            assigned = found[title] | {_bare(key) for key in rule.get("Assign", {})}
            known = found.get(following)
            both = assigned if known is None else known & assigned
            if both != known:
                found[following] = both
                waiting.append(following)
    return found


def _following(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The states that may come after one, each with what assigns variables on the way."""
    for key in ("Next", "Default"):
        if key in state:
            yield state[key], state
    for rule in (*state.get("Choices", []), *state.get("Catch", [])):
        yield rule["Next"], rule


def _read(state: Mapping[str, Any]) -> Iterator[str]:
    """Variables that a state itself reads, not its branches."""
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
                    yield _finding(f"state {title!r} gives {service} the unknown {key!r}")


def _bare(key: str) -> str:
    return key.removesuffix(".$")


def _finding(message: str) -> Finding:
    return Finding("machine", message, remedy="this is a fault of lokki_tf; please report it")
