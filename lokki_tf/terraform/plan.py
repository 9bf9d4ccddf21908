"""What is to be in AWS, as data: functions with their code, the machine, the objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lokki_tf.asl import JOB_ERRORS_PLACEHOLDER, compile_machine
from lokki_tf.asl.quotas import JOB_NAME_LENGTH
from lokki_tf.checks import check_definition
from lokki_tf.checks.batch import check_sizes
from lokki_tf.checks.code import check_code
from lokki_tf.errors import LokkiError
from lokki_tf.model import package_sets, raise_errors, shortened
from lokki_tf.model.names import identifier
from lokki_tf.packaging import helper_package, main_module, package_steps
from lokki_tf.runtime.places import STEP, STORE

from .settings import with_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lokki_tf.asl import Machine
    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Finding, PackageSet, Step
    from lokki_tf.packaging import Package, Zipped

FUNCTION_NAME_LENGTH = 64
LOG_GROUP, JOB_LOG_GROUP = "/aws/lambda/", "/aws/batch/"


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function.

    Args:
        step: What it runs.
        name: Its name in Lambda.
        package: Its code.
        placeholder: The name under which the machine's template wants its ARN.
        reads: Whether it may have to read objects of the bucket.
        packages: What its layer holds, if it declares any requirements.
    """

    step: Step
    name: str
    package: Package
    placeholder: str
    reads: bool
    packages: PackageSet | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job of AWS Batch.

    Args:
        step: What it runs.
        name: Its definition's name.
        package: Its code.
        placeholder: The name under which the machine's template wants its ARN.
    """

    step: Step
    name: str
    package: Package
    placeholder: str

    @property
    def folder(self) -> str:
        """The folder of its code in the pipeline's image, and so the container's command."""
        return folder_of(self.step)


@dataclass(frozen=True, slots=True)
class Helper:
    """A Lambda function of lokki_tf's own.

    Args:
        kind: ``notices`` or ``job_errors``: what it does, and the module of the runtime.
        name: Its name in Lambda.
        package: Its code.
        timeout: Longest duration of a call, in seconds.
        placeholder: The name under which the machine's template wants its ARN; empty if the state
            machine does not call it.
    """

    kind: str
    name: str
    package: Zipped
    timeout: int
    placeholder: str = ""

    @property
    def folder(self) -> str:
        """The folder of its zip, in the stack's folder and in the bucket."""
        return f"helpers/{self.kind}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline as it will be in AWS.

    Args:
        definition: The pipeline.
        machine: Its state machine.
        functions: One a step that runs in Lambda.
        findings: What was found while cutting the code.
        jobs: One a step that runs in Batch.
        jobs_named: What the names of all job definitions are like, with a wildcard.
        helpers: Functions of lokki_tf's own: for failure notices, and for errors of jobs.
    """

    definition: Definition
    machine: Machine
    functions: tuple[Function, ...]
    findings: tuple[Finding, ...]
    jobs: tuple[Job, ...] = ()
    jobs_named: str = ""
    helpers: tuple[Helper, ...] = ()

    @property
    def parts(self) -> tuple[Function | Job, ...]:
        """The functions and jobs: one a step."""
        return (*self.functions, *self.jobs)

    @property
    def called(self) -> tuple[Function, ...]:
        """The functions that the state machine calls: not the one of ``on_failure=`` alone."""
        routes, graph = self.definition.routes, self.definition.graph
        steps = graph.steps if routes is None else routes.steps
        conditions = [step.condition for step in steps if step.condition is not None]
        return tuple(one for one in self.functions if one.step in [*steps, *conditions])

    @property
    def in_image(self) -> Mapping[Step, Package]:
        """The steps whose code is in the pipeline's image."""
        return {one.step: one.package for one in self.parts if one.step.in_image}

    @property
    def objects(self) -> Mapping[str, bytes]:
        """What must be in the bucket before a run, by key."""
        return self.machine.objects

    @property
    def layers(self) -> Mapping[PackageSet, tuple[Function, ...]]:
        """The sets of declared packages, each of them a layer, with the functions that have it."""
        found: dict[PackageSet, tuple[Function, ...]] = {}
        for function in self.functions:
            if function.packages is not None:
                found[function.packages] = (*found.get(function.packages, ()), function)
        return found


class HasDefinition(Protocol):
    """What a pipeline must offer to become Terraform."""

    @property
    def definition(self) -> Definition: ...

    def early_findings(self) -> list[Finding]: ...

    def check(self, template_file: str | Path | None = None) -> list[Finding]: ...


def checked_plan(
    pipeline: HasDefinition, config: Config, template_file: str | Path | None = None
) -> Plan:
    """Return the plan of a pipeline under its settings, if it has no errors.

    Args:
        pipeline: The pipeline.
        config: Settings.
        template_file: A Lambda template instead of the default one.

    Raises:
        DefinitionError: If the pipeline has errors; it lists all of them.
    """
    try:
        plan = make_plan(
            with_settings(pipeline.definition, config),
            template_file,
            config.batch.job_definition_name,
        )
    except LokkiError:
        # What ends the planning may not be all that is wrong.
        faults = [one for one in pipeline.check(template_file) if one.severity == "error"]
        raise_errors(faults if len(faults) > 1 else [])
        raise
    settled = [*check_definition(plan.definition), *check_sizes(plan.definition)]
    early = pipeline.early_findings()
    raise_errors([*early, *(one for one in settled if one not in early), *plan.findings])
    return plan


def make_plan(
    definition: Definition,
    template_file: str | Path | None = None,
    job_definition_name: str | None = None,
) -> Plan:
    """Compiles the machine and packages every step; what they declare is not resolved yet.

    Args:
        definition: The pipeline.
        template_file: A Lambda template instead of the default one.
        job_definition_name: What the names of job definitions begin with, instead of the
            pipeline's name.

    Returns:
        The plan; errors in the steps' code are among its findings.

    Raises:
        LimitError: If results cannot fit where they meet.
        SerializationError: If a literal cannot travel.
        TemplateError: If the template cannot be filled.
    """
    machine = compile_machine(definition, main_module())
    packages = package_steps(definition, template_file)
    declared = {
        step: one
        for one, steps in package_sets(s for s in definition.steps if not s.in_image).items()
        for step in steps
    }
    functions = tuple(
        Function(
            step,
            function_name(definition.name, step.name),
            packages[step],
            machine.functions[step],
            step in machine.readers,
            declared.get(step),
        )
        for step in definition.steps
        if not step.is_job
    )
    first = job_definition_name or definition.name
    jobs = tuple(
        Job(
            step,
            job_name(first, step.name),
            packages[step],
            machine.functions[step],
        )
        for step in definition.steps
        if step.is_job
    )
    findings = [finding for one in packages.values() for finding in one.findings]
    findings += check_code(definition)
    found, helpers = tuple(findings), _helpers(definition)
    return Plan(definition, machine, functions, found, jobs, _jobs_named(first), helpers)


def _helpers(definition: Definition) -> tuple[Helper, ...]:
    wanted: list[tuple[str, int, str]] = []
    if definition.on_failure is not None:
        wanted.append(("notices", 900, ""))  # it waits for the step that it calls
    if any(step.is_job for step in definition.steps):
        wanted.append(("job_errors", 60, JOB_ERRORS_PLACEHOLDER))
    return tuple(
        Helper(
            kind,
            helper_name(definition.name, kind),
            helper_package(kind),
            timeout,
            placeholder,
        )
        for kind, timeout, placeholder in wanted
    )


def function_name(pipeline: str, step: str) -> str:
    """A function's name: the pipeline's and the step's, shortened where it is too long."""
    return shortened(f"{pipeline}-{step}", FUNCTION_NAME_LENGTH)


def helper_name(pipeline: str, kind: str) -> str:
    """The name of a function of lokki_tf's own; no step's name begins with a hyphen."""
    return function_name(pipeline, f"-{kind}")


def _jobs_named(first: str) -> str:
    # As far as :func:`job_name` leaves it when it shortens.
    return f"{f'{first}-'[: JOB_NAME_LENGTH - 9]}*"


def job_name(first: str, step: str) -> str:
    """A job definition's name, of the characters that Batch takes."""
    return shortened(f"{first}-{identifier(step)}", JOB_NAME_LENGTH)


def queue_name(pipeline: str, platform: str) -> str:
    """The name of the queue that a pipeline makes for a platform."""
    return shortened(f"{pipeline}-{platform}", JOB_NAME_LENGTH)


def variables_of(step: Step, store: str) -> dict[str, str]:
    """The environment of a step's function or container: its own, and where its objects are.

    Args:
        step: The step.
        store: ``s3://bucket/prefix`` of the pipeline.
    """
    return {**step.options.env_variables, STORE: store, STEP: step.name}


def folder_of(step: Step) -> str:
    """The folder of a step's code in the pipeline's image."""
    return step.name


def functions_named(pipeline: str) -> str:
    """What the names of all functions of a pipeline are like, for any steps."""
    # As far as :func:`function_name` leaves it when it shortens.
    return f"{f'{pipeline}-'[: FUNCTION_NAME_LENGTH - 9]}*"


def layer_name(pipeline: str, packages: PackageSet) -> str:
    """A layer's name, of at most 89 characters where Lambda takes 140."""
    return f"{pipeline}-{packages.key[:8]}"
