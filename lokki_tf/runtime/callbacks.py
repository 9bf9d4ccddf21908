"""Answers to steps with ``callback=True`` in AWS, by their task tokens."""

from __future__ import annotations

from .answers import CAUSE_LENGTH, LOCAL, answer_text, check_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def answer(token: str, value: Any = None) -> None:
    """Answer a step with ``callback=True``; the value becomes its result.

    Args:
        token: The step's ``run_context().task_token``.
        value: Anything that JSON can contain.

    Raises:
        TypeError: If JSON cannot contain it.
        ValueError: If it is too large, or the token is not one of a waiting step: it has been
            answered, has failed, or its time is over.
    """
    text = answer_text(value)
    _send("send_task_success", token, output=text)


def refuse(token: str, error: str = "Refused", message: str = "") -> None:
    """Let a step with ``callback=True`` fail; its ``retry=`` may list the error's name.

    Args:
        token: The step's ``run_context().task_token``.
        error: Name of the error.
        message: The error's text.

    Raises:
        ValueError: If the name is empty or longer than 256 characters, or as for :func:`answer`.
    """
    check_error(error, message)
    _send("send_task_failure", token, error=error, cause=message[:CAUSE_LENGTH])


def heartbeat(token: str) -> None:
    """Tell a step with ``heartbeat_seconds=`` that it will be answered later.

    Args:
        token: The step's ``run_context().task_token``.

    Raises:
        ValueError: As for :func:`answer`.
    """
    _send("send_task_heartbeat", token)


def _send(operation: str, token: str, **more: str) -> None:
    if not isinstance(token, str) or not token:
        raise TypeError(f"a task token is a text, run_context().task_token, got {token!r}")
    if token.startswith(LOCAL):
        raise ValueError(
            "the token is that of a local run, which asks in the terminal, or is answered by "
            "local_run(answers={step: value})"
        )
    import boto3

    client: Any = boto3.client("stepfunctions")
    unknown = client.exceptions
    try:
        getattr(client, operation)(taskToken=token, **more)
    except (unknown.TaskDoesNotExist, unknown.TaskTimedOut, unknown.InvalidToken) as error:
        raise ValueError(f"no step waits for an answer with this token: {error}") from None
