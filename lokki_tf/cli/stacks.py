"""Which stack a command means: its options, and the settings that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .common import given_options, settings, stage_option, typed

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
        script=typed(),
        options=" ".join(given_options("region", "stack_name")),
    )


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
