"""The commands that change deployed stacks: plan, deploy, destroy, and terraform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lokki_tf.config import LambdaConfig
from lokki_tf.errors import NotDeployedError

from .common import setting_option, write
from .stacks import options_of_stack, stack_of, under

if TYPE_CHECKING:
    from lokki_tf.pipeline import Pipeline

_UNASKED = click.option(
    "--auto-approve",
    "--confirm",
    "approved",
    is_flag=True,
    help="Skip the confirmation; for scripts.",
)
_VERBOSE = click.option(
    "--verbose", "-v", is_flag=True, help="Show Terraform's complete plan, and all of its lines."
)
_WAIT = click.option(
    "--wait-for-runs",
    "waits",
    is_flag=True,
    help="Wait until no execution is running that it would change, then apply.",
)
_DESPITE = click.option(
    "--despite-runs",
    "despite",
    is_flag=True,
    help="With --auto-approve: apply even if running executions would fail.",
)
_IMPORT = click.option(
    "--import-existing",
    "imports",
    is_flag=True,
    help="Import existing resources that Terraform's state does not contain, then plan again.",
)
_TAG = setting_option("--image-tag", LambdaConfig, "image_tag")


def plan_command(pipeline: Pipeline) -> click.Command:
    """``plan``."""

    @click.command("plan")
    @options_of_stack
    @_TAG
    @_VERBOSE
    def plan(
        region: str | None, stack_name: str | None, image_tag: str | None, verbose: bool
    ) -> None:
        """Show what deploy would change in AWS, without changing it."""
        from lokki_tf.pipeline.deployments import show_plan

        pipe = under(pipeline, stack_name)
        show_plan(pipe, stack_of(pipe, region), image_tag=image_tag, verbose=verbose)

    return plan


def deploy_command(pipeline: Pipeline) -> click.Command:
    """``deploy``."""

    @click.command("deploy")
    @options_of_stack
    @_TAG
    @_VERBOSE
    @_WAIT
    @_DESPITE
    @_IMPORT
    @_UNASKED
    def deploy(
        region: str | None,
        stack_name: str | None,
        image_tag: str | None,
        verbose: bool,
        waits: bool,
        despite: bool,
        imports: bool,
        approved: bool,
    ) -> None:
        """Write Terraform, show its plan, ask for confirmation, and apply exactly this plan.

        Running executions that it would change are listed. The outputs are written to stdout as one
        line of JSON.
        """
        from lokki_tf.operate.deployed import Deployment, outputs_line
        from lokki_tf.pipeline import deployments

        if despite and (waits or not approved):
            raise click.UsageError("--despite-runs requires --auto-approve without --wait-for-runs")
        pipe = under(pipeline, stack_name)
        stack = stack_of(pipe, region)
        outputs = deployments.deploy(
            pipe,
            stack,
            image_tag=image_tag,
            verbose=verbose,
            wait_for_runs=waits,
            despite_runs=despite,
            import_existing=imports,
            auto_approve=approved,
        )
        click.echo(str(Deployment.of(stack, outputs)), err=True)
        write(outputs_line(outputs))

    return deploy


def destroy_command(pipeline: Pipeline) -> click.Command:
    """``destroy``."""

    @click.command("destroy")
    @options_of_stack
    @click.option("--force", is_flag=True, help="Delete the data of runs in its bucket too.")
    @_VERBOSE
    @_UNASKED
    def destroy(
        region: str | None, stack_name: str | None, force: bool, verbose: bool, approved: bool
    ) -> None:
        """Delete all resources of the pipeline in AWS, after a confirmation."""
        from lokki_tf.pipeline import deployments

        pipe = under(pipeline, stack_name)
        stack = stack_of(pipe, region)
        deployments.destroy(pipe, stack, force=force, verbose=verbose, auto_approve=approved)

    return destroy


def terraform_command(pipeline: Pipeline) -> click.Command:
    """``terraform``."""

    @click.command(
        "terraform", context_settings={"ignore_unknown_options": True, "help_option_names": []}
    )
    @options_of_stack
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def terraform(region: str | None, stack_name: str | None, arguments: tuple[str, ...]) -> None:
        """Run Terraform in the stack's folder: terraform -- state list."""
        from lokki_tf.operate.program import Program

        stack = stack_of(under(pipeline, stack_name), region)
        if not stack.is_written:
            raise NotDeployedError(
                f"there is no Terraform of {stack.name} in {stack.folder}",
                remedy=f"{stack.command('synth')} writes it",
            )
        raise SystemExit(Program.find(stack).pass_through(arguments))

    return terraform
