"""A deployed pipeline: its resources in AWS, and how they are found."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lokki_tf.config import local_value
from lokki_tf.errors import AwsError, CredentialsError, LokkiError, NoRegionError
from lokki_tf.model import TerraformRef
from lokki_tf.model.wording import count
from lokki_tf.terraform.account import Account
from lokki_tf.terraform.names import JOB_LOG_GROUP, LOG_GROUP, function_name, job_name

from .clients import Aws, endpoint
from .stack import Stack, not_deployed

_STORE = re.compile(r'"store": ?"s3://([^/"]+)')
"""The bucket in a state machine definition; the first one is the pipeline's own."""
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed pipeline.

    Args:
        stack: Its stack.
        arn: The state machine's ARN.
        functions: Names of its Lambda functions, by step.
        aws: AWS, in its account and region.
        bucket: Name of its bucket, as Terraform or its state machine definition has it.
    """

    stack: Stack
    arn: str
    functions: Mapping[str, str]
    aws: Aws
    bucket: str | None = None

    @property
    def log_groups(self) -> Mapping[str, str]:
        """Names of the log groups of functions and jobs, by step."""
        first = self.stack.config.batch.job_definition_name or self.stack.name
        jobs = (step.name for step in self.stack.definition.steps if step.is_job)
        return {
            **{step: f"{LOG_GROUP}{name}" for step, name in self.functions.items()},
            **{step: f"{JOB_LOG_GROUP}{job_name(first, step)}" for step in jobs},
        }

    @property
    def store(self) -> str:
        """``s3://bucket/prefix`` under which the pipeline stores all objects."""
        # Imported here: it needs the compiler, and few commands need the bucket.
        from lokki_tf.terraform.template_values import template_values

        _, partition, _, region, number, *_ = self.arn.split(":")
        account = Account(number, region, partition, refs=self._bucket)
        return template_values(self.stack.definition, None, self.stack.config, account)["store"]

    def _bucket(self, ref: TerraformRef) -> str:
        """Return the name of the bucket to which the settings refer."""
        return self.bucket or local_value(ref, self.stack.config, "the pipeline's bucket")

    @property
    def execution_prefix(self) -> str:
        """The prefix of its executions' ARNs."""
        return self.arn.replace(":stateMachine:", ":execution:") + ":"

    @property
    def link(self) -> str | None:
        """URL of the state machine in AWS's console; ``None`` if there is no console."""
        return self._console(f"statemachines/view/{self.arn}")

    def link_of(self, execution_arn: str) -> str | None:
        """Return the URL of an execution in AWS's console; ``None`` if there is no console."""
        return self._console(f"v2/executions/details/{execution_arn}")

    def _console(self, page: str) -> str | None:
        if endpoint(self.aws.config):
            return None
        _, partition, _, region, *_ = self.arn.split(":")
        host = _CONSOLES.get(partition, _CONSOLES["aws"])
        return f"https://{region}.{host}/states/home?region={region}#/{page}"


def find(stack: Stack) -> Deployed:
    """Find a deployed pipeline by its name in the account.

    If it is not there, and the folder that ``synth`` writes is here, Terraform's outputs are used:
    they name the region of a deployment with ``--region``.

    Args:
        stack: The pipeline's stack.

    Raises:
        NotDeployedError: If it is not deployed.
        AwsError: If AWS refuses or cannot be reached.
    """
    try:
        return _by_name(stack)
    except CredentialsError:
        raise
    except (AwsError, NoRegionError):
        wanted = stack.config.aws.region
        outputs = _outputs(stack)
        arn = outputs.get("state_machine_arn") or ""
        if arn and (not wanted or arn.split(":")[3] == wanted):
            return deployed_from(stack, outputs)
        raise


def deployed_from(stack: Stack, outputs: Mapping[str, Any]) -> Deployed:
    """Return a deployed pipeline from Terraform's outputs.

    Args:
        stack: The pipeline's stack.
        outputs: Plain values, by name; ``None`` for resources that an interrupted deployment has
            not created.
    """
    arn = outputs["state_machine_arn"]
    functions = outputs["function_arns"]
    names = {step: one.split(":")[6] for step, one in functions.items() if one}
    return Deployed(stack, arn, names, Aws(stack.config, arn.split(":")[3]), outputs.get("bucket"))


def _outputs(stack: Stack) -> dict[str, Any]:
    """Return Terraform's outputs; empty if it has none."""
    if not stack.is_written:
        return {}
    from .program import Program

    try:
        program = Program.find(stack)
        return program.outputs() if program.is_initialised else {}
    except LokkiError:
        return {}  # the pipeline is looked up in the account instead


def _by_name(stack: Stack) -> Deployed:
    aws = Aws(stack.config)
    region, account = aws.region, aws.account()
    partition = aws.partition()
    arn = f"arn:{partition}:states:{region}:{account}:stateMachine:{stack.name}"
    try:
        found = aws.call("stepfunctions", "describe_state_machine", stateMachineArn=arn)
    except AwsError as error:
        if error.code != "StateMachineDoesNotExist":
            raise
        raise not_deployed(stack, f"in {region} of account {account}") from None
    names = {step.name: function_name(stack.name, step.name) for step in stack.definition.steps}
    store = _STORE.search(found["definition"])
    return Deployed(stack, arn, names, aws, store and store[1])


@dataclass(frozen=True, slots=True, repr=False)
class Deployment:
    """The result of a deployment, which is shown with what to do next.

    Args:
        name: Name of the stack and of its state machine.
        state_machine_arn: ARN of the state machine.
        outputs: Terraform's outputs.
        link: URL of the state machine in AWS's console; ``None`` if there is no console.
    """

    name: str
    state_machine_arn: str
    outputs: Mapping[str, Any]
    link: str | None
    _text: str

    @classmethod
    def of(cls, stack: Stack, outputs: Mapping[str, Any]) -> Deployment:
        """Return the result of a deployment from Terraform's outputs.

        Args:
            stack: The pipeline's stack.
            outputs: Plain values, by name.
        """
        deployed = deployed_from(stack, outputs)
        numbers = {
            "function": len(deployed.functions),
            "job": sum(step.is_job for step in stack.definition.steps),
        }
        parts = ", ".join(count(number, what) for what, number in numbers.items() if number)
        lines = [
            f"{stack.name} is deployed: state machine {stack.name}, {parts}",
            *([f"  {deployed.link}"] if deployed.link else []),
            f"Next: {stack.command('start --wait')}",
        ]
        return cls(stack.name, deployed.arn, outputs, deployed.link, "\n".join(lines))

    def __repr__(self) -> str:
        return self._text


def outputs_line(outputs: Mapping[str, Any]) -> str:
    """Return Terraform's outputs as one line of JSON."""
    return json.dumps(dict(outputs), separators=(", ", ": "))
