"""Who is told when a pipeline fails: a step, or an SNS topic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, NamingError, OptionError
from lokki_tf.model import Step
from lokki_tf.model.signatures import signature_of

from .nesting import refuse_pipeline
from .same import is_same
from .step import Stepped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.errors import Place

# A FIFO topic, whose name ends with .fifo, wants groups of messages, and has no mail or text.
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}", re.ASCII)
OnFailure = Stepped | Step | str | None
"""What ``on_failure=`` takes."""
_REMEDY = 'hand over a step, on_failure=tell, or the ARN of an SNS topic, "arn:aws:sns:…"'


def notice_of(given: Any, steps: Iterable[Step], place: Place | None) -> Step | str | None:
    """What ``on_failure=`` means.

    Args:
        given: A step or task, the ARN of a topic, or ``None``.
        steps: Those of the pipeline.
        place: Where it was written.

    Raises:
        OptionError: If it is something else.
        BindingError: If the step cannot be called with what it is told.
        NamingError: If another step of the pipeline has its name.
    """
    if isinstance(given, str):
        if not _TOPIC.fullmatch(given):
            message = f"on_failure={given!r} is no ARN of an SNS topic"
            raise OptionError(message, place=place, remedy=_REMEDY)
        return given
    refuse_pipeline(given, place)
    step = given.step if isinstance(given, Stepped) else given
    if step is None:
        return None
    if not isinstance(step, Step):
        message = f"on_failure={given!r} is neither a step nor the ARN of a topic"
        raise OptionError(message, place=place, remedy=_REMEDY)
    _refuse_unfit(step)
    for other in steps:
        if other.name == step.name and other is not step:
            if is_same(other, step):
                return other
            raise NamingError(
                f"on_failure is a step named {step.name!r}, as another of the pipeline is, "
                f"at {other.place}",
                place=step.place,
                remedy='give one a name of its own: @step(name="…")',
            )
    return step


def _refuse_unfit(step: Step) -> None:
    if step.when is not None:
        raise OptionError(
            f"step {step.name!r} has a condition, and is to be told of every failure",
            place=step.place,
            remedy="ask inside the step, and leave when= out",
        )
    if step.is_job:
        raise OptionError(
            f"step {step.name!r} is a job of Batch, which takes minutes to start, if it does",
            place=step.place,
            remedy="leave job_type= out: what tells of a failure runs in Lambda",
        )
    signature = signature_of(step.function)
    try:
        signature.bind({})
    except TypeError:
        raise BindingError(
            f"step {step.name!r} cannot be told of a failure: it takes {signature}",
            place=step.place,
            remedy=f"let it take one argument, a dict: def {step.function.__name__}(failure): …",
        ) from None
