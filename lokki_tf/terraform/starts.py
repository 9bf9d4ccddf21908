"""Names and ARNs of the pipelines that a pipeline starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.asl import store_placeholder

from .account import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition, StartedPipeline


def started_in(definition: Definition) -> dict[StartedPipeline, None]:
    """Return what a pipeline starts, each once.

    Args:
        definition: The pipeline, under its settings.
    """
    return dict.fromkeys(one.step.starts for one in definition.started if one.step.starts)


def machine_arn(started: StartedPipeline, account: Account) -> str:
    """Return the ARN of the state machine that is started.

    Args:
        started: What is started.
        account: The account and region of the pipeline that starts it.
    """
    if started.is_arn:
        return started.machine
    return account.arn("states", f"stateMachine:{started.machine}")


def store_of(
    started: StartedPipeline, account: Account, artifact_bucket: str | None
) -> tuple[str, str]:
    """Return the bucket of a started pipeline, and the prefix of its keys there.

    Args:
        started: What is started.
        account: The account and region of the pipeline that starts it.
        artifact_bucket: The user's bucket, which both pipelines share, if there is one.
    """
    if artifact_bucket:
        return artifact_bucket, f"{started.machine_name}/"
    if started.is_arn:
        _, partition, _, region, number, *_ = started.machine.split(":")
        account = Account(number, region, partition)
    return account.bucket_name(started.machine_name), ""


def started_values(
    definition: Definition,
    placeholders: Mapping[str, str],
    account: Account,
    artifact_bucket: str | None,
) -> dict[str, str]:
    """Return the values of the placeholders for started state machines, and for their stores.

    Args:
        definition: The pipeline, under its settings.
        placeholders: The placeholders of ARNs, by the state machines' names or ARNs.
        account: The account and region.
        artifact_bucket: As for :func:`store_of`.
    """
    values: dict[str, str] = {}
    for started in started_in(definition):
        placeholder = placeholders[started.machine]
        values[placeholder] = machine_arn(started, account)
        if started.trust:
            bucket, prefix = store_of(started, account, artifact_bucket)
            values[store_placeholder(placeholder)] = f"s3://{bucket}/{prefix}".rstrip("/")
    return values
