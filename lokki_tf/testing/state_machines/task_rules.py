"""Check the fields of a Task state in a definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lokki_tf.testing.state_machines.findings import SCHEMA, Finding
from lokki_tf.testing.state_machines.path_rules import examine_either
from lokki_tf.testing.state_machines.resources import is_known, parse_resource
from lokki_tf.testing.state_machines.values import Json, is_integer

_SUBMIT_JOB_NEEDS = {"JobDefinition", "JobName", "JobQueue"}
_SUBMIT_JOB = _SUBMIT_JOB_NEEDS | {
    *("ArrayProperties", "ContainerOverrides", "DependsOn", "EcsPropertiesOverride"),
    *("EksPropertiesOverride", "NodeOverrides", "Parameters", "PropagateTags", "RetryStrategy"),
    *("SchedulingPriorityOverride", "ShareIdentifier", "Tags", "Timeout"),
}


def examine_task(state: Mapping[str, Json], location: str) -> Iterator[Finding]:
    """Yield findings for the fields of a Task state."""
    resource = state.get("Resource")
    if not isinstance(resource, str) or not is_known(resource):
        message = (
            f"The resource provided {resource} is not recognized. The value is not a valid "
            "resource ARN, or the resource is not available in this region."
        )
        yield Finding(SCHEMA, message, f"{location}/Resource")
    yield from _examine_parameters(state, f"{location}/Parameters")
    credentials = state.get("Credentials", {"RoleArn": ""})
    if not isinstance(credentials, dict) or not {"RoleArn", "RoleArn.$"} & set(credentials):
        message = "The field 'RoleArn' is required but was missing"
        yield Finding(SCHEMA, message, f"{location}/Credentials")
    for field in ("TimeoutSeconds", "HeartbeatSeconds"):
        if field in state and not (is_integer(state[field]) and state[field] > 0):
            message = f"{field} must be a positive integer, got {state[field]}"
            yield Finding(SCHEMA, message, f"{location}/{field}")
        yield from examine_either(state, field, f"{field}Path", location)


def _examine_parameters(state: Mapping[str, Json], location: str) -> Iterator[Finding]:
    integration = parse_resource(str(state.get("Resource")))
    if integration is None or (integration.service, integration.action) != ("batch", "submitJob"):
        return
    parameters = state.get("Parameters", {})
    given = (
        {key.removesuffix(".$") for key in parameters} if isinstance(parameters, dict) else set()
    )
    for field in sorted(given - _SUBMIT_JOB):
        message = f'The field "{field}" is not supported by Step Functions'
        yield Finding(SCHEMA, message, f"{location}/{field}")
    for field in sorted(_SUBMIT_JOB_NEEDS - given):
        message = f'The field "{field}" is required but was missing'
        yield Finding(SCHEMA, message, location)
