"""The command that writes Terraform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .common import count, output_option, quoted, rendered, settings, stage_option, template_option

if TYPE_CHECKING:
    from lokki_tf.model import PackageSet
    from lokki_tf.pipeline import Pipeline
    from lokki_tf.terraform.synth import Synthesized


def synth_command(pipeline: Pipeline) -> click.Command:
    """``synth``."""

    @click.command("synth")
    @output_option("The output folder; build_dir of lokki.toml, or terraform-out, unless given.")
    @click.option("--region", help="AWS region; the environment's unless given.")
    @template_option
    @click.option(
        "--upgrade", is_flag=True, help="Look for newer versions of packages that steps declare."
    )
    @stage_option
    def synth(
        output: Path | None, region: str | None, template_file: Path | None, upgrade: bool
    ) -> None:
        """Write Terraform, and all that it refers to, into one folder."""
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
        tell_permissions(made)
        if made.changes:
            listed = ", ".join(f"{step} ({what})" for step, what in made.changes.items())
            click.echo(f"changed since the last synth: {listed}", err=True)
        layers = f"{count(made.layers, 'layer')}, " if made.layers else ""
        click.echo(
            f"{made.folder.name}: {count(made.functions, 'function')}, {layers}one state machine\n"
            f"Next:\n  cd {quoted(made.folder)}\n  terraform init && terraform apply",
            err=True,
        )

    return synth


def tell_permissions(made: Synthesized) -> None:
    """Tells which policies the user's own roles need."""
    for file in made.permissions:
        click.echo(f"role {file.stem!r} of yours needs the policy {quoted(file)}", err=True)


def fetching(packages: PackageSet) -> None:
    """Tells that packages are fetched."""
    number = count(len(packages.requirements), "requirement")
    click.echo(f"resolving {number} for {packages.target} …", err=True)
