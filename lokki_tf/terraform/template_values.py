"""Values of the placeholders in a state machine's definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.asl import (
    JOB_ERRORS_PLACEHOLDER,
    LOCKS_PLACEHOLDER,
    REF_BYTES,
    STARTS_PLACEHOLDER,
    queue_placeholder,
    ref_placeholder,
)

from .account import Account
from .names import function_name, helper_name, job_name, prefix_of, queue_name
from .starts import started_values

if TYPE_CHECKING:
    from lokki_tf.asl import StateMachine
    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Step

_LONGEST_REGION = "ap-southeast-1"  # 14 characters, the maximum
_LONGEST_PARTITION = "aws-us-gov"
_OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-iso")  # prefixes of their regions' names


def template_values(
    definition: Definition, machine: StateMachine | None, config: Config, account: Account
) -> dict[str, str]:
    """Return the value of each placeholder, by name.

    Args:
        definition: The pipeline, under its settings.
        machine: Its state machine; ``None`` for the placeholders that all state machines have.
        config: Settings, as in ``lokki.toml``.
        account: The account and region.
    """
    name, functions = definition.name, {} if machine is None else machine.functions
    shared = account.text(config.aws.artifact_bucket)
    bucket = shared or account.bucket_name(name)
    prefix = prefix_of(name, config)
    values = {
        "store": f"s3://{bucket}/{prefix}".rstrip("/"),
        "bucket": bucket,
        "prefix": prefix,
        "partition": account.partition,
    }
    if machine is not None:
        values |= {ref_placeholder(ref): account.refs(ref) for ref in definition.refs}
    for step, placeholder in functions.items():
        if step.is_job:
            job = job_name(config.batch.job_definition_name or name, step.name)
            values[placeholder] = account.arn("batch", f"job-definition/{job}")
            values[queue_placeholder(placeholder)] = _queue_arn(step, name, account)
        else:
            function = function_name(name, step.name)
            values[placeholder] = account.arn("lambda", f"function:{function}")
    if any(step.is_job for step in functions):
        function = helper_name(name, "job_errors")
        values[JOB_ERRORS_PLACEHOLDER] = account.arn("lambda", f"function:{function}")
    if machine is not None and (machine.machines or definition.inclusions):
        function = helper_name(name, "starts")
        values[STARTS_PLACEHOLDER] = account.arn("lambda", f"function:{function}")
        values |= started_values(definition, machine.machines, account, shared)
    if machine is not None and machine.check:
        function = helper_name(name, "locks")
        values[LOCKS_PLACEHOLDER] = account.arn("lambda", f"function:{function}")
    return values


def longest_values(definition: Definition, machine: StateMachine, config: Config) -> dict[str, str]:
    """Return the values of :func:`template_values` with the greatest possible length.

    Every account's number has 12 digits. If the region is not known, the longest names of a region
    and a partition are used.
    """
    region = config.aws.region
    usual = region is not None and not region.startswith(_OTHER_PARTITIONS)
    partition = "aws" if usual else _LONGEST_PARTITION
    number, name = "1" * 12, region or _LONGEST_REGION
    account = Account(number, name, partition, refs=lambda ref: "x" * REF_BYTES)
    return template_values(definition, machine, config, account)


def _queue_arn(step: Step, name: str, account: Account) -> str:
    own = step.options.job_queue or queue_name(name, step.options.platform)
    given = account.text(own)
    return given if given.startswith("arn:") else account.arn("batch", f"job-queue/{given}")
