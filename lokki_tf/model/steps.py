"""A step: a function with its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lokki_tf.errors import Place

from .names import shortened
from .options import StepOptions
from .parameters import FlowParameter
from .terraform_refs import TerraformRef, TextOrRef

_NAME_LENGTH = 80


@dataclass(frozen=True, slots=True)
class StartedPipeline:
    """A deployed pipeline that a step starts.

    Args:
        name: Its name in the user's code.
        machine: The name of its state machine, which includes the stage, or the ARN, which may be
            known only to Terraform.
        trust: Whether its results are read from its bucket, where they may be pickles.
        takes: Of a routed pipeline: its parameters, each with the name of the value in the state.
        result: Of a routed pipeline: the name of its result in the state; ``None`` if it is not
            used.
        next: Of a routed pipeline: the next step; ``None`` if the pipeline ends.
    """

    name: str
    machine: TextOrRef
    trust: bool = False
    takes: tuple[tuple[str, str], ...] = ()
    result: str | None = None
    next: str | None = None

    @property
    def is_arn(self) -> bool:
        """Whether ``machine`` is an ARN."""
        return isinstance(self.machine, TerraformRef) or self.machine.startswith("arn:")

    @property
    def machine_name(self) -> str:
        """The name of its state machine; of a reference to Terraform, the name in the address."""
        if isinstance(self.machine, TerraformRef):
            return self.machine.label
        return self.machine.rpartition(":")[2]


@dataclass(frozen=True, slots=True, eq=False)
class IncludedPipeline:
    """A pipeline that is a step of a routed pipeline: its nodes are those in the step's box.

    Args:
        name: Its name.
        parameters: Its parameters; their names begin with the step's name and a dot.
        takes: From these to the names of the values in the state.
        nodes: Names of its nodes, without the step's.
        ends: Names of the nodes whose results are the pipeline's; of several, a tuple.
        result: The name of its result in the state.
        next: The next step; ``None`` if the routed pipeline ends.
    """

    name: str
    parameters: tuple[FlowParameter, ...]
    takes: tuple[tuple[str, str], ...]
    nodes: tuple[str, ...]
    ends: tuple[str, ...]
    result: str
    next: str | None


class RoutedPipeline(Protocol):
    """A routed pipeline that is a node: a ``Definition`` with routes, see ``Node.routed``."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its steps with code."""

    @property
    def timeout_seconds(self) -> int | None:
        """The limit of its duration, which has no effect in another pipeline."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A named function with its options. Steps are compared by identity.

    Args:
        name: Unique among the steps of a pipeline.
        function: The user's function, undecorated.
        options: Its options.
        place: Source location of the function.
        when: Returns, for arguments of the step, whether it runs; ``None`` if it always does.
        is_condition: Whether only ``when`` is called, for the job of that function.
        condition: Of a job with ``when``, the step that decides in Lambda whether it is submitted.
        written: Its name in the code that makes it, if a pipeline around it gave it another one.
        starts: The pipeline that it starts; its function runs that pipeline locally then, and it
            has no code of its own in AWS.
        includes: The pipeline that runs as this step of a routed pipeline; it has no code of its
            own then, either.
        routed: The routed pipeline that runs as a node of a graph, whose steps have the code.
    """

    name: str
    function: Callable[..., Any]
    options: StepOptions
    place: Place
    when: Callable[..., Any] | None = None
    is_condition: bool = False
    condition: Step | None = None
    written: str | None = None
    starts: StartedPipeline | None = None
    includes: IncludedPipeline | None = None
    routed: RoutedPipeline | None = None

    @property
    def has_code(self) -> bool:
        """Whether it runs a function of the user's."""
        return self.starts is None and self.includes is None and self.routed is None

    @property
    def with_code(self) -> tuple[Step, ...]:
        """The steps whose functions it runs: itself, or those of a routed pipeline."""
        if self.routed is not None:
            return self.routed.steps
        return (self,) if self.has_code else ()

    def inside(self, change: Callable[[Step], Step]) -> Step:
        """Return the same step with other steps in its routed pipeline.

        Args:
            change: Returns the replacement of a step.
        """
        routed: Any = self.routed
        routes = (replace(one, step=change(one.step)) for one in routed.routes.routes)
        changed = replace(routed.routes, routes=tuple(routes))
        return replace(self, routed=replace(routed, routes=changed))

    @property
    def own_name(self) -> str:
        """Its name in the code that makes it."""
        return self.written or self.name

    def __post_init__(self) -> None:
        if self.is_job and self.when is not None and self.condition is None:
            object.__setattr__(self, "condition", self._condition())

    def _condition(self) -> Step:
        """The Lambda step of a job's ``when``.

        It is in the pipeline's image where the job has packages or data files of its own, and a
        small zip elsewhere.
        """
        job = self.options
        heavy = bool(job.requirements or job.include)
        given = {"python_runtime", "architecture"} & job.given
        if heavy:
            given |= {"package"}
        options = StepOptions(
            description=f"Decides whether {self.name} runs",
            requirements=job.requirements,
            include=job.include,
            modules=job.modules,
            code=job.code,
            python_runtime=job.python_runtime,
            architecture=job.architecture,
            policies=job.policies,
            env_variables=job.env_variables,
            secrets=job.secrets,
            tags=job.tags,
            package="image" if heavy else "zip",
            given=frozenset(given),
        )
        name = shortened(f"{self.name}-when", _NAME_LENGTH)
        return Step(name, self.function, options, self.place, self.when, is_condition=True)

    @property
    def is_job(self) -> bool:
        """Whether it runs as a job of AWS Batch."""
        return self.options.job_type == "batch"

    @property
    def in_image(self) -> bool:
        """Whether its code is in the pipeline's container image."""
        return self.is_job or self.options.package == "image"
