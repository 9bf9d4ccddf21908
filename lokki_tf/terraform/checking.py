"""All findings about a pipeline, and the plan of one that has no errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lokki_tf.asl import compile_state_machine
from lokki_tf.checks import check_definition, check_state_machine
from lokki_tf.checks.batch import check_sizes
from lokki_tf.checks.code import check_code
from lokki_tf.checks.datasets import check_room
from lokki_tf.checks.express import check_durations
from lokki_tf.config import Config
from lokki_tf.errors import ConfigError, LokkiError
from lokki_tf.model import Finding, Step, TerraformRef, raise_errors
from lokki_tf.packaging import Package, context_steps, main_module, package_steps

from .exposed import exposed_secrets
from .plan import StackPlan, make_plan
from .settings import with_settings
from .template_values import longest_values
from .triggers import check_triggers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lokki_tf.model import Definition

NO_MACHINE = {"dataset", "no-start", "no-such-step", "poll", "retry"}
"""Rules of errors after which the pipeline cannot be compiled."""


def all_findings(
    definition: Definition,
    template_file: str | Path | None = None,
    config: Config | None = None,
) -> list[Finding]:
    """Return all errors and warnings about a pipeline.

    Args:
        definition: The pipeline.
        template_file: A Lambda template instead of the default one.
        config: Settings, as in ``lokki.toml``; the defaults if omitted.
    """
    findings = check_definition(definition)
    settled, packages = definition, dict[Step, Package]()
    with _noted(findings):
        settled = definition if config is None else with_settings(definition, config)
        packages = package_steps(settled, template_file)
        findings += [one for package in packages.values() for one in package.findings]
    findings += check_code(settled)
    if any(finding.rule in NO_MACHINE for finding in findings):
        return [*findings, *exposed_secrets(settled, packages, None)]
    with _noted(findings):
        found = _findings_of_settings(settled, config or Config())
        findings += [one for one in found if one not in findings]
        state_machine = compile_state_machine(settled, main_module(), context_steps(packages))
        findings += check_state_machine(state_machine.definition)
        findings += check_room(settled, state_machine.room)
        findings += exposed_secrets(settled, packages, state_machine)
        if not any(finding.rule == "name" for finding in findings):  # ARNs contain names
            values = longest_values(settled, state_machine, config or Config())
            _ = state_machine.text(values)
    return findings


def checked_plan(
    definition: Definition, config: Config, template_file: str | Path | None = None
) -> StackPlan:
    """Return the plan of a pipeline under its settings, if it has no errors.

    Args:
        definition: The pipeline.
        config: Settings, as in ``lokki.toml``.
        template_file: A Lambda template instead of the default one.

    Raises:
        DefinitionError: If the pipeline has errors; it lists all of them.
    """
    early = check_definition(definition)
    if any(one.rule in NO_MACHINE for one in early):
        raise_errors(all_findings(definition, template_file, config))
    try:
        plan = make_plan(
            with_settings(definition, config),
            template_file,
            config.batch.job_definition_name,
        )
    except LokkiError:
        # The error that ended the planning may not be the only one.
        faults = [one for one in all_findings(definition, template_file) if one.severity == "error"]
        raise_errors(faults if len(faults) > 1 else [])
        raise
    settled = _findings_of_settings(plan.definition, config)
    raise_errors([*early, *(one for one in settled if one not in early), *plan.findings])
    return plan


def _references(definition: Definition, config: Config) -> Iterator[Finding]:
    """Check that references are not used in the stack of the repository of images."""
    settings = config.aws
    made = settings.image_repository is None and any(step.in_image for step in definition.steps)
    if made and isinstance(settings.kms_key, TerraformRef):
        yield Finding(
            "references",
            f"kms_key in [aws] is {settings.kms_key!r}, and the repository of the pipeline's "
            "images is in a stack of its own, where no such resource exists",
            definition.place,
            "write the key's ARN, or set image_repository in [aws]",
            error=ConfigError,
        )


def _findings_of_settings(settled: Definition, config: Config) -> list[Finding]:
    """Return the findings about a pipeline under its settings, without its steps' code."""
    return [
        *check_definition(settled),
        *check_triggers(settled, config),
        *check_sizes(settled),
        *check_durations(settled),
        *_references(settled, config),
    ]


@contextmanager
def _noted(findings: list[Finding]) -> Iterator[None]:
    """Append a finding for the error that ends the ``with`` statement."""
    try:
        yield
    except LokkiError as error:
        findings.append(Finding.of(error, "plan"))
