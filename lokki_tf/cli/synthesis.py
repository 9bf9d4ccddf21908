"""The command that writes Terraform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lokki_tf.pipeline.deployments import fetching, print_permissions

from .common import (
    count,
    given_options,
    output_option,
    quoted,
    region_option,
    rendered,
    settings,
    stage_option,
    template_option,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.pipeline import Pipeline
    from lokki_tf.terraform.synth import Synthesized


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
        click.echo(f"{made.folder.name}: {_contents(made)}", err=True)
        for bucket in made.others_buckets:
            click.echo(_event_advice(bucket), err=True)
        click.echo("\n  ".join(("Next:", *_next_commands(made))), err=True)

    return synth


def _event_advice(bucket: str) -> str:
    """Return what the owner of a bucket must do, so that its events start runs."""
    return (
        f"bucket {bucket}: its events start runs only if it sends them to EventBridge. Its owner "
        "adds eventbridge = true to its aws_s3_bucket_notification, of which a bucket has one: a "
        "second one would replace its other notifications"
    )


def _contents(made: Synthesized) -> str:
    """Return the numbers of functions, jobs and layers of a stack."""
    numbers = {"function": made.functions, "job": made.jobs, "layer": made.layers}
    counted = [count(number, what) for what, number in numbers.items() if number]
    return ", ".join((*counted, "one state machine"))


def _next_commands(made: Synthesized) -> Iterator[str]:
    """Return the commands that deploy the output of ``synth``, in order."""
    from lokki_tf.terraform_cli import typed_program

    terraform = typed_program()
    if made.images is not None:
        folder = quoted(made.images)
        yield f"{terraform} -chdir={folder} init && {terraform} -chdir={folder} apply"
    if made.image is not None:
        yield " ".join((typed(), "images", *given_options("output", "region", "template_file")))
    yield f"cd {quoted(made.folder)}"
    yield f"{terraform} init && {terraform} apply"
