"""The exceptions of the interpreter: failures of states, stops, and errors of expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RUNTIME = "States.Runtime"
TIMEOUT = "States.Timeout"


class StateFailure(Exception):
    """A state failed with an error.

    Args:
        error: The error name, which ``Retry`` and ``Catch`` compare with ``ErrorEquals``; None if
            a Fail state or ``SendTaskFailure`` names none.
        cause: A description of the error for humans, or None.
        terminal: Whether ``Retry`` and ``Catch`` do not apply, so that the whole execution fails.
        alias: A second error name that ``Retry`` and ``Catch`` may list.
    """

    def __init__(
        self,
        error: str | None,
        cause: str | None,
        *,
        terminal: bool = False,
        alias: str | None = None,
    ) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self.alias = alias
        self.terminal = terminal or error == RUNTIME

    @property
    def details(self) -> dict[str, str]:
        """The fields of the history events about the failure, without those that are absent."""
        found = {"error": self.error, "cause": self.cause}
        return {key: value for key, value in found.items() if value is not None}


class Stopped(Exception):
    """The execution or the branch was stopped, so its threads must end."""


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the interpreter and turn unexpected exceptions into a state failure.

    Without this, a bug in the interpreter would end a thread that another thread waits for.

    Args:
        call: The function.
        arguments: Its positional arguments.

    Raises:
        StateFailure: If the call fails.
        Stopped: If the execution was stopped.
    """
    try:
        return call(*arguments)
    except (StateFailure, Stopped):
        raise
    except Exception as error:
        raise StateFailure(RUNTIME, f"{type(error).__name__}: {error}") from error


class PathNotFound(Exception):
    """A path is valid, but the data contains no value at it."""

    def __init__(self, path: str, data: object) -> None:
        super().__init__(path)
        self.path = path
        self.data = data


class PathSyntaxError(ValueError):
    """A text is not a valid path."""


class UndefinedVariable(Exception):
    """An expression refers to a variable that no state has assigned yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
