"""Names and ARNs of the pipelines that a pipeline starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lokki_tf.asl import store_placeholder
from lokki_tf.model import TerraformRef

from .account import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition, StartedPipeline, TextOrRef


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
    machine = account.text(started.machine)
    if started.is_arn and not _is_name(machine):
        return machine
    return account.arn("states", f"stateMachine:{machine}")


def executions_arn(started: StartedPipeline, account: Account) -> str:
    """Return the pattern of the ARNs of a state machine's executions.

    Args:
        started: What is started.
        account: The account and region of the pipeline that starts it.
    """
    arn, parts = machine_arn(started, account), (":stateMachine:", ":execution:")
    if isinstance(started.machine, TerraformRef) and "${" in arn:  # no ARN, but an expression
        ref = started.machine
        text = f'"{ref.expression}"' if ref.before or ref.after else ref.address
        return account.written(f'replace({text}, "{parts[0]}", "{parts[1]}")') + ":*"
    return f"{arn.replace(*parts)}:*"


def _is_name(machine: str) -> bool:
    """Return whether the value of a reference is a name, as it may be without Terraform."""
    return bool(re.fullmatch(r"[\w-]+", machine, re.ASCII))


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
    assert isinstance(started.machine, str)  # the bucket of a reference is not known
    if started.is_arn:
        _, partition, _, region, number, *_ = started.machine.split(":")
        account = Account(number, region, partition)
    return account.bucket_name(started.machine_name), ""


def started_values(
    definition: Definition,
    placeholders: Mapping[TextOrRef, str],
    account: Account,
    artifact_bucket: str | None,
) -> dict[str, str]:
    """Return the values of the placeholders for started state machines, and for their stores.

    Args:
        definition: The pipeline, under its settings.
        placeholders: The placeholders of ARNs, by the state machines' names, ARNs
            or references.
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
