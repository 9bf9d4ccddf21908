"""The stack of a command, from its options and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .common import given_options, region_option, settings, stage_option, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.operate.deployed import Deployed
    from lokki_tf.operate.stack import Stack
    from lokki_tf.pipeline import Pipeline


def options_of_stack(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--region``, ``--stack-name`` and ``--stage`` to a command."""
    named = click.option(
        "--stack-name", help="Name of the stack and its resources; by default the pipeline's."
    )
    return region_option(named(stage_option(command)))


def stack_of(pipeline: Pipeline, region: str | None) -> Stack:
    """Return the stack of a command.

    Args:
        pipeline: The pipeline, under the stack's name.
        region: The value of ``--region``.

    Raises:
        DefinitionError: If the pipeline has errors.
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
    """Return the deployed pipeline of a command.

    Args:
        pipeline: The pipeline.
        region: The value of ``--region``.
        name: The value of ``--stack-name``.

    Raises:
        NotDeployedError: If it is not deployed.
    """
    from lokki_tf.operate.deployed import find

    return find(stack_of(under(pipeline, name), region))


def under(pipeline: Pipeline, name: str | None) -> Pipeline:
    """Return the pipeline under the name of ``--stack-name``, if it is given."""
    return pipeline.named(name) if name else pipeline
