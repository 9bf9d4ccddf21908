"""The settings. Each field has the same name in ``lokki.toml``.

An empty string, as in ``endpoint = ""``, unsets a field that may be ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal as OneOf

from lokki_tf.model import StepOptions, TerraformRef
from lokki_tf.model.declarations import (
    BATCH,
    EMPTY,
    LAMBDA,
    SECONDS,
    number,
    one_of,
    option,
    same_as,
    whole,
)
from lokki_tf.model.options import JOBS, LAMBDA_QUOTAS

from . import rules

NO_SETTINGS = ("stage",)
"""Fields that no file can set."""
EARLIER_NAMES: Mapping[tuple[str, ...], str] = {
    ("lambda", "memory"): "memory_size",
    ("lambda", "package_type"): "package",
    ("lambda", "runtime"): "python_runtime",
    ("lambda", "timeout"): "timeout_seconds",
    ("machine",): "state_machine",
}
"""The present names of renamed tables and fields, which are accepted under both names."""
_POLICY = rules.arn("iam", r"policy/[\w+=,.@/-]+", "policy/boundary")
_ROLE = rules.arn("iam", rules.ROLE, "role/runs-steps")
# An alias is not accepted: IAM policies name keys by the ARN of the key.
_KEY = rules.arn("kms", r"key/[\w-]+", "key/1234abcd-12ab-34cd-56ef-1234567890ab")
_RETENTION = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
              2922, 3288, 3653)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VpcConfig:
    """``[aws.vpc]``: the network of the functions."""

    id: str | TerraformRef | None = option(
        None, "Id of the VPC; functions run outside of any VPC by default"
    )
    subnets: tuple[str | TerraformRef, ...] = option(
        (), "Ids of subnets; all subnets of the VPC by default"
    )
    outbound_cidr: tuple[str, ...] = option(
        (), "Address ranges that functions may connect to; all by default"
    )


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """``[aws]``: the account, and its existing resources."""

    artifact_bucket: str | TerraformRef | None = option(
        None, "An existing S3 bucket for code and large results; a new one by default"
    )
    artifact_bucket_kms_key: str | TerraformRef | None = option(
        None,
        "ARN of the customer managed KMS key that encrypts that bucket; `kms_key` by default",
        _KEY,
    )
    image_repository: str | None = option(
        None,
        "Where images are pushed: a registry with or without a prefix such as "
        "`123456789012.dkr.ecr.eu-west-1.amazonaws.com/team`, or `local`; by default a separate "
        "stack creates a repository in ECR",
    )
    endpoint: str | None = option(
        None,
        "URL of another implementation of AWS, `http://localhost:4566` for example",
        rules.url(),
    )
    region: str | None = option(
        None, "AWS region; by default that of the environment", rules.region()
    )
    profile: str | None = option(None, "Profile in the AWS configuration files")
    permissions_boundary: str | TerraformRef | None = option(
        None, "ARN of the permissions boundary of every role", _POLICY
    )
    kms_key: str | TerraformRef | None = option(
        None, "ARN of the KMS key for encryption; AWS's own keys by default", _KEY
    )
    log_retention_days: int = option(
        365,
        "Time for which CloudWatch keeps logs, in the numbers that it allows",
        one_of(*_RETENTION),
        unit="days",
        source='Amazon CloudWatch Logs API Reference, "PutRetentionPolicy"',
    )
    run_data_days: int = option(
        90,
        "Time after which the data of runs expires in the pipeline's own bucket; Step Functions "
        "itself deletes a finished execution after 90 days",
        whole(1, 36_500),
        unit="days",
    )
    tags: Mapping[str, str] = option(EMPTY, "Tags of every resource")
    vpc: VpcConfig = field(default_factory=VpcConfig)


@dataclass(frozen=True, slots=True)
class LambdaConfig:
    """``[lambda]``: defaults for steps, under the names of their options."""

    package: OneOf["zip", "image"] = same_as(StepOptions, "package")
    timeout_seconds: int = same_as(
        StepOptions,
        "timeout_seconds",
        LAMBDA,
        doc="Longest duration of a call",
        source=LAMBDA_QUOTAS,
    )
    memory_size: int = same_as(StepOptions, "memory_size", LAMBDA)
    image_tag: str | None = option(
        None, "Tag of the container image; by default the hash of its content"
    )
    env: Mapping[str, str | TerraformRef] = option(EMPTY, "Environment variables of all steps")
    secrets: Mapping[str, str] = same_as(
        StepOptions, "secrets", doc="Secrets of all steps, in the form of `secrets=`"
    )
    # Whether Lambda supports a runtime is checked for each step.
    python_runtime: str = same_as(StepOptions, "python_runtime", rules=(rules.runtime(),))
    architecture: OneOf["x86_64", "arm64"] = same_as(StepOptions, "architecture", LAMBDA)
    role: str | TerraformRef | None = option(
        None, "ARN of the role of every function; by default one role per step is created", _ROLE
    )
    versions: bool = option(
        False,
        "Whether functions publish versions, so that running executions, and redriven ones, keep "
        "the code with which they began",
        source='AWS Lambda Developer Guide, "Manage Lambda function versions"',
    )


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """``[image]``: how a pipeline's container image is built."""

    base: str | None = option(None, "The base image; by default Lambda's own for the steps' Python")
    dockerfile: str | None = option(None, "Path of a custom Dockerfile")
    keep: int = option(
        50, "Number of images that a repository created in ECR keeps", whole(1, 100_000)
    )


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """``[batch]``: defaults for steps that run as AWS Batch jobs."""

    job_queue: str | TerraformRef | None = same_as(StepOptions, "job_queue")
    job_definition_name: str | None = option(
        None, "Prefix of the names of job definitions; by default the pipeline's name"
    )
    vcpu: float = same_as(StepOptions, "vcpu")
    memory_mb: int = same_as(StepOptions, "memory_mb")
    timeout_seconds: int = same_as(
        StepOptions,
        "timeout_seconds",
        BATCH,
        default=3600,
        doc="Longest duration of an attempt",
        source=JOBS,
    )
    platform: OneOf["FARGATE", "FARGATE_SPOT", "EC2"] = option("FARGATE", "Where jobs run")


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """``[logging]``: the output of local runs."""

    level: OneOf["DEBUG", "INFO", "SYSTEM", "SUCCESS", "WARNING", "ERROR"] = option(
        "INFO", "The lowest level that is logged"
    )
    format: OneOf["human", "json"] = option("human", "`json` is one object per line")
    progress_interval: float = option(
        10.0, "Time between two lines about the progress of a map", number(), unit=SECONDS
    )
    show_timestamps: bool = option(True, "Whether human lines begin with the time")


@dataclass(frozen=True, slots=True)
class TerraformConfig:
    """``[terraform]``: where Terraform stores its state."""

    backend: OneOf["local", "s3"] = option("local", "`local`, beside the stack, or `s3`")
    bucket: str | None = option(None, "Bucket of the state")
    key: str | None = option(
        None, "Key of the state in the bucket; `<pipeline>/terraform.tfstate` by default"
    )
    region: str | None = option(
        None, "Region of the bucket; by default that of `[aws]`", rules.region()
    )
    dynamodb_table: str | None = option(None, "Name of the table that locks the state")
    use_lockfile: bool = option(
        False, "Whether a file in the bucket locks the state (Terraform 1.10)"
    )


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """``[schedule]``: settings of EventBridge schedules."""

    timezone: str = option(
        "UTC", "Time zone of `cron(…)` and `at(…)`, `Europe/Helsinki` for example", rules.zone()
    )
    flexible_window_minutes: int = option(
        0, "Time by which AWS may start later; 0 for on time", whole(0, 1440), unit="minutes"
    )
    state: OneOf["ENABLED", "DISABLED"] = option("ENABLED", "Whether the schedule starts runs")
    role: str | TerraformRef | None = option(
        None, "ARN of the role that starts executions; one is created by default", _ROLE
    )


@dataclass(frozen=True, slots=True)
class StateMachineConfig:
    """``[state_machine]``: the state machine."""

    role: str | TerraformRef | None = option(
        None, "ARN of its role; one is created by default", _ROLE
    )
    log_level: OneOf["ALL", "ERROR", "OFF"] = option(
        "ALL", "The events that it logs; with `OFF` it has no log group"
    )
    include_execution_data: bool = option(
        True, "Whether its log has the inputs and outputs of states"
    )
    tracing: bool = option(True, "Whether X-Ray traces it")
    type: OneOf["STANDARD"] = option(
        "STANDARD", "`STANDARD`, which maps and long steps require, and which runs no step twice"
    )


@dataclass(frozen=True, slots=True)
class LocalConfig:
    """``[local]``: what holds where Terraform does not run: in local runs and ``aws.run``."""

    refs: Mapping[str, str] = option(
        EMPTY,
        "Values of references to Terraform by their addresses, "
        '`"aws_dynamodb_table.rows.arn" = "arn:…"` for example; the environment variable '
        "`LOKKI_REF_AWS_DYNAMODB_TABLE_ROWS_ARN` has priority",
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. The field ``lambda_`` is ``lambda`` in files, which is a Python keyword.

    Args:
        aws: Table ``[aws]``.
        lambda_: Table ``[lambda]``.
        image: Table ``[image]``.
        batch: Table ``[batch]``.
        logging: Table ``[logging]``.
        terraform: Table ``[terraform]``.
        schedule: Table ``[schedule]``.
        state_machine: Table ``[state_machine]``.
        local: Table ``[local]``.
        stage: Name of the stage whose settings are included; not a field of a file.
    """

    build_dir: str = option(
        "terraform-out", "Output folder of `synth`, relative to the working folder"
    )
    aws: AwsConfig = field(default_factory=AwsConfig)
    lambda_: LambdaConfig = field(default_factory=LambdaConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    terraform: TerraformConfig = field(default_factory=TerraformConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    state_machine: StateMachineConfig = field(default_factory=StateMachineConfig)
    local: LocalConfig = field(default_factory=LocalConfig)
    stage: str | None = None

    def name_of(self, pipeline: str) -> str:
        """Return a pipeline's name in AWS and below ``stacks``, which includes the stage, if any.

        Args:
            pipeline: The name in the user's code.
        """
        return f"{pipeline}-{self.stage}" if self.stage else pipeline

    def in_region(self, region: str | None) -> Config:
        """Return the same settings for another region.

        Args:
            region: Name of the region; ``None`` for no change.

        Raises:
            ConfigError: If AWS has no region of such a name.
        """
        if region is None:
            return self
        rules.refuse_region(region)
        return replace(self, aws=replace(self.aws, region=region))
