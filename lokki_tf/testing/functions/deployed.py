"""The types of deployed functions and of the outcomes of invocations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4


@dataclass(frozen=True)
class Image:
    """The container image of a function.

    Args:
        uri: The image's URI.
        command: Replaces the image's ``CMD``.
        entry_point: Replaces the image's ``ENTRYPOINT``.
        working_directory: Replaces the image's ``WORKDIR``.
    """

    uri: str
    command: tuple[str, ...] | None = None
    entry_point: tuple[str, ...] | None = None
    working_directory: str | None = None


@dataclass(frozen=True)
class Function:
    """A deployed function.

    Args:
        name: The function's name.
        arn: The ARN that was invoked.
        version: ``$LATEST`` or a number.
        handler: The handler as ``module.function``; empty for an image.
        runtime: The runtime, such as ``python3.12``; empty for an image.
        timeout: The time limit in seconds.
        memory_size: The memory in MB.
        environment: The function's environment variables.
        code: The function's zip; empty for an image.
        layers: The zips of its layers. Files of later layers replace those of earlier ones.
        log_group: The log group of its log.
        image: The container image, if the function has one.
        role: The ARN of its role.
        credentials: Environment variables with the role's credentials; empty for the account's
            own keys.
    """

    name: str
    arn: str
    version: str
    handler: str
    runtime: str
    timeout: float
    memory_size: int
    environment: Mapping[str, str]
    code: bytes
    layers: Sequence[bytes]
    log_group: str
    image: Image | None = None
    role: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """One invocation of a function.

    Args:
        function: The function.
        event: The event's JSON.
        request_id: The id of the invocation.
        stream: The log stream, which is known when a process has been found.
    """

    function: Function
    event: bytes
    request_id: str
    stream: str = ""


@dataclass(frozen=True)
class Outcome:
    """The outcome of an invocation.

    Args:
        payload: The JSON of the result or of the error.
        error: ``Unhandled`` if the function failed, otherwise None.
        log: The lines for the function's log.
        request_id: The id of the invocation.
    """

    payload: bytes
    error: str | None
    log: str
    request_id: str


def new_stream(version: str) -> str:
    """Return the name of a new log stream for a version of a function."""
    return f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{uuid4().hex}"


def image_variables(function: Function) -> dict[str, str]:
    """Return the environment variables that Lambda adds to those of an image."""
    return {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "TZ": ":UTC",
    }


def zip_variables(function: Function) -> dict[str, str]:
    """Return the environment variables that Lambda sets for a zip, except names of the function.

    Functions that differ in their names only have the same variables and can share a process.
    """
    return {
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }
