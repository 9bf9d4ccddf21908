"""Run the executions of state machines with the package ``testing.state_machines``.

In moto, executions do nothing, or run in an interpreter that does not enforce limits.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

from moto.core.exceptions import AWSError
from moto.stepfunctions import urls
from moto.stepfunctions.exceptions import (
    ExecutionAlreadyExists,
    ExecutionDoesNotExist,
    InvalidArn,
    InvalidExecutionInput,
)
from moto.stepfunctions.models import StepFunctionBackend, stepfunctions_backends

from lokki_tf.testing.account import Account
from lokki_tf.testing.moto_gaps.state_machine_api import StateMachineResponse
from lokki_tf.testing.moto_gaps.state_machine_keys import key_of
from lokki_tf.testing.moto_gaps.state_machine_revisions import (
    ConflictException,
    check_alias,
    revision_of,
)
from lokki_tf.testing.moto_gaps.state_machine_roles import AccessDeniedException, begin, check_role
from lokki_tf.testing.state_machines.definition import check
from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.limits import PAYLOAD_BYTES
from lokki_tf.testing.state_machines.statuses import RUNNING
from lokki_tf.testing.state_machines.values import Json, load, size

# mypy must not check moto's class, because overridden methods return another type of executions.
_Backend: Any = StepFunctionBackend


class InvalidDefinition(AWSError):
    """The definition of a state machine is not valid."""

    TYPE = "InvalidDefinition"
    STATUS = 400


class StateMachineAlreadyExists(AWSError):
    """Another state machine has the same name."""

    TYPE = "StateMachineAlreadyExists"
    STATUS = 400


class StateMachineTypeNotSupported(AWSError):
    """The operation is not supported by the type of the state machine."""

    TYPE = "StateMachineTypeNotSupported"
    STATUS = 400


class MissingRequiredParameter(AWSError):
    """A request changes nothing."""

    TYPE = "MissingRequiredParameter"
    STATUS = 400


class ExecutionNotRedrivable(AWSError):
    """The execution cannot be redriven."""

    TYPE = "ExecutionNotRedrivable"
    STATUS = 400


def run_state_machines(account: Account) -> None:
    """Replace moto's backend and API of Step Functions."""
    StateMachines.account = account
    stepfunctions_backends.backend = StateMachines
    urls.url_paths = {"{0}/$": StateMachineResponse.dispatch}


@lru_cache(maxsize=256)
def _parsed(definition: str) -> Json:
    return load(definition)


class StateMachines(_Backend):  # type: ignore[misc]
    """A backend of Step Functions that runs executions."""

    account: Account
    accepted_exec_arn_format = re.compile(
        StepFunctionBackend.accepted_exec_arn_format.pattern.replace(
            "execution", "(execution|express)"
        )
    )
    # moto finds the URLs of a backend by the name of its module.
    __module__ = StepFunctionBackend.__module__

    def create_state_machine(self, name: str, definition: str, roleArn: str, **more: Any) -> Any:  # noqa: N803
        """Create a state machine, if its definition is valid and its name is unique."""
        _require_valid(definition, express=more.get("sm_type") == "EXPRESS")
        for state_machine in self.state_machines:
            if state_machine.name == name and (state_machine.definition, state_machine.roleArn) != (
                definition,
                roleArn,
            ):
                raise StateMachineAlreadyExists(
                    f"State Machine Already Exists: '{state_machine.arn}'"
                )
        before = set(map(id, self.state_machines))
        made = super().create_state_machine(name, definition, roleArn, **more)
        if id(made) not in before:
            try:
                check_role(self.account, made)
            except AccessDeniedException:
                self.state_machines.remove(made)
                raise
        return made

    def update_state_machine(self, arn: str, definition: str | None = None, **more: Any) -> Any:
        """Update a state machine, if its new definition is valid."""
        state_machine = self.describe_state_machine(arn)
        if definition is not None:
            _require_valid(definition, express=state_machine.type == "EXPRESS")
        before = dict(vars(state_machine))
        changes = (definition, more.get("role_arn"))
        publish = more.pop("publish", None)
        description = more.pop("version_description", None)
        if not any((*changes, *more.values())) and not publish:
            raise MissingRequiredParameter(
                "Either the definition, the role ARN, the LoggingConfiguration, or the "
                "TracingConfiguration must be specified"
            )
        updated = super().update_state_machine(arn, definition, **more)
        if changes != (None, None):
            state_machine.revision_id = str(uuid4())
        try:
            check_role(self.account, state_machine)
        except AccessDeniedException:
            vars(state_machine).update(before)
            raise
        state_machine.update_date = datetime.now(UTC)
        if publish:
            self.publish_version(state_machine, description)
        return updated

    def publish_version(
        self, state_machine: Any, description: str | None, revision: str | None = None
    ) -> Any:
        """Publish a version, unless the current revision is published already; return it.

        Raises:
            ConflictException: If another revision is expected.
        """
        current = getattr(state_machine, "revision_id", None)
        if revision not in (None, current):
            raise ConflictException(
                "Failed to publish the State Machine version for revision "
                f"{revision}. The current State Machine revision is {current or 'INITIAL'}."
            )
        latest = state_machine.latest_version
        if latest is None or getattr(latest, "revision_id", None) != current:
            state_machine.publish(description)
            state_machine.latest_version.revision_id = current
        return state_machine.latest_version

    def create_state_machine_alias(
        self, name: str, routing_configuration: list[dict[str, Any]], description: str | None
    ) -> Any:
        """Create an alias, or return the one that is equal.

        Raises:
            ConflictException: If an alias with the same name is different.
        """
        check_alias(name)
        base = routing_configuration[0]["stateMachineVersionArn"].rpartition(":")[0]
        known = self.describe_state_machine(base).aliases.get(name)
        if known is None:
            return super().create_state_machine_alias(name, routing_configuration, description)
        if (known.routing_configuration, known.description) != (routing_configuration, description):
            raise ConflictException(
                "Failed to create alias because an alias with the same name and a different "
                "routing configuration already exists."
            )
        return known

    def create_activity(self, name: str, tags: Any = None, **more: Any) -> Any:
        """Create an activity, or return the one with the same name."""
        for activity in self.activities.values():
            if activity.name == name:
                return activity
        return super().create_activity(name=name, tags=tags, **more)

    def _validate_arn(self, arn: str, regex: re.Pattern[str], invalid_msg: str) -> None:
        if not arn.startswith("arn:"):
            raise InvalidArn(f"Invalid Arn: 'Invalid ARN prefix: {arn}'")
        super()._validate_arn(arn, regex, invalid_msg)

    def delete_state_machine(self, arn: str) -> None:
        """Delete a state machine and stop its executions."""
        for state_machine in self.state_machines:
            if state_machine.arn == arn:
                for execution in state_machine.executions:
                    execution.stop()
        super().delete_state_machine(arn)

    def start_execution(
        self, state_machine_arn: str, name: str | None, execution_input: str | None
    ) -> Execution:
        """Start an execution."""
        execution, new = self._prepare(state_machine_arn, name, execution_input)
        if new:
            execution.start()
        return execution

    def start_sync_execution(
        self, state_machine_arn: str, name: str | None, execution_input: str | None
    ) -> Execution:
        """Run an execution in the calling thread."""
        execution, _ = self._prepare(state_machine_arn, name, execution_input)
        if not execution.is_express:
            raise StateMachineTypeNotSupported(
                "This operation is not supported by this type of state machine"
            )
        execution.run()
        return execution

    def _prepare(
        self, state_machine_arn: str, name: str | None, execution_input: str | None
    ) -> tuple[Execution, bool]:
        revision = revision_of(self, state_machine_arn)
        state_machine, source = revision.state_machine, revision.source
        text = "{}" if execution_input is None else execution_input
        _require_input(text)
        if name:
            self._validate_name(name)
        for execution in state_machine.executions if name else ():
            if execution.name == name:
                if execution.input_text == text and execution.status == RUNNING:
                    return execution, False
                raise ExecutionAlreadyExists(f"Execution Already Exists: '{execution.arn}'")
        begin(self.account, state_machine)
        name = name or str(uuid4())
        express = state_machine.type == "EXPRESS"
        kind, end = ("express", f":{uuid4()}") if express else ("execution", "")
        execution = Execution(
            arn=state_machine.arn.replace(":stateMachine:", f":{kind}:") + f":{name}{end}",
            name=name,
            state_machine_arn=state_machine.arn,
            state_machine_name=state_machine.name,
            definition=_parsed(source.definition),
            input_text=text,
            role_arn=source.roleArn,
            settings=self.account.execution_settings(
                self.region_name, source.roleArn, key_of(state_machine)
            ),
            is_express=express,
            alias_arn=revision.alias_arn,
            version_arn=revision.version_arn,
        )
        state_machine.executions.append(execution)
        return execution, True

    def stop_execution(
        self, execution_arn: str, error: str | None = None, cause: str | None = None
    ) -> Execution:
        """Stop an execution."""
        execution = self.describe_execution(execution_arn)
        execution.stop(error, cause)
        return execution

    def redrive_execution(self, execution_arn: str) -> Execution:
        """Continue an execution that has failed, timed out or been stopped."""
        execution = self.describe_execution(execution_arn)
        reason = execution.not_redrivable
        if reason or execution.map_run_arn is not None:
            reason = reason or f"Execution is {execution.status} and cannot be redriven"
            raise ExecutionNotRedrivable(f"{reason}: '{execution_arn}'")
        execution.redrive()
        return execution

    def describe_execution(self, execution_arn: str) -> Execution:
        """Return an execution, or a child execution of a Distributed Map."""
        self._validate_execution_arn(execution_arn)
        found = self.find_execution(execution_arn)
        if found is None:
            raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{execution_arn}'")
        return found

    def find_execution(self, execution_arn: str) -> Execution | None:
        """Return an execution, or a child execution of a Map Run, or None."""
        for execution in self.held_executions():
            if execution.arn == execution_arn:
                return execution
            found = execution.find_child(execution_arn)
            if found is not None:
                return found
        return None

    def held_executions(self) -> list[Execution]:
        """Return all executions, and recursively the children of their Map Runs in memory."""
        executions = [
            run for state_machine in self.state_machines for run in state_machine.executions
        ]
        for run in executions:  # the list grows during the loop
            executions += [child for map_run in run.map_runs for child in map_run.children.live()]
        return executions

    def find_map_run(self, arn: str) -> Any:
        """Return a Map Run, or None if it does not exist."""
        found = (run for execution in self.held_executions() for run in execution.map_runs)
        return next((run for run in found if run.arn == arn), None)

    def restored(self) -> list[str]:
        """Make executions complete that were read from a folder; return the ids of Map Runs."""
        for state_machine in self.state_machines:
            key = key_of(state_machine)
            for execution in state_machine.executions:
                settings = self.account.execution_settings(
                    self.region_name, execution.role_arn, key
                )
                execution.attach(settings)
        return [
            map_run.children.run for each in self.held_executions() for map_run in each.map_runs
        ]

    def reset(self) -> None:
        """Stop all executions and delete all state machines."""
        for execution in self.held_executions():
            execution.stop()
        super().reset()


def _require_valid(definition: str, *, express: bool) -> None:
    findings = check(definition, express=express)
    if findings:
        texts = ", ".join(str(finding) for finding in findings)
        raise InvalidDefinition(f"Invalid State Machine Definition: '{texts}'")


def _require_input(text: str) -> None:
    try:
        load(text)
    except ValueError as error:
        raise InvalidExecutionInput(f"Invalid State Machine Execution Input: '{error}'") from None
    if size(text) > PAYLOAD_BYTES:
        raise InvalidExecutionInput(
            f"Invalid State Machine Execution Input: more than {PAYLOAD_BYTES} bytes"
        )
