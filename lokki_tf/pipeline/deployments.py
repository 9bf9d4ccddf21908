"""Deployment of a pipeline and its removal: plans, confirmations, and what they would change."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import click

from lokki_tf.errors import ResourceExistsError, UnconfirmedError
from lokki_tf.model.wording import count, quoted, rendered

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.config import Config
    from lokki_tf.images import Published
    from lokki_tf.model import Finding, PackageSet
    from lokki_tf.operate.affected import Affected
    from lokki_tf.operate.clients import Aws
    from lokki_tf.operate.deploying import Leftovers, Planned
    from lokki_tf.operate.stack import Stack
    from lokki_tf.packaging import ImageContext
    from lokki_tf.terraform.synth import Synthesized

_MOST_RUNS = 10  # the most runs whose names are printed


class Deployable(Protocol):
    """What is deployed of a pipeline, see :class:`Pipeline`."""

    def early_findings(self) -> list[Finding]:
        """Return the findings that need no analysis of the steps' code."""

    def synth(
        self,
        *,
        on_packages: Callable[[PackageSet], None] | None = None,
        config: Config | None = None,
    ) -> Synthesized:
        """Write Terraform."""


def show_plan(
    pipeline: Deployable, stack: Stack, *, image_tag: str | None = None, verbose: bool = False
) -> None:
    """Print what a deployment would change, and the running executions that it would affect.

    Args:
        pipeline: The pipeline, under the stack's name.
        stack: Its stack.
        image_tag: Tag of the image, instead of that of the settings.
        verbose: Whether Terraform's complete plan and all of its lines are printed.

    Raises:
        TerraformError: If Terraform fails, with its text.
    """
    with _shown_plan(pipeline, stack, image_tag, verbose, err=False) as shown:
        _show_runs(_affected(shown.main), err=False)


def deploy(
    pipeline: Deployable,
    stack: Stack,
    *,
    image_tag: str | None = None,
    verbose: bool = False,
    wait_for_runs: bool = False,
    despite_runs: bool = False,
    import_existing: bool = False,
    auto_approve: bool = False,
) -> dict[str, Any]:
    """Write Terraform, show its plan, require a confirmation, and apply exactly this plan.

    Args:
        pipeline: The pipeline, under the stack's name.
        stack: Its stack.
        image_tag: Tag of the image, instead of that of the settings.
        verbose: Whether Terraform's complete plan and all of its lines are printed.
        wait_for_runs: Whether to wait until no execution is running that it would change.
        despite_runs: Whether an unconfirmed plan is applied even if executions would fail.
        import_existing: Whether resources that exist are imported into Terraform's state.
        auto_approve: Whether no confirmation is required.

    Returns:
        Terraform's outputs.

    Raises:
        UnconfirmedError: If it is not confirmed.
        TerraformError: If Terraform fails, with its text.
    """
    _require_terminal(auto_approve, stack, "deploy")
    imported: set[str] | None = set() if import_existing else None
    outputs: dict[str, Any] | None = None
    while outputs is None:  # resources that were imported require another plan
        with _shown_plan(pipeline, stack, image_tag, verbose) as shown:
            _confirm(shown, approved=auto_approve, waits=wait_for_runs, despite=despite_runs)
            if wait_for_runs:
                _wait_for_runs(shown)
            outputs = _apply(shown, imported)
    return outputs


def destroy(
    pipeline: Deployable,
    stack: Stack,
    *,
    force: bool = False,
    verbose: bool = False,
    auto_approve: bool = False,
) -> None:
    """Delete all resources of a pipeline in AWS, after a confirmation.

    Args:
        pipeline: The pipeline, under the stack's name.
        stack: Its stack.
        force: Whether the data of runs in its bucket is deleted too.
        verbose: Whether Terraform's complete plan and all of its lines are printed.
        auto_approve: Whether no confirmation is required.

    Raises:
        UnconfirmedError: If it is not confirmed, or would delete data of runs without ``force``.
        TerraformError: If Terraform fails, with its text.
    """
    _require_terminal(auto_approve, stack, "destroy")
    with _planned_removal(pipeline, stack, verbose) as removal:
        if removal.is_empty:
            click.echo(f"{stack.name}: nothing is deployed", err=True)
            return
        if not force:
            removal.left.refuse(stack)
        _show_removal(removal, verbose)
        _agree(auto_approve, f"Destroy this in {removal.account}?")
        _remove(removal)
    click.echo(f"{stack.name} was deleted from {removal.account}", err=True)


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
def _planned_removal(pipeline: Deployable, stack: Stack, verbose: bool) -> Iterator[Removal]:
    """Plan the destruction of a pipeline's stack, and of that of its image repository.

    The pipeline's Terraform is written first if it is missing: it has the configuration of a remote
    state.
    """
    from lokki_tf.operate.deploying import Leftovers, planned
    from lokki_tf.operate.images import repository_of
    from lokki_tf.operate.program import Program

    program, (aws, account) = Program.find(stack, verbose=verbose), _account(stack)
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
            _timed(plan)


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
    pipeline: Deployable, stack: Stack, image_tag: str | None, verbose: bool, *, err: bool = True
) -> Iterator[Shown]:
    """Write a pipeline's Terraform, plan it, and show the plans.

    Terraform and credentials are checked first: without them nothing is written. ``err`` is whether
    the plan is written to stderr.
    """
    from lokki_tf.operate.deploying import planned
    from lokki_tf.operate.images import repository_of
    from lokki_tf.operate.program import Program

    program, (_, account) = Program.find(stack, verbose=verbose), _account(stack)
    made = _write(pipeline, stack, image_tag)
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
        return _timed(plan)
    except ResourceExistsError as error:
        # One that exists after it was imported would be imported without end.
        if imported is None or any(address in imported for address, _ in error.existing):
            raise
        for address, id_ in error.existing:
            imported.add(address)
            click.echo(f"{plan.program.stack.name}: importing {address} ({id_}) …", err=True)
            plan.program.take_over(address, id_)
        return None


def _timed(plan: Planned) -> dict[str, Any]:
    """Apply a plan, print what was done in how much time, and return the outputs."""
    from lokki_tf.operate.progress import done_text

    begin = time.monotonic()
    outputs = plan.apply()
    text = done_text(plan.changes, time.monotonic() - begin)
    click.echo(f"{plan.program.stack.name}: {text}", err=True)
    return outputs


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


def _write(pipeline: Deployable, stack: Stack, image_tag: str | None) -> Synthesized:
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


def _require_terminal(approved: bool, stack: Stack, command: str) -> None:
    """Raise an error if a confirmation is required and cannot be given."""
    from lokki_tf.reporting.notebook import in_notebook

    if not approved and not sys.stdin.isatty() and not in_notebook():
        does = stack.command(f"{command} --auto-approve")
        raise UnconfirmedError(
            f"{command} asks for confirmation, and there is no terminal",
            remedy=f"{does} runs without confirmation",
        )


def _agree(approved: bool, question: str) -> None:
    if approved:
        return
    try:
        agreed = click.confirm(question, err=True)
    except RuntimeError:  # a notebook that runs without a browser
        agreed = False
    if not agreed:
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


def print_permissions(made: Synthesized) -> None:
    """Print which policies the user's own roles need."""
    for file in made.permissions:
        click.echo(f"your role {file.stem!r} needs the policy {quoted(file)}", err=True)


def fetching(packages: PackageSet) -> None:
    """Print that packages are resolved."""
    number = count(len(packages.requirements), "requirement")
    click.echo(f"resolving {number} for {packages.target} …", err=True)


def outcome_text(made: Published) -> str:
    """Return what was done for an image."""
    if made.pushed:
        return "built and pushed"
    return "built" if made.built else "the registry already has this image"
