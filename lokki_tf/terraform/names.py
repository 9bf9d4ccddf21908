"""Names of AWS resources, their longest lengths, and the prefix of a pipeline's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.asl.quotas import JOB_NAME_LENGTH
from lokki_tf.model import shortened
from lokki_tf.model.names import identifier

if TYPE_CHECKING:
    from lokki_tf.config import Config

FUNCTION_NAME_LENGTH = ROLE_NAME_LENGTH = RULE_NAME_LENGTH = SCHEDULE_NAME_LENGTH = 64
QUEUE_NAME_LENGTH = 80
LOG_GROUP, JOB_LOG_GROUP = "/aws/lambda/", "/aws/batch/"


def prefix_of(name: str, config: Config) -> str:
    """Return the prefix of a pipeline's keys, in a shared bucket.

    Args:
        name: The pipeline's name, with its stage.
        config: Settings, as in ``lokki.toml``.
    """
    return f"{name}/" if config.aws.artifact_bucket else ""


def function_name(pipeline: str, step: str) -> str:
    """Return a function's name: the pipeline's and the step's, shortened if it is too long."""
    return shortened(f"{pipeline}-{step}", FUNCTION_NAME_LENGTH)


def helper_name(pipeline: str, kind: str) -> str:
    """Return the name of a helper function; names of steps do not begin with a hyphen."""
    return function_name(pipeline, f"-{kind}")


def jobs_named(first: str) -> str:
    """Return a pattern of the names of all jobs of a pipeline."""
    # The part that :func:`job_name` keeps when it shortens a name.
    return f"{f'{first}-'[: JOB_NAME_LENGTH - 9]}*"


def job_name(first: str, step: str) -> str:
    """Return a job definition's name, with only the characters that Batch accepts."""
    return shortened(f"{first}-{identifier(step)}", JOB_NAME_LENGTH)


def queue_name(pipeline: str, platform: str) -> str:
    """Return the name of a pipeline's own queue for a platform."""
    return shortened(f"{pipeline}-{platform}", JOB_NAME_LENGTH)


def functions_named(pipeline: str) -> str:
    """Return a pattern of the names of all functions of a pipeline."""
    # The part that :func:`function_name` keeps when it shortens a name.
    return f"{f'{pipeline}-'[: FUNCTION_NAME_LENGTH - 9]}*"
