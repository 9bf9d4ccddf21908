"""Helpers and fixtures that the tests of the local AWS share."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lokki_tf.testing.state_machines.definition import check
from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.record import Settings
from lokki_tf.testing.state_machines.services import Callbacks, Invocation, ServiceError
from pytest_lokki_tf import local_aws  # noqa: F401

Functions = Mapping[str, Callable[[Any], Any]]
INVOKE = "arn:aws:states:::lambda:invoke"
ARN = "arn:aws:states:us-east-1:123456789012"


def function_arn(name: str) -> str:
    """Return a function's ARN."""
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


class FakeServices:
    """An account whose functions are Python callables."""

    region = "us-east-1"

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def invoke(
        self, function: str, payload: bytes, *, qualifier: str | None = None, kind: str
    ) -> Invocation:
        """Call the function; its exception is the error that Lambda reports."""
        name = function.rsplit(":", 1)[-1]
        if name not in self._functions:
            raise ServiceError("ResourceNotFoundException", "Function not found", status=404)
        try:
            result = self._functions[name](json.loads(payload))
        except Exception as error:
            failure = {"errorMessage": str(error), "errorType": type(error).__name__}
            return Invocation(json.dumps(failure).encode(), "Unhandled")
        return Invocation(json.dumps(result).encode())

    def authorize(self, action: str, resource: str, context: Any = None) -> None:
        """Allow everything."""

    def client(self, service: str) -> Any:
        """Refuse."""
        raise NotImplementedError(service)


@pytest.fixture
def prepare() -> Callable[..., Execution]:
    """Return an execution that has not begun, with functions that are callables."""
    return start


@pytest.fixture
def interpret() -> Callable[..., Execution]:
    """Run a definition in this process, with functions that are callables."""

    def run(definition: Any, value: Any = None, **functions: Callable[[Any], Any]) -> Execution:
        assert check(json.dumps(definition)) == ()
        execution = start(definition, value, **functions)
        execution.run()
        return execution

    return run


def start(definition: Any, value: Any = None, **functions: Callable[[Any], Any]) -> Execution:
    """Return an execution that has not begun."""
    settings = Settings(FakeServices(functions), Callbacks(), 0.0, 0.0)
    return Execution(
        arn=f"{ARN}:execution:machine:run",
        name="run",
        state_machine_arn=f"{ARN}:stateMachine:machine",
        state_machine_name="machine",
        definition=definition,
        input_text=json.dumps({} if value is None else value),
        role_arn="arn:aws:iam::123456789012:role/machine",
        settings=settings,
    )


@pytest.fixture
def task() -> Callable[..., dict[str, Any]]:
    """Return a Task state that invokes a function with a payload."""

    def state(function: str, payload: Any = None, **more: Any) -> dict[str, Any]:
        parameters = {"FunctionName": function_arn(function), "Payload": payload or {}}
        ending = {} if "Next" in more else {"End": True}
        return {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, **ending, **more}

    return state


@pytest.fixture
def zip_of() -> Callable[..., bytes]:
    """Return a zip of a handler's source and other files."""

    def make(source: str = "", files: Mapping[str, str] | None = None) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in {"handler.py": source, **(files or {})}.items():
                archive.writestr(name, text)
        return content.getvalue()

    return make


@pytest.fixture
def output() -> Callable[[Execution], Any]:
    """Return the parsed output of an execution that succeeded."""

    def read(execution: Execution) -> Any:
        assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
        assert execution.output_text is not None
        return json.loads(execution.output_text)

    return read
