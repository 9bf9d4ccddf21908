"""The state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.asl import queue_placeholder, ref_placeholder
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws, value_in_json
from lokki_tf.terraform.files import MACHINE
from lokki_tf.terraform.starts import started_values

from .functions import Functions
from .helpers import add_helper
from .roles import add_role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config.settings import StateMachineConfig

    from .base import Base
    from .batch import Jobs


def add_state_machine(
    base: Base, functions: Functions, jobs: Jobs, literals: list[aws.s3_object.S3Object]
) -> aws.sfn_state_machine.SfnStateMachine:
    """Add the state machine with its log group, role and policy.

    Args:
        base: What all resources share.
        functions: The functions of steps.
        jobs: The jobs.
        literals: The objects with large literals.
    """
    name, settings = base.plan.definition.name, base.config.state_machine
    tags = base.scope.tags()
    plan = base.plan
    helpers = {one.placeholder: add_helper(base, one) for one in plan.helpers if one.placeholder}
    called = [*(functions[one.step.name][0] for one in plan.called), *helpers.values()]
    arns = [one.arn for one in called]
    role = add_role(
        base,
        "state_machine",
        base.permissions.trust("states.amazonaws.com"),
        [iam.document(base.permissions.of_state_machine(arns))],
        tags,
        given=settings.role,
    )
    values = {
        "store": base.store,
        "bucket": base.bucket.bucket,
        "prefix": base.prefix,
        "partition": base.account.partition,
        **{name: base.called_arn(one) for name, one in helpers.items()},
        **{ref_placeholder(ref): value_in_json(ref) for ref in plan.definition.refs},
    }
    for function in base.plan.functions:
        values[function.placeholder] = base.called_arn(functions[function.step.name][0])
    if plan.state_machine.machines:
        own = base.account.text(base.config.aws.artifact_bucket)
        values |= started_values(plan.definition, plan.state_machine.machines, base.account, own)
    for job in base.plan.jobs:
        # Without a revision Batch uses the latest one. A deployment deregisters earlier revisions
        # while executions run, and a redriven execution keeps its definition.
        values[job.placeholder] = jobs.definitions[job.step.name].arn_prefix
        values[queue_placeholder(job.placeholder)] = jobs.queues[job.step.name]
    return aws.sfn_state_machine.SfnStateMachine(
        base.scope,
        base.scope.resource_id("state_machine"),
        name=name,
        type=settings.type,
        definition=_templatefile(base.scope.file(MACHINE), values),
        role_arn=role.arn,
        logging_configuration=_logging(base, settings, tags),
        tracing_configuration={"enabled": settings.tracing},
        encryption_configuration=_encryption(base.permissions.key),
        tags=tags,
        # AWS refuses a state machine whose role cannot deliver logs yet.
        depends_on=[*role.policies, *literals],
    )


def _logging(base: Base, settings: StateMachineConfig, tags: dict[str, str]) -> dict[str, Any]:
    """Return the logging configuration and its log group; there is none without logging."""
    if settings.log_level == "OFF":
        return {"level": settings.log_level}
    name = f"/aws/vendedlogs/states/{base.plan.definition.name}"
    logs = base.log_group("state_machine_logs", name, tags)
    return {
        "include_execution_data": settings.include_execution_data,
        "level": settings.log_level,
        "log_destination": f"{logs.arn}:*",
    }


def _encryption(key: str | None) -> dict[str, Any] | None:
    """Return the encryption of the definition and the executions; by default AWS's own key."""
    return {"type": "CUSTOMER_MANAGED_KMS_KEY", "kms_key_id": key} if key else None


def _templatefile(path: str, values: Mapping[str, str]) -> str:
    """Return a Terraform expression; CDKTF's own function would escape ``path.module``."""
    listed = ", ".join(f'{name} = "{value}"' for name, value in values.items())
    return f'${{templatefile("{path}", {{{listed}}})}}'
