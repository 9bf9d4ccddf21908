"""The constructs of a pipeline, made from the content of its stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.terraform.cdk import aws

from .alarms import add_alarms, add_dashboard
from .base import add_base, add_literals
from .batch import Jobs
from .functions import add_functions
from .helpers import add_notices
from .layers import add_layers
from .schedule import add_schedules
from .state_machine import add_state_machine
from .triggers import add_triggers

if TYPE_CHECKING:
    from lokki_tf.terraform.content import Content

    from .network import Vpc
    from .scope import PipelineScope


@dataclass(frozen=True, slots=True)
class Rendered:
    """The resources of a pipeline that other constructs can use.

    Args:
        bucket: The bucket.
        functions: The functions, by step.
        roles: The roles that are created here, by step.
        role_arns: The ARNs of all roles of steps, by step.
        state_machine: The state machine.
    """

    bucket: aws.s3_bucket.S3Bucket | aws.data_aws_s3_bucket.DataAwsS3Bucket
    functions: dict[str, aws.lambda_function.LambdaFunction]
    roles: dict[str, aws.iam_role.IamRole]
    role_arns: dict[str, str]
    state_machine: aws.sfn_state_machine.SfnStateMachine


def render(scope: PipelineScope, content: Content, vpc: Vpc | None) -> Rendered:
    """Add all resources of a pipeline.

    Args:
        scope: The construct that contains them.
        content: The content of the stack.
        vpc: The VPC of the functions, if they are in one.
    """
    base = add_base(scope, content, vpc)
    literals = add_literals(base)
    layers = add_layers(base, content.layers)
    functions = add_functions(base, layers, content.image)
    jobs = Jobs(base, content.image)
    state_machine = add_state_machine(base, functions, jobs, literals)
    triggered = add_triggers(base, state_machine)
    add_schedules(base, state_machine, triggered)
    add_notices(base, functions, state_machine)
    add_alarms(base, state_machine)
    add_dashboard(base, functions, state_machine)

    roles = {**{step: role for step, (_, role) in functions.items()}, **jobs.roles}
    return Rendered(
        base.bucket,
        {step: function for step, (function, _) in functions.items()},
        {step: role.made for step, role in roles.items() if role.made},
        {step: role.arn for step, role in roles.items()},
        state_machine,
    )
