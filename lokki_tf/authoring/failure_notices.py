"""``on_failure=``: a step or an SNS topic that is notified when a pipeline fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, NamingError, OptionError
from lokki_tf.model import Step, TerraformRef
from lokki_tf.model.signatures import signature_of

from .nesting import refuse_pipeline
from .same import is_same
from .stepped import Stepped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.errors import Place

# A FIFO topic, whose name ends with .fifo, requires message groups, and supports no email or SMS.
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}", re.ASCII)
OnFailure = Stepped | Step | str | TerraformRef | None
"""The type of ``on_failure=``."""
_REMEDY = 'pass a step, on_failure=notify, or the ARN of an SNS topic, "arn:aws:sns:…"'


def notice_of(
    given: Any, steps: Iterable[Step], place: Place | None
) -> Step | str | TerraformRef | None:
    """Return the step or topic of ``on_failure=``.

    Args:
        given: A step or task, the ARN of a topic or a reference to it, or ``None``.
        steps: The steps of the pipeline.
        place: Source location.

    Raises:
        OptionError: If it is something else.
        BindingError: If the step cannot be called with the notice.
        NamingError: If another step of the pipeline has its name.
    """
    if isinstance(given, str):
        if not _TOPIC.fullmatch(given):
            message = f"on_failure={given!r} is not the ARN of an SNS topic"
            raise OptionError(message, place=place, remedy=_REMEDY)
        return given
    if isinstance(given, TerraformRef):
        return given
    refuse_pipeline(given, place)
    step = given.step if isinstance(given, Stepped) else given
    if step is None:
        return None
    if not isinstance(step, Step):
        message = f"on_failure={given!r} is neither a step nor the ARN of a topic"
        raise OptionError(message, place=place, remedy=_REMEDY)
    refuse_unfit(step, "must run for every failure")
    _refuse_signature(step)
    return one_of_pipeline(step, steps, "on_failure")


def one_of_pipeline(step: Step, steps: Iterable[Step], what: str) -> Step:
    """Return a step of an option, or the same step as it is used in the graph.

    Args:
        step: The step.
        steps: The steps of the pipeline.
        what: The option.

    Raises:
        NamingError: If another step of the pipeline has its name.
    """
    for other in steps:
        if other.name == step.name and other is not step:
            if is_same(other, step):
                return other
            raise NamingError(
                f"{what} is a step named {step.name!r}, as another of the pipeline is, "
                f"at {other.place}",
                place=step.place,
                remedy='give one a name of its own: @step(name="…")',
            )
    return step


def refuse_unfit(step: Step, why: str) -> None:
    """Refuse a step that may not run at once.

    Args:
        step: The step.
        why: When it must run, for the message.

    Raises:
        OptionError: If it has a condition, ``catch=`` or ``callback=True``, or is a job of Batch.
    """
    if step.when is not None:
        raise OptionError(
            f"step {step.name!r} has a condition, but {why}",
            place=step.place,
            remedy="check the condition inside the step, and remove when=",
        )
    if step.options.catch:
        raise no_receiver(f"step {step.name!r}", step.place)
    if step.options.callback:
        raise OptionError(
            f"step {step.name!r} has callback=True, but {why}",
            place=step.place,
            remedy="remove callback=: this step returns its result itself",
        )
    if step.is_job:
        raise OptionError(
            f"step {step.name!r} is a job of Batch, which may take minutes to start",
            place=step.place,
            remedy="remove job_type=: this step is called by a Lambda function",
        )


def no_receiver(what: str, place: Place) -> OptionError:
    """Return the error for ``catch=`` where nothing receives the step's result.

    Args:
        what: The step, the beginning of a sentence.
        place: Source location of ``catch=``.
    """
    return OptionError(
        f"{what} has catch=, but nothing receives its result",
        place=place,
        remedy="remove catch=: an error of this step is reported with the run's error",
    )


def _refuse_signature(step: Step) -> None:
    signature = signature_of(step.function)
    try:
        signature.bind({})
    except TypeError:
        raise BindingError(
            f"step {step.name!r} cannot receive failure notices: its signature is {signature}",
            place=step.place,
            remedy=f"give it one parameter, a dict: def {step.function.__name__}(failure): …",
        ) from None
