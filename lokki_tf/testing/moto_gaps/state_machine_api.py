"""The HTTP API of Step Functions for the backend in ``state_machines``."""

from __future__ import annotations

import base64
import math
from typing import Any

from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.models import stepfunctions_backends
from moto.stepfunctions.responses import StepFunctionResponse

from lokki_tf.testing.moto_gaps.state_machine_revisions import (
    ConflictException,
    ValidationException,
    check_routes,
    variable_references,
)
from lokki_tf.testing.moto_gaps.state_tests import run_test
from lokki_tf.testing.state_machines.definition import Finding, check
from lokki_tf.testing.state_machines.record import ExecutionRecord
from lokki_tf.testing.state_machines.services import Callback
from lokki_tf.testing.state_machines.values import Json, dump, load

# mypy must not check moto's class, because overridden methods return another type of executions.
_Response: Any = StepFunctionResponse


class TaskTimedOut(AWSError):
    """No task waits for an answer with the token."""

    TYPE = "TaskTimedOut"
    STATUS = 400


class InvalidToken(AWSError):
    """A token was not issued by the account."""

    TYPE = "InvalidToken"
    STATUS = 400


class InvalidOutput(AWSError):
    """An answer to a task is not JSON."""

    TYPE = "InvalidOutput"
    STATUS = 400


class InvalidArn(AWSError):
    """An action does not exist for a resource of this type."""

    TYPE = "InvalidArn"
    STATUS = 400


def _refuse_express(arn: str) -> None:
    """Raise an error for an Express execution, which has no history and cannot be stopped.

    Those of a Map Run can be listed and described. Source: Step Functions API Reference, the notes
    about ``EXPRESS`` of each action.

    Raises:
        InvalidArn: If it is one.
    """
    if arn.split(":")[5:6] == ["express"]:  # a state machine may have this name
        raise InvalidArn("Invalid Arn: 'Resource type not valid in this context: express'")


class StateMachineResponse(_Response):  # type: ignore[misc]
    """Handles the requests to Step Functions."""

    @property
    def stepfunction_backend(self) -> Any:
        """The backend of the account and region of the request."""
        return stepfunctions_backends[self.current_account][self.region]

    def validate_state_machine_definition(self) -> Any:
        """Return the findings for a definition."""
        express = self._get_param("type") == "EXPRESS"
        findings = check(self._get_param("definition"), express=express)
        return ActionResult(
            {
                "result": "FAIL" if findings else "OK",
                "diagnostics": [_diagnostic(finding) for finding in findings],
                "truncated": False,
            }
        )

    def _describe_state_machine(self, state_machine_arn: str) -> Any:
        found = super()._describe_state_machine(state_machine_arn).result
        logging = {"includeExecutionData": False, **found["loggingConfiguration"]}
        described = {**found, "loggingConfiguration": logging}
        source = self.stepfunction_backend.describe_state_machine(state_machine_arn)
        if revision := getattr(source, "revision_id", None):
            described["revisionId"] = revision
        if references := variable_references(source.definition):
            described["variableReferences"] = references
        return ActionResult(described)

    def update_state_machine(self) -> Any:
        """Update a state machine."""
        found = super().update_state_machine().result
        arn = self._get_param("stateMachineArn")
        revision = getattr(self.stepfunction_backend.describe_state_machine(arn), "revision_id", "")
        changed = self._get_param("definition") or self._get_param("roleArn")
        return ActionResult({**found, **({"revisionId": revision} if changed else {})})

    def list_state_machine_versions(self) -> Any:
        """List the published versions of a state machine."""
        state_machine = self.stepfunction_backend.describe_state_machine(
            self._get_param("stateMachineArn")
        )
        versions = sorted(state_machine.versions.items(), reverse=True)
        found = [
            {"stateMachineVersionArn": version.arn, "creationDate": version.creation_date}
            for _, version in versions
        ]
        return ActionResult(self._page("stateMachineVersions", found, 100))

    def publish_state_machine_version(self) -> Any:
        """Publish a version of a state machine."""
        state_machine = self.stepfunction_backend.describe_state_machine(
            self._get_param("stateMachineArn")
        )
        version = self.stepfunction_backend.publish_version(
            state_machine, self._get_param("description"), self._get_param("revisionId")
        )
        return ActionResult(
            {"creationDate": version.creation_date, "stateMachineVersionArn": version.arn}
        )

    def delete_state_machine_version(self) -> Any:
        """Delete a published version."""
        arn, _, number = self._get_param("stateMachineVersionArn").rpartition(":")
        state_machine = self.stepfunction_backend.describe_state_machine(arn)
        used = [
            alias.name
            for alias in state_machine.aliases.values()
            for route in alias.routing_configuration
            if route["stateMachineVersionArn"] == f"{arn}:{number}"
        ]
        if used:
            raise ConflictException(
                "Version to be deleted must not be referenced by an alias. Current list of "
                f"aliases referencing this version: [{', '.join(used)}]"
            )
        state_machine.versions.pop(int(number), None)
        return EmptyResult()

    def tag_resource(self) -> Any:
        """Tag a state machine or an activity; versions and aliases have no tags."""
        arn = self._get_param("resourceArn")
        if arn.count(":") > 6:
            raise AWSError(f"Resource not found: '{arn}'", "ResourceNotFound", 400)
        return super().tag_resource()

    def list_state_machines(self) -> Any:
        """List the state machines."""
        self._check_page()
        return super().list_state_machines()

    def list_state_machine_aliases(self) -> Any:
        """List the aliases of a state machine or a version in the order of their creation."""
        self._check_page()
        arn = self._get_param("stateMachineArn")
        base = ":".join(arn.split(":")[:7])
        aliases = self.stepfunction_backend.describe_state_machine(base).aliases.values()
        chosen = [
            {"stateMachineAliasArn": alias.arn, "creationDate": alias.creation_date}
            for alias in aliases
            if arn == base
            or arn in [route["stateMachineVersionArn"] for route in alias.routing_configuration]
        ]
        return ActionResult(self._page("stateMachineAliases", chosen, 100))

    def start_execution(self) -> Any:
        """Start an execution."""
        run = self.stepfunction_backend.start_execution(
            self._get_param("stateMachineArn"), self._get_param("name"), self._get_param("input")
        )
        return ActionResult({"executionArn": run.arn, "startDate": run.start_date})

    def describe_state_machine_for_execution(self) -> Any:
        """Describe the state machine of an execution, with the definition at its start."""
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        described = self._describe_state_machine(run.state_machine_arn).result
        unknown = ("creationDate", "status", "type", "description")
        found = {key: value for key, value in described.items() if key not in unknown}
        found |= {"definition": dump(run.definition), "updateDate": described["creationDate"]}
        return ActionResult(found)

    def start_sync_execution(self) -> Any:
        """Run an execution and return its output."""
        run = self.stepfunction_backend.start_sync_execution(
            self._get_param("stateMachineArn"), self._get_param("name"), self._get_param("input")
        )
        found = describe(run)
        seconds = (found["stopDate"] - found["startDate"]).total_seconds()
        # Time is billed in units of 100 ms, and memory in units of 64 MB (AWS, "Step Functions
        # pricing").
        billed = {
            "billedDurationInMilliseconds": math.ceil(seconds * 10) * 100,
            "billedMemoryUsedInMB": 64,
        }
        kept = ("redriveCount", "redriveStatus", "redriveStatusReason")
        found = {key: value for key, value in found.items() if key not in kept}
        details = {"outputDetails": {"included": True}, "billingDetails": billed}
        return ActionResult({**found, **details})

    def describe_execution(self) -> Any:
        """Describe an execution, without its data if the request excludes them.

        Source: Step Functions API Reference, ``DescribeExecution``, ``includedData``.
        """
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        found = describe(run)
        if self._get_param("includedData") == METADATA:
            data = ("input", "inputDetails", "output", "outputDetails", "error", "cause")
            found = {key: value for key, value in found.items() if key not in data}
        return ActionResult(found)

    def get_execution_history(self) -> Any:
        """Return a page of an execution's events."""
        _refuse_express(self._get_param("executionArn"))
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        events = run.history.events
        if self._get_param("reverseOrder"):
            events.reverse()
        return ActionResult(self._page("events", events, 1000))

    def list_executions(self) -> Any:
        """List the executions of a state machine or a Map Run, the latest first."""
        backend = self.stepfunction_backend
        wanted = self._get_param("statusFilter")
        if wanted not in (None, *_STATUSES):
            raise ValidationException(
                f"1 validation error detected: Value '{wanted}' at 'statusFilter' failed to "
                f"satisfy constraint: Member must satisfy enum value set: [{', '.join(_STATUSES)}]"
            )
        if self._get_param("mapRunArn"):
            children = self._map_run().children
            page = self._page("executions", children.latest(wanted), 100)
            page["executions"] = list(map(_item, children.load(page["executions"])))
            return ActionResult(page)
        arn = self._get_param("stateMachineArn")
        base = ":".join(arn.split(":")[:7])
        chosen = [
            run
            for run in reversed(backend.describe_state_machine(base).executions)
            if arn in (base, run.alias_arn, run.version_arn) and wanted in (None, run.status)
        ]
        page = self._page("executions", chosen, 100)
        return ActionResult({**page, "executions": list(map(_item, page["executions"]))})

    def _page(self, name: str, found: list[Any], most: int) -> dict[str, Any]:
        """Return the requested page of a list."""
        self._check_page()
        begin = _begin_of(self._get_param("nextToken"))
        end = begin + (self._get_int_param("maxResults") or most)
        more = {"nextToken": _token_of(end)} if end < len(found) else {}
        return {name: found[begin:end], **more}

    def _validate_routing_configuration(self, routing_configuration: list[dict[str, Any]]) -> None:
        check_routes(routing_configuration)

    def _check_page(self) -> None:
        if (asked := self._get_int_param("maxResults") or 0) > 1000:
            raise ValidationException(
                f"1 validation error detected: Value '{asked}' at 'maxResults' failed to satisfy "
                "constraint: Member must have value less than or equal to 1000"
            )

    def stop_execution(self) -> Any:
        """Stop an execution."""
        _refuse_express(self._get_param("executionArn"))
        run = self.stepfunction_backend.stop_execution(
            self._get_param("executionArn"), self._get_param("error"), self._get_param("cause")
        )
        return ActionResult({"stopDate": run.stop_date})

    def redrive_execution(self) -> Any:
        """Continue a failed execution from the states that failed."""
        _refuse_express(self._get_param("executionArn"))
        run = self.stepfunction_backend.redrive_execution(self._get_param("executionArn"))
        return ActionResult({"redriveDate": run.redrive_date})

    def list_map_runs(self) -> Any:
        """List the Map Runs of an execution."""
        run = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        return ActionResult({"mapRuns": [map_run.item() for map_run in run.map_runs]})

    def describe_map_run(self) -> Any:
        """Describe a Map Run."""
        return ActionResult(self._map_run().describe())

    def _map_run(self) -> Any:
        arn = self._get_param("mapRunArn")
        found = self.stepfunction_backend.find_map_run(arn)
        if found is None:
            raise AWSError(f"Resource not found: '{arn}'", "ResourceNotFound", 400)
        return found

    def get_activity_task(self) -> Any:
        """Return a task of an activity to a worker, which waits for one up to 60 s.

        Source: Step Functions API Reference, ``GetActivityTask``.
        """
        arn = self._get_param("activityArn")
        self.stepfunction_backend.describe_activity(arn)
        callbacks = self.stepfunction_backend.account.callbacks
        task = callbacks.take(arn, self._get_param("workerName"), _POLL_SECONDS)
        if task is None:
            return EmptyResult()
        return ActionResult({"taskToken": task.callback.token, "input": task.input})

    def test_state(self) -> Any:
        """Run one state."""
        names = (
            "definition",
            "roleArn",
            "input",
            "variables",
            "stateName",
            "mock",
            "inspectionLevel",
            "context",
            "stateConfiguration",
            "revealSecrets",
        )
        request = {name: self._get_param(name) for name in names}
        account = self.stepfunction_backend.account
        return ActionResult(run_test(account, self.region, request))

    def send_task_success(self) -> Any:
        """Set the result of a waiting task."""
        try:
            output = load(self._get_param("output"))
        except ValueError as error:
            self._require_token()
            raise InvalidOutput(f"Invalid Output: '{error}'") from None

        def change(callback: Callback) -> None:
            callback.output = output
            callback.answered.set()

        return self._answer(change)

    def send_task_failure(self) -> Any:
        """Set the failure of a waiting task."""
        error, cause = self._get_param("error"), self._get_param("cause")

        def change(callback: Callback) -> None:
            callback.failure = (error, cause)

        return self._answer(change)

    def send_task_heartbeat(self) -> Any:
        """Record a heartbeat of a waiting task."""
        return self._answer(lambda callback: None)

    def _require_token(self) -> None:
        token = self._get_param("taskToken")
        if not self.stepfunction_backend.account.callbacks.was_opened(token):
            raise InvalidToken("Invalid Token: 'Invalid token'")

    def _answer(self, change: Any) -> Any:
        self._require_token()
        callbacks = self.stepfunction_backend.account.callbacks
        if not callbacks.answer(self._get_param("taskToken"), change):
            raise TaskTimedOut("Task Timed Out: 'Provided task does not exist anymore'")
        return EmptyResult()


def _token_of(begin: int) -> str:
    return base64.urlsafe_b64encode(f"{_TOKEN}{begin}".encode()).decode()


def _begin_of(token: str | None) -> int:
    """Return the position in a list at which a page begins.

    Raises:
        ValidationException: If the token is too long.
        InvalidToken: If the token was not returned with another page.
    """
    if not token:
        return 0
    if len(token) > _TOKEN_CHARACTERS:
        raise ValidationException(
            f"1 validation error detected: Value '{token}' at 'nextToken' failed to satisfy "
            f"constraint: Member must have length less than or equal to {_TOKEN_CHARACTERS}"
        )
    try:
        text = base64.urlsafe_b64decode(token).decode()
        return int(text.removeprefix(_TOKEN)) if text.startswith(_TOKEN) else int("")
    except ValueError:
        raise InvalidToken("Invalid Token: 'Invalid token'") from None


_TOKEN = "local-aws-page:"
_TOKEN_CHARACTERS = 3096
_POLL_SECONDS = 60
_STATUSES = ("SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING")
METADATA = "METADATA_ONLY"
"""The value of ``includedData`` that excludes what a key encrypts."""


def describe(run: ExecutionRecord) -> dict[str, Json]:
    """Return the response of ``DescribeExecution``."""
    found: dict[str, Json] = {
        "executionArn": run.arn,
        "stateMachineArn": run.state_machine_arn,
        "stateMachineAliasArn": run.alias_arn,
        "stateMachineVersionArn": run.version_arn,
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
        "redriveCount": run.redrive_count,
        "redriveDate": run.redrive_date,
        **_redrivable(run),
    }
    if run.output_text is not None:
        found["outputDetails"] = {"included": True}
    return {key: value for key, value in found.items() if value is not None}


def _redrivable(run: ExecutionRecord) -> dict[str, str]:
    if reason := run.not_redrivable:
        return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
    by_map = run.map_run_arn is not None
    return {"redriveStatus": "REDRIVABLE_BY_MAP_RUN" if by_map else "REDRIVABLE"}


def _item(run: ExecutionRecord) -> dict[str, Json]:
    keys = (
        "executionArn",
        "stateMachineArn",
        "stateMachineAliasArn",
        "stateMachineVersionArn",
        "mapRunArn",
        "name",
        "status",
        "startDate",
        "stopDate",
        "redriveCount",
        "redriveDate",
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
