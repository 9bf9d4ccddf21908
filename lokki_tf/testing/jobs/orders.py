"""A job as it was ordered: its definition, with what was submitted in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOG_GROUP = "/aws/batch/job"
OVERRIDES_CHARACTERS = 8192
"""How long the JSON may be with which Batch starts a container; a job fails that has more."""
_LISTS = ("environment", "mountPoints", "resourceRequirements", "ulimits", "volumes")


@dataclass(frozen=True)
class Definition:
    """A revision of a job definition, as ``DescribeJobDefinitions`` spells it.

    Args:
        name: its name.
        arn: its ARN, with the revision.
        container: its container properties.
        parameters: values for the ``Ref::name`` of its command.
        timeout: with ``attemptDurationSeconds``.
        retry: with ``attempts`` and ``evaluateOnExit``.
        platforms: ``FARGATE`` or ``EC2``.
        propagate_tags: whether a job's task gets its tags.
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
    """What a job is to do.

    Args:
        id: the job's id.
        arn: the job's ARN.
        name: the job's name.
        queue_arn: the queue's ARN.
        environment_name: the name of the compute environment that it runs in.
        definition: what it is an instance of.
        overrides: what was submitted in place of the definition's container properties.
        parameters: what was submitted in place of the definition's.
        timeout: what was submitted in place of the definition's.
        retry: what was submitted in place of the definition's.
        tags: the job's tags.
        propagate_tags: what was submitted in place of the definition's.
        depends_on: the jobs that must have succeeded before.
    """

    id: str
    arn: str
    name: str
    queue_arn: str
    environment_name: str
    definition: Definition
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
        """Whether it runs on Fargate, which words some failures in its own way."""
        return "FARGATE" in self.definition.platforms

    @property
    def seconds(self) -> float | None:
        """How long an attempt may take."""
        found = {**self.definition.timeout, **self.timeout}.get("attemptDurationSeconds")
        return None if found is None else float(found)

    @property
    def retry_strategy(self) -> dict[str, Any]:
        """How many attempts there are, and what decides on another."""
        return {"attempts": 1, "evaluateOnExit": [], **self.definition.retry, **self.retry}

    @property
    def all_parameters(self) -> dict[str, str]:
        """The values for the ``Ref::name`` of the command."""
        return {**self.definition.parameters, **self.parameters}

    @property
    def command(self) -> tuple[str, ...] | None:
        """The command with its parameters in place; None for the image's own."""
        found = self.overrides.get("command") or self.definition.container.get("command")
        if not found:
            return None
        return tuple(_filled(part, self.all_parameters) for part in found)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that the definition and the submitter set."""
        return {each["name"]: each["value"] for each in self.container["environment"]}

    def overrides_length(self, own: Mapping[str, str]) -> int:
        """Return the length of the JSON with which Batch starts the container.

        Args:
            own: the variables that Batch adds.
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
        """The container as ``DescribeJobs`` shows it."""
        found = dict(self.definition.container)
        given = {key: value for key, value in self.overrides.items() if value is not None}
        for name, key in (("environment", "name"), ("resourceRequirements", "type")):
            parts = [*found.get(name, ()), *given.pop(name, ())]
            found[name] = list({part[key]: part for part in parts}.values())
        empty: dict[str, list[Any]] = {name: [] for name in (*_LISTS, "networkInterfaces")}
        return {**empty, **found, **given}

    @property
    def log_group(self) -> str:
        """Where its output goes."""
        return str(self._log_options.get("awslogs-group", LOG_GROUP))

    @property
    def log_prefix(self) -> str:
        """What the name of its log stream begins with."""
        return str(self._log_options.get("awslogs-stream-prefix", self.definition.name))

    @property
    def _log_options(self) -> Mapping[str, str]:
        configuration = self.definition.container.get("logConfiguration") or {}
        return configuration.get("options") or {}


def _filled(part: str, parameters: Mapping[str, str]) -> str:
    # The longest name first: Ref::day must not eat the beginning of Ref::days.
    for name in sorted(parameters, key=len, reverse=True):
        part = part.replace(f"Ref::{name}", parameters[name])
    return part
