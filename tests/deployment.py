"""A pipeline's compiled machine and zips on the local AWS, without Terraform; empty buckets."""

from __future__ import annotations

from typing import Any

from lokki_tf import Pipeline
from lokki_tf.asl import filled
from lokki_tf.terraform.plan import Function, make_plan
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

    def run(self, pipeline: Pipeline, given: Any = None) -> dict[str, Any]:
        """Terminal outputs by name; an execution that fails is an error."""
        execution = self.execute(pipeline, given)
        return self.aws.values(execution)

    def execute(self, pipeline: Pipeline, payload: Any = None) -> Execution:
        """The execution of a pipeline's machine."""
        plan = make_plan(pipeline.definition)
        for key, data in plan.objects.items():
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        fill = {"store": f"s3://{BUCKET}", "partition": "aws", "bucket": BUCKET, "prefix": ""}
        fill |= {function.placeholder: self._arn(function) for function in plan.functions}
        self._machines += 1
        machine = self.aws.create_state_machine(
            f"machine-{self._machines}", filled(plan.machine.definition, fill)
        )
        return self.aws.execute(machine, payload)

    def _arn(self, function: Function) -> str:
        code = function.package
        if code.sha256_base64 not in self._functions:
            self._functions[code.sha256_base64] = self.aws.create_function(
                f"function-{len(self._functions)}", code.zip, "lambda_function.lambda_handler"
            )
        return self._functions[code.sha256_base64]


def empty(aws: LocalAws, bucket: str) -> None:
    """Takes the runs' data out of a bucket, as its owner would before destroying it."""
    s3 = aws.client("s3")
    listed = s3.list_object_versions(Bucket=bucket, Prefix="runs/")
    for found in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])
