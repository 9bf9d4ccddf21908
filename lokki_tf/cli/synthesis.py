"""The command that writes Terraform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lokki_tf.pipeline.deployments import fetching, print_permissions

from .common import (
    given_options,
    output_option,
    region_option,
    rendered,
    settings,
    stage_option,
    template_option,
    typed,
)

if TYPE_CHECKING:
    from lokki_tf.pipeline import Pipeline


def synth_command(pipeline: Pipeline) -> click.Command:
    """``synth``."""

    @click.command("synth")
    @output_option("The output folder; by default build_dir of lokki.toml, or terraform-out.")
    @region_option
    @template_option
    @click.option(
        "--upgrade", is_flag=True, help="Look for newer versions of packages that steps declare."
    )
    @stage_option
    def synth(
        output: Path | None, region: str | None, template_file: Path | None, upgrade: bool
    ) -> None:
        """Write Terraform, and all files to which it refers, into one folder."""
        for finding in pipeline.early_findings():
            click.echo(rendered(finding), err=True)
        made = pipeline.synth(
            output,
            region=region,
            template_file=template_file,
            upgrade=upgrade,
            on_packages=fetching,
            config=settings(),
        )
        for finding in made.findings:
            click.echo(rendered(finding), err=True)
        print_permissions(made)
        if made.changes:
            listed = ", ".join(f"{step} ({what})" for step, what in made.changes.items())
            click.echo(f"changed since the last synth: {listed}", err=True)
        click.echo(f"{made.folder.name}: {made.contents}", err=True)
        for bucket in made.others_buckets:
            click.echo(_event_advice(bucket), err=True)
        images = " ".join((typed(), "images", *given_options("output", "region", "template_file")))
        click.echo("\n  ".join(("Next:", *made.next_commands(images))), err=True)

    return synth


def _event_advice(bucket: str) -> str:
    """Return what the owner of a bucket must do, so that its events start runs."""
    return (
        f"bucket {bucket}: its events start runs only if it sends them to EventBridge. Its owner "
        "adds eventbridge = true to its aws_s3_bucket_notification, of which a bucket has one: a "
        "second one would replace its other notifications"
    )
