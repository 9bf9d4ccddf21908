"""The levels of the log: those of Python, and two more."""

from __future__ import annotations

from enum import IntEnum

from lokki_tf.errors import OptionError


class LogLevel(IntEnum):
    """The severity of a log line; each is a level of :mod:`logging`.

    ``SYSTEM`` is for runs as a whole, ``SUCCESS`` for a run that succeeded. The level ``SYSTEM``
    therefore shows runs, warnings and errors, but not each step.
    """

    DEBUG = 10
    INFO = 20
    SYSTEM = 22
    SUCCESS = 25
    WARNING = 30
    ERROR = 40


def level_of(level: LogLevel | int | str) -> int:
    """Return the number of a level.

    Args:
        level: A level, its number, or its name in any case.

    Raises:
        OptionError: If there is no such level.
    """
    if isinstance(level, int) and not isinstance(level, bool):
        return int(level)
    name = str(level).upper()
    if name in LogLevel.__members__:
        return LogLevel[name].value
    raise OptionError(
        f"there is no log level {level!r}",
        remedy=f"use one of {', '.join(LogLevel.__members__)}",
    )
