"""Replays: the call of a step in AWS, made again on this computer with today's code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.local.calls import begun, call
from lokki_tf.local.failures import failed_as
from lokki_tf.local.strict import described
from lokki_tf.model import REQUIRED, Node
from lokki_tf.runtime.conditions import is_met
from lokki_tf.runtime.context import CURRENT, RunContext
from lokki_tf.runtime.event_context import scheduled
from lokki_tf.runtime.parameters import without_reserved
from lokki_tf.tracebacks import without_own

from .local_runs import settings_of

if TYPE_CHECKING:
    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Step
    from lokki_tf.operate.calls import RecordedCall
    from lokki_tf.operate.results import Reader

SKIPPED = "skipped"


def replayed(
    definition: Definition,
    calls: list[RecordedCall],
    reader: Reader,
    config: Config | None = None,
    *,
    debug: bool = False,
    on_call: Callable[[str], None] = lambda text: None,
) -> Any:
    """Make recorded calls of a step here, and return its result; a list of them for a batch.

    Nothing is written to the bucket, and the execution does not change.

    Args:
        definition: The pipeline, as it is written now.
        calls: The calls.
        reader: Reads their arguments.
        config: Settings, of which environment variables and secrets are used.
        debug: Whether the debugger opens where the step raises.
        on_call: Receives a description of each call before it is made.

    Raises:
        OptionError: If the pipeline has no such step any more.
        SerializationError: If an argument cannot be read.
        StepFailed: If the step raises; its error is the cause.
    """
    results = []
    for one in calls:
        on_call(str(one))
        results.append(_call(definition, one, reader, config, debug=debug))
    return results if calls[0].batch is not None and len(results) > 1 else results[0]


def _call(
    definition: Definition,
    recorded: RecordedCall,
    reader: Reader,
    config: Config | None,
    *,
    debug: bool,
) -> Any:
    step, condition = _step_of(definition, recorded.node)
    args, kwargs = recorded.arguments(reader)
    settings = settings_of(definition, 1.0, config, None, recorded.given)
    around, function = settings.around(step), step.function
    context = _context(definition, recorded, step, settings.stage)
    token = CURRENT.set((lambda: context,))
    try:
        if condition is not None and "when" in recorded.event:
            with nullcontext() if around is None else around.environment():
                if not is_met(condition, recorded.event["when"], *begun(args, kwargs)):
                    return None
        given = begun(args, kwargs)
        if around is None:
            return call(function, *given)
        return around.call(function, *given, here=True)
    except Exception as error:
        error.__traceback__ = without_own(error.__traceback__)
        if debug:
            _debug(error)
        raise failed_as(
            error,
            f"{recorded} failed here: {described(error)}",
            node=recorded.node,
            step=step.name,
            place=step.place,
        ) from error
    finally:
        CURRENT.reset(token)


def _step_of(definition: Definition, name: str) -> tuple[Step, Callable[..., Any] | None]:
    """Return the step of a node as it is written now, and its condition."""
    if definition.routes is not None:
        route = definition.routes.by_name.get(name)
        if route is not None:
            return route.step, None
    visited = definition.graph.visits.get(name)
    if visited is not None:
        return visited.step, None
    every = (one for one in definition.whole.every() if isinstance(one, Node))
    nodes = {one.name: one for one in every if one.step.routed is None}
    if name not in nodes:
        raise OptionError(
            f"pipeline {definition.name!r} has no step {name!r} now",
            remedy=f"its steps are {', '.join((*nodes, *definition.graph.visits))}",
        )
    return nodes[name].step, nodes[name].step.when


def _context(
    definition: Definition, recorded: RecordedCall, step: Step, stage: str | None
) -> RunContext:
    """Return what ``run_context()`` returned in the call."""
    own: Mapping[str, Any] = recorded.event.get("context", {})
    declared = {one.name: one.default for one in definition.parameters}
    given = {**declared, **without_reserved(recorded.given)}
    return RunContext(
        run_id=recorded.event["run"],
        pipeline=own.get("pipeline", definition.name),
        stage=stage,
        step=step.name,
        attempt=int(own.get("attempt", 0)) + 1,
        started_at=recorded.run.began,
        scheduled_at=scheduled(recorded.given),
        parameters={name: one for name, one in given.items() if one is not REQUIRED},
        item_index=recorded.item,
        task_token=own.get("token"),
        opened=list,  # its card has no report
    )


def _debug(error: Exception) -> None:
    import pdb
    import traceback

    traceback.print_exception(error)
    sys.stderr.flush()
    pdb.post_mortem(error.__traceback__)
