"""Jobs of AWS Batch: compute environments, queues, and one definition for each step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.asl.text import escaped
from lokki_tf.model import TerraformRef
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws
from lokki_tf.terraform.containers import container_properties
from lokki_tf.terraform.names import JOB_LOG_GROUP, queue_name
from lokki_tf.terraform.plan import variables_of

from .roles import ServiceRole, add_role

if TYPE_CHECKING:
    from lokki_tf.terraform.images import Image
    from lokki_tf.terraform.plan import Job

    from .base import Base

MOST_VCPUS = 256  # shared by all jobs of a platform
_KINDS = {"fargate": "FARGATE", "fargate_spot": "FARGATE_SPOT", "ec2": "EC2"}


class Jobs:
    """The jobs of a pipeline: queues, definitions and roles by step name.

    Args:
        base: What all resources share.
        image: The pipeline's image, in which they run.
    """

    def __init__(self, base: Base, image: Image | None) -> None:
        self.definitions: dict[str, aws.batch_job_definition.BatchJobDefinition] = {}
        self.queues: dict[str, str] = {}
        self.roles: dict[str, ServiceRole] = {}
        self._base = base
        self._by_platform: dict[str, str] = {}
        self._network: dict[str, Any] | None = None
        self._log_groups: list[str] = []
        if not base.plan.jobs:
            return
        assert image is not None
        self._image = image
        self._execution = self._executes()
        for job in base.plan.jobs:
            self.queues[job.step.name] = self._queue(job)
            self.definitions[job.step.name] = self._definition(job)
        repository = image.repository_arn(base.account)
        aws.iam_role_policy.IamRolePolicy(
            base.scope,
            base.scope.resource_id("jobs_policy"),
            name="lokki",
            role=self._execution.id,
            policy=iam.document(base.permissions.of_containers(self._log_groups, repository)),
        )

    def _queue(self, job: Job) -> str:
        """Return the ARN of a job's queue."""
        base = self._base
        given, platform = job.step.options.job_queue, job.step.options.platform
        if isinstance(given, TerraformRef) or (given and given.startswith("arn:")):
            return base.text(given)
        key = given or platform
        if key not in self._by_platform:
            self._by_platform[key] = self._given(given) if given else self._own(platform)
        return self._by_platform[key]

    def _given(self, name: str) -> str:
        found = aws.data_aws_batch_job_queue.DataAwsBatchJobQueue(
            self._base.scope, self._base.scope.resource_id(f"queue_{name}"), name=escaped(name)
        )
        return str(found.arn)

    def _own(self, platform: str) -> str:
        """Add a queue with its compute environment."""
        base, network = self._base, self._subnets()
        more: dict[str, Any] = {}
        if platform == "ec2":
            more = {
                "instance_role": self._instances(),
                "instance_type": self._instance_types(),
                "min_vcpus": 0,
                "allocation_strategy": "BEST_FIT_PROGRESSIVE",
            }
        environment = aws.batch_compute_environment.BatchComputeEnvironment(
            base.scope,
            base.scope.resource_id(f"compute_{platform}"),
            # Without a name, since its argument differs between major versions of the provider.
            type="MANAGED",
            compute_resources=aws.batch_compute_environment.BatchComputeEnvironmentComputeResources(
                type=_KINDS[platform],
                max_vcpus=MOST_VCPUS,
                subnets=network["subnets"],
                security_group_ids=[network["group"]],
                **more,
            ),
            tags=base.scope.tags(),
            # A replacement is created before the queue is detached from the old one.
            lifecycle={"create_before_destroy": True},
        )
        queue = aws.batch_job_queue.BatchJobQueue(
            base.scope,
            base.scope.resource_id(f"queue_{platform}"),
            name=queue_name(base.plan.definition.name, platform),
            state="ENABLED",
            priority=1,
            compute_environment_order=[
                aws.batch_job_queue.BatchJobQueueComputeEnvironmentOrder(
                    compute_environment=environment.arn, order=1
                )
            ],
            tags=base.scope.tags(),
        )
        return str(queue.arn)

    def _instance_types(self) -> list[str]:
        """Return instance families for the pipeline's image, with a GPU if a job needs one."""
        jobs = [job.step.options for job in self._base.plan.jobs]
        if any(job.gpu for job in jobs):
            return ["g4dn", "g5"]
        # The families that Batch calls "optimal" are x86.
        is_arm = any(job.architecture == "arm64" for job in jobs)
        return ["m7g", "c7g", "r7g"] if is_arm else ["optimal"]

    def _subnets(self) -> dict[str, Any]:
        """Return subnets of the given or default VPC, and a security group for outbound traffic."""
        if self._network is not None:
            return self._network
        base = self._base
        if base.network:
            config = base.network.config
            self._network = {
                "subnets": config["subnet_ids"],
                "group": config["security_group_ids"][0],
            }
            return self._network
        vpc = aws.data_aws_vpc.DataAwsVpc(
            base.scope, base.scope.resource_id("default_vpc"), default=True
        )
        subnets = aws.data_aws_subnets.DataAwsSubnets(
            base.scope,
            base.scope.resource_id("default_subnets"),
            filter=[aws.data_aws_subnets.DataAwsSubnetsFilter(name="vpc-id", values=[vpc.id])],
        )
        group = aws.security_group.SecurityGroup(
            base.scope,
            base.scope.resource_id("jobs_security_group"),
            description="Batch jobs of a pipeline: out, never in",
            vpc_id=vpc.id,
            egress=[
                aws.security_group.SecurityGroupEgress(
                    description="what the steps connect to, the registry and the bucket",
                    from_port=0,
                    to_port=0,
                    protocol="-1",
                    cidr_blocks=["0.0.0.0/0"],
                )
            ],
            tags=base.scope.tags(),
        )
        self._network = {"subnets": subnets.ids, "group": group.id}
        return self._network

    def _instances(self) -> str:
        """Return the instance profile of EC2 instances, on which ECS's agent runs."""
        base = self._base
        role = base.role("instances", iam.trust("ec2.amazonaws.com"), base.scope.tags())
        aws.iam_role_policy_attachment.IamRolePolicyAttachment(
            base.scope,
            base.scope.resource_id("instances_policy"),
            role=role.name,
            policy_arn=f"arn:{base.account.partition}:iam::aws:policy/service-role/"
            "AmazonEC2ContainerServiceforEC2Role",
        )
        profile = aws.iam_instance_profile.IamInstanceProfile(
            base.scope,
            base.scope.resource_id("instance_profile"),
            name=role.name,
            role=role.name,
            tags=base.scope.tags(),
        )
        return str(profile.arn)

    def _definition(self, job: Job) -> aws.batch_job_definition.BatchJobDefinition:
        base, step, options = self._base, job.step, job.step.options
        tags = base.scope.tags({"lokki:step": step.name, **options.tags})
        logs = base.log_group(f"{step.name}_logs", f"{JOB_LOG_GROUP}{job.name}", tags)
        role = self._role(job, tags)
        self._log_groups.append(logs.arn)
        properties = container_properties(
            job,
            image=self._image.uri(base.account),
            role=role,
            execution_role=self._execution.arn,
            region=base.account.region,
            variables=variables_of(step, base.store, base.text_in_json),
            log_group=logs.name,
            public_address=not base.network,
        )
        return aws.batch_job_definition.BatchJobDefinition(
            base.scope,
            base.scope.resource_id(f"{step.name}_job"),
            name=job.name,
            type="container",
            platform_capabilities=["EC2" if options.platform == "ec2" else "FARGATE"],
            container_properties=escaped(json.dumps(properties, sort_keys=True)),
            propagate_tags=True,
            timeout=aws.batch_job_definition.BatchJobDefinitionTimeout(
                attempt_duration_seconds=options.timeout_seconds
            ),
            tags=tags,
        )

    def _role(self, job: Job, tags: dict[str, str]) -> str:
        """Return the ARN of the step's own role."""
        base, step = self._base, job.step
        statements = base.permissions.of_job(job)
        role = add_role(
            base,
            step.name,
            base.permissions.trust("ecs-tasks.amazonaws.com"),
            [iam.document(statements), *base.own_policies(step)],
            tags,
            given=step.options.role,
            separator="-",
        )
        self.roles[step.name] = role
        return role.arn

    def _executes(self) -> aws.iam_role.IamRole:
        """Return the role for starting containers, which may pull the image and write logs."""
        base = self._base
        trusted = base.permissions.trust("ecs-tasks.amazonaws.com")
        return base.role("jobs", trusted, base.scope.tags())
