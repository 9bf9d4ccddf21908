"""What the steps have said in AWS: the log groups of all functions as one stream of lines.

A step's runtime writes JSON that names run and node; whatever else the step prints stands
between Lambda's own START and END, which name the request. So each line finds its run.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, OptionError

from .clients import is_local

if TYPE_CHECKING:
    from .stack import Deployed

POLL = 1.5  # seconds between two looks of --tail
LATE = 10.0  # seconds by which CloudWatch may show a line late
_AT_ONCE = 8
_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_REQUEST = re.compile(rf"(?P<what>START|END|REPORT) RequestId: {_ID}\b")
_OWN = re.compile(rf"INIT_START Runtime Version: |XRAY TraceId: |{_REQUEST.pattern}")
_AGO = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FRAME = re.compile(r'\s+File "[^"]+", line \d+, in ')
# Frames of a traceback that are not the user's: of the runtime, of the function that Lambda calls
# and of the program that an image starts.
_OWN_FRAME = re.compile(
    r'\s+File "([^"]*/lokki_runtime/[^"]+", line \d+, in |/app/entry\.py", line \d+, in '
    r'|[^"]*/lambda_function\.py", line \d+, in lambda_handler$)'
)
_EVENTS = ("step_start", "step_skip", "step_end", "step_fail")  # of the runtime's own lines


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a step's log.

    Args:
        time: When, as ``time.time()`` counts.
        step: Whose.
        text: What stands there.
        told: The same as the step's runtime tells it; empty for what the step itself prints.
        run: The run that it belongs to, if that is known.
        node: The node, if that is known.
    """

    time: float
    step: str
    text: str
    told: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None
    node: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The line as the runtime writes its own."""
        if self.told:
            return dict(self.told)
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
    """Which lines.

    Args:
        steps: Of these steps.
        start: From then on, as ``time.time()`` counts.
        end: Until then; now unless given.
        run: Of this run alone.
    """

    steps: Sequence[str]
    start: float
    end: float | None = None
    run: str | None = None


class Reader:
    """Reads the logs of a pipeline's functions and jobs.

    Args:
        deployed: The pipeline.
        wanted: Which lines.
    """

    def __init__(self, deployed: Deployed, wanted: Wanted) -> None:
        self._deployed = deployed
        self._groups = deployed.log_groups
        self._wanted = wanted
        # A step's own, for threads read them side by side.
        self._read = {step: _Group(step) for step in wanted.steps}

    def lines(self, *, is_last: bool = True) -> list[LogLine]:
        """All lines that are new since the last call, in the order of time.

        Args:
            is_last: Whether nothing more is read: then what still waits for its run is told.

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
        wait: Callable[[float], None] = time.sleep,
    ) -> Iterator[LogLine]:
        """All lines, and then what comes.

        Args:
            is_over: Tells that nothing more will be said; what is shown late is waited for.
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
            stream = group.streams.setdefault(event["logStreamName"], _Stream(step))
            lines += stream.read(event)
        return lines

    def _events(self, group: _Group) -> Iterable[Mapping[str, Any]]:
        wanted = self._wanted
        # What is read is not forgotten but passed over: lines may come late.
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
            if error.code != "ResourceNotFoundException":  # it has not said anything yet
                raise


@dataclass(slots=True)
class _Group:
    """What has been read of a step's log group."""

    step: str
    seen: set[str] = field(default_factory=set)
    streams: dict[str, _Stream] = field(default_factory=dict)


class _Stream:
    """One log stream: one worker of Lambda's, which makes one call after another."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._run: str | None = None
        self._node: str | None = None
        self._waiting: list[LogLine] = []  # until it is known which run they belong to
        self._in_own_frame = False
        self.latest = 0.0

    def read(self, event: Mapping[str, Any]) -> Iterator[LogLine]:
        """The lines that an event settles."""
        text = event["message"].rstrip("\n")
        when = event["timestamp"] / 1000
        self.latest = max(self.latest, when)
        match = _REQUEST.match(text)
        if match and match["what"] == "START":  # what has come before is of its cold start
            self._run = self._node = None
        elif match:
            yield from self.settled()
        if _OWN.match(text) or not text.strip():
            return
        kept = [line for line in text.split("\n") if self._is_kept(line)]
        if not kept:
            return
        text = "\n".join(kept)
        told = _told(text)
        if told:
            self._run, self._node = told.get("run", self._run), told.get("node", self._node)
            yield from self.settled()
        line = LogLine(when, self._step, text, told, self._run, self._node)
        if self._run is None:
            self._waiting.append(line)
        else:
            yield line

    def _is_kept(self, line: str) -> bool:
        """Whether a line is shown: in a traceback, those of the user's frames are."""
        if _FRAME.match(line):
            self._in_own_frame = bool(_OWN_FRAME.match(line))
        elif not line[:1].isspace():
            self._in_own_frame = False
        return not self._in_own_frame

    def settled(self) -> Iterator[LogLine]:
        """What has waited, as far as it is known now."""
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            yield LogLine(line.time, line.step, line.text, line.told, self._run, self._node)


def _told(text: str) -> dict[str, Any]:
    """What the step's runtime tells in a line; empty if the line is no such."""
    if not text.startswith("{"):
        return {}
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    own = isinstance(told, dict) and told.get("event") in _EVENTS and {"node", "run"} <= set(told)
    return told if own else {}


def moment(text: str) -> float:
    """A time as ISO 8601 writes it, without a zone this machine's; or how long ago.

    Args:
        text: ``2024-01-15T10:00:00Z``, ``2024-01-15`` and the like; or ``90s``, ``30m``, ``2h``,
            ``1d``.

    Raises:
        OptionError: If it is no time.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return time.time() - float(ago["number"]) * _SECONDS[ago["unit"]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise OptionError(
            f"{text!r} is no time",
            remedy="write it as 2024-01-15T10:00:00Z, or as 2h",
        ) from None
