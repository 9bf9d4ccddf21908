"""The commands that inspect runs in AWS: show and logs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import OptionError
from lokki_tf.pipeline.reports import write_report

from .common import INTERRUPTED, as_json_text, checked_report, write
from .stacks import deployed_of, options_of_stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from lokki_tf.operate.deployed import Deployed
    from lokki_tf.operate.execution import Execution
    from lokki_tf.operate.logs import LogLine
    from lokki_tf.pipeline import Pipeline

_HOUR = 3600.0


def show_command(pipeline: Pipeline) -> click.Command:
    """``show``."""

    @click.command("show")
    @options_of_stack
    @click.option("--n", "-n", "most", type=click.IntRange(min=1), default=10, show_default=True)
    @click.option("--run", help="Show this run, step by step.")
    @click.option(
        "--watch", "-w", is_flag=True, help="Renew the table, until the run ends or Ctrl-C."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        help="With --run: write a report of the run into this HTML file.",
    )
    @click.option(
        "--allow-pickle",
        is_flag=True,
        help="With --report: load results that are pickles, which can run any code that they "
        "contain.",
    )
    def show(
        region: str | None,
        stack_name: str | None,
        most: int,
        run: str | None,
        watch: bool,
        as_json: bool,
        report: Path | None,
        allow_pickle: bool,
    ) -> None:
        """List the last runs in AWS, or show one of them step by step."""
        from lokki_tf.operate.execution import execution, executions

        from .tables import print_tables, runs_table

        if watch and as_json:
            raise click.UsageError("--watch cannot be combined with --json; remove one of them")
        if report is None and allow_pickle:
            raise click.UsageError("--allow-pickle requires --report FILE")
        if report is not None and (run is None or watch):
            raise click.UsageError("--report requires --run NAME, and no --watch")
        file = checked_report(report)
        deployed = deployed_of(pipeline, region, stack_name)
        if watch:
            _watch(deployed, run, most)
            return
        if run is not None:
            found_run = execution(deployed, run, allow_pickle=allow_pickle)
            _show_run(found_run, as_json)
            if file is not None:
                write_report(file, found_run.to_html())
            return
        found = executions(deployed, most)
        if as_json:
            write(as_json_text([_as_json(one) for one in found], indent=2))
        elif found:
            print_tables(runs_table([one.seen for one in found]))
        else:
            click.echo(f"{deployed.stack.name} has not run yet", err=True)

    return show


def _show_run(run: Execution[Any], as_json: bool) -> None:
    from .tables import print_tables, runs_table, steps_table

    if as_json:
        fields = {**_as_json(run), "steps": [one.as_json() for one in run.steps]}
        write(as_json_text(fields, indent=2))
        return
    print_tables(
        runs_table([run.seen]), steps_table(run.steps, run.deployed.stack.definition.whole)
    )
    if run.link:
        click.echo(run.link)


def _watch(deployed: Deployed, name: str | None, most: int) -> None:
    from lokki_tf.operate.execution import execution, executions

    from .tables import runs_table, steps_table, watch_tables

    run = None if name is None else execution(deployed, name)

    def look() -> tuple[list[Table], bool]:
        if run is None:
            return [runs_table([one.seen for one in executions(deployed, most)])], False
        seen, steps = run.run, run.steps
        tables = [runs_table([seen]), steps_table(steps, deployed.stack.definition.whole)]
        return tables, not seen.is_running

    try:
        watch_tables(look)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None  # Ctrl-C is the normal end


def _as_json(execution: Execution[Any]) -> dict[str, Any]:
    run = execution.seen
    found: dict[str, Any] = {
        "run": run.name,
        "arn": run.arn,
        "status": run.status,
        "began": run.began.isoformat(),
        "ended": run.ended and run.ended.isoformat(),
        "redrives": run.redrives,
        "error": run.error,
        "skipped": run.busy,
        "console": execution.link,
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
        "--since",
        "--start",
        "start",
        help="Earliest time: 2024-01-15T10:00:00Z, or 2h (ago). By default 1h, or the run's start.",
    )
    @click.option("--end", help="Latest time; by default now.")
    @click.option(
        "--follow",
        "--tail",
        "-f",
        "follow",
        is_flag=True,
        help="Continue with new lines, until Ctrl-C or the end of the run.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
    def logs(
        region: str | None,
        stack_name: str | None,
        run: str | None,
        steps: tuple[str, ...],
        start: str | None,
        end: str | None,
        follow: bool,
        as_json: bool,
    ) -> None:
        """Print the logs of all steps in AWS as one, in the order of time.

        Each line has its time and the name of its run.
        """
        if follow and end:
            raise click.UsageError("--follow has no end; it cannot be combined with --end")
        first, last = _between(start, end)
        deployed = deployed_of(pipeline, region, stack_name)
        try:
            _write(_lines(deployed, run, steps, first, last, follow=follow), as_json)
        except OptionError as error:
            raise click.UsageError(f"--step: {error.message}") from None
        except KeyboardInterrupt:
            if not follow:
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
        raise click.UsageError(f"--end {end} is before --since {start}")
    return first, last


def _lines(
    deployed: Deployed,
    run: str | None,
    steps: tuple[str, ...],
    start: float | None,
    end: float | None,
    *,
    follow: bool,
) -> Iterator[LogLine]:
    from lokki_tf.operate.execution import execution
    from lokki_tf.operate.logs import Wanted, log_lines

    if run is not None:
        return execution(deployed, run).log_lines(*steps, start=start, end=end, follow=follow)
    if start is None:
        start = (end if end is not None else time.time()) - _HOUR
    return log_lines(deployed, Wanted(steps, start, end), (lambda: False) if follow else None)


def _write(lines: Iterable[LogLine], as_json: bool) -> None:
    from lokki_tf.operate.lines import LineWriter

    writer = LineWriter(use_colors=sys.stdout.isatty())
    for line in lines:
        write(as_json_text(line.as_json(), default=str) if as_json else writer.text(line))
        sys.stdout.flush()
