"""A step: a function and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lokki_tf.errors import Place

from .names import shortened
from .retries import RetryConfig

# Options that only jobs in Batch have, and those that only Lambda functions have.
OF_JOBS = ("vcpu", "memory_mb", "gpu", "platform", "job_queue")
OF_LAMBDA = ("memory_size", "ephemeral_storage", "layers", "package")


_NAME_LENGTH = 80
_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StepOptions:
    """Options of a step.

    Args:
        description: Shown in the console; the function's docstring by default.
        layers: ARNs of Lambda layers.
        requirements: Packages from PyPI that the step imports.
        include: Data files that the step reads: paths, folders and patterns such as ``data/*.csv``,
            relative to the folder of the step's file; patterns that end in ``.py`` name modules.
        modules: The user's modules and packages that the step's code imports dynamically, by their
            names in imports: ``plugins``.
        code: ``cut`` deploys only what the step needs of its own module, ``module`` all of it.
        python_runtime: Name of the Lambda runtime.
        memory_size: Memory in MiB.
        timeout_seconds: Longest duration of one call, in seconds.
        ephemeral_storage: Size of ``/tmp`` in MiB.
        architecture: ``x86_64`` or ``arm64``.
        policies: IAM policy documents, as JSON, that are attached to the step's role.
        role: ARN of an existing role, used instead of a new one.
        env_variables: Environment variables.
        tags: Tags of the step's resources.
        expected_seconds: Typical duration of a call, for the layout of the graph.
        retry: Retriers: how failures are retried.
        job_type: ``lambda``, or ``batch`` for a job of AWS Batch.
        package: ``zip`` or ``image``, of a Lambda function; that of the settings by default.
        vcpu: Number of virtual CPUs of a job; Fargate allows 0.25 and 0.5 as well.
        memory_mb: Memory of a job in MiB.
        gpu: Number of GPUs of a job; only on ``ec2``.
        platform: Where a job runs: ``fargate``, ``fargate_spot`` or ``ec2``.
        job_queue: Name or ARN of an existing queue.
        given: Names of the options that the step's author set.
    """

    description: str | None = None
    layers: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    code: str = "cut"
    python_runtime: str = "python3.13"
    memory_size: int = 512
    timeout_seconds: int = 900
    ephemeral_storage: int = 512
    architecture: str = "x86_64"
    policies: tuple[str, ...] = ()
    role: str | None = None
    env_variables: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    expected_seconds: float | None = None
    retry: tuple[RetryConfig, ...] = ()
    job_type: str = "lambda"
    package: str = "zip"
    vcpu: float = 1
    memory_mb: int = 2048
    gpu: int = 0
    platform: str = "fargate"
    job_queue: str | None = None
    given: frozenset[str] = frozenset()


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
    """

    name: str
    function: Callable[..., Any]
    options: StepOptions
    place: Place
    when: Callable[..., Any] | None = None
    is_condition: bool = False
    condition: Step | None = None

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
