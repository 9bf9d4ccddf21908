"""Backfills: an execution for each of many values of a parameter.

The name of each execution follows from its input, and Step Functions lets a name be used once in 90
days. So a backfill that was interrupted continues when it is called again: an execution that is
running is not started twice, and one that has succeeded is left. Source: Step Functions API
Reference, "StartExecution": with the name and the input of a running execution the call succeeds
and starts nothing; with the name of one that has ended it is ``ExecutionAlreadyExists``.

A failed value is started again as a new execution, with the number of the attempt after its name,
and not redriven: a redrive is possible for 14 days only, not after a cleanup step, and it keeps the
state machine's definition of the first attempt, with versions of functions its code too. So all
failed values are treated in the same way.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, OptionError
from lokki_tf.local.events import Event
from lokki_tf.runtime.failure import message_of

from .backfill_values import SKIPPED, BackfillOutcome
from .remote import remote_error
from .runs import SUCCEEDED, AwsRun, describe, every_run, start, with_errors

if TYPE_CHECKING:
    from .backfill_values import BackfillValue
    from .deployed import Deployed

PREFIX_LENGTH = 40
"""The most characters of the part of names that the user chooses."""
_NAME_LENGTH, _ATTEMPT_LENGTH, _DIGEST_LENGTH = 80, 4, 10
_SHORTEST, _LONGEST = 0.5, 5.0  # seconds between two looks at the running executions
_CALLS = 10.0  # descriptions a second; AWS allows 15 in all regions


@dataclass(frozen=True, slots=True)
class BackfillRun:
    """The run of one value.

    Args:
        value: The value.
        given: The input of its execution.
        name: The name of its first execution.
        attempt: The number of its last execution, from 1; 0 if there is none yet.
        run: Its last execution, if there is one.
        earlier: Whether it had ended before this backfill.
    """

    value: BackfillValue
    given: Mapping[str, Any]
    name: str
    attempt: int = 0
    run: AwsRun | None = None
    earlier: bool = False

    @property
    def has_succeeded(self) -> bool:
        """Whether it has succeeded, and was not skipped while other runs were going on."""
        return self.run is not None and self.run.status == SUCCEEDED and self.run.busy is None

    @property
    def is_running(self) -> bool:
        """Whether its execution has not ended."""
        return self.run is not None and self.run.is_running

    @property
    def has_failed(self) -> bool:
        """Whether its last execution has ended without success."""
        return self.run is not None and not self.run.is_running and not self.has_succeeded

    @property
    def outcome(self) -> BackfillOutcome:
        """How it has ended.

        Raises:
            ValueError: If it has not.
        """
        if self.run is None or self.run.is_running:
            raise ValueError(f"the run of {self.value.text} has not ended")
        words = (self.run.error, message_of(self.run.cause or ""), self.run.busy)
        error = ": ".join(filter(None, words)) or None
        status = self.run.status if self.run.busy is None else SKIPPED
        return BackfillOutcome(self.value, status, self.earlier, self.run.name, error)


def planned(
    values: Iterable[BackfillValue], parameter: str, others: Mapping[str, Any], prefix: str | None
) -> list[BackfillRun]:
    """Return the runs of a backfill.

    Args:
        values: The values.
        parameter: Name of the parameter.
        others: The other parameters of all runs, by name.
        prefix: With which the names of executions begin, if any.

    Raises:
        OptionError: If the prefix is not valid.
    """
    if prefix is not None and not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{PREFIX_LENGTH}}}", prefix):
        raise OptionError(
            f"--name must be a valid beginning of names of runs, got {prefix!r}",
            remedy=f"use 1 to {PREFIX_LENGTH} letters, digits and - _",
        )
    found = []
    for value in values:
        given = value.given(parameter, others)
        found.append(BackfillRun(value, given, _name(parameter, value.text, given, prefix)))
    return found


def _name(parameter: str, text: str, given: Mapping[str, Any], prefix: str | None) -> str:
    """Return the name of a run's first execution: readable, and with a digest of its input."""
    canonical = json.dumps(given, sort_keys=True, ensure_ascii=True)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:_DIGEST_LENGTH]
    words = "-".join(filter(None, (prefix, parameter, text)))
    room = _NAME_LENGTH - _DIGEST_LENGTH - _ATTEMPT_LENGTH - 1
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', words)[:room]}-{digest}"


def found_runs(deployed: Deployed, runs: Sequence[BackfillRun]) -> list[BackfillRun]:
    """Return the runs with the executions that they have had.

    An execution that succeeded or is running counts before later ones that failed.

    Args:
        deployed: The pipeline.
        runs: The runs.
    """
    by_name: dict[str, dict[int, AwsRun]] = defaultdict(dict)
    names = {one.name for one in runs}
    for run in every_run(deployed):
        name, attempt = _attempt_of(run.name, names)
        if name is not None:
            by_name[name][attempt] = run

    def last_of(one: BackfillRun) -> AwsRun | None:
        attempts = by_name.get(one.name, {})
        good = [number for number, run in attempts.items() if _is_good(run)]
        return attempts[max(good or attempts)] if attempts else None

    last = {one.name: last for one in runs if (last := last_of(one)) is not None}
    described = dict(zip(last, with_errors(deployed, list(last.values())), strict=True))
    return [
        replace(
            one,
            attempt=max(by_name[one.name]),
            run=(run := described[one.name]),
            earlier=not run.is_running,
        )
        if one.name in described
        else one
        for one in runs
    ]


def _is_good(run: AwsRun) -> bool:
    return run.is_running or run.status == SUCCEEDED


def _attempt_of(name: str, names: set[str]) -> tuple[str | None, int]:
    """Return the name of the first execution, and the number of the attempt, of an execution."""
    if name in names:
        return name, 1
    first, _, number = name.rpartition("-")
    return (first, int(number)) if first in names and number.isdecimal() else (None, 0)


def backfill(
    deployed: Deployed,
    runs: Sequence[BackfillRun],
    *,
    most: int,
    again: bool = False,
    on_event: Callable[[Event], None] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[BackfillRun]:
    """Start the runs of a backfill that have not succeeded, and yield each when it ends.

    Args:
        deployed: The pipeline.
        runs: The runs, as :func:`found_runs` returns them.
        most: Largest number of executions that run at one time; those that are running already
            count as well.
        again: Whether runs that failed before are started again.
        on_event: Receives the start and the end of each, as of a step with the value's name.
        wait: Waits some seconds.

    Raises:
        AwsError: If AWS refuses or cannot be reached; executions continue in AWS then.
    """
    report = _Reports(deployed.stack.name, on_event)
    queue: deque[BackfillRun] = deque()
    active: list[BackfillRun] = []
    for one in runs:
        if one.is_running:
            active.append(one)
        elif one.run is None or (again and one.has_failed):
            queue.append(one)
        else:
            yield one
    for one in active:
        report.begun(one)
    pause = _SHORTEST
    while queue or active:
        while queue and len(active) < most:
            one = _started(deployed, queue.popleft(), again=again)
            report.begun(one)
            if one.is_running:
                active.append(one)
            else:
                report.ended(one)
                yield one
        if active:
            wait(max(pause, len(active) / _CALLS))
        seen = [_described(deployed, one) for one in active]
        active = [one for one in seen if one.is_running]
        pause = _SHORTEST if len(active) < len(seen) else min(_LONGEST, pause * 1.5)
        for one in seen:
            if not one.is_running:
                report.ended(one)
                yield one


def _described(deployed: Deployed, one: BackfillRun) -> BackfillRun:
    assert one.run is not None
    return replace(one, run=describe(deployed, one.run.arn))


def _started(deployed: Deployed, one: BackfillRun, *, again: bool) -> BackfillRun:
    """Start the next execution of a run, unless it turns out to have one.

    AWS's list of executions may lack those of the last seconds. If another call has used the name,
    its execution is that of this run.
    """
    while True:
        attempt = one.attempt + 1
        name = one.name if attempt == 1 else f"{one.name}-{attempt}"
        try:
            run = start(deployed, one.given, name)
        except AwsError as error:
            if error.code != "ExecutionAlreadyExists":
                raise
            run = describe(deployed, name)
        one = replace(one, attempt=attempt, run=run, earlier=not run.is_running)
        if not (again and one.has_failed):
            return one


class _Reports:
    """Reports runs as events of steps.

    Args:
        pipeline: The pipeline's name.
        on_event: The listener.
    """

    def __init__(self, pipeline: str, on_event: Callable[[Event], None] | None) -> None:
        self._pipeline = pipeline
        self._on_event = on_event or (lambda event: None)

    def begun(self, one: BackfillRun) -> None:
        """Report that a run has begun."""
        assert one.run is not None
        began = one.run.began.timestamp()
        self._on_event(self._event("step_started", one, began))

    def ended(self, one: BackfillRun) -> None:
        """Report that a run has ended."""
        run = one.run
        assert run is not None
        assert run.ended is not None
        took = (run.ended - run.began).total_seconds()
        error = None
        if one.has_failed:
            name = run.error or (SKIPPED if run.busy else run.status)
            error = remote_error({"error": name, "cause": run.cause or run.busy})
        kind = "step_finished" if error is None else "step_failed"
        event = self._event(kind, one, run.ended.timestamp())
        self._on_event(replace(event, duration=took, error=error))

    def _event(self, kind: Any, one: BackfillRun, at: float) -> Event:
        return Event(kind, one.value.text, one.value.text, at, pipeline=self._pipeline)
