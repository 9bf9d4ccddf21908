"""The step that is told when a run fails, as the state machine would tell it."""

from __future__ import annotations

import json
import traceback
from time import sleep
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError, LoopError
from lokki_tf.model import Step

from .calls import call
from .failures import raised
from .retry import Retries
from .strict import described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lokki_tf.model import Definition

HERE = "local"
"""What stands for the execution's ARN."""


def tell_of(
    error: BaseException,
    definition: Definition,
    given: Mapping[str, Any],
    states: Callable[[], Mapping[str, str]],
) -> None:
    """Calls the step of ``on_failure=``, if the run failed and there is one.

    An error of that step hides nothing: it is a note on the run's own.

    Args:
        error: What ended the run.
        definition: The pipeline.
        given: The run's parameters.
        states: Gives the name of the outermost state that each node stands in.
    """
    step = definition.on_failure
    if not isinstance(step, Step) or not isinstance(error, LokkiError) or not hasattr(error, "run"):
        return
    retries = Retries()
    try:
        told = _told(error, definition, given, states())
        while True:
            try:
                call(step.function, (told,), {})
                return
            except Exception as again:
                delay = retries.delay(0, step.options.retry, again)
                if delay is None:
                    raise
                sleep(delay)
    except Exception as another:
        error.add_note(
            f"step {step.name!r}, to be told of this, failed as well: {described(another)}"
        )


def _told(
    error: LokkiError,
    definition: Definition,
    given: Mapping[str, Any],
    states: Mapping[str, str],
) -> dict[str, Any]:
    first = raised(error)
    name = "TooManySteps" if isinstance(first, LoopError) else type(first).__name__
    node = getattr(error, "node", None) or _failed_node(error)
    # As Lambda reports an error.
    cause = {
        "errorMessage": str(first),
        "errorType": name,
        "stackTrace": traceback.format_tb(first.__traceback__),
    }
    return {
        "pipeline": definition.name,
        "execution": HERE,
        "step": states.get(node or "", node),
        "error": name,
        "cause": json.dumps(cause),
        "input": dict(given),
    }


def _failed_node(error: BaseException) -> str | None:
    outcomes = vars(error)["run"].outcomes
    return next((name for name, one in outcomes.items() if one.status == "failed"), None)
