"""The levels of the log: those of Python, and two between them."""

from __future__ import annotations

from enum import IntEnum

from lokki_tf.errors import OptionError


class LogLevel(IntEnum):
    """How much a line of the log matters; each is a level of :mod:`logging`.

    ``SYSTEM`` tells of a run as a whole, ``SUCCESS`` that one has ended well: who sets
    the level to ``SYSTEM`` hears of runs and of trouble, but not of every step.
    """

    DEBUG = 10
    INFO = 20
    SYSTEM = 22
    SUCCESS = 25
    WARNING = 30
    ERROR = 40


def level_of(level: LogLevel | int | str) -> int:
    """The number of a level.

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
        remedy=f"take one of {', '.join(LogLevel.__members__)}",
    )
