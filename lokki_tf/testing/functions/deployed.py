"""Functions as they were deployed, and what comes of invoking them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Image:
    """The image that a function is.

    Args:
        uri: its URI.
        command: in place of the image's own.
        entry_point: in place of the image's own.
        working_directory: in place of the image's own.
    """

    uri: str
    command: tuple[str, ...] | None = None
    entry_point: tuple[str, ...] | None = None
    working_directory: str | None = None


@dataclass(frozen=True)
class Function:
    """A deployed function.

    Args:
        name: its name.
        arn: the ARN that was invoked.
        version: ``$LATEST`` or a number.
        handler: ``module.function``; empty for an image.
        runtime: such as ``python3.12``; empty for an image.
        timeout: in seconds.
        memory: in MB.
        environment: its variables.
        code: its zip; empty for an image.
        layers: the zips of its layers, the first below.
        log_group: where its log goes.
        image: what it is, if it is an image.
        role: the ARN of its role.
        credentials: the variables by which it acts as that role; the account's own if empty.
    """

    name: str
    arn: str
    version: str
    handler: str
    runtime: str
    timeout: float
    memory: int
    environment: Mapping[str, str]
    code: bytes
    layers: Sequence[bytes]
    log_group: str
    image: Image | None = None
    role: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of an invocation.

    Args:
        payload: the result, or the description of the error.
        error: ``Unhandled`` if it failed, else None.
        log: what belongs to the log.
        request_id: its id.
    """

    payload: bytes
    error: str | None
    log: str
    request_id: str


def image_variables(function: Function) -> dict[str, str]:
    """Return what Lambda tells the program of an image, whose own variables stay as they are."""
    return {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "TZ": ":UTC",
    }


def zip_variables(function: Function) -> dict[str, str]:
    """Return what Lambda puts into every function's environment, whatever its name."""
    return {
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }
