"""The state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.sfn_state_machine import SfnStateMachine

from lokki_tf.asl import queue_placeholder
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
    source = {"StringEquals": {"aws:SourceAccount": pipeline.account}}
    role = pipeline.role("state_machine_role", iam.trust("states.amazonaws.com", source), tags)
    arns = [function.arn for function in pipeline.functions.values()]
    policy = IamRolePolicy(
        pipeline,
        pipeline.resource_id("state_machine_policy"),
        name="lokki",
        role=role.id,
        policy=iam.document(
            [
                iam.invoke(arns),
                *_map_statements(pipeline),
                *_job_statements(pipeline),
                iam.LOG_DELIVERY,
                iam.TRACING,
                iam.SAMPLING,
            ]
        ),
    )
    values = {
        "store": pipeline.store,
        "bucket": pipeline.bucket.bucket,
        "prefix": pipeline.prefix,
        "partition": pipeline.partition,
    }
    for function in pipeline.plan.functions:
        values[function.placeholder] = pipeline.functions[function.step.name].arn
    for job in pipeline.plan.jobs:
        values[job.placeholder] = pipeline.jobs.definitions[job.step.name].arn
        values[queue_placeholder(job.placeholder)] = pipeline.jobs.queues[job.step.name]
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
        tags=tags,
        # A machine whose role cannot deliver logs yet is refused.
        depends_on=[policy, *pipeline.literals],
    )


def _map_statements(pipeline: PipelineConstruct) -> list[iam.Statement]:
    """What Distributed Maps need; ARNs from names, since references would be a circle."""
    machine = pipeline.plan.machine
    if not machine.labels:
        return []
    name = pipeline.plan.definition.name
    states = f"arn:{pipeline.partition}:states:{pipeline.region}:{pipeline.account}"
    return [
        *iam.run_maps(
            f"{states}:stateMachine:{name}",
            f"{states}:execution:{name}",
            machine.labels,
            machine.outer_labels,
        ),
        iam.exchange_objects([pipeline.objects("runs/*")]),
    ]


def _job_statements(pipeline: PipelineConstruct) -> list[iam.Statement]:
    """What jobs of Batch need; their answers stand in the bucket."""
    if not pipeline.plan.jobs:
        return []
    place = f"{pipeline.region}:{pipeline.account}"
    rule = "rule/StepFunctionsGetEventsForBatchJobsRule"
    return [
        *iam.run_jobs(
            [one.arn_prefix for one in pipeline.jobs.definitions.values()],
            list(dict.fromkeys(pipeline.jobs.queues.values())),
            f"arn:{pipeline.partition}:batch:{place}:job/*",
            f"arn:{pipeline.partition}:events:{place}:{rule}",
        ),
        iam.exchange_answers([pipeline.objects("runs/*")]),
    ]


def _templatefile(path: str, values: Mapping[str, str]) -> str:
    """An expression of Terraform's; CDKTF's own function would escape ``path.module``."""
    listed = ", ".join(f'{name} = "{value}"' for name, value in values.items())
    return f'${{templatefile("{path}", {{{listed}}})}}'
