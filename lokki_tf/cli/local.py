"""The commands that run a pipeline locally, check it and draw it."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import OutputError, StepFailed
from lokki_tf.reporting import LogLevel

from .backfilling import backfill_options, continued, print_outcomes, progress
from .common import (
    FAILED,
    checked_report,
    count,
    given_flags,
    parameters_of,
    rendered,
    settings,
    shown,
    stage_option,
    stdout_to_stderr,
    template_option,
    write,
)
from .parameters import refuse_event_with, taken, with_event, with_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lokki_tf.local import Event, Run
    from lokki_tf.pipeline import Pipeline

    from .backfilling import Backfill

_STATE = Path(".lokki", "state.db")
"""The file in which ``run --resume`` stores results."""


def run_command(pipeline: Pipeline) -> click.Command:
    """``run``."""

    @click.command("run")
    @click.option(
        "--executor", type=click.Choice(["thread", "process"]), default="thread", show_default=True
    )
    @click.option(
        "--max-workers", type=click.IntRange(min=1), help="The most steps that run at a time."
    )
    @click.option("--strict", is_flag=True, help="Serialize every value as AWS would.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
    @click.option(
        "--state",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Store results in this file; steps with stored results for the same code and inputs "
        "do not run.",
    )
    @click.option(
        "--resume",
        is_flag=True,
        help=f"Continue from results of earlier runs, in {_STATE} unless --state names a file.",
    )
    @click.option(
        "--gantt",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write a Gantt chart of the run into this SVG file, even if the run fails.",
    )
    @click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write a report of the run into this HTML file, even if the run fails.",
    )
    @click.option(
        "--log-format",
        type=click.Choice(["human", "json"]),
        help="Write a log to stderr instead of progress.",
    )
    @click.option(
        "--log-level",
        type=click.Choice(list(LogLevel.__members__), case_sensitive=False),
        help="Write log records of this level and above.",
    )
    @click.option(
        "--wait-scale",
        type=click.FloatRange(min=0),
        default=1.0,
        show_default=True,
        help="Factor of waits, and of those before retries and polls: 0.01 for a hundredth.",
    )
    @stage_option
    @with_event
    @click.option(
        "--local-aws",
        is_flag=True,
        help="Run the state machine and the zips on a local AWS, without Terraform.",
    )
    @click.option(
        "--from-run",
        metavar="NAME",
        is_eager=True,  # before the parameters, which it replaces
        help="Continue a run in AWS here, with its parameters: what has ended there does not run, "
        f"and is stored in {_STATE} unless --state names a file.",
    )
    @click.option(
        "--again",
        multiple=True,
        metavar="STEP",
        help="With --from-run: run this step here, and all that depend on it; may be repeated.",
    )
    @click.option(
        "--allow-pickle",
        is_flag=True,
        help="With --from-run: load results that are pickles, which can run any code that they "
        "contain.",
    )
    @backfill_options(in_aws=False)
    def run(
        executor: str = "thread",
        max_workers: int | None = None,
        strict: bool = False,
        as_json: bool = False,
        quiet: bool = False,
        log_format: str | None = None,
        log_level: str | None = None,
        state: Path | None = None,
        resume: bool = False,
        gantt: Path | None = None,
        report: Path | None = None,
        wait_scale: float = 1.0,
        event: Any = None,
        trigger: str | None = None,
        local_aws: bool = False,
        from_run: str | None = None,
        again: tuple[str, ...] = (),
        allow_pickle: bool = False,
        backfill: Backfill | None = None,
        **given: Any,
    ) -> None:
        """Run the pipeline locally; print only its result on stdout."""
        parameters = taken(given)
        if backfill is not None:
            from lokki_tf.pipeline.backfills import local_backfill

            backfill.refuse(
                "--local-aws", "--gantt", "--report", "--event", "--trigger", "--from-run"
            )
            values = backfill.values(pipeline, parameters, "run")
            logs = not quiet and _configure_log(log_format, log_level)
            live = executor == "thread"
            reports = progress(len(values), quiet=quiet or logs, live=live)
            with continued(), stdout_to_stderr(), reports as on_event:
                outcomes = list(
                    local_backfill(
                        pipeline,
                        values,
                        backfill.parameter,
                        parameters,
                        on_event=on_event,
                        executor=executor,
                        max_workers=max_workers,
                        strict=strict,
                        state=state or _STATE,
                        wait_scale=wait_scale,
                        config=settings(),
                    )
                )
            print_outcomes(outcomes, backfill.parameter, as_json=as_json)
            return
        refuse_event_with(parameters, event, trigger)
        if event is not None:
            parameters = pipeline.event_input(event, trigger, config=settings()).input
        if local_aws:
            from .local_aws import run_on_local_aws

            _refuse_options_of_local_runs()
            run_on_local_aws(
                pipeline,
                parameters,
                as_json=as_json,
                quiet=quiet,
                wait_scale=wait_scale,
                report=checked_report(report),
            )
            return
        execution = None
        if from_run is not None:
            if parameters or event is not None:
                raise click.UsageError(
                    "--from-run has the parameters of that run; remove the other parameters"
                )
            execution = pipeline.execution(from_run, allow_pickle=allow_pickle, config=settings())
        elif again or allow_pickle:
            raise click.UsageError("--again and --allow-pickle require --from-run NAME")
        if gantt and gantt.suffix.lower() != ".svg":
            raise click.UsageError(f"--gantt must name an SVG file (FILE.svg), got {gantt}")
        live = executor == "thread"
        reports = nullcontext() if quiet else _reports(pipeline, log_format, log_level, live)
        try:
            with stdout_to_stderr(), reports as on_event:
                ran = pipeline.local_run(
                    parameters,
                    executor=executor,
                    max_workers=max_workers,
                    strict=strict,
                    on_event=on_event,
                    state=state or (_STATE if resume or from_run else None),
                    from_run=execution,
                    again=again,
                    report=checked_report(report),
                    wait_scale=wait_scale,
                    config=settings(),
                )
        except BaseException as error:
            _draw(pipeline, gantt, getattr(error, "run", None))
            if isinstance(error, StepFailed):
                # click handles some errors in its own way, EOFError for example.
                raise error.plain() from error.__cause__
            raise
        _draw(pipeline, gantt, ran)
        if ran.busy is not None:
            click.echo(f"skipped: {ran.busy}", err=True)
        result = ran.result
        # The pipeline has succeeded: characters that cannot be printed are escaped.
        try:
            write(shown(result, as_json))
        except OSError as error:
            raise OutputError(
                f"the result cannot be written to stdout: {error.strerror}",
                remedy="check the target of stdout and its free space",
            ) from None

    with_parameters(run, parameters_of(pipeline))
    return run


_OF_BOTH_RUNS = {
    "--local-aws",
    "--json",
    "--quiet",
    "--report",
    "--wait-scale",
    "--event",
    "--trigger",
}


def _refuse_options_of_local_runs() -> None:
    """Refuse options of ``run`` that an execution on a local AWS would ignore.

    Raises:
        click.UsageError: If one is given.
    """
    for spelled in given_flags():
        if spelled not in _OF_BOTH_RUNS:
            raise click.UsageError(
                f"{spelled} cannot be combined with --local-aws; remove one of them"
            )


def _draw(pipeline: Pipeline, file: Path | None, ran: Run | None) -> None:
    """Write the chart of a run, if it was requested and the run started."""
    if file is None or ran is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        beside.write_text(pipeline.to_gantt(ran), encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        raise OutputError(
            f"{file} cannot be written: {error.strerror}", remedy="name another file: --gantt FILE"
        ) from None


def check_command(pipeline: Pipeline) -> click.Command:
    """``check``."""

    @click.command("check")
    @template_option
    @stage_option
    @click.option(
        "--explain",
        "explained",
        metavar="STEP",
        help="Show which files and packages a step's zip contains, and why.",
    )
    @click.option(
        "--import",
        "imports",
        is_flag=True,
        help="Import each step's code as Lambda would, without network; show time and size.",
    )
    def check(template_file: Path | None, explained: str | None, imports: bool) -> None:
        """List all errors and warnings; exit 1 if there are errors."""
        if explained is not None:
            if imports:
                raise click.UsageError("--explain cannot be combined with --import")
            if explained not in (step.name for step in pipeline.definition.steps):
                names = ", ".join(step.name for step in pipeline.definition.steps)
                raise click.UsageError(f"--explain must name a step ({names}), got {explained!r}")
            click.echo(str(pipeline.explain(explained, config=settings())))
            return
        findings = pipeline.check(template_file, config=settings())
        for finding in findings:
            click.echo(rendered(finding), err=True)
        errors = sum(finding.severity == "error" for finding in findings)
        warnings = len(findings) - errors
        click.echo(f"{pipeline.name}: {count(errors, 'error')}, {count(warnings, 'warning')}")
        if errors and imports:
            click.echo("nothing is imported until the errors are corrected", err=True)
        if errors or (imports and not _imports(pipeline, template_file)):
            raise SystemExit(FAILED)

    return check


def _imports(pipeline: Pipeline, template_file: Path | None) -> bool:
    """Import the code of each step, print the results, and return whether all succeeded."""
    from lokki_tf.operate.import_check import check_imports
    from lokki_tf.packaging import package_steps
    from lokki_tf.terraform.settings import with_settings

    from .tables import imports_table

    definition = with_settings(pipeline.definition, settings())
    results = check_imports(package_steps(definition, template_file))
    imports_table(results)
    return not any(result.error for result in results)


def graph_command(pipeline: Pipeline) -> click.Command:
    """``graph``."""

    @click.command("graph")
    @click.option(
        "--format",
        "form",
        type=click.Choice(["mermaid", "dot", "svg", "text"]),
        default="mermaid",
        show_default=True,
    )
    def graph(form: str) -> None:
        """Print the graph: for Mermaid or Graphviz, as a picture, or as text."""
        if form == "text":
            click.echo(pipeline.to_text())
            return
        draw = {"mermaid": pipeline.to_mermaid, "dot": pipeline.to_dot, "svg": pipeline.to_svg}
        click.echo(draw[form](), nl=False)

    return graph


def _reports(
    pipeline: Pipeline, log_format: str | None, log_level: str | None, live: bool
) -> AbstractContextManager[Callable[[Event], None] | None]:
    """Return the reporter of a run: the log, if anything enables it, else progress."""
    from lokki_tf.reporting import listener_for

    logging = settings().logging
    if _configure_log(log_format, log_level):
        return nullcontext()  # local_run writes the log itself
    return listener_for(
        pipeline.definition.outline if pipeline.definition.outline.nodes else None,
        level=log_level or logging.level,
        progress_interval=logging.progress_interval,
        live=live,
    )


def _configure_log(log_format: str | None, log_level: str | None) -> bool:
    """Configure the log of runs if anything enables it; return whether there is one."""
    from lokki_tf.reporting import configure_logging, is_configured

    logging = settings().logging
    if log_format or log_level or logging.format == "json":
        configure_logging(
            log_level or logging.level,
            json_output=(log_format or logging.format) == "json",
            show_timestamps=logging.show_timestamps,
            progress_interval=logging.progress_interval,
        )
    return is_configured()
