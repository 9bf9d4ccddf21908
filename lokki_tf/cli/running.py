"""The commands that run a pipeline in AWS: start, result, redrive, replay, stop."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import OptionError, StepFailed

from .backfilling import backfill_options, start_backfill
from .common import (
    INTERRUPTED,
    as_json_text,
    given_flags,
    parameters_of,
    settings,
    shown,
    stdout_to_stderr,
    write,
)
from .parameters import refuse_event_with, taken, with_event, with_parameters
from .stacks import deployed_of, options_of_stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.operate.execution import Execution
    from lokki_tf.pipeline import Pipeline

    from .backfilling import Backfill

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_QUIET = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
_PICKLE = click.option(
    "--allow-pickle",
    is_flag=True,
    help="Load results that are pickles, which can run any code that they contain.",
)
_RUN = click.option("--run", help="The run's name; by default the last run.")


def start_command(pipeline: Pipeline, name: str = "start", *, wait: bool = False) -> click.Command:
    """Return the command ``start``.

    Args:
        pipeline: The pipeline.
        name: The command's name.
        wait: Whether it waits by default.
    """
    waits = wait

    @click.command(name)
    @options_of_stack
    @click.option(
        "--name",
        "run_name",
        help="A name for the run; AWS generates one by default. With --backfill, the beginning of "
        "all names.",
    )
    @click.option(
        "--wait/--no-wait",
        default=waits,
        show_default=True,
        help="Show the run's progress, and print its result when it ends.",
    )
    @with_event
    @click.option(
        "--dry-run",
        is_flag=True,
        help="Print the run's name and input as JSON, and start nothing.",
    )
    @_JSON
    @_PICKLE
    @_QUIET
    @backfill_options(in_aws=True)
    def start(
        region: str | None = None,
        stack_name: str | None = None,
        run_name: str | None = None,
        wait: bool = waits,
        event: Any = None,
        trigger: str | None = None,
        dry_run: bool = False,
        as_json: bool = False,
        allow_pickle: bool = False,
        quiet: bool = False,
        backfill: Backfill | None = None,
        **given: Any,
    ) -> None:
        """Start a run in AWS; print its name, or with --wait its result.

        With --backfill, start a run for each value, wait for all, and print how they have ended.
        """
        from lokki_tf.operate import execution

        values = taken(given)
        if backfill is not None:
            backfill.refuse("--allow-pickle", "--event", "--trigger", "--dry-run")
            if not wait and "--wait" in given_flags():
                raise click.UsageError(
                    "--no-wait cannot be combined with --backfill, which starts runs as others end"
                )
            found = backfill.values(pipeline, values, name)
            deployed = deployed_of(pipeline, region, stack_name)
            start_backfill(
                deployed, backfill, found, values, name=run_name, as_json=as_json, quiet=quiet
            )
            return
        refuse_event_with(values, event, trigger)
        if event is not None:
            begun = pipeline.event_input(event, trigger, config=settings())
            values, run_name = begun.input, run_name or begun.name
            click.echo(f"trigger {begun.trigger} sends {as_json_text(values)}", err=True)
        pipeline.check_parameters(values)
        if dry_run:
            write(as_json_text({"name": run_name, "input": values}))
            return
        deployed = deployed_of(pipeline, region, stack_name)
        try:
            run = execution.start(deployed, values, run_name, allow_pickle=allow_pickle)
        except OptionError as error:
            raise click.UsageError(str(error)) from None
        if wait:
            wait_for_result(run, as_json, quiet)
        else:
            _print_link(run)
            _print_name(run, as_json)

    with_parameters(start, parameters_of(pipeline))
    return start


def result_command(pipeline: Pipeline) -> click.Command:
    """``result``."""

    @click.command("result")
    @options_of_stack
    @_RUN
    @_JSON
    @_PICKLE
    def result(
        region: str | None,
        stack_name: str | None,
        run: str | None,
        as_json: bool,
        allow_pickle: bool,
    ) -> None:
        """Print the result of a run in AWS, wherever it is stored."""
        from lokki_tf.operate.execution import execution

        deployed = deployed_of(pipeline, region, stack_name)
        _print_result(execution(deployed, run, allow_pickle=allow_pickle), as_json)

    return result


def redrive_command(pipeline: Pipeline) -> click.Command:
    """``redrive``."""

    @click.command("redrive")
    @options_of_stack
    @_RUN
    @click.option("--wait", is_flag=True, help="Show the run's progress, and print its result.")
    @_JSON
    @_PICKLE
    @_QUIET
    def redrive(
        region: str | None,
        stack_name: str | None,
        run: str | None,
        wait: bool,
        as_json: bool,
        allow_pickle: bool,
        quiet: bool,
    ) -> None:
        """Continue a failed run from the step that failed.

        It runs the code that is deployed now; with versions = true in [lambda], the code with
        which the run began.
        """
        from lokki_tf.operate.execution import execution

        deployed = deployed_of(pipeline, region, stack_name)
        found = execution(deployed, run, allow_pickle=allow_pickle).redrive()
        if not quiet:
            _print_versions(found.versions)
        if wait:
            wait_for_result(found, as_json, quiet)
        else:
            _print_link(found)
            _print_name(found, as_json)

    return redrive


def replay_command(pipeline: Pipeline) -> click.Command:
    """``replay``."""

    @click.command("replay")
    @options_of_stack
    @_RUN
    @click.option("--step", help="The step; by default the one that failed.")
    @click.option(
        "--item",
        metavar="INDEX",
        help="In a map, the index of the item; 2,0 in a map inside a map.",
    )
    @click.option("--pdb", "debug", is_flag=True, help="Open the debugger where the step raises.")
    @_JSON
    @click.option(
        "--allow-pickle",
        is_flag=True,
        help="Load arguments that are pickles, which can run any code that they contain.",
    )
    def replay(
        region: str | None,
        stack_name: str | None,
        run: str | None,
        step: str | None,
        item: str | None,
        debug: bool,
        as_json: bool,
        allow_pickle: bool,
    ) -> None:
        """Call a step of a run in AWS here, with the arguments that it had there.

        The step's code is today's. The run does not change, and nothing is written to its bucket.
        """
        from lokki_tf.operate.execution import execution
        from lokki_tf.pipeline.deployed import replayer

        index = None if item is None else _index(item)
        deployed = deployed_of(pipeline, region, stack_name)
        makes = replayer(pipeline, settings(), lambda text: click.echo(text, err=True))
        found = execution(deployed, run, allow_pickle=allow_pickle, replayer=makes)
        try:
            # In the debugger, what the step prints is on the terminal.
            with nullcontext() if debug else stdout_to_stderr():
                result = found.replay(step, index, debug=debug)
        except StepFailed as error:
            raise error.plain() from error.__cause__
        write(shown(result, as_json))

    return replay


def _index(text: str) -> int | tuple[int, ...]:
    try:
        indices = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"--item must be an index such as 17, got {text!r}") from None
    return indices[0] if len(indices) == 1 else indices


def stop_command(pipeline: Pipeline) -> click.Command:
    """``stop``."""

    @click.command("stop")
    @options_of_stack
    @click.option(
        "--run", "names", multiple=True, required=True, help="The run's name; may be repeated."
    )
    @click.option("--cause", default="", help="Why, for those who read the run later.")
    def stop(
        region: str | None, stack_name: str | None, names: tuple[str, ...], cause: str
    ) -> None:
        """Stop runs in AWS: no further step starts, and jobs end.

        A Lambda function that is being called continues to its end.
        """
        from lokki_tf.operate.execution import execution

        deployed = deployed_of(pipeline, region, stack_name)
        for one in [execution(deployed, name) for name in names]:
            one.stop(cause=cause)
            write(one.name)

    return stop


def _print_versions(versions: Mapping[str, int]) -> None:
    if versions:
        named = ", ".join(f"{step} version {number}" for step, number in versions.items())
        click.echo(f"it continues with the code with which it began: {named}", err=True)


def _print_name(run: Execution[Any], as_json: bool) -> None:
    write(as_json_text({"run": run.name, "arn": run.arn}) if as_json else run.name)


def _print_link(run: Execution[Any]) -> None:
    click.echo(f"run {run.name}" + (f"\n  {run.link}" if run.link else ""), err=True)


def wait_for_result(
    run: Execution[Any], as_json: bool, quiet: bool, *, outlives: bool = True
) -> None:
    """Show a run until it ends, and print its result.

    Args:
        run: The run.
        as_json: Whether the result is printed as JSON.
        quiet: Whether no progress is shown.
        outlives: Whether the run continues when this process is interrupted.

    Raises:
        ExecutionFailed: If it does not succeed.
    """
    try:
        if outlives:  # so that the name is printed before Ctrl-C can end the waiting
            _print_link(run)
        run.wait(progress=not quiet)
    except KeyboardInterrupt:
        if outlives:
            shows = run.deployed.stack.command(f"show --run {shlex.quote(run.name)}")
            click.echo(f"\nrun {run.name} continues in AWS: {shows}", err=True)
            raise SystemExit(INTERRUPTED) from None
        raise
    _print_result(run, as_json)


def _print_result(run: Execution[Any], as_json: bool) -> None:
    """Print only a run's result on stdout.

    Raises:
        ExecutionFailed: If it did not succeed.
    """
    value = run.loaded()
    if run.skipped is not None:
        click.echo(f"skipped: {run.skipped}", err=True)
    write(shown(value, as_json))
