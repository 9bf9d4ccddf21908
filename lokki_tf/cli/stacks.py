"""Which stack a command means: its options, and the settings that hold."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from .common import STAGE, script, settings, stage_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.operate.stack import Deployed, Stack
    from lokki_tf.pipeline import Pipeline


def options_of_stack(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command ``--region``, ``--stack-name`` and ``--stage``."""
    named = click.option(
        "--stack-name", help="Name of the stack and all that is in it; the pipeline's unless given."
    )
    placed = click.option("--region", help="AWS region; the settings' unless given.")
    return placed(named(stage_option(command)))


def stack_of(pipeline: Pipeline, region: str | None) -> Stack:
    """The stack that a command means.

    Args:
        pipeline: The pipeline, under the stack's name.
        region: What ``--region`` says.

    Raises:
        DefinitionError: If something about the pipeline is wrong.
    """
    from lokki_tf.operate.stack import Stack

    return Stack.of(
        pipeline.definition,
        settings(),
        region=region,
        script=f"python {script()}",
        options=_given(),
    )


def _given() -> str:
    """The options of the running command that say which stack it means."""
    context = click.get_current_context(silent=True)
    if context is None:
        return ""
    named = {
        "--region": context.params.get("region"),
        "--stack-name": context.params.get("stack_name"),
        "--stage": context.meta.get(STAGE),
    }
    return " ".join(f"{name} {shlex.quote(value)}" for name, value in named.items() if value)


def deployed_of(pipeline: Pipeline, region: str | None, name: str | None) -> Deployed:
    """Where the stack that a command means stands in AWS.

    Args:
        pipeline: The pipeline.
        region: What ``--region`` says.
        name: What ``--stack-name`` says.

    Raises:
        NotDeployedError: If it stands nowhere.
    """
    from lokki_tf.operate.stack import find

    return find(stack_of(under(pipeline, name), region))


def under(pipeline: Pipeline, name: str | None) -> Pipeline:
    """The pipeline under the name that ``--stack-name`` gives, if it gives one."""
    return pipeline.named(name) if name else pipeline
