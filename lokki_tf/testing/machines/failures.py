"""How a state ends other than well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RUNTIME = "States.Runtime"


class StateFailure(Exception):
    """A state reported an error.

    Args:
        error: the Error Name that ``Retry`` and ``Catch`` match.
        cause: the text for people.
        terminal: whether no ``Retry`` or ``Catch`` may take it, so that the whole execution fails.
    """

    def __init__(self, error: str, cause: str, *, terminal: bool = False) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self.terminal = terminal or error == RUNTIME


class Stopped(Exception):
    """The execution, or the branch of it, was told to stop: nothing of it may go on."""


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return a call's result; a fault of the interpreter fails the state, and hangs nobody.

    Raises:
        StateFailure: if the call fails.
        Stopped: if it was told to stop.
    """
    try:
        return call(*arguments)
    except (StateFailure, Stopped):
        raise
    except Exception as error:
        raise StateFailure(RUNTIME, f"{type(error).__name__}: {error}") from error


class PathNotFound(Exception):
    """A path is well formed and leads to nothing in the data."""

    def __init__(self, path: str, data: object) -> None:
        super().__init__(path)
        self.path = path
        self.data = data


class PathSyntaxError(ValueError):
    """A text is no path."""


class UndefinedVariable(Exception):
    """An expression refers to a variable that no state has assigned yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
