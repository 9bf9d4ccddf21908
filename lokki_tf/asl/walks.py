"""Routed pipelines that are nodes of a graph: the branch of a Parallel state.

The first step receives the arguments of the node, as a step of the graph does. So no function has
to make the first state. Where later states need them as well, or the node is in a map, whose input
only the first state of the branch has, a state before assigns them to a variable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Node
from lokki_tf.model.names import digest
from lokki_tf.runtime.routes import LARGEST

from .quotas import CAUSE_BYTES
from .references import shared

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lokki_tf.model import Definition, Map, Routes, Step
    from lokki_tf.model.retries import ErrorType

    from .literals import Literals

_OF_CALL = ("kwargs", "wholes", "given", "flow", "main")
"""Fields of a node's event that its first step reads its arguments from."""
_LAID_OUT = ("items", "parts", "instant", "texts")
"""Fields that describe what maps and waits read from it."""
_OF_END = ("inline", "bounded", *_LAID_OUT)
"""Fields of a node's event that describe its result."""
_OF_CONTEXT = ("context", "given.$", "main")
EVENT_BYTES = 16_384
"""Bytes of an event beside the state and the arguments: names of next steps and of errors."""


class Branch(dict[str, Any]):
    """The states of a routed pipeline, whose longest run is known.

    Args:
        states: ``StartAt`` and ``States``.
        events: The events of the longest run.
    """

    def __init__(self, states: Mapping[str, Any], events: int) -> None:
        super().__init__(states)
        self.events = events


@dataclass(frozen=True, slots=True)
class Inside:
    """What holds for a routed pipeline that is a node.

    Args:
        node: The node's name, the prefix of its states' names.
        around: The pipeline whose run it is part of.
        literals: Collects objects for the bucket.
        run: Fields of all events: the run, and in a map the item path.
        call: The arguments.
        variable: The variable with the arguments and with what ``returns`` contains, if it is used.
        returns: The fields of the node's event that describe its result.
        context: The fields of the node's event for ``run_context``, with paths for any state.
        listed: The errors that are listed around it.
    """

    node: str
    around: Definition
    literals: Literals
    run: dict[str, Any]
    call: dict[str, Any]
    variable: str | None
    returns: dict[str, Any]
    context: dict[str, Any] = field(default_factory=dict)
    listed: tuple[tuple[ErrorType, ...], ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The field of an event with the arguments."""
        if self.variable is None:
            return {"call": self.call}
        return {"call.$": f"${self.variable}.call"}

    @property
    def result(self) -> dict[str, Any]:
        """The field of an event that describes the result."""
        if self.variable is None:
            return {"returns": self.returns}
        return {"returns.$": f"${self.variable}.returns"}

    def context_of(self, step: Step) -> dict[str, Any]:
        """Return the fields of a step's event for ``run_context``.

        Args:
            step: The step.
        """
        attempt = {"attempt": 0} if step.is_job else {"attempt.$": "$$.State.RetryCount"}
        token = {"token.$": "$$.Task.Token"} if step.options.callback else {}
        return {**self.context, "context": {**self.context["context"], **attempt, **token}}


def asking(node: Node, context: Collection[Step]) -> list[Step]:
    """Return the steps of a node's routed pipeline that receive the run's context.

    Args:
        node: The node.
        context: Steps whose code names ``run_context``.
    """
    routes = _routes(node)
    steps = (one.step for one in routes.routes)
    return [one for one in steps if one in context or one.options.callback]


def left_out(node: Node) -> int:
    """Return the bytes that events of a routed pipeline have beside the node's arguments.

    Args:
        node: The node.
    """
    routes = _routes(node)
    asks = any(one.takes_input for one in routes.routes)
    fails = bool(routes.by_name[routes.start].catches)
    return EVENT_BYTES + LARGEST * asks + CAUSE_BYTES * fails


def inside_of(
    node: Node,
    sent: dict[str, Any],
    literals: Literals,
    around: Definition,
    in_map: Map | None,
) -> Inside:
    """Return what holds for the routed pipeline that is a node.

    Args:
        node: The node.
        sent: Its event, with paths.
        literals: Collects objects for the bucket.
        around: The pipeline whose run it is part of.
        in_map: The map around it, if any.

    Raises:
        OptionError: If it has a job in a map, or a map or a wait reads the result of a pipeline
            that it starts last.
    """
    routes = _routes(node)
    first = routes.by_name[routes.start]
    job = next((one for one in routes.routes if one.step.is_job), None)
    if job is not None and in_map is not None:
        raise OptionError(
            f"step {job.name!r} of pipeline {node.step.own_name!r} is a job of AWS Batch, and the "
            "pipeline is in a map, where its jobs have no place in the bucket of their own",
            place=node.place,
            remedy="let the job be a step of the map itself, or start the pipeline with "
            f"start_pipeline({node.step.own_name!r})",
        )
    last = next((one for one in routes.routes if one.ends and not one.step.has_code), None)
    if last is not None and any(key in sent for key in _LAID_OUT):
        raise OptionError(
            f"pipeline {node.step.own_name!r} may end with {last.name!r}, a pipeline that it "
            "starts, and a map or a wait reads its result, which only a step can prepare",
            place=node.place,
            remedy="let a step take the result and return what is needed of it",
        )
    kept = (
        in_map is not None
        or bool(first.catches)
        or first.step.options.callback
        or any(one.takes_input for one in routes.routes)
    )
    variable = f"lokki_call_{digest(node.name)}" if kept else None
    place = {"run.$": sent["run.$"]}
    if "place.$" in sent:
        place["place.$"] = sent["place.$"]
    call = {key: one for key, one in sent.items() if key.partition(".")[0] in _OF_CALL}
    returns = {key: one for key, one in sent.items() if key.partition(".")[0] in _OF_END}
    context = {key: one for key, one in sent.items() if key in _OF_CONTEXT}
    if "context" in context:
        context["context"] = {k: v for k, v in sent["context"].items() if k != "attempt.$"}
    if in_map is not None:
        call |= place
        place = {key: f"${variable}.call.{key.removesuffix('.$')}" for key in place}
        if "context" in context:
            call["started.$"] = f"{shared(in_map)}.started"
            context["context"]["started.$"] = f"${variable}.call.started"
            context["given.$"] = f"${variable}.call.given"
    listed = (*((node.catch,) if node.catch else ()), *node.around)
    return Inside(
        node.name,
        around,
        literals,
        place,
        call,
        variable,
        returns,
        context,
        listed,
    )


def assigning(inside: Inside) -> dict[str, Any]:
    """Return the state that assigns the arguments to a variable.

    Args:
        inside: What holds for the node.
    """
    assert inside.variable is not None
    return {
        "Type": "Pass",
        "Assign": {inside.variable: {"call": inside.call, "returns": inside.returns}},
        "Next": inside.node,
    }


def parallel_state(pipeline: str, states: Branch) -> dict[str, Any]:
    """Return the state that runs a routed pipeline, without its next state.

    Args:
        pipeline: The pipeline's name.
        states: Its states.
    """
    return {"Type": "Parallel", "Comment": f"Runs the steps of {pipeline}", "Branches": [states]}


def _routes(node: Node) -> Routes:
    assert node.routes is not None
    return node.routes
