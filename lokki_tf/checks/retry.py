"""Limits of retries in Step Functions.

Source: Amazon States Language, "Retrying after error": ``MaxAttempts`` at most 99,999,999,
``MaxDelaySeconds`` less than 31,622,400; errors are identified by the name of their class without
its module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

MOST_ATTEMPTS = 99_999_999
LONGEST_DELAY = 31_622_399


def check(definition: Definition) -> Iterator[Finding]:
    """Check each node's retry configuration."""
    uses = [(node.step, node.retry, node.place) for node in definition.graph.walk()]
    if definition.routes is not None:
        uses += [(one, one.options.retry, one.place) for one in definition.routes.steps]
    for step, retry, place in uses:
        for name, value, most in (
            ("retries", retry.retries, MOST_ATTEMPTS),
            ("delay", retry.delay, LONGEST_DELAY),
            ("max_delay", retry.max_delay or 0, LONGEST_DELAY),
        ):
            if value > most:
                yield Finding(
                    "retry",
                    f"step {step.name!r} has RetryConfig({name}={value!r}); Step Functions "
                    f"allows at most {most:,}",
                    place,
                    "write a smaller number",
                    error=OptionError,
                )
