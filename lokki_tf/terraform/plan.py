"""The stack plan as data: functions with their code, the state machine, the objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lokki_tf.asl import (
    JOB_ERRORS_PLACEHOLDER,
    LOCKS_PLACEHOLDER,
    STARTS_PLACEHOLDER,
    compile_state_machine,
)
from lokki_tf.checks.code import check_code
from lokki_tf.model import package_sets
from lokki_tf.packaging import context_steps, helper_package, main_module, package_steps
from lokki_tf.runtime.names import STARTS, STEP, STORE, TRIGGERS

from .exposed import exposed_secrets
from .names import function_name, helper_name, job_name, jobs_named
from .triggers import triggers_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lokki_tf.asl import StateMachine
    from lokki_tf.model import Definition, Finding, PackageSet, Step, TextOrRef
    from lokki_tf.packaging import Package, Zipped


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function.

    Args:
        step: The step that it runs.
        name: Its name in Lambda.
        package: Its code.
        placeholder: The placeholder of its ARN in the state machine's template.
        reads: Whether it may read objects of the bucket.
        packages: The content of its layer, if it declares requirements.
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
        step: The step that it runs.
        name: Its definition's name.
        package: Its code.
        placeholder: The placeholder of its ARN in the state machine's template.
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
    """A helper: a Lambda function that runs no step.

    Args:
        kind: ``notices``, ``job_errors``, ``starts``, ``triggers`` or ``locks``: its purpose,
            which its name in AWS ends with.
        name: Its name in Lambda.
        package: Its code.
        timeout: Longest duration of a call, in seconds.
        placeholder: The placeholder of its ARN in the state machine's template; empty if the state
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

    @property
    def variables(self) -> dict[str, str]:
        """Its environment, in addition to the store: the folder of what it writes."""
        return {STEP: STARTS} if self.kind == "starts" else {}


@dataclass(frozen=True, slots=True)
class StackPlan:
    """The stack plan of a pipeline.

    Args:
        definition: The pipeline.
        state_machine: Its state machine.
        functions: One for each step that runs in Lambda.
        findings: Findings about the steps' code.
        jobs: One for each step that runs in Batch.
        jobs_named: A pattern of the names of all job definitions, with a wildcard.
        helpers: Helper functions: for failure notices, and for errors of jobs.
        asking: Steps whose code names ``run_context``.
    """

    definition: Definition
    state_machine: StateMachine
    functions: tuple[Function, ...]
    findings: tuple[Finding, ...]
    jobs: tuple[Job, ...] = ()
    jobs_named: str = ""
    helpers: tuple[Helper, ...] = ()
    asking: frozenset[Step] = frozenset()

    @property
    def parts(self) -> tuple[Function | Job, ...]:
        """The functions and jobs: one for each step."""
        return (*self.functions, *self.jobs)

    @property
    def called(self) -> tuple[Function, ...]:
        """The functions that the state machine calls: without one for ``on_failure=`` only."""
        routes, graph = self.definition.routes, self.definition.graph
        steps = [*(routes.steps if routes else ()), *graph.steps]
        steps += [step.condition for step in steps if step.condition is not None]
        steps += [self.definition.cleanup.step] if self.definition.cleanup else []
        return tuple(one for one in self.functions if one.step in steps)

    @property
    def in_image(self) -> Mapping[Step, Package]:
        """The steps whose code is in the pipeline's image."""
        return {one.step: one.package for one in self.parts if one.step.in_image}

    @property
    def objects(self) -> Mapping[str, bytes]:
        """Objects that must be in the bucket before a run, by key."""
        return self.state_machine.objects

    @property
    def layers(self) -> Mapping[PackageSet, tuple[Function, ...]]:
        """The sets of declared packages, one for each layer, with the functions that use it."""
        found: dict[PackageSet, tuple[Function, ...]] = {}
        for function in self.functions:
            if function.packages is not None:
                found[function.packages] = (*found.get(function.packages, ()), function)
        return found


class HasDefinition(Protocol):
    """What is required of a pipeline: its definition."""

    @property
    def definition(self) -> Definition: ...


def make_plan(
    definition: Definition,
    template_file: str | Path | None = None,
    job_definition_name: str | None = None,
) -> StackPlan:
    """Compile the state machine and package every step; declared packages are not resolved yet.

    Args:
        definition: The pipeline.
        template_file: A Lambda template instead of the default one.
        job_definition_name: Prefix of the names of job definitions, instead of the pipeline's name.

    Returns:
        The plan; errors in the steps' code are among its findings.

    Raises:
        LimitError: If the results that one state needs exceed its size limit.
        SerializationError: If a literal cannot be serialized.
        TemplateError: If the template cannot be filled.
    """
    packages = package_steps(definition, template_file)
    asking = context_steps(packages)
    state_machine = compile_state_machine(definition, main_module(), asking)
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
            state_machine.functions[step],
            step in state_machine.readers,
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
            state_machine.functions[step],
        )
        for step in definition.steps
        if step.is_job
    )
    findings = [finding for one in packages.values() for finding in one.findings]
    findings += [*check_code(definition), *exposed_secrets(definition, packages, state_machine)]
    found, helpers = tuple(findings), _helpers(definition)
    return StackPlan(
        definition, state_machine, functions, found, jobs, jobs_named(first), helpers, asking
    )


def _helpers(definition: Definition) -> tuple[Helper, ...]:
    wanted: list[tuple[str, str, int, str]] = []
    if definition.on_failure is not None or definition.cleanup is not None:
        # Its time limit is longer than those of the steps that it calls.
        wanted.append(("notices", "failure_notices", 900, ""))
    if any(step.is_job for step in definition.steps):
        wanted.append(("job_errors", "job_errors", 60, JOB_ERRORS_PLACEHOLDER))
    if definition.started or definition.inclusions:
        wanted.append(("starts", "starts", 60, STARTS_PLACEHOLDER))
    if definition.triggers:
        wanted.append(("triggers", "triggers", 60, ""))
    if definition.max_concurrent_runs is not None:
        wanted.append(("locks", "locks", 60, LOCKS_PLACEHOLDER))
    files = {"triggers": {TRIGGERS: triggers_file(definition)}} if definition.triggers else {}
    return tuple(
        Helper(
            kind,
            helper_name(definition.name, kind),
            helper_package(module, files.get(kind, {})),
            timeout,
            placeholder,
        )
        for kind, module, timeout, placeholder in wanted
    )


def variables_of(step: Step, store: str, text: Callable[[TextOrRef], str]) -> dict[str, str]:
    """Return the environment of a step's function or container: its own, and the store's URI.

    Args:
        step: The step.
        store: ``s3://bucket/prefix`` of the pipeline.
        text: Returns a text as it is written, and the value of a reference.
    """
    own = {name: text(value) for name, value in step.options.env_variables.items()}
    return {**own, STORE: store, STEP: step.name}


def folder_of(step: Step) -> str:
    """Return the folder of a step's code in the pipeline's image."""
    return step.name


def layer_name(pipeline: str, packages: PackageSet) -> str:
    """Return a layer's name, of at most 89 characters (Lambda's limit is 140)."""
    return f"{pipeline}-{packages.key[:8]}"
