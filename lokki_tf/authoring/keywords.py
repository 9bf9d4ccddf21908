"""The types of keyword arguments, for type checkers; a test compares them with the options.

An option is added here and to its dataclass in :mod:`lokki_tf.model.options`. ``None`` means the
default everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict
from typing import Literal as OneOf

if TYPE_CHECKING:
    from lokki_tf.model import Alarms, RetryConfig, TerraformRef
    from lokki_tf.model.triggers import Trigger

    from .failure_notices import OnFailure


Retry: TypeAlias = "RetryConfig | Mapping[str, Any] | int"
"""A retrier: itself, a dict of its arguments, or a number of retries."""


Catch: TypeAlias = type[BaseException] | str
"""An error of ``catch=``: a class, or AWS's name of an error."""


Cleanup: TypeAlias = Any
"""A step or a task, or a call of a step, which to type checkers is the step's result."""


class RouteKeywords(TypedDict, total=False):
    """What every style accepts for a step."""

    description: str | None
    layers: Sequence[str | TerraformRef] | None
    requirements: Sequence[str] | str | PathLike[str] | None
    include: Sequence[str | PathLike[str]] | None
    modules: Sequence[str] | None
    code: OneOf["cut", "module"] | None
    python_runtime: str | None
    memory_size: int | None
    timeout_seconds: int | None
    ephemeral_storage: int | None
    architecture: OneOf["x86_64", "arm64"] | None
    policies: Sequence[str | Mapping[str, Any]] | None
    role: str | TerraformRef | None
    env_variables: Mapping[str, str | TerraformRef] | None
    secrets: Mapping[str, str] | None
    tags: Mapping[str, str] | None
    expected_seconds: float | None
    retry: Retry | Sequence[Retry] | None
    retry_count: int | None
    poll: int | None
    poll_timeout: int | None
    poll_backoff: float | None
    callback: bool | None
    heartbeat_seconds: int | None
    job_type: OneOf["lambda", "batch"] | None
    package: OneOf["zip", "image"] | None
    vcpu: float | None
    memory_mb: int | None
    gpu: int | None
    platform: OneOf["fargate", "fargate_spot", "ec2"] | None
    job_queue: str | TerraformRef | None


class StepKeywords(RouteKeywords, total=False):
    """What every style accepts for a step but routes, whose errors lead to other steps."""

    catch: Catch | Sequence[Catch] | bool | None


class NamedStepKeywords(StepKeywords, total=False):
    """What ``@step`` and ``@task`` accept in addition."""

    name: str | None
    when: Callable[..., Any] | None


class TaskKeywords(NamedStepKeywords, total=False):
    """What ``@task`` accepts in addition."""

    retries: int
    delay: float
    backoff: float


class UnscheduledKeywords(TypedDict, total=False):
    """What every style accepts for a pipeline, without the schedule."""

    description: str | None
    tags: Mapping[str, str] | None
    triggers: Trigger | Sequence[Trigger] | None
    timeout_seconds: int | None
    on_failure: OnFailure
    alarms: Alarms | str | TerraformRef | None
    dashboard: bool | None
    max_concurrent_runs: int | None
    when_busy: OneOf["queue", "skip", "fail"] | None
    cleanup: Cleanup


class PipelineKeywords(UnscheduledKeywords, total=False):
    """What every style accepts for a pipeline."""

    schedule: str | None
