"""A pipeline's stack: its local folder, and its resources in AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, LokkiError, NotDeployedError
from lokki_tf.terraform.account import Account
from lokki_tf.terraform.plan import JOB_LOG_GROUP, LOG_GROUP, function_name, job_name
from lokki_tf.terraform.template_values import template_values

from .clients import Aws, endpoint
from .program import Program

if TYPE_CHECKING:
    from lokki_tf.config import Config
    from lokki_tf.model import Definition

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """A pipeline, its settings, and the folder that ``synth`` writes.

    Args:
        definition: The pipeline, under the stack's name.
        config: Settings, as in ``lokki.toml``.
        folder: The folder with its Terraform.
        script: The command that the user types, for remedies: ``python pipeline.py``.
        options: Those that name the stack: ``--stage prod``.
    """

    definition: Definition
    config: Config
    folder: Path
    script: str
    options: str = ""

    @classmethod
    def of(
        cls,
        definition: Definition,
        config: Config,
        *,
        region: str | None = None,
        script: str = "python pipeline.py",
        options: str = "",
    ) -> Stack:
        """Return the stack of a pipeline.

        Args:
            definition: The pipeline, under the stack's name.
            config: Settings, as in ``lokki.toml``.
            region: Instead of the settings' region.
            script: The command that the user types.
            options: Those that name the stack.
        """
        named = replace(definition, name=config.name_of(definition.name))
        config = config.in_region(region or None)
        folder = Path(config.build_dir).absolute() / "stacks" / named.name
        return cls(named, config, folder, script, options)

    @property
    def name(self) -> str:
        """The name of the stack and of its state machine."""
        return self.definition.name

    def command(self, words: str) -> str:
        """Return the command line for this stack.

        Args:
            words: A command with its arguments.
        """
        name, _, rest = words.partition(" ")
        return " ".join(filter(None, (self.script, name, self.options, rest)))

    @property
    def is_written(self) -> bool:
        """Whether its Terraform is in the folder."""
        return (self.folder / "cdk.tf.json").exists()


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed pipeline.

    Args:
        stack: Its stack.
        arn: The state machine's ARN.
        functions: Names of its Lambda functions, by step.
        aws: AWS, in its account and region.
    """

    stack: Stack
    arn: str
    functions: Mapping[str, str]
    aws: Aws

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
        _, partition, _, region, number, *_ = self.arn.split(":")
        account = Account(number, region, partition)
        return template_values(self.stack.definition, {}, self.stack.config, account)["store"]

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
    """Find a deployed pipeline by Terraform's outputs, or else by its name in the account.

    Args:
        stack: The pipeline's stack.

    Raises:
        NotDeployedError: If it is not deployed.
        AwsError: If AWS refuses or cannot be reached.
    """
    wanted = stack.config.aws.region
    outputs = _outputs(stack)
    arn = outputs.get("state_machine_arn") or ""
    if arn and (not wanted or arn.split(":")[3] == wanted):
        return deployed_from(stack, outputs)
    return _by_name(stack)


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
    return Deployed(stack, arn, names, Aws(stack.config, arn.split(":")[3]))


def not_deployed(stack: Stack, where: str) -> NotDeployedError:
    """Return the exception for a pipeline that is not deployed."""
    return NotDeployedError(
        f"{stack.name} is not deployed {where}",
        remedy=f"{stack.command('deploy')}; if it is deployed elsewhere: --region, --stack-name or "
        "AWS_PROFILE",
    )


def _outputs(stack: Stack) -> dict[str, Any]:
    """Return Terraform's outputs; empty if it has none."""
    if not stack.is_written:
        return {}
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
        aws.call("stepfunctions", "describe_state_machine", stateMachineArn=arn)
    except AwsError as error:
        if error.code != "StateMachineDoesNotExist":
            raise
        raise not_deployed(stack, f"in {region} of account {account}") from None
    names = {step.name: function_name(stack.name, step.name) for step in stack.definition.steps}
    return Deployed(stack, arn, names, aws)


def outputs_line(outputs: Mapping[str, Any]) -> str:
    """Return Terraform's outputs as one line of JSON."""
    return json.dumps(dict(outputs), separators=(", ", ": "))
