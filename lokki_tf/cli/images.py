"""The command that builds and pushes a pipeline's container image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lokki_tf.config import LambdaConfig
from lokki_tf.pipeline.deployments import fetching, outcome_text

from .common import (
    output_option,
    region_option,
    setting_option,
    settings,
    stage_option,
    template_option,
)

if TYPE_CHECKING:
    from lokki_tf.pipeline import Pipeline


def images_command(pipeline: Pipeline) -> click.Command:
    """``images``."""

    @click.command("images")
    @click.option("--no-push", is_flag=True, help="Build only.")
    @click.option(
        "--pull",
        is_flag=True,
        help="Use the base tag's present image, and store its digest for synth.",
    )
    @setting_option("--tag", LambdaConfig, "image_tag")
    @output_option("The output folder of synth, whose locks are used.")
    @region_option
    @stage_option
    @template_option
    def images(
        no_push: bool,
        pull: bool,
        tag: str | None,
        output: Path | None,
        region: str | None,
        template_file: Path | None,
    ) -> None:
        """Build the container image and push it; print its URI alone on stdout.

        An image that the registry already has is neither built nor pushed again.
        """
        from lokki_tf.images import base_digest, shown
        from lokki_tf.operate.images import keep_base, publish_image

        chosen = settings().in_region(region)
        context = pipeline.image(
            output,
            template_file=template_file,
            tag=tag,
            on_packages=fetching,
            config=chosen,
            base_digest=base_digest if pull else None,
        )
        with shown() as on_progress:
            made = publish_image(chosen, context, on_progress, region=region, pushing=not no_push)
        click.echo(outcome_text(made), err=True)
        if pull and keep_base(Path(output or chosen.build_dir), context):
            click.echo(f"the base image is now {context.base_image}: run synth again", err=True)
        click.echo(made.uri)

    return images
