"""The containers of Batch jobs, as Batch's API describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .plan import Job

_ARCHITECTURES = {"x86_64": "X86_64", "arm64": "ARM64"}


def container_properties(
    job: Job,
    *,
    image: str,
    role: str,
    execution_role: str,
    region: str,
    variables: Mapping[str, str],
    log_group: str,
    public_address: bool,
) -> dict[str, Any]:
    """Return the container properties of a job's definition.

    Args:
        job: The job.
        image: URI of the pipeline's image.
        role: ARN of the role of the step.
        execution_role: ARN of the role that pulls the image and writes logs.
        region: The region's name.
        variables: The environment, see :func:`.plan.variables_of`.
        log_group: Name of the log group.
        public_address: Whether a Fargate task gets a public IP address.
    """
    options = job.step.options
    sizes = [
        {"type": "VCPU", "value": f"{options.vcpu:g}"},
        {"type": "MEMORY", "value": str(options.memory_mb)},
    ]
    if options.gpu:
        sizes.append({"type": "GPU", "value": str(options.gpu)})
    # EC2 containers have no region variable. boto3 reads the second, other SDKs the first.
    environment = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, **variables}
    properties: dict[str, Any] = {
        "image": image,
        "command": [job.folder],
        "jobRoleArn": role,
        "executionRoleArn": execution_role,
        "resourceRequirements": sizes,
        "environment": [
            {"name": name, "value": text} for name, text in sorted(environment.items())
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": job.folder,
            },
        },
    }
    if options.platform != "ec2":
        # The default VPC's subnets are public: without a public address, a job can reach neither
        # the registry nor the bucket.
        properties |= {
            "networkConfiguration": {"assignPublicIp": "ENABLED" if public_address else "DISABLED"},
            "fargatePlatformConfiguration": {"platformVersion": "LATEST"},
            "runtimePlatform": {
                "operatingSystemFamily": "LINUX",
                "cpuArchitecture": _ARCHITECTURES[options.architecture],
            },
        }
    return properties
