"""An execution of a deployed pipeline, as an object: the Python client for what runs in AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, cast

from lokki_tf.errors import LokkiError, RunTimeoutError
from lokki_tf.local import table
from lokki_tf.model.texts import Picture, Text
from lokki_tf.tracebacks import ends_at_caller

from . import following, runs
from .failures import failure
from .outputs import outputs_of, refuse_unloaded
from .results import Reader, result
from .states import RunHistory
from .view import RunView

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from typing_extensions import TypeVar  # type checkers have it

    from lokki_tf.errors import ExecutionFailed
    from lokki_tf.model import Definition, Outcome

    from .calls import RecordedCall
    from .deployed import Deployed
    from .lines import LogLines
    from .logs import LogLine
    from .outputs import RemoteOutputs
    from .runs import AwsRun
    from .states import StepState

    R_co = TypeVar("R_co", covariant=True, default=Any)
    Replayer = Callable[[list[RecordedCall], Reader, bool], Any]
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)

LATE = 10.0
"""Seconds after a stop within which calls that go on may write lines of logs."""
STOPPED = "Stopped"
"""The error of an execution that was stopped, unless another is given."""
_SLACK = 60.0  # seconds by which AWS's clocks may differ


@ends_at_caller
class Execution(Generic[R_co]):
    """An execution of a deployed pipeline.

    What AWS says about it is read when it is needed, and kept once it has ended.

    Args:
        deployed: The pipeline.
        run: What AWS says about the execution.
        allow_pickle: Whether results that are pickles are loaded; they can run any code.
        replayer: Makes calls of steps on this computer, for :meth:`replay`.
    """

    def __init__(
        self,
        deployed: Deployed,
        run: AwsRun,
        *,
        allow_pickle: bool = False,
        replayer: Replayer | None = None,
    ) -> None:
        self._replayer = replayer
        self.deployed = deployed
        self.known = 0
        """The number of the last event that :meth:`wait` does not show again."""
        self.seen = run
        """What AWS has said about it last."""
        self.allow_pickle = allow_pickle
        self._past: RunHistory | None = None
        self._outputs: RemoteOutputs | None = None

    @property
    def name(self) -> str:
        """Its name, which is unique for 90 days."""
        return self.seen.name

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.seen.arn

    @property
    def link(self) -> str | None:
        """URL of its page in AWS's console; ``None`` if there is no console."""
        return self.deployed.link_of(self.arn)

    @property
    def run(self) -> AwsRun:
        """What AWS says about it, now or at its end."""
        if self.seen.is_running:
            self.seen = runs.describe(self.deployed, self.arn)
        return self.seen

    @property
    def status(self) -> str:
        """``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT``, ``ABORTED``, ``PENDING_REDRIVE``.

        Raises:
            AwsError: If AWS refuses or cannot be reached.
        """
        return self.run.status

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of parameters with which it was started."""
        if self.seen.input is None:
            self.seen = runs.describe(self.deployed, self.arn)
        given = json.loads(self.seen.input or "{}")
        return given if isinstance(given, dict) else {}

    @property
    def began(self) -> datetime:
        """When it began."""
        return self.seen.began

    @property
    def ended(self) -> datetime | None:
        """When it ended, if it has."""
        return self.run.ended

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> Execution[R_co]:
        """Wait until it ends, and show its steps on stderr; in a notebook, below the cell.

        Args:
            timeout: The most seconds to wait; the execution continues afterwards.
            progress: Whether steps are shown.

        Returns:
            The execution itself.

        Raises:
            RunTimeoutError: If it has not ended within this time.
            AwsError: If AWS refuses or cannot be reached.
        """
        if self.seen.is_running:
            with self._reports(progress=progress) as on_event:
                following.follow(
                    self.deployed, self.seen, on_event, known=self.known, wait=self._pause(timeout)
                )
            self.seen = runs.ended(self.deployed, self.seen)
        return self

    def _pause(self, timeout: float | None) -> Any:
        if timeout is None:
            return time.sleep
        last = time.monotonic() + timeout

        def pause(seconds: float) -> None:
            left = last - time.monotonic()
            if left <= 0:
                raise RunTimeoutError(
                    f"run {self.name} was still running after {timeout:g} s, and continues"
                )
            time.sleep(min(seconds, left))

        return pause

    def _reports(self, *, progress: bool) -> AbstractContextManager[Any]:
        if not progress:
            return nullcontext()
        from lokki_tf.reporting import listener_for
        from lokki_tf.reporting.notebook import NotebookProgress, in_notebook

        settings = self.deployed.stack.config.logging
        graph = self.deployed.stack.definition.outline
        return (NotebookProgress if in_notebook() else listener_for)(
            graph if graph.nodes else None,
            level=settings.level,
            progress_interval=settings.progress_interval,
        )

    @property
    def result(self) -> R_co:
        """Its result, as a local run has it: the last step's, or a dict by name for several.

        Raises:
            ExecutionFailed: If it has not succeeded, or is still running.
            SerializationError: If the result cannot be read, or is a pickle and pickles are not
                allowed.
        """
        value = self.loaded()
        refuse_unloaded(value, f"the result of run {self.name}")
        return cast("R_co", value)

    def loaded(self) -> Any:
        """Return its result, with placeholders for pickles that are not allowed.

        Raises:
            ExecutionFailed: If it has not succeeded.
            SerializationError: If the result cannot be read.
        """
        error = self.error
        if error is not None:
            raise error
        if self.seen.is_running:
            raise failure(self.deployed, self.seen)
        return result(self.deployed, self.seen, allow_pickle=self.allow_pickle)

    @property
    def outputs(self) -> RemoteOutputs:
        """The results of its steps, by name, as far as they have ended.

        Each is read when it is first used: ``execution.outputs["load"]``.
        """
        past = self.history
        if self._outputs is None:
            self._outputs = outputs_of(past, self.reader, self.name)
        return self._outputs

    @property
    def reader(self) -> Reader:
        """Reads its values from the pipeline's bucket."""
        return Reader.of(self.deployed, allow_pickle=self.allow_pickle)

    @property
    def error(self) -> ExecutionFailed | None:
        """Why it has not succeeded: the step, its error, and in ``.trace`` its traceback.

        ``None`` if it has succeeded or is still running.
        """
        run = self.run
        if run.is_running or run.status == runs.SUCCEEDED:
            return None
        return failure(self.deployed, run)

    @property
    def skipped(self) -> str | None:
        """Why it was skipped, if it was: the executions that were going on."""
        return self.run.busy

    @property
    def history(self) -> RunHistory:
        """All that has happened so far."""
        if self._past is None or not self._past.tracker.ended:
            self._past, self._outputs = RunHistory.of(self.deployed, self.seen), None
        return self._past

    @property
    def steps(self) -> list[StepState]:
        """The state of each step: its status, duration, retries and error."""
        return self.history.states()

    def table(self) -> str:
        """Return a table of the steps with status, duration and shortened result, as text."""
        return Text(table.as_text(self._view()))

    def _view(self) -> RunView:
        end = self.ended or datetime.now(UTC)
        outputs = self.outputs.previews()
        seconds = (end - self.began).total_seconds()
        return RunView(self.deployed.stack.definition, seconds, self.steps, outputs)

    def logs(self, *steps: str) -> LogLines:
        """Return the lines of logs of its steps, in the order of time.

        Args:
            steps: Names of steps; all by default.

        Raises:
            OptionError: If there is no such step.
        """
        from .lines import LogLines

        return LogLines(self.log_lines(*steps))

    def log_lines(
        self,
        *steps: str,
        start: float | None = None,
        end: float | None = None,
        follow: bool = False,
    ) -> Iterator[LogLine]:
        """Return the lines of logs of its steps one by one, in the order of time.

        Args:
            steps: Names of steps; all by default.
            start: The earliest time, in seconds since 1970; by default its beginning.
            end: The latest time; by default its end.
            follow: Whether new lines are awaited, until it ends.

        Raises:
            OptionError: If there is no such step.
        """
        from .logs import Wanted, log_lines

        run = self.run
        if start is None:
            start = run.began.timestamp() - _SLACK
        if end is None and run.ended is not None:
            end = run.ended.timestamp() + _SLACK
        return log_lines(
            self.deployed,
            Wanted(steps, start, end, self.name),
            self._is_silent if follow else None,
        )

    def _is_silent(self) -> bool:
        """Return whether no more lines of logs will be written."""
        run = self.run
        if run.ended is None:
            return False
        # A call that goes on after a stop may write its lines at its end.
        late = LATE if run.status == "ABORTED" else 0.0
        return (datetime.now(UTC) - run.ended).total_seconds() >= late

    def stop(self, error: str = STOPPED, cause: str = "") -> Execution[R_co]:
        """Stop it; AWS starts no further step, and jobs are terminated.

        A Lambda function that is being called continues to its end. Source: Step Functions API
        Reference, "StopExecution".

        Args:
            error: Name of the error that it ends with.
            cause: Text of the error.

        Returns:
            The execution itself.

        Raises:
            AwsError: If it has ended, or AWS refuses.
        """
        self.seen = runs.stop(self.deployed, self.run, error, cause)
        return self

    def replay(
        self,
        step: str | None = None,
        item: int | tuple[int, ...] | None = None,
        *,
        debug: bool = False,
    ) -> Any:
        """Call a step here, with the arguments that it had in AWS and with today's code.

        Nothing is written to the bucket, and the execution does not change. What the step itself
        changes elsewhere, it changes again.

        Args:
            step: Name of the step; by default the one that failed.
            item: In a map, the index of the item; by default the last one that failed. In a map
                inside a map, one index for each.
            debug: Whether the debugger opens where the step raises.

        Returns:
            The result of the step; of a batch of items, a list.

        Raises:
            OptionError: If the step was not called, or AWS has no record of the call.
            SerializationError: If an argument cannot be read, or is a pickle and pickles are not
                allowed.
            StepFailed: If the step raises; its error is the cause.
        """
        from .calls import recorded_calls

        assert self._replayer is not None
        reader = self.reader
        calls = recorded_calls(self.deployed, self.run, reader, step, item)
        return self._replayer(calls, reader, debug)

    def redrive(self) -> Execution[R_co]:
        """Continue it from the steps that failed, with the code that is deployed now.

        With ``versions = true`` in ``[lambda]``, it continues with the code with which it began.

        Returns:
            The execution itself, which runs again.

        Raises:
            AwsError: If AWS refuses, or it would only fail again.
        """
        from .redriving import redrive

        run = self.run
        known = following.last_event(self.deployed, self.arn)
        redrive(self.deployed, run)
        self.known, self._past, self._outputs = known, None, None
        self.seen = replace(run, status=runs.RUNNING, ended=None)
        return self

    @property
    def versions(self) -> dict[str, int]:
        """The versions of functions that it calls, by step; empty without versions."""
        from .redriving import versions_of

        return versions_of(self.deployed, self.seen)

    def to_svg(self) -> str:
        """Return the pipeline as SVG, with the outcomes and durations of the execution.

        Raises:
            AwsError: If AWS refuses or cannot be reached.
        """
        from lokki_tf.drawing import to_svg

        return Picture(to_svg(*self._drawn()))

    def to_mermaid(self) -> str:
        """Return the same in Mermaid's language.

        Raises:
            AwsError: If AWS refuses or cannot be reached.
        """
        from lokki_tf.drawing import to_mermaid

        return Text(to_mermaid(*self._drawn()))

    def to_dot(self) -> str:
        """Return the same in Graphviz's language.

        Raises:
            AwsError: If AWS refuses or cannot be reached.
        """
        from lokki_tf.drawing import to_dot

        return Text(to_dot(*self._drawn()))

    def to_text(self, width: int | None = None) -> str:
        """Return the same as text, with a line for each step.

        Args:
            width: The most columns of a line, at least 40; by default those of the terminal.

        Raises:
            AwsError: If AWS refuses or cannot be reached.
        """
        from shutil import get_terminal_size

        from lokki_tf.drawing import to_outline

        return Text(to_outline(*self._drawn(), width or get_terminal_size().columns))

    def _drawn(self) -> tuple[Definition, dict[str, Outcome]]:
        from .report import drawn_of

        return drawn_of(self)

    def to_html(self) -> str:
        """Return a report of the execution as one HTML page, which needs no network.

        It has the picture, the chart of times, the table, the inputs and results in short, errors
        with their tracebacks, retries, logs, the cards of steps, and what Lambda bills. Results
        that are pickles are loaded only if the execution was requested with ``allow_pickle=True``.

        Raises:
            AwsError: If AWS refuses or cannot be reached.
        """
        from .report import report_html

        return Text(report_html(self))

    def __repr__(self) -> str:
        status = self.seen.status.lower().replace("_", " ")
        return f"<Execution {self.name!r} of {self.deployed.stack.name!r}: {status}>"

    def _repr_html_(self) -> str:
        from html import escape

        try:
            shown = table.as_html(self._view())
        except LokkiError as error:
            return f"<pre>{escape(repr(self))}\n{escape(error.message)}</pre>"
        status = self.seen.status.lower().replace("_", " ")
        name = escape(self.name)
        if self.link is not None:
            name = f"<a href='{escape(self.link)}'>{name}</a>"
        return f"<p>execution {name}: {status}</p>{shown}"

    def __rich__(self) -> Any:
        return table.as_rich(self._view())


class Executions(list[Execution[R_co]]):
    """Executions of a pipeline, the latest first; shown as a table."""

    def __repr__(self) -> str:
        rows = [_COLUMNS, *map(_row, self)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines) if self else "no executions"

    def _repr_html_(self) -> str:
        from html import escape

        def cells(kind: str, row: Sequence[str]) -> str:
            style = "style='text-align:left'"
            return "".join(f"<{kind} {style}>{escape(one)}</{kind}>" for one in row)

        body = "".join(f"<tr>{cells('td', _row(one))}</tr>" for one in self)
        head = cells("th", _COLUMNS)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_COLUMNS = ("execution", "status", "began", "took", "error")


def _row(one: Execution[Any]) -> tuple[str, ...]:
    from lokki_tf.drawing.status import format_duration

    run = one.seen
    status = "skipped" if run.busy is not None else run.status.lower().replace("_", " ")
    took = ((run.ended or datetime.now(UTC)) - run.began).total_seconds()
    began = f"{run.began.astimezone():%Y-%m-%d %H:%M:%S}"
    return (run.name, status, began, format_duration(took), run.error or run.busy or "")


def start(
    deployed: Deployed,
    given: Mapping[str, Any],
    name: str | None = None,
    *,
    allow_pickle: bool = False,
    replayer: Replayer | None = None,
) -> Execution[Any]:
    """Start an execution.

    Args:
        deployed: The pipeline.
        given: The pipeline's parameters, already validated.
        name: The execution's name; AWS generates one by default.
        allow_pickle: As for :class:`Execution`.
        replayer: As for :class:`Execution`.

    Raises:
        OptionError: If the name is invalid, or the parameters cannot be serialized as JSON.
        AwsError: If AWS refuses; a name can be used once in 90 days.
    """
    run = runs.start(deployed, given, name)
    return Execution(deployed, run, allow_pickle=allow_pickle, replayer=replayer)


def execution(
    deployed: Deployed,
    name: str | None = None,
    *,
    allow_pickle: bool = False,
    replayer: Replayer | None = None,
) -> Execution[Any]:
    """Return an execution.

    Args:
        deployed: The pipeline.
        name: Its name or ARN; by default the last one.
        allow_pickle: As for :class:`Execution`.
        replayer: As for :class:`Execution`.

    Raises:
        UnknownRunError: If it does not exist.
    """
    run = runs.describe(deployed, name)
    return Execution(deployed, run, allow_pickle=allow_pickle, replayer=replayer)


def executions(
    deployed: Deployed,
    most: int,
    *,
    allow_pickle: bool = False,
    replayer: Replayer | None = None,
) -> Executions[Any]:
    """Return the last executions, the latest first.

    Args:
        deployed: The pipeline.
        most: The maximum number.
        allow_pickle: As for :class:`Execution`.
        replayer: As for :class:`Execution`.

    Raises:
        NotDeployedError: If the pipeline is no longer deployed.
    """
    found = runs.with_errors(deployed, runs.recent(deployed, most))
    return Executions(
        Execution(deployed, one, allow_pickle=allow_pickle, replayer=replayer) for one in found
    )
