"""Local runs of routed pipelines that are nodes of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.errors import LoopError
from lokki_tf.model import Node
from lokki_tf.runtime.routes import TooManySteps

from .identity import Identity
from .recording import Call
from .walk import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Route
    from lokki_tf.runtime.context import RunContext

    from .answers import Answers
    from .cache import Cache
    from .events import Listener
    from .files import FileWatch
    from .frames import Frame
    from .strict import RoundTripSerializer


class NotContinued(Exception):
    """A routed pipeline did not continue, because another step of the graph has failed."""


@dataclass(slots=True)
class _Inner(Walk):
    """A walk that is a node: its steps have the identity of the run around it."""

    frame: Frame | None = None
    around: Identity | None = None
    prefix: str = ""

    def named(self, name: str) -> str:
        return f"{self.prefix}.{name}"

    def next_name(self, route: Route) -> str:
        return self.named(route.name)  # in each turn of a loop, as events of executions have it

    def called(self, _route: Route, index: int) -> Call:
        call = Call(self.nodes[index].name, None, self.attempts.get(index, 1))
        if self.frame is None or self.frame.owner is None:
            return call
        return call._replace(item=self.frame.key)

    def context_of(self, route: Route, index: int) -> RunContext:
        assert self.around is not None
        call = self.called(route, index)
        token = None
        if route.step.options.callback:
            token = f"{call.node}/{call.item}/{index}/{call.attempt}"
        return self.around.of(route.step.name, call, token)

    def is_stopped(self) -> bool:
        return self.frame is not None and self.frame.is_stopped()

    def refuse_to_go_on(self) -> None:
        if self.is_stopped():
            raise NotContinued("the run has failed, and no more steps begin")


class Around(NamedTuple):
    """What the run around a routed pipeline has.

    Args:
        pipeline: The pipeline's name.
        identity: Its identity.
        listener: Receives events.
        serializer: Serializes values, or ``None``.
        cache: Results of earlier runs, or ``None``.
        files: Watches the files that steps open, or ``None``.
        answers: The answers of steps that wait for one, or ``None``.
    """

    pipeline: str
    identity: Identity
    listener: Listener | None
    serializer: RoundTripSerializer | None
    cache: Cache | None
    files: FileWatch | None
    answers: Answers | None


def walk(around: Around, frame: Frame, index: int, values: Mapping[str, Any]) -> Any:
    """Run a routed pipeline that is a node, and return its result.

    Args:
        around: What the run around it has.
        frame: The frame of the node.
        index: The node's index.
        values: The arguments of its first step, by name.

    Raises:
        StepFailed: If a step raised; its error is the cause.
        LoopError: If it would exceed its limit of steps; :class:`.TooManySteps`, which AWS reports,
            is the cause.
    """
    node = frame.plan.nodes[index]
    assert isinstance(node, Node)
    routes = node.routes
    assert routes is not None
    inner = _Inner(
        node.routed,
        dict(values),
        around.serializer,
        None,
        None if around.cache is None else around.cache.of_walk(frame, node),
        frame.plan.settings,
        around.answers,
        frame=frame,
        around=around.identity,
        prefix=node.name,
    )
    inner.listener, inner.files = around.listener, around.files
    inner.pipeline, inner.item = around.pipeline, frame.item
    inner.around_listed = (node.catch,) if node.catch else ()
    try:
        inner.go(routes, routes.start)
    except LoopError as error:
        cause = TooManySteps(error.message)
        # Step Functions compares the name alone.
        vars(cause)["__lokki_classes__"] = (TooManySteps.__name__,)
        raise error from cause
    return inner.values[-1]
