"""The options of steps, maps and pipelines: each with its default, documentation and limits.

An option is declared once, as a field of a dataclass made by ``option`` (:mod:`.declarations`).
Authoring, settings, checks and ``docs/reference/options.md`` read the declarations with
``options``. What users may pass for each option is in ``lokki_tf.authoring.keywords``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from typing import Literal as OneOf

from .alarms import Alarms
from .declarations import (
    BATCH,
    EMPTY,
    LAMBDA,
    MEBIBYTES,
    SECONDS,
    number,
    one_of,
    option,
    whole,
)
from .declarations import options as options  # lokki_tf.model.options is the function
from .terraform_refs import TerraformRef
from .triggers import Trigger

if TYPE_CHECKING:
    from .retries import ErrorType, RetryConfig

YEAR = 31_536_000  # seconds; an execution ends after a year
MOST_SLOTS = 100
"""Most runs of ``max_concurrent_runs=``: a run looks for a free one among all of them."""
LAMBDA_QUOTAS = 'AWS Lambda Developer Guide, "Lambda quotas"'
_RUNTIMES = 'AWS Lambda Developer Guide, "Lambda runtimes"'
JOBS = 'AWS Batch User Guide, "Job definition parameters"'
_MAPS = 'AWS Step Functions Developer Guide, "Map state"'


RUNTIMES = ("python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14")


@dataclass(frozen=True, slots=True)
class StepOptions:
    """Options of a step, in the types of the model.

    Args:
        given: Names of the options that the step's author set. The other fields are documented
            where they are declared.
    """

    description: str | None = option(
        None, "Shown in the console; the first line of the function's docstring by default"
    )
    layers: tuple[str | TerraformRef, ...] = option(
        (),
        "ARNs of Lambda layers, at most 5",
        only=LAMBDA,
        instead="requirements= are installed into the image",
        source=LAMBDA_QUOTAS,
    )
    requirements: tuple[str, ...] = option(
        (),
        "Packages from PyPI that the step imports: a list, or the path of a `requirements.txt`, "
        "`pyproject.toml` or `uv.lock`, relative to the step's file",
    )
    include: tuple[str, ...] = option(
        (),
        "Data files that the step reads: paths, folders and patterns such as `data/*.csv`, "
        "relative to the folder of the step's file; patterns that end in `.py` name modules",
    )
    modules: tuple[str, ...] = option(
        (), "Your modules and packages that the step's code imports by computed names"
    )
    code: str = option(
        "cut",
        "`cut` deploys only what the step needs of its own module, `module` all of it",
        one_of("cut", "module"),
    )
    python_runtime: str = option(
        "python3.13",
        "Name of the Lambda runtime",
        one_of(*RUNTIMES, service=LAMBDA),
        source=_RUNTIMES,
        settings=("lambda.python_runtime",),
    )
    memory_size: int = option(
        512,
        "Memory of the function",
        whole(128, 10_240, service=LAMBDA),
        unit=MEBIBYTES,
        only=LAMBDA,
        instead="memory_mb= is the memory of a job",
        source=LAMBDA_QUOTAS,
        settings=("lambda.memory_size",),
    )
    timeout_seconds: int = option(
        900,
        "Longest duration of a call, or of an attempt of a job; what takes longer raises "
        "`TimeoutError`",
        whole(1, 900, service=LAMBDA),
        whole(60, service=BATCH),
        unit=SECONDS,
        source=f"{LAMBDA_QUOTAS}; {JOBS}",
        settings=("lambda.timeout_seconds", "batch.timeout_seconds"),
    )
    ephemeral_storage: int = option(
        512,
        "Size of `/tmp`",
        whole(512, 10_240, service=LAMBDA),
        unit=MEBIBYTES,
        only=LAMBDA,
        instead="remove it: a job has 20 GB",
        source=LAMBDA_QUOTAS,
    )
    architecture: str = option(
        "x86_64",
        "Architecture of the processor",
        one_of("x86_64", "arm64", service=LAMBDA),
        source=_RUNTIMES,
        settings=("lambda.architecture",),
    )
    policies: tuple[str, ...] = option(
        (),
        "What the step's role allows in addition: `allow(…)`, statements or whole IAM policy "
        "documents as dicts, or documents as JSON",
    )
    role: str | TerraformRef | None = option(
        None, "ARN of an existing role, used instead of a new one", settings=("lambda.role",)
    )
    env_variables: Mapping[str, str | TerraformRef] = option(
        EMPTY,
        "Environment variables; in local runs they are set for the step as well",
        settings=("lambda.env",),
    )
    secrets: Mapping[str, str] = option(
        EMPTY,
        "Secrets by the environment variables that contain them: names or ARNs in Secrets Manager, "
        "`ssm:/path` in Parameter Store, with `#key` one value of a JSON object; in local runs a "
        "variable that is set is used instead",
        settings=("lambda.secrets",),
    )
    tags: Mapping[str, str] = option(EMPTY, "Tags of the step's resources")
    expected_seconds: float | None = option(
        None, "Typical duration of a call, for the layout of the graph; above 0", unit=SECONDS
    )
    retry: tuple[RetryConfig, ...] = option(
        (),
        "How failures are retried: a `RetryConfig`, a dict of its arguments, a number of retries, "
        "or a list of these; also at a call or a link, for that use alone",
    )
    poll: int | None = option(
        None,
        "Seconds between attempts of a step that raises `NotReady`; while it waits nothing runs",
        whole(1, YEAR),
        unit=SECONDS,
        only=LAMBDA,
        instead="repeat inside the job, or poll in a step of Lambda",
    )
    poll_timeout: int = option(
        3600,
        "How long a step polls at most, attempts included; then it raises `TimeoutError`",
        whole(1, YEAR),
        unit=SECONDS,
        only=LAMBDA,
        instead="use timeout_seconds=",
    )
    poll_backoff: float = option(
        1.0,
        "Factor of the seconds between attempts after each attempt of a step that polls",
        number(1),
        only=LAMBDA,
        instead="use retry=",
    )
    catch: tuple[ErrorType, ...] = option(
        (),
        "Errors that make a `Failure` the result, after the retries: classes, AWS's names of "
        "errors, or `True` for every error; also at a call or a link, for that use alone",
    )
    callback: bool = option(
        False,
        "Whether the step is answered from outside, with `run_context().task_token`: the answer is "
        "its result, and `timeout_seconds` the longest time until it, up to a year",
        only=LAMBDA,
        instead="wait for the answer in a step of Lambda",
    )
    heartbeat_seconds: int | None = option(
        None,
        "Longest time between heartbeats of what answers the step; then it fails with "
        "`States.HeartbeatTimeout`",
        whole(1, YEAR),
        unit=SECONDS,
        only=LAMBDA,
        instead="use timeout_seconds=",
    )
    job_type: str = option(
        "lambda",
        "`lambda`, or `batch` for a job of AWS Batch",
        one_of("lambda", "batch"),
    )
    package: str = option(
        "zip",
        "How a Lambda function is deployed: `zip`, or `image` for the pipeline's container image",
        one_of("zip", "image"),
        only=LAMBDA,
        instead="remove it: a job always runs in an image",
        settings=("lambda.package",),
    )
    vcpu: float = option(
        1,
        "Number of virtual CPUs of a job; Fargate offers 0.25, 0.5, 1, 2, 4, 8 and 16",
        only=BATCH,
        source=JOBS,
        settings=("batch.vcpu",),
    )
    memory_mb: int = option(
        2048,
        "Memory of a job; Fargate allows certain pairs with `vcpu`, which `check` verifies",
        unit=MEBIBYTES,
        only=BATCH,
        source=JOBS,
        settings=("batch.memory_mb",),
    )
    gpu: int = option(
        0,
        'Number of GPUs of a job; requires `platform="ec2"`',
        whole(0, service=BATCH),
        only=BATCH,
        source=JOBS,
    )
    platform: str = option(
        "fargate",
        "Where a job runs",
        one_of("fargate", "fargate_spot", "ec2"),
        only=BATCH,
        settings=("batch.platform",),
    )
    job_queue: str | TerraformRef | None = option(
        None,
        "Name or ARN of an existing queue, or a `TerraformRef` to its ARN; the stack creates one "
        "for each platform by default",
        only=BATCH,
        settings=("batch.job_queue",),
    )
    given: frozenset[str] = frozenset()

    @property
    def call_seconds(self) -> int:
        """The longest duration of a call, without the time until an answer."""
        return min(self.timeout_seconds, 900) if self.callback else self.timeout_seconds


@dataclass(frozen=True, slots=True)
class MapOptions:
    """Options of a map. The fields are documented where they are declared."""

    mode: OneOf["distributed", "inline"] = option(
        "distributed",
        "`distributed`: each item, or batch, is an execution of its own, with items and results in "
        "the bucket; `inline`: within the execution, for small lists: at most about 3,500 items, "
        "because Step Functions ends an execution after 25,000 events",
        one_of("distributed", "inline"),
        source=_MAPS,
    )
    execution_type: OneOf["standard", "express"] = option(
        "standard",
        "How each item, or batch, of a Distributed Map runs: as a `standard` execution, or as an "
        "`express` one, which costs less and starts faster, but ends after 5 minutes, has no "
        "history, may run more than once, and contains no jobs, callbacks, started pipelines or "
        "Distributed Maps",
        one_of("standard", "express"),
        source='AWS Step Functions Developer Guide, "Choosing workflow type in Step Functions"',
    )
    concurrency_limit: int | None = option(
        None,
        "Largest number of items, or batches, at once, or a parameter of the run of type `int`, "
        "which is at most 10,000, and 0 for no limit; no limit by default",
        whole(1),
        source=_MAPS,
    )
    tolerated_failure_percentage: int | None = option(
        None,
        "Share of items that may fail without failing the map; they are left out of its result. "
        "AWS's language service allows whole numbers only",
        whole(0, 100),
        unit="%",
        source=_MAPS,
    )
    tolerated_failure_count: int | None = option(
        None, "Number of items that may fail in the same way", whole(0)
    )
    batch_size: int = option(
        1,
        "Number of items that one call of a step receives; cannot be combined with tolerated "
        "failures, because an item that fails would fail its batch",
        whole(1),
    )


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """Options that pipelines of all styles have, in the types of the model."""

    schedule: str | None = option(
        None,
        "When it starts: `rate(1 hour)`, `cron(0 9 * * ? *)` (six fields) or "
        "`at(2030-01-31T09:00:00)`",
        source='Amazon EventBridge Scheduler User Guide, "Schedule types"',
    )
    triggers: tuple[Trigger, ...] = option(
        (),
        "What starts runs, with their parameters: `Schedule(…)`, `S3Created(…)`, "
        "`EventPattern(…)`, `PipelineDone(…)`, or several in a list",
    )
    description: str | None = option(None, "Description of the pipeline")
    tags: Mapping[str, str] = option(EMPTY, "Tags of every resource")
    timeout_seconds: int | None = option(
        None,
        "Longest duration of a run; one that takes longer ends with `TimeoutError`, which steps "
        "cannot catch; no limit by default, and one year in Step Functions",
        whole(1, YEAR),
        unit=SECONDS,
        source='AWS Step Functions Developer Guide, "Service quotas"',
    )
    # A Step, whose module imports this one, or an ARN.
    on_failure: Any = option(  # it makes a field
        None,
        "Notified when it fails: a step or task, which is called with a dict, or the ARN of an SNS "
        "topic",
    )
    alarms: Alarms | None = option(  # it makes a field
        None,
        "Alarms about its executions: `Alarms(topic, …)`, or the ARN of an SNS topic",
    )
    dashboard: bool = option(
        False, "Whether the stack has a dashboard of CloudWatch with executions and functions"
    )
    max_concurrent_runs: int | None = option(
        None,
        "The most executions that run at once, and local runs of this folder; no limit by default",
        whole(1, MOST_SLOTS),
    )
    when_busy: OneOf["queue", "skip", "fail"] = option(
        "queue",
        "What a run does while `max_concurrent_runs` others are going on: `queue` waits, up to a "
        "day and in no certain order; `skip` ends it without a result; `fail` ends it with "
        "`AlreadyRunning`",
        one_of("queue", "skip", "fail"),
    )
    # A Step, or a call of the authoring styles.
    cleanup: Any = option(  # it makes a field
        None,
        "Runs once after all other steps, whatever happened: a step or task whose parameters are "
        "named after results and parameters of the run, or a call, `release(lock, rows)`; results "
        "that do not exist are `None`",
    )
