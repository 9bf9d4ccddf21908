"""The state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.sfn_state_machine import SfnStateMachine

from lokki_tf.terraform import iam
from lokki_tf.terraform.files import MACHINE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .construct import PipelineConstruct


def add_machine(pipeline: PipelineConstruct) -> SfnStateMachine:
    """The state machine with its log group, role and policy.

    Args:
        pipeline: Holds the functions.
    """
    name = pipeline.plan.definition.name
    tags = pipeline.tags()
    logs = pipeline.log_group("state_machine_logs", f"/aws/vendedlogs/states/{name}", tags)
    source = {"StringEquals": {"aws:SourceAccount": pipeline.account.number}}
    role = pipeline.role("state_machine_role", iam.trust("states.amazonaws.com", source), tags)
    arns = [function.arn for function in pipeline.functions.values()]
    policy = IamRolePolicy(
        pipeline,
        pipeline.resource_id("state_machine_policy"),
        name="lokki",
        role=role.id,
        policy=iam.document(pipeline.permissions.of_machine(arns)),
    )
    values = {
        "store": pipeline.store,
        "bucket": pipeline.bucket.bucket,
        "prefix": pipeline.prefix,
        "partition": pipeline.account.partition,
    }
    for function in pipeline.plan.functions:
        values[function.placeholder] = pipeline.functions[function.step.name].arn
    return SfnStateMachine(
        pipeline,
        pipeline.resource_id("state_machine"),
        name=name,
        type="STANDARD",
        definition=_templatefile(pipeline.file(MACHINE), values),
        role_arn=role.arn,
        logging_configuration={
            "include_execution_data": True,
            "level": "ALL",
            "log_destination": f"{logs.arn}:*",
        },
        tracing_configuration={"enabled": True},
        encryption_configuration=_encryption(pipeline.permissions.key),
        tags=tags,
        # A machine whose role cannot deliver logs yet is refused.
        depends_on=[policy, *pipeline.literals],
    )


def _encryption(key: str | None) -> dict[str, Any] | None:
    """The key for the definition and the executions; AWS's own unless there is one."""
    return {"type": "CUSTOMER_MANAGED_KMS_KEY", "kms_key_id": key} if key else None


def _templatefile(path: str, values: Mapping[str, str]) -> str:
    """An expression of Terraform's; CDKTF's own function would escape ``path.module``."""
    listed = ", ".join(f'{name} = "{value}"' for name, value in values.items())
    return f'${{templatefile("{path}", {{{listed}}})}}'
