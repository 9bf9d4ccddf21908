"""Jobs of AWS Batch: compute environments, queues, and one definition for each step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.asl.text import escaped
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws
from lokki_tf.terraform.containers import container_properties
from lokki_tf.terraform.plan import JOB_LOG_GROUP, queue_name

from .roles import acting

if TYPE_CHECKING:
    from lokki_tf.terraform.plan import Job

    from .construct import PipelineConstruct

MOST_VCPUS = 256  # shared by all jobs of a platform
_KINDS = {"fargate": "FARGATE", "fargate_spot": "FARGATE_SPOT", "ec2": "EC2"}


class Jobs:
    """The jobs of a pipeline: queues, and definitions by step name.

    Args:
        pipeline: The construct that contains them.
    """

    def __init__(self, pipeline: PipelineConstruct) -> None:
        self.definitions: dict[str, aws.batch_job_definition.BatchJobDefinition] = {}
        self.queues: dict[str, str] = {}
        self._pipeline = pipeline
        self._by_platform: dict[str, str] = {}
        self._network: dict[str, Any] | None = None
        self._log_groups: list[str] = []
        if not pipeline.plan.jobs:
            return
        self._execution = self._executes()
        for job in pipeline.plan.jobs:
            self.queues[job.step.name] = self._queue(job)
            self.definitions[job.step.name] = self._definition(job)
        repository = pipeline.image_repository_arn
        aws.iam_role_policy.IamRolePolicy(
            pipeline,
            pipeline.resource_id("jobs_policy"),
            name="lokki",
            role=self._execution.id,
            policy=iam.document(pipeline.permissions.of_containers(self._log_groups, repository)),
        )

    def _queue(self, job: Job) -> str:
        """Return the ARN of a job's queue."""
        given, platform = job.step.options.job_queue, job.step.options.platform
        if given and given.startswith("arn:"):
            return escaped(given)
        key = given or platform
        if key not in self._by_platform:
            self._by_platform[key] = self._given(given) if given else self._own(platform)
        return self._by_platform[key]

    def _given(self, name: str) -> str:
        found = aws.data_aws_batch_job_queue.DataAwsBatchJobQueue(
            self._pipeline, self._pipeline.resource_id(f"queue_{name}"), name=escaped(name)
        )
        return str(found.arn)

    def _own(self, platform: str) -> str:
        """Add a queue with its compute environment."""
        pipeline, network = self._pipeline, self._subnets()
        more: dict[str, Any] = {}
        if platform == "ec2":
            more = {
                "instance_role": self._instances(),
                "instance_type": self._instance_types(),
                "min_vcpus": 0,
                "allocation_strategy": "BEST_FIT_PROGRESSIVE",
            }
        environment = aws.batch_compute_environment.BatchComputeEnvironment(
            pipeline,
            pipeline.resource_id(f"compute_{platform}"),
            # Without a name, since its argument differs between major versions of the provider.
            type="MANAGED",
            compute_resources=aws.batch_compute_environment.BatchComputeEnvironmentComputeResources(
                type=_KINDS[platform],
                max_vcpus=MOST_VCPUS,
                subnets=network["subnets"],
                security_group_ids=[network["group"]],
                **more,
            ),
            tags=pipeline.tags(),
            # A replacement is created before the queue is detached from the old one.
            lifecycle={"create_before_destroy": True},
        )
        queue = aws.batch_job_queue.BatchJobQueue(
            pipeline,
            pipeline.resource_id(f"queue_{platform}"),
            name=queue_name(pipeline.plan.definition.name, platform),
            state="ENABLED",
            priority=1,
            compute_environment_order=[
                aws.batch_job_queue.BatchJobQueueComputeEnvironmentOrder(
                    compute_environment=environment.arn, order=1
                )
            ],
            tags=pipeline.tags(),
        )
        return str(queue.arn)

    def _instance_types(self) -> list[str]:
        """Return instance families for the pipeline's image, with a GPU if a job needs one."""
        jobs = [job.step.options for job in self._pipeline.plan.jobs]
        if any(job.gpu for job in jobs):
            return ["g4dn", "g5"]
        # The families that Batch calls "optimal" are x86.
        is_arm = any(job.architecture == "arm64" for job in jobs)
        return ["m7g", "c7g", "r7g"] if is_arm else ["optimal"]

    def _subnets(self) -> dict[str, Any]:
        """Return subnets of the given or default VPC, and a security group for outbound traffic."""
        if self._network is not None:
            return self._network
        pipeline = self._pipeline
        if pipeline.network:
            config = pipeline.network.config
            self._network = {
                "subnets": config["subnet_ids"],
                "group": config["security_group_ids"][0],
            }
            return self._network
        vpc = aws.data_aws_vpc.DataAwsVpc(
            pipeline, pipeline.resource_id("default_vpc"), default=True
        )
        subnets = aws.data_aws_subnets.DataAwsSubnets(
            pipeline,
            pipeline.resource_id("default_subnets"),
            filter=[aws.data_aws_subnets.DataAwsSubnetsFilter(name="vpc-id", values=[vpc.id])],
        )
        group = aws.security_group.SecurityGroup(
            pipeline,
            pipeline.resource_id("jobs_security_group"),
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
            tags=pipeline.tags(),
        )
        self._network = {"subnets": subnets.ids, "group": group.id}
        return self._network

    def _instances(self) -> str:
        """Return the instance profile of EC2 instances, on which ECS's agent runs."""
        pipeline = self._pipeline
        role = pipeline.role("instances", iam.trust("ec2.amazonaws.com"), pipeline.tags())
        aws.iam_role_policy_attachment.IamRolePolicyAttachment(
            pipeline,
            pipeline.resource_id("instances_policy"),
            role=role.name,
            policy_arn=f"arn:{pipeline.account.partition}:iam::aws:policy/service-role/"
            "AmazonEC2ContainerServiceforEC2Role",
        )
        profile = aws.iam_instance_profile.IamInstanceProfile(
            pipeline,
            pipeline.resource_id("instance_profile"),
            name=role.name,
            role=role.name,
            tags=pipeline.tags(),
        )
        return str(profile.arn)

    def _definition(self, job: Job) -> aws.batch_job_definition.BatchJobDefinition:
        pipeline, step, options = self._pipeline, job.step, job.step.options
        tags = pipeline.tags({"lokki:step": step.name, **options.tags})
        logs = pipeline.log_group(f"{step.name}_logs", f"{JOB_LOG_GROUP}{job.name}", tags)
        role = self._role(job, tags)
        self._log_groups.append(logs.arn)
        properties = container_properties(
            job,
            image=pipeline.image,
            role=role,
            execution_role=self._execution.arn,
            region=pipeline.account.region,
            store=pipeline.store,
            log_group=logs.name,
            public_address=not pipeline.network,
        )
        return aws.batch_job_definition.BatchJobDefinition(
            pipeline,
            pipeline.resource_id(f"{step.name}_job"),
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
        pipeline, step = self._pipeline, job.step
        statements = pipeline.permissions.of_job(job)
        role = acting(
            pipeline,
            step.name,
            pipeline.permissions.trust("ecs-tasks.amazonaws.com"),
            [iam.document(statements), *map(escaped, step.options.policies)],
            tags,
            given=step.options.role,
            of="-",
        )
        if role.made:
            pipeline.roles[step.name] = role.made
        pipeline.role_arns[step.name] = role.arn
        return role.arn

    def _executes(self) -> aws.iam_role.IamRole:
        """Return the role for starting containers, which may pull the image and write logs."""
        pipeline = self._pipeline
        trusted = pipeline.permissions.trust("ecs-tasks.amazonaws.com")
        return pipeline.role("jobs", trusted, pipeline.tags())
