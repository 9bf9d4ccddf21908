"""Logs of the steps in AWS: the log groups of all functions as one stream of lines.

A step's runtime writes JSON that names run and node. Other output of the step is between Lambda's
START and END, which contain the request id. So each line can be assigned to its run.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, OptionError

from .clients import is_local

if TYPE_CHECKING:
    from .deployed import Deployed

POLL = 1.5  # seconds between two queries of --tail
LATE = 10.0  # seconds by which CloudWatch may return a line late
_AT_ONCE = 8
_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_REQUEST = re.compile(rf"(?P<what>START|END|REPORT) RequestId: {_ID}\b")
_OWN = re.compile(rf"INIT_START Runtime Version: |XRAY TraceId: |{_REQUEST.pattern}")
_REPORTED = {
    "billed_ms": re.compile(r"\bBilled Duration: (\d+) ms"),
    "memory_mb": re.compile(r"\bMemory Size: (\d+) MB"),
    "used_mb": re.compile(r"\bMax Memory Used: (\d+) MB"),
}
_AGO = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FRAME = re.compile(r'\s+File "[^"]+", line \d+, in ')
# Frames of a traceback that are not the user's code: the runtime, the function that Lambda calls
# and the program that an image starts.
_OWN_FRAME = re.compile(
    r'\s+File "([^"]*/lokki_runtime/[^"]+", line \d+, in |/app/entry\.py", line \d+, in '
    r'|[^"]*/lambda_function\.py", line \d+, in lambda_handler$)'
)
_EVENTS = ("step_start", "step_skip", "step_end", "step_fail")  # of the runtime's own lines


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a step's log.

    Args:
        time: Seconds since 1970.
        step: The step.
        text: The line.
        entry: The JSON object that the step's runtime wrote; empty for the step's own output.
        run: The run, if it is known.
        node: The node, if it is known.
    """

    time: float
    step: str
    text: str
    entry: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None
    node: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the line as an object like those that the runtime writes."""
        if self.entry:
            return dict(self.entry)
        moment = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds")
        known = {"run": self.run, "node": self.node}
        return {
            "ts": moment.replace("+00:00", "Z"),
            "event": "print",
            **{name: value for name, value in known.items() if value},
            "step": self.step,
            "message": self.text,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """Selection of lines.

    Args:
        steps: The steps; none for all.
        start: The earliest time, in seconds since 1970.
        end: The latest time; now by default.
        run: The run; all runs by default.
        reports: Whether Lambda's reports of calls are included, as entries ``report``.
    """

    steps: Sequence[str]
    start: float
    end: float | None = None
    run: str | None = None
    reports: bool = False


class Reader:
    """Reads the logs of a pipeline's functions and jobs.

    Args:
        deployed: The pipeline.
        wanted: The lines to read.
    """

    def __init__(self, deployed: Deployed, wanted: Wanted) -> None:
        self._deployed = deployed
        self._groups = deployed.log_groups
        self._wanted = wanted
        # Each step has its own list, since threads read the groups at the same time.
        self._read = {step: _Group(step) for step in wanted.steps}

    def lines(self, *, is_last: bool = True) -> list[LogLine]:
        """Return all lines that are new since the previous call, in the order of time.

        Args:
            is_last: Whether this is the last call: then lines whose run is still unknown are
                included.

        Raises:
            AwsError: If they cannot be read.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = [*pool.map(self._of_step, self._wanted.steps)]
        if is_last:
            streams = (one for group in self._read.values() for one in group.streams.values())
            found += [list(stream.settled()) for stream in streams]
        lines = sorted((line for part in found for line in part), key=lambda line: line.time)
        run = self._wanted.run
        return [line for line in lines if run is None or line.run == run]

    def follow(
        self,
        is_over: Callable[[], bool] = lambda: False,
        wait: Callable[[float], Any] = time.sleep,
    ) -> Iterator[LogLine]:
        """Yield all lines, and new ones as they are written.

        Args:
            is_over: Returns whether no more lines will be written; late ones are still awaited.
            wait: Waits some seconds.
        """
        left = 0.0 if is_local(self._deployed.aws.config) else LATE
        over = is_over()
        while not over or left > 0:
            yield from self.lines(is_last=False)
            wait(POLL)
            left -= POLL if over else 0
            over = over or is_over()
        yield from self.lines()

    def _of_step(self, step: str) -> list[LogLine]:
        group = self._read[step]
        lines: list[LogLine] = []
        for event in sorted(self._events(group), key=lambda one: one["timestamp"]):
            made = _Stream(step, reports=self._wanted.reports)
            stream = group.streams.setdefault(event["logStreamName"], made)
            lines += stream.read(event)
        return lines

    def _events(self, group: _Group) -> Iterable[Mapping[str, Any]]:
        wanted = self._wanted
        # Lines may arrive late, so the query repeats a period and known lines are skipped.
        start = max([wanted.start, *(one.latest - LATE for one in group.streams.values())])
        more = {} if wanted.end is None else {"endTime": int(wanted.end * 1000)}
        try:
            for page in self._deployed.aws.pages(
                "logs",
                "filter_log_events",
                logGroupName=self._groups[group.step],
                startTime=max(0, int(start * 1000)),
                **more,
            ):
                for event in page["events"]:
                    if event["eventId"] not in group.seen:
                        group.seen.add(event["eventId"])
                        yield event
        except AwsError as error:
            if error.code != "ResourceNotFoundException":  # the step has not written a line yet
                raise


@dataclass(slots=True)
class _Group:
    """The lines read so far from a step's log group."""

    step: str
    seen: set[str] = field(default_factory=set)
    streams: dict[str, _Stream] = field(default_factory=dict)


class _Stream:
    """One log stream: one worker of Lambda, which makes its calls one after another."""

    def __init__(self, step: str, *, reports: bool = False) -> None:
        self._step = step
        self._reports = reports
        self._run: str | None = None
        self._node: str | None = None
        self._waiting: list[LogLine] = []  # lines whose run is not known yet
        self._in_own_frame = False
        self.latest = 0.0

    def read(self, event: Mapping[str, Any]) -> Iterator[LogLine]:
        """Return the lines whose run is known after an event."""
        text = event["message"].rstrip("\n")
        when = event["timestamp"] / 1000
        self.latest = max(self.latest, when)
        match = _REQUEST.match(text)
        if match and match["what"] == "START":  # the lines before it belong to its cold start
            self._run = self._node = None
        elif match:
            yield from self.settled()
            report = _report(text) if self._reports else {}
            if report and self._run is not None:
                yield LogLine(when, self._step, text, report, self._run, self._node)
        if _OWN.match(text) or not text.strip():
            return
        kept = [line for line in text.split("\n") if self._is_kept(line)]
        if not kept:
            return
        text = "\n".join(kept)
        entry = _entry(text)
        if entry:
            self._run, self._node = entry.get("run", self._run), entry.get("node", self._node)
            yield from self.settled()
        line = LogLine(when, self._step, text, entry, self._run, self._node)
        if self._run is None:
            self._waiting.append(line)
        else:
            yield line

    def _is_kept(self, line: str) -> bool:
        """Return whether a line is shown: in a traceback, only the user's frames are."""
        if _FRAME.match(line):
            self._in_own_frame = bool(_OWN_FRAME.match(line))
        elif not line[:1].isspace():
            self._in_own_frame = False
        return not self._in_own_frame

    def settled(self) -> Iterator[LogLine]:
        """Yield the waiting lines, with run and node if they are known."""
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            yield LogLine(line.time, line.step, line.text, line.entry, self._run, self._node)


def log_lines(
    deployed: Deployed,
    wanted: Wanted,
    is_over: Callable[[], bool] | None = None,
    wait: Callable[[float], Any] = time.sleep,
) -> Iterator[LogLine]:
    """Yield the lines of logs of a pipeline, in the order of time.

    Args:
        deployed: The pipeline.
        wanted: The lines to read; without steps, those of all.
        is_over: Returns whether no more lines will be written, if new ones are awaited.
        wait: Waits some seconds.

    Raises:
        OptionError: If there is no such step.
    """
    logged = tuple(deployed.log_groups)
    unknown = [step for step in wanted.steps if step not in logged]
    if unknown:
        raise OptionError(
            f"the step must be one of those with a log ({', '.join(logged)}), got {unknown[0]!r}"
        )
    reader = Reader(deployed, replace(wanted, steps=wanted.steps or logged))
    yield from reader.lines() if is_over is None else reader.follow(is_over, wait)


def _report(text: str) -> dict[str, Any]:
    """Return the billed milliseconds and the memory in MB of a line ``REPORT``; else nothing."""
    found = {
        name: float(match[1])
        for name, pattern in _REPORTED.items()
        if (match := pattern.search(text)) is not None
    }
    return {"event": "report", **found} if "billed_ms" in found else {}


def _entry(text: str) -> dict[str, Any]:
    """Return the JSON object of a line of the step's runtime; empty for other lines."""
    if not text.startswith("{"):
        return {}
    try:
        entry = json.loads(text)
    except ValueError:
        return {}
    own = (
        isinstance(entry, dict) and entry.get("event") in _EVENTS and {"node", "run"} <= set(entry)
    )
    return entry if own else {}


def moment(text: str) -> float:
    """Return a time, in seconds since 1970, from ISO 8601 or from a duration before now.

    Args:
        text: ``2024-01-15T10:00:00Z``, ``2024-01-15``, in the local time zone unless it has one; or
            ``90s``, ``30m``, ``2h``, ``1d``.

    Raises:
        OptionError: If the text has another form.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return time.time() - float(ago["number"]) * _SECONDS[ago["unit"]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise OptionError(
            f"the time must be an ISO 8601 time or a duration, got {text!r}",
            remedy="write it as 2024-01-15T10:00:00Z, or as 2h",
        ) from None
