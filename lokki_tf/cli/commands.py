"""The commands of ``main(pipe)``.

The result alone goes to stdout, all else to stderr. Exit codes: 0 done, 1 the pipeline
failed or has errors, 2 wrong use. Each file beside this one has a group of commands:
:mod:`.local`, :mod:`.synthesis`, :mod:`.deploying`, :mod:`.running`, :mod:`.watching`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import (
    CredentialsError,
    ExecutionFailed,
    LokkiError,
    MissingToolError,
    NoRegionError,
    NotDeployedError,
    OutputError,
    UnconfirmedError,
    UnknownRunError,
)
from lokki_tf.pipeline import Pipeline

from .common import FAILED, WRONG_USE, count, say, script
from .deploying import deploy_command, destroy_command, plan_command, terraform_command
from .images import images_command
from .local import check_command, graph_command, run_command
from .running import redrive_command, result_command, start_command
from .synthesis import synth_command
from .watching import logs_command, show_command

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """{name}: {nodes}, here and in AWS.

\b
  python {script} run       runs it here and prints its result
  python {script} check     says what is wrong, before anything is written
  python {script} synth     writes Terraform; then, in the folder that it names:
                            terraform init && terraform apply
  python {script} graph     draws it
\b
  python {script} deploy    does all of that, and asks before it changes anything
  python {script} start     runs it in AWS; --wait shows how it goes, and its result
  python {script} show      lists its runs; --run NAME shows one, step by step
  python {script} logs      what its steps have said
  python {script} destroy   takes it out of AWS
"""

_MISUSE = (
    CredentialsError,
    MissingToolError,
    NoRegionError,
    NotDeployedError,
    OutputError,
    UnconfirmedError,
    UnknownRunError,
)
"""Errors of who gives the command, not of the pipeline."""


def main(pipeline: Any, args: Sequence[str] | None = None) -> None:
    """The command line of a pipeline; call it from the end of its script.

    Args:
        pipeline: The pipeline.
        args: Arguments instead of those of the process.

    Raises:
        SystemExit: Always, with the exit code.
    """
    if not isinstance(pipeline, Pipeline):
        click.echo(f"main() takes a Pipeline, and {pipeline!r} is none", err=True)
        raise SystemExit(WRONG_USE)
    try:
        command_line(pipeline)(args=args, prog_name=f"python {script()}")
    except KeyboardInterrupt:  # before click is there to take it
        click.echo("Aborted!", err=True)
        raise SystemExit(FAILED) from None
    except LokkiError as error:
        if isinstance(error, ExecutionFailed) and error.trace:
            click.echo(error.trace, err=True)
        say(error)
        raise SystemExit(WRONG_USE if isinstance(error, _MISUSE) else FAILED) from None


def command_line(pipeline: Pipeline) -> click.Group:
    """The commands of a pipeline, as a click group."""
    text = _HELP.format(name=pipeline.name, nodes=_size(pipeline), script=script())
    group = click.Group(help=text, context_settings={"help_option_names": ["-h", "--help"]})
    for command in (
        *(run_command, check_command, synth_command, images_command, graph_command),
        *(plan_command, deploy_command, start_command, show_command, logs_command),
        *(result_command, redrive_command, destroy_command, terraform_command),
    ):
        group.add_command(command(pipeline))
    build = synth_command(pipeline)
    build.name, build.help = "build", "Another name of synth."
    group.add_command(build)
    group.add_command(start_command(pipeline, name="invoke", wait=True))
    return group


def _size(pipeline: Pipeline) -> str:
    try:
        return count(len(pipeline.definition.graph.nodes or pipeline.definition.steps), "step")
    except LokkiError:
        return "steps"  # a command will tell what is wrong
