"""A pipeline's compiled machine and zips on the local AWS, without Terraform; empty buckets."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lokki_tf import Pipeline
from lokki_tf.asl import filled, queue_placeholder
from lokki_tf.packaging.image.context import image_context
from lokki_tf.terraform.files import write_files
from lokki_tf.terraform.plan import Function, Plan, make_plan
from lokki_tf.testing import Execution, LocalAws

BUCKET = "interpreted"


class Deployment:
    """A bucket, and functions that are made once for each distinct code.

    Args:
        aws: The local AWS.
    """

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.s3 = aws.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self._functions: dict[str, str] = {}
        self._machines = 0
        self._images: set[str] = set()
        self._folder = TemporaryDirectory()
        self._queue: str | None = None

    def run(self, pipeline: Pipeline, given: Any = None) -> dict[str, Any]:
        """Terminal outputs by name; an execution that fails is an error."""
        execution = self.execute(pipeline, given)
        return self.aws.values(execution)

    def execute(
        self, pipeline: Pipeline, payload: Any = None, job_timeout: int | None = None
    ) -> Execution:
        """The execution of a pipeline's machine; jobs may be given less time than Batch takes."""
        plan = make_plan(pipeline.definition)
        for key, data in plan.objects.items():
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        fill = {"store": f"s3://{BUCKET}", "partition": "aws", "bucket": BUCKET, "prefix": ""}
        fill |= {function.placeholder: self._arn(function) for function in plan.functions}
        fill |= self._jobs(plan, job_timeout)
        self._machines += 1
        machine = self.aws.create_state_machine(
            f"machine-{self._machines}", filled(plan.machine.definition, fill)
        )
        return self.aws.execute(machine, payload)

    def _jobs(self, plan: Plan, timeout: int | None) -> dict[str, str]:
        """Job definitions of a pipeline's image, and the queue, by their placeholders."""
        if not plan.jobs:
            return {}
        context = image_context(plan.definition.name, plan.in_image)
        image = f"jobs:{context.tag}"
        if image not in self._images:
            folder = Path(self._folder.name, context.tag)
            write_files(folder, context.files)
            self.aws.register_image(image, folder / "app")
            self._images.add(image)
        if self._queue is None:
            self._queue = self._make_queue()
        fill: dict[str, str] = {}
        for job in plan.jobs:
            container = {
                "image": image,
                "command": [job.folder],
                "resourceRequirements": [
                    {"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"},
                ],
                "executionRoleArn": "arn:aws:iam::123456789012:role/jobs",
            }  # fmt: skip
            made = self.aws.client("batch").register_job_definition(
                jobDefinitionName=job.name,
                type="container",
                platformCapabilities=["FARGATE"],
                containerProperties=container,
                timeout={"attemptDurationSeconds": timeout or job.step.options.timeout_seconds},
            )
            fill[job.placeholder] = made["jobDefinitionArn"]
            fill[queue_placeholder(job.placeholder)] = self._queue
        return fill

    def _make_queue(self) -> str:
        batch, ec2 = self.aws.client("batch"), self.aws.client("ec2")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]]
        groups = [one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]]
        environment = batch.create_compute_environment(
            computeEnvironmentName="interpreted",
            type="MANAGED",
            computeResources={
                "type": "FARGATE",
                "maxvCpus": 16,
                "subnets": subnets[:1],
                "securityGroupIds": groups[:1],
            },
        )["computeEnvironmentArn"]
        made = batch.create_job_queue(
            jobQueueName="interpreted",
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
        )
        return str(made["jobQueueArn"])

    def _arn(self, function: Function) -> str:
        code = function.package
        if code.content_hash not in self._functions:
            self._functions[code.content_hash] = self.aws.create_function(
                f"function-{len(self._functions)}", code.zip, "lambda_function.lambda_handler"
            )
        return self._functions[code.content_hash]


def empty(aws: LocalAws, bucket: str) -> None:
    """Takes the runs' data out of a bucket, as its owner would before destroying it."""
    s3 = aws.client("s3")
    listed = s3.list_object_versions(Bucket=bucket, Prefix="runs/")
    for found in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])
