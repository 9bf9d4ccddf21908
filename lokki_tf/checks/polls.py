"""Steps that poll: the events of their attempts, and batches.

Source: Step Functions Developer Guide, "Service quotas": 25,000 events of an execution. An attempt
that fails has three: scheduled, started and failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import LimitError, OptionError
from lokki_tf.model import Finding, Map
from lokki_tf.model.retries import Poll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition, Graph, Step

EVENTS, EVENTS_OF_ATTEMPT = 25_000, 3
"""Events of an execution, and of an attempt."""


def check(definition: Definition) -> Iterator[Finding]:
    """Check each step that polls."""
    for step in definition.steps:
        poll = next((one for one in step.options.retry if isinstance(one, Poll)), None)
        if poll is not None and poll.retries * EVENTS_OF_ATTEMPT > EVENTS:
            yield Finding(
                "poll",
                f"step {step.name!r} polls up to {poll.retries:,} times, with "
                f"{EVENTS_OF_ATTEMPT} events each; Step Functions ends an execution with more "
                f"than {EVENTS:,}",
                step.place,
                "write more seconds in poll=, a factor in poll_backoff=, or a shorter "
                "poll_timeout=",
                error=LimitError,
            )
    yield from _batches(definition.graph)


def _batches(graph: Graph) -> Iterator[Finding]:
    for one in graph.nodes:
        if not isinstance(one, Map):
            continue
        if one.options.batch_size > 1:
            polling = (step for step in one.body.steps if step.options.poll is not None)
            yield from map(_of_batch, polling)
        yield from _batches(one.body)


def _of_batch(step: Step) -> Finding:
    return Finding(
        "poll",
        f"step {step.name!r} polls in a map with batch_size, where an item that is not ready would "
        "repeat its whole batch",
        step.place,
        "remove batch_size= from the map",
        error=OptionError,
    )
