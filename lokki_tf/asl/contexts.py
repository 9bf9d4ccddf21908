"""What steps receive from the execution's context object: for ``run_context()``, and polls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model import REQUIRED
from lokki_tf.model.retries import Poll

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.model import Definition, FlowParameter, Node, RetryConfig, Step

    from .literals import Literals


def context_fields(
    definition: Definition,
    literals: Literals,
    of: Node | Step,
    *,
    is_job: bool,
    token: bool = False,
    started: str = "$$.Execution.StartTime",
) -> dict[str, Any]:
    """Return the event's ``context``.

    Args:
        definition: The pipeline.
        literals: Collects the defaults of parameters.
        of: The node, or a routed pipeline's step.
        is_job: Whether it is a job: another state writes its event, and its container has the
            number of the attempt.
        token: Whether it has the token with which it is answered.
        started: Path of the time when the execution began.
    """
    parameters = {one.name: parameter_envelope(one, literals, of) for one in definition.parameters}
    return {
        "pipeline": definition.name,
        "started.$": started,
        **({"attempt": 0} if is_job else {"attempt.$": "$$.State.RetryCount"}),
        **({"token.$": "$$.Task.Token"} if token else {}),
        **({"parameters": parameters} if parameters else {}),
    }


def poll_fields(retry: Iterable[RetryConfig]) -> dict[str, Any]:
    """Return the event's ``poll``, if a step polls.

    Args:
        retry: The step's retriers.
    """
    poll = next((one for one in retry if isinstance(one, Poll)), None)
    if poll is None:
        return {}
    return {"poll": {"timeout": poll.timeout, "entered.$": "$$.State.EnteredTime"}}


def parameter_envelope(one: FlowParameter, literals: Literals, of: Node | Step) -> dict[str, Any]:
    """Return a parameter's envelope, which the runtime replaces by the value in the input.

    Args:
        one: The parameter.
        literals: Collects its default.
        of: The node, or a routed pipeline's step, that takes it.
    """
    envelope: dict[str, Any] = {"parameter": one.name}
    if isinstance(one.kind, type):
        envelope["kind"] = one.kind.__name__
    if one.default is not REQUIRED:
        envelope["default"] = literals.envelope(one.default, of)
    return envelope
