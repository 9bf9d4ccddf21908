"""The commands of ``main(pipe)``.

Only the result is written to stdout, everything else to stderr. Exit codes: 0 done, 1 the pipeline
failed or has errors, 2 wrong use, 130 Ctrl-C. Each of these modules contains a group of commands:
:mod:`.local`, :mod:`.synthesis`, :mod:`.deploying`, :mod:`.running`, :mod:`.watching`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.authoring.places import calling_frame
from lokki_tf.errors import (
    CredentialsError,
    LokkiError,
    MissingToolError,
    NoRegionError,
    NotDeployedError,
    OutputError,
    StateError,
    TerraformInterrupted,
    UnconfirmedError,
    UnknownRunError,
    UnknownStageError,
)
from lokki_tf.model.cells import is_cell
from lokki_tf.pipeline import Pipeline
from lokki_tf.tracebacks import ends_at_caller, print_error
from lokki_tf.version import __version__

from .answering import answer_command
from .common import (
    COMPLETION_VARIABLE,
    FAILED,
    INTERRUPTED,
    OWN_PROCESS,
    WRONG_USE,
    count,
    is_typed,
    typed,
)
from .costing import cost_command
from .deploying import deploy_command, destroy_command, plan_command, terraform_command
from .images import images_command
from .local import check_command, graph_command, run_command
from .running import (
    redrive_command,
    replay_command,
    result_command,
    start_command,
    stop_command,
)
from .synthesis import synth_command
from .watching import logs_command, show_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_HELP = """{name}: {nodes}, locally and in AWS.

\b
  {script} run       runs it locally and prints its result
  {script} check     lists errors and warnings, without writing files
  {script} synth     writes Terraform; then, in the folder that it prints:
                            terraform init && terraform apply
  {script} graph     draws it
\b
  {script} deploy    writes and applies Terraform, after a confirmation
  {script} start     runs it in AWS; --wait shows progress and result
  {script} show      lists its runs; --run NAME shows the steps of one
  {script} logs      prints the logs of its steps
  {script} replay    calls the step of a run that failed here, with its arguments
  {script} stop      stops a run
  {script} answer    answers steps that wait for it; without a value, lists them
  {script} destroy   deletes its resources in AWS, after a confirmation
"""

_MISUSE = (
    CredentialsError,
    MissingToolError,
    NoRegionError,
    NotDeployedError,
    OutputError,
    StateError,
    UnconfirmedError,
    UnknownRunError,
    UnknownStageError,
)
"""Errors in the use of a command, not in the pipeline."""


@ends_at_caller
def main(pipeline: Any, args: Sequence[str] | None = None) -> None:
    """Run the command line of a pipeline; call it at the end of its script.

    In a notebook or at Python's prompt, where the process's arguments are not a command's, it
    prints the calls to use instead; a command in ``args`` runs and returns.

    Args:
        pipeline: The pipeline.
        args: Arguments instead of those of the process.

    Raises:
        SystemExit: In a script, always, with the exit code.
        LokkiError: In a notebook, if the command fails.
    """
    frame = calling_frame()
    interactive = _is_interactive(frame)
    if args is None and interactive:
        click.echo(_instead(pipeline, frame))
        return
    try:
        status = _run(pipeline, args)
    except LokkiError as error:
        if interactive:
            raise
        print_error(error)
        status = status_of(error)
    if interactive and status:
        raise LokkiError(f"the command failed with exit code {status}")
    if not interactive:
        raise SystemExit(status)


def status_of(error: LokkiError) -> int:
    """Return the exit code of a command that ends with an error.

    Args:
        error: The error.
    """
    if isinstance(error, TerraformInterrupted):
        return INTERRUPTED
    return WRONG_USE if isinstance(error, _MISUSE) else FAILED


def _run(pipeline: Any, args: Sequence[str] | None) -> int:
    """Run a command and return its exit code.

    Raises:
        LokkiError: If it fails.
    """
    if not isinstance(pipeline, Pipeline):
        click.echo(f"main() requires a Pipeline, got {pipeline!r}", err=True)
        return WRONG_USE
    try:
        own = OWN_PROCESS if args is None else None
        code = command_line(pipeline).main(
            args,
            prog_name=typed(),
            complete_var=COMPLETION_VARIABLE,
            standalone_mode=False,
            obj=own,
        )
    except click.UsageError as error:
        _show_misuse(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as end:
        code = end.code
    except (KeyboardInterrupt, click.Abort) as end:
        click.echo("Aborted!", err=True)
        is_signal = isinstance(end.__cause__ or end.__context__ or end, KeyboardInterrupt)
        return INTERRUPTED if is_signal else FAILED
    return code if isinstance(code, int) else 0


def _show_misuse(error: click.UsageError) -> None:
    """Show the error as click does, with the command as the user typed it."""
    if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2; its message is the help
        click.echo(error.format_message(), err=True)
        return
    if error.ctx is not None and is_typed():
        click.echo(error.ctx.get_usage(), err=True)
        click.echo(f"For help: {error.ctx.command_path} --help\n", err=True)
    elif error.ctx is not None:  # in a notebook
        names = [f'"{name}"' for name in (*error.ctx.command_path.split()[2:], "--help")]
        click.echo(f"For help: main(…, [{', '.join(names)}])\n", err=True)
    click.echo(f"Error: {error.format_message()}", err=True)


def _is_interactive(frame: FrameType) -> bool:
    """Return whether the caller is a notebook's or prompt's code, not a script that runs there."""
    shell = sys.modules.get("IPython")
    if not (hasattr(sys, "ps1") or (shell and shell.get_ipython())):
        return is_cell(frame.f_code.co_filename)
    names = frame.f_globals
    return not (names.get("__name__") == "__main__" and "__file__" in names)


def _instead(pipeline: Any, frame: FrameType) -> str:
    """Return the calls to use in a notebook."""
    names = {**frame.f_globals, **frame.f_locals}
    name = next((name for name, value in names.items() if value is pipeline), "pipe")
    lines = {
        f"{name}.local_run()": "runs it locally",
        f"{name}.check()": "lists errors and warnings",
        f"{name}.synth()": "writes Terraform",
        f'main({name}, ["deploy", "--auto-approve"])': "runs any command of the command line",
    }
    width = max(map(len, lines))
    shown = "\n".join(f"  {code:{width}}  # {text}" for code, text in lines.items())
    return (
        "main() reads the command line, which notebooks and prompts do not have. Write instead:\n"
        f"{shown}"
    )


@ends_at_caller
def command_line(pipeline: Pipeline) -> click.Group:
    """Return the commands of a pipeline, as a click group."""
    text = _HELP.format(name=pipeline.name, nodes=_size(pipeline), script=typed())
    group = click.Group(help=text, context_settings={"help_option_names": ["-h", "--help"]})
    group = click.version_option(__version__, message="lokki_tf %(version)s")(group)
    for command in (
        *(run_command, check_command, synth_command, images_command, graph_command),
        *(plan_command, deploy_command, start_command, show_command, logs_command),
        *(result_command, answer_command, redrive_command, replay_command, stop_command),
        *(cost_command, destroy_command, terraform_command),
    ):
        group.add_command(command(pipeline))
    build = synth_command(pipeline)
    build.name, build.help = "build", "Another name of synth."
    group.add_command(build)
    group.add_command(start_command(pipeline, name="invoke", wait=True))
    return group


def _size(pipeline: Pipeline) -> str:
    try:
        return count(len(pipeline.definition.whole.nodes or pipeline.definition.steps), "step")
    except LokkiError:
        return "steps"  # commands report the errors
