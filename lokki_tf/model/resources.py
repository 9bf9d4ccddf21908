"""The resources of a pipeline in one account and region, with concrete names and ARNs.

:meth:`lokki_tf.testing.LocalAws.run` registers this data without Terraform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RoleResource:
    """A role of IAM.

    Args:
        path: Its path and name, such as ``/daily-load-us-east-1``.
        trust: Its trust policy, as JSON.
        policies: Its policies by name, as JSON.
        boundary: ARN of its permissions boundary.
        given: Whether the user has named it: then one that the account has is left as it is.
    """

    path: str
    trust: str
    policies: Mapping[str, str]
    boundary: str | None = None
    given: bool = False


@dataclass(frozen=True, slots=True)
class FunctionResource:
    """A Lambda function.

    Args:
        name: Its name in Lambda.
        code: Its zip; ``None`` if it runs in the pipeline's image.
        own_layers: Names of layers in :attr:`Resources.layers`.
        layers: ARNs of further layers.
        command: The image's command; empty for a zip.
        runtime: Name of the runtime, such as ``python3.13``.
        architecture: ``x86_64`` or ``arm64``.
        timeout: Timeout in seconds.
        memory_size: Memory in MiB.
        ephemeral_storage: Size of ``/tmp`` in MiB.
        environment: Its environment variables.
        role: ARN of its role.
        subnets: Ids of its subnets; empty outside of a VPC.
    """

    name: str
    code: bytes | None
    own_layers: tuple[str, ...]
    layers: tuple[str, ...]
    command: tuple[str, ...]
    runtime: str
    architecture: str
    timeout: int
    memory_size: int
    ephemeral_storage: int
    environment: Mapping[str, str]
    role: str
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobResource:
    """A job definition of AWS Batch.

    Args:
        name: Its name in Batch.
        platform: ``fargate``, ``fargate_spot`` or ``ec2``.
        container: Its container properties, in the format of ``RegisterJobDefinition``.
        timeout: Timeout of an attempt in seconds.
    """

    name: str
    platform: str
    container: Mapping[str, Any]
    timeout: int


@dataclass(frozen=True, slots=True)
class ImageResource:
    """The container image of a pipeline.

    Args:
        uri: ``registry/repository:tag``.
        files: The files in its working directory, by path.
        entry: The Python file that it starts.
    """

    uri: str
    files: Mapping[str, bytes]
    entry: str


@dataclass(frozen=True, slots=True)
class NoticeResource:
    """How failures of executions are notified.

    Args:
        rule: Name of EventBridge's rule.
        pattern: The rule's pattern, as JSON.
        function: Name of the function that is its target.
        queue: Name of the queue of notices that could not be sent.
        queue_policy: The queue's policy, as JSON.
    """

    rule: str
    pattern: str
    function: str
    queue: str
    queue_policy: str


@dataclass(frozen=True, slots=True)
class Resources:
    """All resources of a pipeline.

    Args:
        name: Name of the state machine.
        tags: Tags of functions and job definitions.
        definition: The state machine definition in Amazon States Language, without placeholders.
        bucket: Name of the bucket.
        objects: The objects that the bucket must contain before an execution, by key.
        layers: Zips of layers, by name.
        functions: Lambda functions.
        queues: Platforms of the job queues that the pipeline creates, by name.
        jobs: Job definitions.
        roles: Roles of the functions, jobs and the state machine.
        role: ARN of the state machine's role.
        log_level: What the state machine logs: ``ALL``, ``ERROR`` or ``OFF``.
        log_data: Whether that log has the inputs and outputs of states.
        tracing: Whether X-Ray traces the state machine.
        kms_key: ARN of the key that encrypts, if the user has one.
        bucket_key: ARN of the key that encrypts the bucket's objects, if the user has one.
        image: The container image, if a step runs in one.
        notices: How failures are notified, if they are.
    """

    name: str
    tags: Mapping[str, str]
    definition: Mapping[str, Any]
    bucket: str
    objects: Mapping[str, bytes]
    layers: Mapping[str, bytes]
    functions: tuple[FunctionResource, ...]
    queues: Mapping[str, str]
    jobs: tuple[JobResource, ...]
    roles: tuple[RoleResource, ...]
    role: str
    log_level: str
    log_data: bool
    tracing: bool
    kms_key: str | None = None
    bucket_key: str | None = None
    image: ImageResource | None = None
    notices: NoticeResource | None = None
