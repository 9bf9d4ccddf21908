"""Merge a job definition with the parameters of ``SubmitJob``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOG_GROUP = "/aws/batch/job"
OVERRIDES_CHARACTERS = 8192
"""The largest length of the JSON that Batch starts a container with. Longer ones fail the job."""
_LISTS = ("environment", "mountPoints", "resourceRequirements", "ulimits", "volumes")


@dataclass(frozen=True)
class JobDefinition:
    """A revision of a job definition, with the field names of ``DescribeJobDefinitions``.

    Args:
        name: The name of the job definition.
        arn: The ARN with the revision.
        container: The container properties.
        parameters: The values for placeholders such as ``Ref::name`` in the command.
        timeout: A dict with ``attemptDurationSeconds``.
        retry: A dict with ``attempts`` and ``evaluateOnExit``.
        platforms: ``FARGATE`` or ``EC2``.
        propagate_tags: Whether the ECS task of a job gets the job's tags.
    """

    name: str
    arn: str
    container: Mapping[str, Any]
    parameters: Mapping[str, str] = field(default_factory=dict)
    timeout: Mapping[str, int] = field(default_factory=dict)
    retry: Mapping[str, Any] = field(default_factory=dict)
    platforms: tuple[str, ...] = ("EC2",)
    propagate_tags: bool = False


@dataclass(frozen=True)
class Order:
    """A job definition with the parameters of ``SubmitJob``.

    Args:
        id: The job's id.
        arn: The job's ARN.
        name: The job's name.
        queue_arn: The queue's ARN.
        environment_name: The name of the compute environment.
        definition: The job definition.
        overrides: Replaces container properties of the definition.
        parameters: Replaces parameters of the definition.
        timeout: Replaces the timeout of the definition.
        retry: Replaces the retry strategy of the definition.
        tags: The job's tags.
        propagate_tags: Replaces the value of the definition; None to keep it.
        depends_on: The jobs that must succeed before this job starts.
    """

    id: str
    arn: str
    name: str
    queue_arn: str
    environment_name: str
    definition: JobDefinition
    overrides: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    timeout: Mapping[str, int] = field(default_factory=dict)
    retry: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    propagate_tags: bool | None = None
    depends_on: tuple[Mapping[str, str], ...] = ()

    @property
    def image(self) -> str:
        """The image's URI."""
        return str(self.definition.container["image"])

    @property
    def on_fargate(self) -> bool:
        """Whether the job runs on Fargate, where some error messages differ."""
        return "FARGATE" in self.definition.platforms

    @property
    def seconds(self) -> float | None:
        """The time limit of an attempt in seconds, or None."""
        found = {**self.definition.timeout, **self.timeout}.get("attemptDurationSeconds")
        return None if found is None else float(found)

    @property
    def retry_strategy(self) -> dict[str, Any]:
        """The number of attempts, and the rules for retries."""
        return {"attempts": 1, "evaluateOnExit": [], **self.definition.retry, **self.retry}

    @property
    def all_parameters(self) -> dict[str, str]:
        """The values for placeholders such as ``Ref::name`` in the command."""
        return {**self.definition.parameters, **self.parameters}

    @property
    def command(self) -> tuple[str, ...] | None:
        """The command with the values of its placeholders; None for the image's ``CMD``."""
        found = self.overrides.get("command") or self.definition.container.get("command")
        if not found:
            return None
        return tuple(_filled(part, self.all_parameters) for part in found)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the definition and of ``SubmitJob``."""
        return {each["name"]: each["value"] for each in self.container["environment"]}

    def overrides_length(self, own: Mapping[str, str]) -> int:
        """Return the length of the JSON that Batch starts the container with.

        Args:
            own: The environment variables that Batch adds.
        """
        variables = {**self.variables, **own}.items()
        overrides = {
            "command": list(self.command or ()),
            "environment": [{"name": name, "value": value} for name, value in variables],
            "resourceRequirements": self.container["resourceRequirements"],
        }
        return len(json.dumps(overrides, ensure_ascii=False, separators=(",", ":")))

    @property
    def container(self) -> dict[str, Any]:
        """The field ``container`` of ``DescribeJobs``."""
        found = dict(self.definition.container)
        given = {key: value for key, value in self.overrides.items() if value is not None}
        for name, key in (("environment", "name"), ("resourceRequirements", "type")):
            parts = [*found.get(name, ()), *given.pop(name, ())]
            found[name] = list({part[key]: part for part in parts}.values())
        empty: dict[str, list[Any]] = {name: [] for name in (*_LISTS, "networkInterfaces")}
        return {**empty, **found, **given}

    @property
    def log_group(self) -> str:
        """The log group of the job's output."""
        return str(self._log_options.get("awslogs-group", LOG_GROUP))

    @property
    def log_prefix(self) -> str:
        """The first part of the log stream's name."""
        return str(self._log_options.get("awslogs-stream-prefix", self.definition.name))

    @property
    def _log_options(self) -> Mapping[str, str]:
        configuration = self.definition.container.get("logConfiguration") or {}
        return configuration.get("options") or {}


def _filled(part: str, parameters: Mapping[str, str]) -> str:
    # Replace the longest name first, so that Ref::day does not match in Ref::days.
    for name in sorted(parameters, key=len, reverse=True):
        part = part.replace(f"Ref::{name}", parameters[name])
    return part
