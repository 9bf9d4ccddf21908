"""The state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.asl import queue_placeholder
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws
from lokki_tf.terraform.files import MACHINE

from .helpers import add_helper
from .roles import acting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config.settings import MachineConfig

    from .construct import PipelineConstruct


def add_machine(pipeline: PipelineConstruct) -> aws.sfn_state_machine.SfnStateMachine:
    """Add the state machine with its log group, role and policy.

    Args:
        pipeline: The construct with the functions.
    """
    name, settings = pipeline.plan.definition.name, pipeline.config.machine
    tags = pipeline.tags()
    plan = pipeline.plan
    helpers = {
        one.placeholder: add_helper(pipeline, one).arn for one in plan.helpers if one.placeholder
    }
    arns = [*(pipeline.functions[one.step.name].arn for one in plan.called), *helpers.values()]
    role = acting(
        pipeline,
        "state_machine",
        pipeline.permissions.trust("states.amazonaws.com"),
        [iam.document(pipeline.permissions.of_machine(arns))],
        tags,
        given=settings.role,
    )
    values = {
        "store": pipeline.store,
        "bucket": pipeline.bucket.bucket,
        "prefix": pipeline.prefix,
        "partition": pipeline.account.partition,
        **helpers,
    }
    for function in pipeline.plan.functions:
        values[function.placeholder] = pipeline.functions[function.step.name].arn
    for job in pipeline.plan.jobs:
        # Without a revision Batch uses the latest one. A deployment deregisters earlier revisions
        # while executions run, and a redriven execution keeps its definition.
        values[job.placeholder] = pipeline.jobs.definitions[job.step.name].arn_prefix
        values[queue_placeholder(job.placeholder)] = pipeline.jobs.queues[job.step.name]
    return aws.sfn_state_machine.SfnStateMachine(
        pipeline,
        pipeline.resource_id("state_machine"),
        name=name,
        type=settings.type,
        definition=_templatefile(pipeline.file(MACHINE), values),
        role_arn=role.arn,
        logging_configuration=_logging(pipeline, settings, tags),
        tracing_configuration={"enabled": settings.tracing},
        encryption_configuration=_encryption(pipeline.permissions.key),
        tags=tags,
        # AWS refuses a state machine whose role cannot deliver logs yet.
        depends_on=[*role.policies, *pipeline.literals],
    )


def _logging(
    pipeline: PipelineConstruct, settings: MachineConfig, tags: dict[str, str]
) -> dict[str, Any]:
    """Return the logging configuration and its log group; there is none without logging."""
    if settings.log_level == "OFF":
        return {"level": settings.log_level}
    name = f"/aws/vendedlogs/states/{pipeline.plan.definition.name}"
    logs = pipeline.log_group("state_machine_logs", name, tags)
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
