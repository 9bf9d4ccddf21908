"""The call of the ``on_failure=`` step after a failed run, as in AWS."""

from __future__ import annotations

import json
import traceback
from time import sleep
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError, LoopError, RunTimeoutError
from lokki_tf.model import Map, Step
from lokki_tf.runtime.context import CURRENT
from lokki_tf.runtime.failures import fitted

from .calls import call
from .failures import raised
from .identity import Identity
from .recording import Call
from .retry import Retries
from .strict import described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition, Graph

    from .settings import Settings

HERE = "local"
"""Takes the place of the execution's ARN."""


def notify(
    error: BaseException, definition: Definition, given: Mapping[str, Any], settings: Settings
) -> None:
    """Call the step of ``on_failure=``, if the run failed and there is one.

    If that step fails, the run's own error is kept and gets a note.

    Args:
        error: The error that ended the run.
        definition: The pipeline.
        given: The run's parameters.
        settings: Options in effect of the steps, and the scale of waits.
    """
    step = definition.on_failure
    if not isinstance(step, Step) or not isinstance(error, LokkiError) or not hasattr(error, "run"):
        return
    retries = Retries(settings.wait_scale)
    around = settings.around(step)
    identity, attempt = Identity(definition.name, settings, given), 1
    try:
        notice = _notice(error, definition, given)
        while True:
            token = CURRENT.set((identity.of, step.name, Call(step.name, None, attempt)))
            try:
                if around is None:
                    call(step.function, (notice,), {})
                else:
                    around.call(step.function, (notice,), {})
                return
            except Exception as again:
                delay = retries.delay(0, step.options.retry, again)
                if delay is None:
                    raise
                sleep(delay)
                attempt += 1
            finally:
                CURRENT.reset(token)
    except Exception as another:
        error.add_note(f"the on_failure step {step.name!r} failed as well: {described(another)}")


def _notice(error: LokkiError, definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    first = raised(error)
    node = getattr(error, "node", None) or _failed_node(error)
    cleanup = definition.cleanup
    own = None if cleanup is None else vars(error)["run"].errors.get(cleanup.name)
    uncleaned = {} if own is None or own is first else {"cleanup": _described(own)}
    failed = _described(first)
    if isinstance(first, RunTimeoutError):
        failed = {"error": "States.Timeout", "cause": ""}
        node = getattr(error, "node", None) or _running_node(error)
    return fitted(
        {
            "pipeline": definition.name,
            "execution": HERE,
            "step": _outside_distributed_maps(definition.graph, node),
            **failed,
            "input": dict(given),
            "redriveCount": 0,
            **uncleaned,
        }
    )


def _described(error: BaseException) -> dict[str, str]:
    """Return the name of an error, and its cause in the format in which Lambda reports it."""
    name = "TooManySteps" if isinstance(error, LoopError) else type(error).__name__
    cause = {
        "errorMessage": str(error),
        "errorType": name,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
    return {"error": name, "cause": json.dumps(cause)}


def _outside_distributed_maps(graph: Graph, node: str | None) -> str | None:
    """The node, or the Distributed Map around it: an item's execution is one of its own."""
    for one in graph.nodes:
        if isinstance(one, Map) and _contains(one.body, node):
            if one.options.mode == "distributed":
                return one.name
            return _outside_distributed_maps(one.body, node)
    return node


def _contains(graph: Graph, node: str | None) -> bool:
    return any(
        one.name == node or (isinstance(one, Map) and _contains(one.body, node))
        for one in graph.nodes
    )


def _running_node(error: BaseException) -> str | None:
    """The node that began last and has not ended."""
    outcomes = vars(error)["run"].outcomes.items()
    running = {name: one.start for name, one in outcomes if one.status == "interrupted"}
    return max(running, key=lambda name: running[name] or 0.0, default=None)


def _failed_node(error: BaseException) -> str | None:
    outcomes = vars(error)["run"].outcomes
    return next((name for name, one in outcomes.items() if one.status == "failed"), None)
