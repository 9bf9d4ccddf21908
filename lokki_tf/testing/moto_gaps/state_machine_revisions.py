"""Versions and aliases of state machines, and which of them an execution runs."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import AWSError
from moto.stepfunctions.exceptions import StateMachineDoesNotExist

from lokki_tf.testing.state_machines.values import Json, load

_ALIAS_NAME = re.compile(r"(?=.*[a-zA-Z_\-.])[a-zA-Z0-9_\-.]+\Z")
_INNER = ("Branches", "ItemProcessor", "Iterator")
_REFERENCE = re.compile(r"(?<![$\w])\$([^\W\d]\w*)(?!\w|\s*(?:\(|:=))")


class ValidationException(AWSError):
    """A parameter of a request is not valid."""

    TYPE = "ValidationException"
    STATUS = 400


class ConflictException(AWSError):
    """A resource with the same name and another configuration exists."""

    TYPE = "ConflictException"
    STATUS = 400


@dataclass(frozen=True)
class Revision:
    """What an execution runs.

    Args:
        state_machine: Moto's state machine.
        source: The state machine or its version, with the definition and the role.
        alias_arn: The ARN of the alias that was started, or None.
        version_arn: The ARN of the version, or None.
    """

    state_machine: Any
    source: Any
    alias_arn: str | None = None
    version_arn: str | None = None


def revision_of(backend: Any, arn: str) -> Revision:
    """Return what the ARN of a state machine, a version or an alias refers to.

    An alias chooses one of its versions by their weights.

    Raises:
        StateMachineDoesNotExist: If there is none.
    """
    base, _, name = arn.rpartition(":") if arn.count(":") == 7 else (arn, "", "")
    state_machine = backend.describe_state_machine(base)
    if not name:
        return Revision(state_machine, state_machine)
    alias_arn = None
    if not name.isdigit():
        alias = state_machine.aliases.get(name)
        if alias is None:
            raise StateMachineDoesNotExist(f"State Machine Does Not Exist: '{arn}'")
        routes = alias.routing_configuration
        weights = [route["weight"] for route in routes]
        alias_arn, [route] = arn, random.choices(routes, weights)
        name = route["stateMachineVersionArn"].rpartition(":")[2]
    version = state_machine.versions.get(int(name))
    if version is None:
        raise StateMachineDoesNotExist(f"State Machine Does Not Exist: '{arn}'")
    return Revision(state_machine, version, alias_arn, version.arn)


_BEGIN = "1 validation error detected: Value "


def check_alias(name: str) -> None:
    """Check the name of a new alias.

    Raises:
        ValidationException: If it is not valid.
    """
    if not _ALIAS_NAME.match(name):
        raise ValidationException(
            f"{_BEGIN}'{name}' at 'name' failed to satisfy constraint: Member must satisfy regular "
            r"expression pattern: ^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$"
        )
    if len(name) > 80:
        raise ValidationException(
            f"{_BEGIN}'{name}' at 'name' failed to satisfy constraint: Member must have length "
            "less than or equal to 80"
        )


def check_routes(routes: list[dict[str, Any]]) -> None:
    """Check the versions of an alias.

    Raises:
        ValidationException: If they are not valid.
    """
    if len(routes) > 2:
        raise ValidationException(
            f"{_BEGIN}'{routes}' at 'routingConfiguration' failed to satisfy constraint: Member "
            "must have length less than or equal to 2"
        )
    for position, route in enumerate(routes, 1):
        if route["weight"] > 100:
            raise ValidationException(
                f"{_BEGIN}'{route['weight']}' at 'routingConfiguration.{position}.member.weight' "
                "failed to satisfy constraint: Member must have value less than or equal to 100"
            )
    arns = [route["stateMachineVersionArn"] for route in routes]
    shown = f"Received: [{', '.join(arns)}]"
    if not all(arn.rpartition(":")[2].isdigit() for arn in arns):
        message = "Routing configuration must contain state machine version ARNs."
        raise ValidationException(f"{message} {shown}")
    if len(set(arns)) < len(arns):
        message = "Routing configuration must contain distinct state machine version ARNs."
        raise ValidationException(f"{message} {shown}")
    weights = [route["weight"] for route in routes]
    if sum(weights) != 100:
        message = f"Sum of routing configuration weights must equal 100. Received: {weights}"
        raise ValidationException(message)


def variable_references(definition: str) -> dict[str, list[str]]:
    """Return the variables to which each state refers, for ``DescribeStateMachine``."""
    root = load(definition)
    language = root.get("QueryLanguage", "JSONPath")
    found = {
        name: sorted(set(_references(_own(state), state.get("QueryLanguage", language))))
        for name, state in _states(root)
    }
    return {name: names for name, names in found.items() if names}


def _states(scope: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for name, state in scope.get("States", {}).items():
        yield name, state
        for inner in (*state.get("Branches", ()), *(state.get(field) for field in _INNER[1:])):
            if inner:
                yield from _states(inner)


def _own(state: Mapping[str, Json]) -> dict[str, Json]:
    return {field: value for field, value in state.items() if field not in _INNER}


def _references(value: Json, language: str, field: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _references(item, language, key)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item, language, field)
    elif isinstance(value, str):
        is_path = field.endswith((".$", "Path")) or field == "Variable"
        if value.startswith("{%") if language == "JSONata" else is_path:
            yield from (name for name in _REFERENCE.findall(value) if name != "states")
