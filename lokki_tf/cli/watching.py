"""The commands that inspect runs in AWS: show and logs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import OptionError

from .common import INTERRUPTED, as_json_text, write
from .lines import LineWriter
from .stacks import deployed_of, options_of_stack
from .tables import runs_table, steps_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.operate.deployed import Deployed
    from lokki_tf.operate.logs import LogLine, Reader, Wanted
    from lokki_tf.operate.runs import AwsRun
    from lokki_tf.pipeline import Pipeline

_HOUR = 3600.0
_SLACK = 60.0  # seconds by which AWS's clocks may differ


def show_command(pipeline: Pipeline) -> click.Command:
    """``show``."""

    @click.command("show")
    @options_of_stack
    @click.option("--n", "-n", "most", type=click.IntRange(min=1), default=10, show_default=True)
    @click.option("--run", help="Show this run, step by step.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def show(
        region: str | None, stack_name: str | None, most: int, run: str | None, as_json: bool
    ) -> None:
        """List the last runs in AWS, or show one of them step by step."""
        from lokki_tf.operate import runs

        deployed = deployed_of(pipeline, region, stack_name)
        if run is not None:
            _show_run(deployed, runs.describe(deployed, run), as_json)
            return
        found = runs.with_errors(deployed, runs.recent(deployed, most))
        if as_json:
            write(as_json_text([_as_json(deployed, one) for one in found], indent=2))
        elif found:
            runs_table(found)
        else:
            click.echo(f"{deployed.stack.name} has not run yet", err=True)

    return show


def _show_run(deployed: Deployed, run: AwsRun, as_json: bool) -> None:
    from lokki_tf.operate.states import step_states

    steps = step_states(deployed, run)
    if as_json:
        fields = {**_as_json(deployed, run), "steps": [one.as_json() for one in steps]}
        write(as_json_text(fields, indent=2))
        return
    runs_table([run])
    steps_table(steps)
    link = deployed.link_of(run.arn)
    if link:
        click.echo(link)


def _as_json(deployed: Deployed, run: AwsRun) -> dict[str, Any]:
    found: dict[str, Any] = {
        "run": run.name,
        "arn": run.arn,
        "status": run.status,
        "began": run.began.isoformat(),
        "ended": run.ended and run.ended.isoformat(),
        "redrives": run.redrives,
        "error": run.error,
        "skipped": run.busy,
        "console": deployed.link_of(run.arn),
    }
    return {name: value for name, value in found.items() if value is not None}


def logs_command(pipeline: Pipeline) -> click.Command:
    """``logs``."""

    @click.command("logs")
    @options_of_stack
    @click.option("--run", help="Only lines of this run.")
    @click.option(
        "--step", "steps", multiple=True, help="Only lines of this step; may be repeated."
    )
    @click.option(
        "--start", help="Earliest time: 2024-01-15T10:00:00Z, or 2h (ago). By default 1h."
    )
    @click.option("--end", help="Latest time; by default now.")
    @click.option("--tail", "-f", is_flag=True, help="Continue with new lines, until Ctrl-C.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
    def logs(
        region: str | None,
        stack_name: str | None,
        run: str | None,
        steps: tuple[str, ...],
        start: str | None,
        end: str | None,
        tail: bool,
        as_json: bool,
    ) -> None:
        """Print the logs of all steps in AWS as one, in the order of time."""
        from lokki_tf.operate import runs
        from lokki_tf.operate.logs import Reader

        if tail and end:
            raise click.UsageError("--tail has no end; it cannot be combined with --end")
        between = _between(start, end)
        deployed = deployed_of(pipeline, region, stack_name)
        found = runs.describe(deployed, run) if run is not None else None
        reader = Reader(deployed, _wanted(deployed, found, steps, between))
        try:
            _write(_lines(reader, deployed, found, tail), as_json)
        except KeyboardInterrupt:
            if not tail:
                raise
            raise SystemExit(INTERRUPTED) from None  # Ctrl-C is the normal end

    return logs


def _between(start: str | None, end: str | None) -> tuple[float | None, float | None]:
    from lokki_tf.operate.logs import moment

    try:
        first, last = (moment(text) if text is not None else None for text in (start, end))
    except OptionError as error:
        raise click.UsageError(f"{error.message}; {error.remedy}") from None
    if first is not None and last is not None and last < first:
        raise click.UsageError(f"--end {end} is before --start {start}")
    return first, last


def _wanted(
    deployed: Deployed,
    run: AwsRun | None,
    steps: tuple[str, ...],
    between: tuple[float | None, float | None],
) -> Wanted:
    from lokki_tf.operate.logs import Wanted

    logged = tuple(deployed.log_groups)
    unknown = [step for step in steps if step not in logged]
    if unknown:
        known = ", ".join(logged)
        raise click.UsageError(f"--step must name a step ({known}), got {unknown[0]!r}")
    start, end = between
    if run is not None:
        start = start if start is not None else run.began.timestamp() - _SLACK
        if end is None and run.ended is not None:
            end = run.ended.timestamp() + _SLACK
    elif start is None:
        start = (end if end is not None else time.time()) - _HOUR
    name = run.name if run else None
    return Wanted(steps or logged, start or 0.0, end, name)


def _lines(reader: Reader, deployed: Deployed, run: AwsRun | None, tail: bool) -> Iterable[LogLine]:
    from lokki_tf.operate import runs

    if not tail:
        return reader.lines()
    if run is None:
        return reader.follow()
    return reader.follow(lambda: not runs.describe(deployed, run.arn).is_running)


def _write(lines: Iterable[LogLine], as_json: bool) -> None:
    writer = LineWriter(use_colors=sys.stdout.isatty())
    for line in lines:
        write(as_json_text(line.as_json(), default=str) if as_json else writer.text(line))
        sys.stdout.flush()
