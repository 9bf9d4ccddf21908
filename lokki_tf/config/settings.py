"""The settings. Each field has the same name in ``lokki.toml``.

An empty string, as in ``endpoint = ""``, unsets a field that may be ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal as OneOf

from . import rules

_EMPTY: Mapping[str, str] = MappingProxyType({})
NO_FIELD: Mapping[str, bool] = MappingProxyType({"no_field": True})
"""Marks a field that no file can set."""
_POLICY = rules.arn("iam", r"policy/[\w+=,.@/-]+", "policy/boundary")
_ROLE = rules.arn("iam", rules.ROLE, "role/runs-steps")
# An alias is not accepted: IAM policies name keys by the ARN of the key.
_KEY = rules.arn("kms", r"key/[\w-]+", "key/1234abcd-12ab-34cd-56ef-1234567890ab")

# Source: Amazon CloudWatch Logs API Reference, "PutRetentionPolicy".
_RETENTION = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
              2922, 3288, 3653)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VpcConfig:
    """``[aws.vpc]``: the network of the functions.

    Args:
        id: Id of the VPC; functions run outside of any VPC by default.
        subnets: Ids of subnets; all subnets of the VPC by default.
        outbound_cidr: Address ranges that functions may connect to; all by default.
    """

    id: str | None = None
    subnets: tuple[str, ...] = ()
    outbound_cidr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """``[aws]``: the account, and its existing resources.

    Args:
        artifact_bucket: An existing S3 bucket for code and large results; a new one by default.
        artifact_bucket_kms_key: ARN of the customer managed KMS key that encrypts that bucket;
            ``kms_key`` by default.
        image_repository: Where images are pushed: a registry with or without a prefix such as
            ``123456789012.dkr.ecr.eu-west-1.amazonaws.com/team``, or ``local``. By default a
            separate stack creates a repository in ECR.
        endpoint: URL of another implementation of AWS, ``http://localhost:4566`` for example.
        region: AWS region; by default that of the environment.
        profile: Profile in the AWS configuration files.
        permissions_boundary: ARN of the permissions boundary of every role.
        kms_key: ARN of the KMS key for encryption; AWS's own keys by default.
        log_retention_days: Days for which CloudWatch keeps logs, in the numbers that it allows.
        run_data_days: Days after which the data of runs expires in the pipeline's own bucket; Step
            Functions itself deletes a finished execution after 90 days.
        tags: Tags of every resource.
        vpc: The network of the functions.
    """

    artifact_bucket: str | None = None
    artifact_bucket_kms_key: str | None = field(default=None, metadata=_KEY)
    image_repository: str | None = None
    endpoint: str | None = field(default=None, metadata=rules.url())
    region: str | None = field(default=None, metadata=rules.region())
    profile: str | None = None
    permissions_boundary: str | None = field(default=None, metadata=_POLICY)
    kms_key: str | None = field(default=None, metadata=_KEY)
    log_retention_days: int = field(default=365, metadata=rules.one_of(_RETENTION))
    run_data_days: int = field(default=90, metadata=rules.whole(1, 36_500))
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    vpc: VpcConfig = field(default_factory=VpcConfig)


@dataclass(frozen=True, slots=True)
class LambdaConfig:
    """``[lambda]``: defaults for steps.

    Args:
        package_type: ``zip`` or ``image``.
        timeout: Longest duration of a call, in seconds.
        memory: Memory in MiB.
        image_tag: Tag of the image; by default the hash of its content.
        env: Environment variables, a table of strings.
        runtime: Name of the Lambda runtime.
        architecture: ``x86_64`` or ``arm64``.
        role: ARN of the role of every function; by default one role per step is created.
    """

    package_type: OneOf["zip", "image"] = "zip"
    timeout: int = field(default=900, metadata=rules.whole(1, 900))
    memory: int = field(default=512, metadata=rules.whole(128, 10_240))
    image_tag: str | None = None
    env: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    runtime: str = field(default="python3.13", metadata=rules.runtime())
    architecture: OneOf["x86_64", "arm64"] = "x86_64"
    role: str | None = field(default=None, metadata=_ROLE)


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """``[image]``: how a pipeline's container image is built.

    Args:
        base: The base image; by default Lambda's own for the steps' Python.
        dockerfile: Path of a custom Dockerfile.
        keep: Number of images that a repository created in ECR keeps.
    """

    base: str | None = None
    dockerfile: str | None = None
    keep: int = field(default=50, metadata=rules.whole(1, 100_000))


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """``[batch]``: defaults for steps that run as AWS Batch jobs.

    Args:
        job_queue: Name or ARN of the queue.
        job_definition_name: Prefix of the names of job definitions; by default the pipeline's name.
        vcpu: Number of virtual CPUs; Fargate allows 0.25 and 0.5 as well.
        memory_mb: Memory in MiB.
        timeout_seconds: Longest duration of a job, in seconds.
        platform: ``FARGATE``, ``FARGATE_SPOT`` or ``EC2``.
    """

    job_queue: str | None = None
    job_definition_name: str | None = None
    vcpu: float = 1
    memory_mb: int = 2048
    timeout_seconds: int = 3600
    platform: OneOf["FARGATE", "FARGATE_SPOT", "EC2"] = "FARGATE"


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """``[logging]``: the output of local runs.

    Args:
        level: The lowest level that is shown.
        format: ``human``, or ``json`` for one object per line.
        progress_interval: Seconds between two lines about the progress of a map.
        show_timestamps: Whether human lines begin with the time.
    """

    level: OneOf["DEBUG", "INFO", "SYSTEM", "SUCCESS", "WARNING", "ERROR"] = "INFO"
    format: OneOf["human", "json"] = "human"
    progress_interval: float = 10.0
    show_timestamps: bool = True


@dataclass(frozen=True, slots=True)
class TerraformConfig:
    """``[terraform]``: where Terraform stores its state.

    Args:
        backend: ``local``, beside the stack, or ``s3``.
        bucket: Bucket of the state.
        key: Key of the state in the bucket.
        region: Region of the bucket.
        dynamodb_table: Name of the table that locks the state.
        use_lockfile: Whether a file in the bucket locks the state (Terraform 1.10).
    """

    backend: OneOf["local", "s3"] = "local"
    bucket: str | None = None
    key: str | None = None
    region: str | None = field(default=None, metadata=rules.region())
    dynamodb_table: str | None = None
    use_lockfile: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """``[schedule]``: settings of EventBridge schedules.

    Args:
        timezone: Time zone of ``cron(…)`` and ``at(…)``, ``Europe/Helsinki`` for example.
        flexible_window_minutes: Minutes by which AWS may start later; 0 for on time.
        state: ``ENABLED`` or ``DISABLED``.
        role: ARN of the role that starts executions; one is created by default.
    """

    timezone: str = field(default="UTC", metadata=rules.zone())
    flexible_window_minutes: int = field(default=0, metadata=rules.whole(0, 1440))
    state: OneOf["ENABLED", "DISABLED"] = "ENABLED"
    role: str | None = field(default=None, metadata=_ROLE)


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """``[machine]``: the state machine.

    Args:
        role: ARN of its role; one is created by default.
        log_level: The events that it logs: ``ALL``, ``ERROR`` or, without a log group, ``OFF``.
        include_execution_data: Whether its log has the inputs and outputs of states.
        tracing: Whether X-Ray traces it.
        type: ``STANDARD``, which maps and long steps require, and which runs no step twice.
    """

    role: str | None = field(default=None, metadata=_ROLE)
    log_level: OneOf["ALL", "ERROR", "OFF"] = "ALL"
    include_execution_data: bool = True
    tracing: bool = True
    type: OneOf["STANDARD"] = "STANDARD"


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. The field ``lambda_`` is ``lambda`` in files, which is a Python keyword.

    Args:
        build_dir: Output folder of ``synth``, relative to the working folder.
        aws: ``[aws]``.
        lambda_: ``[lambda]``.
        image: ``[image]``.
        batch: ``[batch]``.
        logging: ``[logging]``.
        terraform: ``[terraform]``.
        schedule: ``[schedule]``.
        machine: ``[machine]``.
        stage: Name of the stage whose settings are included; not a field of a file.
    """

    build_dir: str = "terraform-out"
    aws: AwsConfig = field(default_factory=AwsConfig)
    lambda_: LambdaConfig = field(default_factory=LambdaConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    terraform: TerraformConfig = field(default_factory=TerraformConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)
    stage: str | None = field(default=None, metadata=NO_FIELD)

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
