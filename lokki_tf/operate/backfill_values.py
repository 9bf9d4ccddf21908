"""The values of a backfill, and the input of the run that each of them has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import MissingToolError, OptionError
from lokki_tf.runtime.parameters import scheduled_input

from .intervals import Interval, IntervalError, Intervals, interval_of, intervals

if TYPE_CHECKING:
    from lokki_tf.config import Config
    from lokki_tf.model import FlowParameter

SKIPPED = "SKIPPED"
"""The status of a run that was skipped while others were going on (``when_busy="skip"``)."""
_BETWEEN, _FILE = "..", "@"


@dataclass(frozen=True, slots=True)
class BackfillValue:
    """A value of the parameter of a backfill.

    Args:
        text: The value as text.
        value: The value.
        begin: When its interval begins, in UTC; ``None`` if it is no interval of time.
    """

    text: str
    value: Any
    begin: datetime | None = None

    def given(self, parameter: str, others: Mapping[str, Any]) -> dict[str, Any]:
        """Return the input of the value's run.

        Args:
            parameter: Name of the parameter.
            others: The other parameters of all runs, by name.
        """
        given = {**others, parameter: self.value}
        if self.begin is not None:
            given |= scheduled_input(self.begin.isoformat().replace("+00:00", "Z"))
        return given


@dataclass(frozen=True, slots=True)
class BackfillOutcome:
    """How the run of a value has ended.

    Args:
        value: The value.
        status: As AWS writes it, ``SUCCEEDED`` for example, of a local run too; or ``SKIPPED``.
        earlier: Whether it had ended before this backfill, which did not start it again.
        run: Name of the run in AWS.
        error: Why it has failed, or was skipped.
    """

    value: BackfillValue
    status: str
    earlier: bool = False
    run: str | None = None
    error: str | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether it has succeeded."""
        return self.status == "SUCCEEDED"

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON, without what there is not."""
        found = {
            "value": self.value.value,
            "run": self.run,
            "status": self.status,
            "earlier": self.earlier,
            "error": self.error,
        }
        return {name: value for name, value in found.items() if value is not None}


class BackfillValues:
    """The values of a backfill, in order, each once. A range is stored by its ends.

    Args:
        parts: Ranges, and lists of values.
    """

    def __init__(self, parts: Sequence[Intervals | Sequence[BackfillValue]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        """The number of values; one that is repeated counts each time."""
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[BackfillValue]:
        seen = set()
        every: Iterator[Interval | BackfillValue] = chain.from_iterable(self._parts)
        for one in every:
            if one.text not in seen:
                seen.add(one.text)
                yield _of_interval(one) if isinstance(one, Interval) else one


def zone_of(config: Config) -> tzinfo:
    """Return the time zone of intervals: that of the schedule.

    Args:
        config: Settings, as in ``lokki.toml``.

    Raises:
        MissingToolError: If this computer has no database of time zones.
    """
    name = config.schedule.timezone
    if name == "UTC":
        return UTC  # also without a database of time zones
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        raise MissingToolError(
            f"the time zone {name} is not known here, where the database of time zones is missing",
            remedy="pip install tzdata",
        ) from None


def backfill_values(
    text: str,
    parameter: FlowParameter,
    convert: Callable[[str], Any],
    zone: tzinfo,
    every: int | None = None,
) -> BackfillValues:
    """Return the values that a user has written.

    Args:
        text: A range, ``2024-01-01..2024-01-31``; values and ranges with commas between them; or
            ``@`` and the path of a file with a value on each line.
        parameter: The parameter.
        convert: Returns a value of the parameter's type for a text, or raises ``ValueError``.
        zone: The time zone of intervals.
        every: Distance between the intervals of ranges; 1 by default.

    Raises:
        OptionError: If a value or range is not valid, or there is none.
    """
    is_file = text.startswith(_FILE)
    if not is_file and parameter.kind in (list, dict):
        raise OptionError(
            f"--backfill has commas between values, and {parameter.name!r} is a "
            f"{parameter.kind.__name__}",
            remedy="write the values into a file, one a line, and give --backfill @FILE",
        )
    texts = _lines(Path(text[1:])) if is_file else text.split(",")
    parts: list[Intervals | Sequence[BackfillValue]] = []
    for one in filter(None, map(str.strip, texts)):
        if _BETWEEN in one and not is_file:
            parts.append(_range(one, parameter, zone, every or 1))
        else:
            parts.append([_single(one, parameter, convert, zone, is_line=is_file)])
    if not parts:
        raise OptionError(f"--backfill {text}: there are no values")
    if every is not None and not any(isinstance(one, Intervals) for one in parts):
        raise OptionError(
            "--every requires a range", remedy="write --backfill 2024-01-01..2024-01-31"
        )
    return BackfillValues(parts)


def _range(text: str, parameter: FlowParameter, zone: tzinfo, every: int) -> Intervals:
    if not _takes_text(parameter):
        raise OptionError(
            f"--backfill {text}: a range requires a parameter of type str, and "
            f"{parameter.name!r} is {parameter.kind.__name__}",
            remedy="list the values, with commas between them",
        )
    first, last = text.split(_BETWEEN, 1)
    try:
        return intervals(first.strip(), last.strip(), zone, every)
    except IntervalError as error:
        raise OptionError(
            f"--backfill {text}: the range {error}",
            remedy="write FIRST..LAST, both included; values that contain '..' belong into a file: "
            "--backfill @FILE",
        ) from None


def _single(
    text: str,
    parameter: FlowParameter,
    convert: Callable[[str], Any],
    zone: tzinfo,
    *,
    is_line: bool,
) -> BackfillValue:
    try:
        found = interval_of(text, zone) if _takes_text(parameter) else None
    except IntervalError as error:
        if not is_line:
            raise OptionError(
                f"--backfill {text}: the value {error}",
                remedy="correct it; a text that only looks like a date belongs into a file, a "
                "value a line: --backfill @FILE",
            ) from None
        found = None
    if found is not None:
        return _of_interval(found)
    try:
        return BackfillValue(text, convert(text))
    except ValueError:
        raise OptionError(
            f"--backfill: {parameter.name} must be of type {parameter.kind.__name__}, got {text!r}"
        ) from None


def _of_interval(one: Interval) -> BackfillValue:
    return BackfillValue(one.text, one.text, one.begin)


def _takes_text(parameter: FlowParameter) -> bool:
    return parameter.kind not in (int, float, bool, list, dict)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OptionError(f"--backfill @{file}: the file cannot be read: {reason}") from None
