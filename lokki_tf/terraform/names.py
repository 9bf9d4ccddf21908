"""Longest names of AWS resources, and the prefix of a pipeline's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lokki_tf.config import Config

FUNCTION_NAME_LENGTH = ROLE_NAME_LENGTH = RULE_NAME_LENGTH = SCHEDULE_NAME_LENGTH = 64
QUEUE_NAME_LENGTH = 80


def prefix_of(name: str, config: Config) -> str:
    """Return the prefix of a pipeline's keys, in a shared bucket.

    Args:
        name: The pipeline's name, with its stage.
        config: Settings, as in ``lokki.toml``.
    """
    return f"{name}/" if config.aws.artifact_bucket else ""
