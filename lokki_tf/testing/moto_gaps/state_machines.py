"""Gap: moto's executions do nothing, or run in an interpreter that knows no limits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import uuid4

from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions import urls
from moto.stepfunctions.exceptions import (
    ExecutionAlreadyExists,
    ExecutionDoesNotExist,
    InvalidExecutionInput,
)
from moto.stepfunctions.models import StepFunctionBackend, stepfunctions_backends
from moto.stepfunctions.responses import StepFunctionResponse

from lokki_tf.testing.account import Account
from lokki_tf.testing.machines.definition import Finding, check
from lokki_tf.testing.machines.execution import RUNNING, Execution
from lokki_tf.testing.machines.limits import PAYLOAD_BYTES
from lokki_tf.testing.machines.services import Callback
from lokki_tf.testing.machines.values import Json, load, size

# Their methods return moto's own executions, ours return another kind: to mypy they are Any.
_Backend: Any = StepFunctionBackend
_Response: Any = StepFunctionResponse


class InvalidDefinition(AWSError):
    """A definition that ``CreateStateMachine`` refuses."""

    TYPE = "InvalidDefinition"
    STATUS = 400


class TaskTimedOut(AWSError):
    """A task token that nothing waits for."""

    TYPE = "TaskTimedOut"
    STATUS = 400


def run_machines(account: Account) -> None:
    """Let Step Functions check definitions and run executions with our interpreter."""
    Machines.account = account
    stepfunctions_backends.backend = Machines
    urls.url_paths = {"{0}/$": MachineResponse.dispatch}


@lru_cache(maxsize=256)
def _parsed(definition: str) -> Json:
    return load(definition)


class Machines(_Backend):  # type: ignore[misc]
    """State machines that run."""

    account: Account
    # moto finds the URLs of a backend through the name of its module.
    __module__ = StepFunctionBackend.__module__

    def create_state_machine(self, name: str, definition: str, roleArn: str, **more: Any) -> Any:  # noqa: N803
        """Create a machine, if its definition is valid."""
        _require_valid(definition)
        return super().create_state_machine(name, definition, roleArn, **more)

    def update_state_machine(self, arn: str, definition: str | None = None, **more: Any) -> Any:
        """Update a machine, if its new definition is valid."""
        if definition is not None:
            _require_valid(definition)
        return super().update_state_machine(arn, definition, **more)

    def delete_state_machine(self, arn: str) -> None:
        """Delete a machine and stop its executions."""
        for machine in self.state_machines:
            if machine.arn == arn:
                for execution in machine.executions:
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
        """Run an execution and return when it has ended."""
        execution, _ = self._prepare(state_machine_arn, name, execution_input)
        execution.run()
        return execution

    def _prepare(
        self, state_machine_arn: str, name: str | None, execution_input: str | None
    ) -> tuple[Execution, bool]:
        machine = self.describe_state_machine(state_machine_arn)
        text = "{}" if execution_input is None else execution_input
        _require_input(text)
        if name:
            self._validate_name(name)
        for execution in machine.executions if name else ():
            if execution.name == name:
                if execution.input_text == text and execution.status == RUNNING:
                    return execution, False
                raise ExecutionAlreadyExists(f"Execution Already Exists: '{execution.arn}'")
        name = name or str(uuid4())
        execution = Execution(
            arn=machine.arn.replace(":stateMachine:", ":execution:") + f":{name}",
            name=name,
            machine_arn=machine.arn,
            machine_name=machine.name,
            definition=_parsed(machine.definition),
            input_text=text,
            role_arn=machine.roleArn,
            settings=self.account.machine_settings(self.region_name),
        )
        machine.executions.append(execution)
        return execution, True

    def stop_execution(
        self, execution_arn: str, error: str | None = None, cause: str | None = None
    ) -> Execution:
        """Stop an execution."""
        execution = self.describe_execution(execution_arn)
        execution.stop(error, cause)
        return execution

    def describe_execution(self, execution_arn: str) -> Execution:
        """Return an execution, also one of a Distributed Map's children."""
        self._validate_execution_arn(execution_arn)
        for execution in self.all_executions():
            if execution.arn == execution_arn:
                return execution
        raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{execution_arn}'")

    def all_executions(self) -> list[Execution]:
        """Return all executions with their children."""
        executions = [run for machine in self.state_machines for run in machine.executions]
        children = [
            child for run in executions for map_run in run.map_runs for child in map_run.children
        ]
        return executions + children

    def find_map_run(self, arn: str) -> Any:
        """Return the run of a Distributed Map, or None."""
        found = (run for execution in self.all_executions() for run in execution.map_runs)
        return next((run for run in found if run.arn == arn), None)

    def reset(self) -> None:
        """Stop everything that runs."""
        for execution in self.all_executions():
            execution.stop()
        super().reset()


def _require_valid(definition: str) -> None:
    findings = check(definition)
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
            f"Invalid State Machine Execution Input: the input has more than {PAYLOAD_BYTES} bytes"
        )


class MachineResponse(_Response):  # type: ignore[misc]
    """The API of machines that run."""

    @property
    def stepfunction_backend(self) -> Any:
        """The backend of the account and region of the request."""
        return stepfunctions_backends[self.current_account][self.region]

    def validate_state_machine_definition(self) -> Any:
        """Tell what is wrong with a definition."""
        findings = check(self._get_param("definition"))
        return ActionResult(
            {
                "result": "FAIL" if findings else "OK",
                "diagnostics": [_diagnostic(finding) for finding in findings],
                "truncated": False,
            }
        )

    def list_state_machine_versions(self) -> Any:
        """List the published versions of a machine."""
        machine = self.stepfunction_backend.describe_state_machine(
            self._get_param("stateMachineArn")
        )
        versions = sorted(machine.versions.items(), reverse=True)
        return ActionResult(
            {
                "stateMachineVersions": [
                    {"stateMachineVersionArn": version.arn, "creationDate": version.creation_date}
                    for _, version in versions
                ]
            }
        )

    def publish_state_machine_version(self) -> Any:
        """Publish the machine as it is."""
        machine = self.stepfunction_backend.describe_state_machine(
            self._get_param("stateMachineArn")
        )
        machine.publish(self._get_param("description"))
        version = machine.latest_version
        return ActionResult(
            {"creationDate": version.creation_date, "stateMachineVersionArn": version.arn}
        )

    def delete_state_machine_version(self) -> Any:
        """Delete a published version."""
        arn, _, number = self._get_param("stateMachineVersionArn").rpartition(":")
        self.stepfunction_backend.describe_state_machine(arn).versions.pop(int(number), None)
        return EmptyResult()

    def start_execution(self) -> Any:
        """Start an execution."""
        run = self.stepfunction_backend.start_execution(
            self._get_param("stateMachineArn"), self._get_param("name"), self._get_param("input")
        )
        return ActionResult({"executionArn": run.arn, "startDate": run.start_date})

    def describe_state_machine_for_execution(self) -> Any:
        """Describe the machine of an execution."""
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        return self._describe_state_machine(run.machine_arn)

    def start_sync_execution(self) -> Any:
        """Run an execution and answer with its output."""
        run = self.stepfunction_backend.start_sync_execution(
            self._get_param("stateMachineArn"), self._get_param("name"), self._get_param("input")
        )
        return ActionResult({**describe(run), "billingDetails": {}})

    def describe_execution(self) -> Any:
        """Describe an execution."""
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        return ActionResult(describe(run))

    def get_execution_history(self) -> Any:
        """Return a page of an execution's events."""
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        events = run.history.events
        if self._get_param("reverseOrder"):
            events.reverse()
        begin = int(self._get_param("nextToken") or 0)
        end = begin + (self._get_int_param("maxResults") or 1000)
        more = {"nextToken": str(end)} if end < len(events) else {}
        return ActionResult({"events": events[begin:end], **more})

    def list_executions(self) -> Any:
        """List the executions of a machine or of a Distributed Map's run, the latest first."""
        backend = self.stepfunction_backend
        if map_run_arn := self._get_param("mapRunArn"):
            executions = backend.find_map_run(map_run_arn).children
        else:
            executions = backend.describe_state_machine(
                self._get_param("stateMachineArn")
            ).executions
        wanted = self._get_param("statusFilter")
        chosen = [run for run in reversed(executions) if wanted in (None, run.status)]
        begin = int(self._get_param("nextToken") or 0)
        end = begin + (self._get_int_param("maxResults") or 100)
        more = {"nextToken": str(end)} if end < len(chosen) else {}
        return ActionResult({"executions": [_item(run) for run in chosen[begin:end]], **more})

    def stop_execution(self) -> Any:
        """Stop an execution."""
        run = self.stepfunction_backend.stop_execution(
            self._get_param("executionArn"), self._get_param("error"), self._get_param("cause")
        )
        return ActionResult({"stopDate": run.stop_date})

    def list_map_runs(self) -> Any:
        """List the runs of an execution's Distributed Maps."""
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        return ActionResult({"mapRuns": [map_run.item() for map_run in run.map_runs]})

    def describe_map_run(self) -> Any:
        """Describe the run of a Distributed Map."""
        arn = self._get_param("mapRunArn")
        found = self.stepfunction_backend.find_map_run(arn)
        if found is None:
            raise AWSError(f"Resource not found: '{arn}'", "ResourceNotFound", 400)
        return ActionResult(found.describe())

    def send_task_success(self) -> Any:
        """Give a waiting task its result."""
        output = load(self._get_param("output"))

        def change(callback: Callback) -> None:
            callback.output = output
            callback.answered.set()

        return self._answer(change)

    def send_task_failure(self) -> Any:
        """Let a waiting task fail."""
        error, cause = self._get_param("error") or "", self._get_param("cause") or ""

        def change(callback: Callback) -> None:
            callback.failure = (error, cause)

        return self._answer(change)

    def send_task_heartbeat(self) -> Any:
        """Tell that a waiting task is alive."""
        return self._answer(lambda callback: None)

    def _answer(self, change: Any) -> Any:
        callbacks = Machines.account.callbacks
        if not callbacks.answer(self._get_param("taskToken"), change):
            raise TaskTimedOut("Task Timed Out: 'Provided task does not exist anymore'")
        return EmptyResult()


def describe(run: Execution) -> dict[str, Json]:
    """Return an execution as ``DescribeExecution`` does."""
    found: dict[str, Json] = {
        "executionArn": run.arn,
        "stateMachineArn": run.machine_arn,
        "mapRunArn": run.map_run_arn,
        "name": run.name,
        "status": run.status,
        "startDate": run.start_date,
        "stopDate": run.stop_date,
        "input": run.input_text,
        "inputDetails": {"included": True},
        "output": run.output_text,
        "error": run.error,
        "cause": run.cause,
        "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE",
    }
    if run.output_text is not None:
        found["outputDetails"] = {"included": True}
    return {key: value for key, value in found.items() if value is not None}


def _item(run: Execution) -> dict[str, Json]:
    keys = (
        "executionArn",
        "stateMachineArn",
        "mapRunArn",
        "name",
        "status",
        "startDate",
        "stopDate",
    )
    found = describe(run)
    return {key: found[key] for key in keys if key in found}


def _diagnostic(finding: Finding) -> dict[str, str]:
    return {
        "severity": "ERROR",
        "code": finding.code,
        "message": finding.message,
        "location": finding.location,
    }
