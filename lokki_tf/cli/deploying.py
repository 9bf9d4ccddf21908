"""The commands that change deployed stacks: plan, deploy, destroy, and terraform."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.config import LambdaConfig
from lokki_tf.errors import NotDeployedError, ResourceExistsError, UnconfirmedError

from .common import count, given_options, rendered, setting_option, typed, write
from .images import outcome_text
from .stacks import options_of_stack, stack_of, under
from .synthesis import fetching, print_permissions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lokki_tf.operate.affected import Affected
    from lokki_tf.operate.clients import Aws
    from lokki_tf.operate.deploying import Leftovers, Planned
    from lokki_tf.operate.stack import Stack
    from lokki_tf.packaging import ImageContext
    from lokki_tf.pipeline import Pipeline
    from lokki_tf.terraform.synth import Synthesized

_MOST_RUNS = 10  # the most runs whose names are printed
_UNASKED = click.option(
    "--auto-approve",
    "--confirm",
    "approved",
    is_flag=True,
    help="Skip the confirmation; for scripts.",
)
_VERBOSE = click.option("--verbose", "-v", is_flag=True, help="Show Terraform's complete plan too.")
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
        pipe = under(pipeline, stack_name)
        stack = stack_of(pipe, region)
        with _shown_plan(pipe, stack, image_tag, verbose, err=False) as shown:
            _show_runs(_affected(shown.main), err=False)

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
        if despite and (waits or not approved):
            raise click.UsageError("--despite-runs requires --auto-approve without --wait-for-runs")
        _require_terminal(approved, "deploy")
        pipe = under(pipeline, stack_name)
        stack = stack_of(pipe, region)
        imported: set[str] | None = set() if imports else None
        outputs: dict[str, Any] | None = None
        while outputs is None:  # resources that were imported require another plan
            with _shown_plan(pipe, stack, image_tag, verbose) as shown:
                _confirm(shown, approved=approved, waits=waits, despite=despite)
                if waits:
                    _wait_for_runs(shown)
                outputs = _apply(shown, imported)
        _print_where(stack, outputs)

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
        _require_terminal(approved, "destroy")
        pipe = under(pipeline, stack_name)
        stack = stack_of(pipe, region)
        with _planned_removal(pipe, stack) as removal:
            if removal.is_empty:
                click.echo(f"{stack.name}: nothing is deployed", err=True)
                return
            if not force:
                removal.left.refuse(stack)
            _show_removal(removal, verbose)
            _agree(approved, f"Destroy this in {removal.account}?")
            _remove(removal)
        click.echo(f"{stack.name} was deleted from {removal.account}", err=True)

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


@dataclass(frozen=True, slots=True)
class Removal:
    """What a destruction deletes.

    Args:
        stack: The pipeline's stack.
        aws: The account.
        account: The account and region as text.
        plans: The plans in the order in which they are applied, the pipeline's own first.
        left: What the pipeline's bucket contains.
    """

    stack: Stack
    aws: Aws
    account: str
    plans: Sequence[Planned]
    left: Leftovers

    @property
    def is_empty(self) -> bool:
        """Whether nothing is deployed."""
        return not any(one.changes for one in self.plans)


@contextmanager
def _planned_removal(pipeline: Pipeline, stack: Stack) -> Iterator[Removal]:
    """Plan the destruction of a pipeline's stack, and of that of its image repository.

    The pipeline's Terraform is written first if it is missing: it has the configuration of a remote
    state.
    """
    from lokki_tf.operate.deploying import Leftovers, planned
    from lokki_tf.operate.images import repository_of
    from lokki_tf.operate.program import Program

    program, (aws, account) = Program.find(stack), _account(stack)
    if not stack.is_written:
        _write(pipeline, stack, None)
    beside = replace(program, stack=repository_of(stack))
    with ExitStack() as opened:
        plans = [opened.enter_context(planned(program, destroy=True))]
        if beside.stack.is_written:
            plans.append(opened.enter_context(planned(beside, destroy=True)))
        yield Removal(stack, aws, account, plans, Leftovers.of(aws, plans[0].changes))


def _show_removal(removal: Removal, verbose: bool) -> None:
    """Show the plans, and what else is lost: the data of runs, and runs that are not finished."""
    from lokki_tf.operate.deploying import running

    for plan in removal.plans:
        if plan.changes:
            _show(removal.stack, plan, removal.account, verbose)
    left = removal.left
    if left.data:
        click.echo(f"  - {left} in {left.bucket}", err=True)
    if cut_off := running(removal.aws, removal.plans[0].changes):
        said = f"{count(cut_off, 'run')} still running, which AWS ends at the next step"
        click.echo(f"  - {said}", err=True)


def _remove(removal: Removal) -> None:
    """Empty the bucket and the repositories, and apply the plans."""
    from lokki_tf.operate.images import empty_repositories

    removal.left.delete()
    for plan in removal.plans:
        empty_repositories(removal.aws, plan.changes)
        if plan.changes:
            plan.apply()


@dataclass(frozen=True, slots=True)
class Shown:
    """Plans that were shown to the user.

    Args:
        stack: The pipeline's stack.
        plans: The plans in the order in which they are applied, the pipeline's own last.
        account: The account and region as text.
        image: The build context of the image, if the pipeline has one.
    """

    stack: Stack
    plans: Sequence[Planned]
    account: str
    image: ImageContext | None

    @property
    def main(self) -> Planned:
        """The plan of the pipeline's own stack."""
        return self.plans[-1]


@contextmanager
def _shown_plan(
    pipeline: Pipeline, stack: Stack, image_tag: str | None, verbose: bool, *, err: bool = True
) -> Iterator[Shown]:
    """Write a pipeline's Terraform, plan it, and show the plans.

    Terraform and credentials are checked first: without them nothing is written. ``err`` is whether
    the plan is written to stderr.
    """
    from lokki_tf.operate.deploying import planned
    from lokki_tf.operate.images import repository_of
    from lokki_tf.operate.program import Program

    program, (_, account) = Program.find(stack), _account(stack)
    made = _write(pipeline, stack, image_tag)
    click.echo(f"{stack.name}: planning …", err=True)
    with ExitStack() as opened:
        plans: list[Planned] = []
        if made.images:
            beside = replace(program, stack=repository_of(stack))
            plans.append(opened.enter_context(planned(beside)))
            if not plans[0].is_empty:
                _show(stack, plans[0], account, verbose, err=err)
        plans.append(opened.enter_context(planned(program)))
        _show(stack, plans[-1], account, verbose, err=err)
        yield Shown(stack, plans, account, made.image)


def _confirm(shown: Shown, *, approved: bool, waits: bool, despite: bool) -> None:
    """List the running executions that the plans would change, and require a confirmation.

    Raises:
        UnconfirmedError: If it is refused, or an unattended deployment would make runs fail.
    """
    if all(plan.is_empty for plan in shown.plans):
        return
    runs = _affected(shown.main)
    _show_runs(runs)
    if approved and not waits and not despite:
        _require_no_failures(runs, shown.stack)
    while_ = "" if waits or not runs else f" while {_going(runs)}"
    _agree(approved, f"Apply this to {shown.account}{while_}?")


def _wait_for_runs(shown: Shown) -> None:
    """Wait until no execution is running that the plan would change."""
    from lokki_tf.operate.affected import wait_for

    wait_for(lambda: _affected(shown.main), _print_waiting)


def _apply(shown: Shown, imported: set[str] | None) -> dict[str, Any] | None:
    """Apply the plans, push the image, and return the outputs; ``None`` if resources were imported.

    ``imported`` is as for :func:`_applied`.
    """
    for plan in shown.plans[:-1]:
        if _applied(plan, imported) is None:
            return None
    if shown.image is not None:
        _publish(shown.stack, shown.image)
    main = shown.main
    return main.program.outputs() if main.is_empty else _applied(main, imported)


def _applied(plan: Planned, imported: set[str] | None) -> dict[str, Any] | None:
    """Apply a plan and return the outputs; ``None`` if resources were imported instead.

    Args:
        plan: The plan.
        imported: Addresses of resources that were imported, to which those that exist are added;
            ``None`` if none may be imported.

    Raises:
        TerraformError: If Terraform fails, with its text.
    """
    try:
        return plan.apply()
    except ResourceExistsError as error:
        # One that exists after it was imported would be imported without end.
        if imported is None or any(address in imported for address, _ in error.existing):
            raise
        for address, id_ in error.existing:
            imported.add(address)
            click.echo(f"{plan.program.stack.name}: importing {address} ({id_}) …", err=True)
            plan.program.take_over(address, id_)
        return None


def _account(stack: Stack) -> tuple[Aws, str]:
    """Return the account, and its name for messages.

    Raises:
        AwsError: If it cannot be reached, or the credentials are invalid.
    """
    from lokki_tf.operate.clients import Aws

    aws = Aws(stack.config)
    return aws, f"account {aws.account()} in {aws.region}"


def _publish(stack: Stack, image: ImageContext) -> None:
    """Build and push the image that the functions and jobs use."""
    from lokki_tf.images import shown
    from lokki_tf.operate.images import publish_image

    with shown() as on_progress:
        made = publish_image(stack.config, image, on_progress)
    click.echo(f"image {made.uri}: {outcome_text(made)}", err=True)


def _write(pipeline: Pipeline, stack: Stack, image_tag: str | None) -> Synthesized:
    for finding in pipeline.early_findings():
        click.echo(rendered(finding), err=True)
    config = stack.config
    if image_tag:
        config = replace(config, lambda_=replace(config.lambda_, image_tag=image_tag))
    made = pipeline.synth(config=config, on_packages=fetching)
    for finding in made.findings:
        click.echo(rendered(finding), err=True)
    print_permissions(made)
    return made


def _show(stack: Stack, plan: Planned, account: str, verbose: bool, *, err: bool = True) -> None:
    from lokki_tf.operate.plans import summary

    if verbose:
        click.echo(plan.text, err=err)
    if plan.is_empty:
        click.echo(f"{stack.name}: nothing to change in {account}", err=err)
        return
    click.echo(f"{stack.name}, {account}:", err=err)
    for line in summary(plan.changes) if plan.changes else ["  only outputs change"]:
        click.echo(line, err=err)


def _require_terminal(approved: bool, command: str) -> None:
    """Raise an error if a confirmation would be required and there is no terminal for it."""
    if not approved and not sys.stdin.isatty():
        options = given_options("region", "stack_name")
        does = " ".join((typed(), command, *options, "--auto-approve"))
        raise UnconfirmedError(
            f"{command} asks for confirmation, and there is no terminal",
            remedy=f"{does} runs without confirmation",
        )


def _agree(approved: bool, question: str) -> None:
    if not approved and not click.confirm(question, err=True):
        raise UnconfirmedError("nothing was changed", remedy="answer y to confirm")


def _affected(plan: Planned) -> list[Affected]:
    """Return the running executions that a plan would change; none if nothing is deployed yet."""
    from lokki_tf.operate.affected import affected
    from lokki_tf.operate.deployed import deployed_from

    if not plan.changes:
        return []
    outputs = plan.program.outputs()
    if not outputs.get("state_machine_arn"):
        return []
    deployed = deployed_from(plan.program.stack, outputs)
    return affected(deployed.aws, deployed.arn, plan.changes)


def _going(runs: Sequence[Affected]) -> str:
    return f"{count(len(runs), 'run')} {'is' if len(runs) == 1 else 'are'} running"


def _show_runs(runs: Sequence[Affected], *, err: bool = True) -> None:
    if not runs:
        return
    click.echo(f"{_going(runs)} that this would change:", err=err)
    for one in runs[:_MOST_RUNS]:
        click.echo(f"  {one}", err=err)
    if len(runs) > _MOST_RUNS:
        click.echo(f"  and {len(runs) - _MOST_RUNS:,} more", err=err)


def _print_waiting(runs: Sequence[Affected]) -> None:
    names = ", ".join(one.run.name for one in runs[:_MOST_RUNS])
    more = f" and {len(runs) - _MOST_RUNS:,} more" if len(runs) > _MOST_RUNS else ""
    click.echo(f"waiting for {names}{more} …", err=True)


def _require_no_failures(runs: Sequence[Affected], stack: Stack) -> None:
    """Raise an error if an unattended deployment would make running executions fail."""
    failing = [one for one in runs if one.removed]
    if failing:
        does = stack.command("deploy --auto-approve")
        raise UnconfirmedError(
            f"nothing was changed: {count(len(failing), 'run')} that "
            f"{'is' if len(failing) == 1 else 'are'} running would fail: "
            + ", ".join(one.run.name for one in failing[:_MOST_RUNS]),
            remedy=f"{does} --wait-for-runs waits until they have ended, "
            "--despite-runs applies the plan now",
        )


def _print_where(stack: Stack, outputs: dict[str, Any]) -> None:
    from lokki_tf.operate.deployed import deployed_from, outputs_line

    deployed = deployed_from(stack, outputs)
    numbers = {
        "function": len(deployed.functions),
        "job": sum(step.is_job for step in stack.definition.steps),
    }
    parts = ", ".join(count(number, what) for what, number in numbers.items() if number)
    click.echo(f"{stack.name} is deployed: state machine {stack.name}, {parts}", err=True)
    if deployed.link:
        click.echo(f"  {deployed.link}", err=True)
    click.echo(f"Next: {stack.command('start --wait')}", err=True)
    write(outputs_line(outputs))
