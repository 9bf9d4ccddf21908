"""What can be set. A field here is a field in ``lokki.toml``, under the same name.

A field that may be ``None`` is taken back by an empty string, as in ``endpoint = ""``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal as OneOf

from . import rules

_EMPTY: Mapping[str, str] = MappingProxyType({})
NO_FIELD: Mapping[str, bool] = MappingProxyType({"no_field": True})
"""Marks what no file sets."""
_POLICY = rules.arn("iam", r"policy/[\w+=,.@/-]+", "policy/boundary")
_ROLE = rules.arn("iam", rules.ROLE, "role/runs-steps")
# No alias: a policy of IAM's names keys by their own ARNs alone.
_KEY = rules.arn("kms", r"key/[\w-]+", "key/1234abcd-12ab-34cd-56ef-1234567890ab")


@dataclass(frozen=True, slots=True)
class VpcConfig:
    """``[aws.vpc]``: the network in which functions stand.

    Args:
        id: The VPC's id; outside of any unless given.
        subnets: Ids of subnets; all of the VPC's unless given.
        outbound_cidr: Address ranges that functions may connect to; all unless given.
    """

    id: str | None = None
    subnets: tuple[str, ...] = ()
    outbound_cidr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """``[aws]``: the account, and what it has already.

    Args:
        artifact_bucket: An S3 bucket of yours for code and large results; a new one
            unless given.
        image_repository: Where images are pushed, a registry with or without a prefix such as
            ``123456789012.dkr.ecr.eu-west-1.amazonaws.com/team``, or ``local``; a repository
            of ECR's that a stack of its own makes unless given.
        endpoint: URL of another AWS, ``http://localhost:4566`` for example.
        region: AWS region; the environment's unless given.
        profile: Profile of the AWS configuration files.
        permissions_boundary: ARN of the policy that bounds every role.
        kms_key: ARN of the KMS key that encrypts; AWS's own keys unless given.
        tags: Tags on every resource.
        vpc: The network in which functions stand.
    """

    artifact_bucket: str | None = None
    image_repository: str | None = None
    endpoint: str | None = field(default=None, metadata=rules.url())
    region: str | None = field(default=None, metadata=rules.region())
    profile: str | None = None
    permissions_boundary: str | None = field(default=None, metadata=_POLICY)
    kms_key: str | None = field(default=None, metadata=_KEY)
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    vpc: VpcConfig = field(default_factory=VpcConfig)


@dataclass(frozen=True, slots=True)
class LambdaConfig:
    """``[lambda]``: what holds for steps that do not say otherwise.

    Args:
        package_type: ``zip``, or ``image``.
        timeout: Longest duration of a call, in seconds.
        memory: Megabytes.
        image_tag: Tag of the image; the hash of its content unless given.
        env: Environment variables, a table of strings.
        runtime: Lambda's name of the runtime.
        architecture: ``x86_64`` or ``arm64``.
        role: ARN of the role that every function has; one a step is made unless given.
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
    """``[image]``: what a pipeline's container image is built from.

    Args:
        base: The image to begin with; Lambda's own for the steps' Python unless given.
        dockerfile: Path of a Dockerfile of yours instead of the default one.
        keep: How many images the repository keeps, of those that a stack makes in ECR.
    """

    base: str | None = None
    dockerfile: str | None = None
    keep: int = field(default=50, metadata=rules.whole(1, 100_000))


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """``[batch]``: what holds for steps that run as AWS Batch jobs.

    Args:
        job_queue: Name or ARN of the queue.
        job_definition_name: What the names of job definitions begin with; the pipeline's name
            unless given.
        vcpu: Virtual processors; Fargate takes 0.25 and 0.5 as well.
        memory_mb: Megabytes.
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
    """``[logging]``: what a run here says.

    Args:
        level: The lowest level that is shown.
        format: ``human``, or ``json``: one object a line.
        progress_interval: Seconds between two lines about the progress of a map.
        show_timestamps: Whether human lines begin with the time.
    """

    level: OneOf["DEBUG", "INFO", "SYSTEM", "SUCCESS", "WARNING", "ERROR"] = "INFO"
    format: OneOf["human", "json"] = "human"
    progress_interval: float = 10.0
    show_timestamps: bool = True


@dataclass(frozen=True, slots=True)
class TerraformConfig:
    """``[terraform]``: where Terraform keeps its state.

    Args:
        backend: ``local``, beside the stack, or ``s3``.
        bucket: The bucket of the state.
        key: The state's key in it.
        region: The bucket's region.
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
    """``[schedule]``: how schedules are kept.

    Args:
        timezone: The zone of ``cron(…)`` and ``at(…)``, ``Europe/Helsinki`` for example.
        flexible_window_minutes: Minutes by which AWS may start later; 0 for on time.
        state: ``ENABLED`` or ``DISABLED``.
        role: ARN of the role by which a schedule starts a pipeline; one is made unless given.
    """

    timezone: str = field(default="UTC", metadata=rules.zone())
    flexible_window_minutes: int = field(default=0, metadata=rules.whole(0, 1440))
    state: OneOf["ENABLED", "DISABLED"] = "ENABLED"
    role: str | None = field(default=None, metadata=_ROLE)


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """``[machine]``: the state machine.

    Args:
        role: ARN of its role; one is made unless given.
        log_level: Which events it logs: ``ALL``, ``ERROR`` or, without a log group, ``OFF``.
        tracing: Whether X-Ray traces it.
        type: ``STANDARD``: maps and long steps need it, and no step runs twice.
    """

    role: str | None = field(default=None, metadata=_ROLE)
    log_level: OneOf["ALL", "ERROR", "OFF"] = "ALL"
    tracing: bool = True
    type: OneOf["STANDARD"] = "STANDARD"


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. ``lambda_`` stands for ``lambda``, a word that Python keeps for itself.

    Args:
        build_dir: Folder that synth writes to, as seen from the working folder.
        aws: ``[aws]``.
        lambda_: ``[lambda]``.
        image: ``[image]``.
        batch: ``[batch]``.
        logging: ``[logging]``.
        terraform: ``[terraform]``.
        schedule: ``[schedule]``.
        machine: ``[machine]``.
        stage: Whose ``[stage.NAME]`` is among them; no field of a file.
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
        """What a pipeline is called in AWS and below ``stacks``: with the stage, if there is one.

        Args:
            pipeline: Its name as it was written.
        """
        return f"{pipeline}-{self.stage}" if self.stage else pipeline

    def in_region(self, region: str | None) -> Config:
        """The same in another region; unchanged if none is given.

        Args:
            region: The region's name.
        """
        return replace(self, aws=replace(self.aws, region=region)) if region is not None else self
