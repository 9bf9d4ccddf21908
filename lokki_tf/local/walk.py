"""The visits of steps of a routed pipeline: one after another, each chosen by the one before.

A Task and a Choice in the state machine correspond to an iteration of a loop here. The visited
steps become a chain of nodes, so that every run has the same form.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from time import sleep, time
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LoopError, RouteError
from lokki_tf.model import FAILURE, ORIGINAL_INPUT, REQUIRED, Definition, Node, Route
from lokki_tf.model.names import unique
from lokki_tf.model.retries import lists, reported_as
from lokki_tf.runtime.context import CURRENT
from lokki_tf.runtime.routes import (
    ReturnUpdates,
    moved,
    refuse_stranger,
    seconds_before,
    too_many,
)

from .calls import call, overdue
from .copies import copied
from .events import Event, EventKind, Listener
from .failures import attach, failed_as, failure_of, traceback_of
from .files import FileWatch
from .frames import clock
from .identity import Identity
from .recording import Call
from .result import NOTHING
from .retry import Retries, names_of
from .settings import Settings
from .strict import RoundTripSerializer, described

if TYPE_CHECKING:
    from lokki_tf.model import AnyNode, Routes, StartedPipeline
    from lokki_tf.model.retries import ErrorType
    from lokki_tf.runtime.context import RunContext

    from .answers import Answers
    from .cache import Cache

LONGEST_NAME = 80
Next = tuple[str | None, dict[str, Any], int]
"""The next step, its state, and the seconds before it."""


@dataclass(slots=True)
class Walk:
    """The visited steps of a routed pipeline so far."""

    definition: Definition
    given: dict[str, Any]
    serializer: RoundTripSerializer | None
    on_event: Callable[[Event], None] | None
    cache: Cache | None
    settings: Settings
    answers: Answers | None = None
    nodes: list[AnyNode] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    starts: list[float | None] = field(default_factory=list)
    ends: list[float | None] = field(default_factory=list)
    attempts: dict[int, int] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)
    cached: set[int] = field(default_factory=set)
    caught: set[int] = field(default_factory=set)
    failure: Any = None
    """The failure that leads to the next step."""
    state: dict[str, Any] = field(default_factory=dict)
    """The latest state, for the cleanup step."""
    last: Route | None = None
    """The cleanup step, which is the last visit once it has begun."""
    origin: float = field(default_factory=clock)
    listener: Listener | None = None
    files: FileWatch | None = None
    visits: int = 0
    skipped: set[int] = field(default_factory=set)
    failed_items: dict[str, Any] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    ends_of_included: tuple[str, ...] = ()
    """The last nodes of the included pipeline whose step is the next node."""
    pipeline: str = ""
    """Name of the pipeline whose run it is; by default the routed one's."""
    item: int | None = None
    """In a map around it, the index of the item."""
    around_listed: tuple[tuple[ErrorType, ...], ...] = ()
    """The errors that are listed around it."""

    def __post_init__(self) -> None:
        self.listener = None if self.on_event is None else Listener(self.on_event)
        self.files = None if self.serializer is None else FileWatch()

    def named(self, name: str) -> str:
        """Return the name of the node of a visit, without its number.

        Args:
            name: The name with which steps lead to the step.
        """
        return name

    def next_name(self, route: Route) -> str:
        """Return the name of the next visit's node.

        Args:
            route: The step.
        """
        return unique(route.name, {node.name for node in self.nodes}, LONGEST_NAME)

    def is_stopped(self) -> bool:
        """Whether an answer is no longer required."""
        return False

    def refuse_to_go_on(self) -> None:
        """Raise an error if no more steps may begin."""

    def go(self, routes: Routes, first: str) -> None:
        """Visit the steps.

        Args:
            routes: The pipeline.
            first: Name of the first step.
        """
        following: str | None = first
        state = self.sent(self.given)
        seconds = 0
        while following is not None:
            self.state = state
            self.refuse_to_go_on()
            route = routes.by_name.get(following)
            if route is None:
                last = self.node(-1).step
                raise RouteError(
                    f"step {last.name!r} leads to {following!r}, which does not exist",
                    place=last.place,
                    remedy=f"there are {', '.join(routes.by_name)}",
                )
            if self.visits >= routes.limit:
                error = LoopError(
                    too_many(routes.limit, self.named(following)),
                    place=route.step.place,
                    remedy="let the loop end, or increase max_steps= of the pipeline",
                )
                attach(error, node=self.named(following))
                raise error
            self._wait(seconds, following)
            self.visits += 1
            following, state, seconds = self.visit(route, state)
        self.state = state

    def _wait(self, seconds: int, following: str) -> None:
        if not seconds:
            return
        name = f"Wait before {self.named(following)}"
        began = clock()
        self.tell("wait_started", name=name)
        sleep(min(seconds * self.settings.wait_scale, threading.TIMEOUT_MAX))
        self.tell("wait_finished", name=name, duration=clock() - began)

    def visit(self, route: Route, state: dict[str, Any]) -> Next:
        """Visit a step.

        Args:
            route: The step.
            state: The state that it receives.

        Returns:
            The next step, its state, and the seconds before it.
        """
        index = self.arrive(route)
        given = {} if self.failure is None else {FAILURE: self.failure}
        self.failure = None
        asked = given if FAILURE in route.takes else {}
        key = self._key(route, index, {**state, **asked})
        is_given = self.answers is not None and self.answers.has(self.node(index))
        known = None if self.cache is None or is_given else self.cache.find(key)
        if known is not None:
            following, after, seconds = known.value
            self.cached.add(index)
            self.leave(index, route, following, after)
            self.tell("step_cached", index, duration=0.0)
            return following, after, seconds
        retries = Retries(self.settings.wait_scale)
        while True:
            self.tell("step_started", index)
            began = clock()
            try:
                token = CURRENT.set((self.context_of, route, index))
                try:
                    following, after, seconds = self._call(route, index, state, asked)
                finally:
                    CURRENT.reset(token)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                target = self._failed(route, index, error, began, retries)
                if target is None:
                    continue
                return target, state, 0
            self.leave(index, route, following, after)
            self.tell("step_finished", index, duration=clock() - began)
            if self.cache is not None:
                self.cache.store(key, (following, after, seconds), self.nodes[index])
            return following, after, seconds

    def _key(self, route: Route, index: int, state: dict[str, Any]) -> str | None:
        if self.cache is None or route is self.last:
            return None
        asked = {ORIGINAL_INPUT: self.given} if route.takes_input else {}
        return self.cache.visit(route.step, index, {**state, **asked})

    def _call(
        self, route: Route, index: int, received: dict[str, Any], asked: dict[str, Any]
    ) -> Next:
        step = route.step
        state = {name: copied(value) for name, value in received.items()}  # for this attempt
        arguments = {**state, **asked}
        if route.takes_input:
            arguments[ORIGINAL_INPUT] = copied(self.given)
        around, began = self.settings.around(step), clock()

        function = step.function if step.starts is None else partial(self._start, step.starts)

        def watched() -> Any:  # in the thread in which the step runs
            with nullcontext() if self.files is None else self.files.of(step):
                return call(function, (), arguments)

        returned = watched() if around is None else around.call(watched, (), {})
        if clock() - began > self.settings.of(step).call_seconds:
            raise overdue()
        if route is self.last:
            return None, {}, 0
        if step.options.callback:
            assert self.answers is not None
            node, context = self.node(index), self.context_of(route, index)
            answer = self.answers.of(node, context, self.is_stopped, self._listed(route))
            return next(iter(route.targets), None), self.sent({**received, route.name: answer}), 0
        name = self.named(route.name)
        following, after = moved(returned, state, route.next_key, route.default_next, name)
        seconds = seconds_before(returned)
        refuse_stranger(name, following, list(route.targets), route.ends, seconds)
        return following, self.sent(after), seconds

    def _start(self, started: StartedPipeline, /, **state: Any) -> ReturnUpdates:
        """Run a pipeline that a step starts."""
        from lokki_tf.runtime.started import taken

        assert self.settings.start is not None
        given = taken(started.name, dict(started.takes), state)
        value = self.settings.start(started, **given)
        return ReturnUpdates(started.next, **({started.result: value} if started.result else {}))

    def _listed(self, route: Route) -> tuple[tuple[ErrorType, ...], ...]:
        return (*route.listed, *self.around_listed)

    def context_of(self, route: Route, index: int) -> RunContext:
        """Return what ``run_context()`` returns in the present attempt of a visit.

        Args:
            route: The step.
            index: Index of the visit.
        """
        given = self.parameters()
        identity = Identity(self.definition.name, self.settings, given, self.serializer)
        call = self.called(route, index)
        token = f"{call.node}/{call.attempt}" if route.step.options.callback else None
        return identity.of(route.step.name, call, token)

    def called(self, _route: Route, index: int) -> Call:
        """Return the present attempt of a visit.

        Args:
            index: Index of the visit.
        """
        return Call(self.nodes[index].name, None, self.attempts.get(index, 1))

    def parameters(self) -> dict[str, Any]:
        """Return what ``run_context()`` returns as the parameters, perhaps serialized."""
        declared = {one.name: one.default for one in self.definition.parameters}
        given = {
            name: value
            for name, value in {**declared, **self.given}.items()
            if value is not REQUIRED
        }
        if self.serializer is not None:
            given = {name: self.serializer.freeze(value) for name, value in given.items()}
        return given

    def _failed(
        self, route: Route, index: int, error: BaseException, began: float, retries: Retries
    ) -> str | None:
        """Wait for the next attempt, return the next step after the error, or end the run."""
        attempts, waited = self.attempts.setdefault(index, 1), clock() - self.origin
        waited -= self.starts[index] or 0.0
        error = retries.timely(index, route.step.options.retry, error, waited)
        delay = retries.delay(index, route.step.options.retry, error, self._listed(route))
        self.errors[index] = error
        self.ends[index] = clock() - self.origin
        took = clock() - began
        if delay is not None:
            self.settings.recording.retry(self.called(route, index), error, traceback_of)
            self.tell("step_retried", index, duration=took, error=error)
            self.attempts[index] += 1
            sleep(min(delay, threading.TIMEOUT_MAX))
            return None
        kind = reported_as(error, self._listed(route))
        for target, errors in route.catches:
            if lists(errors, kind, names_of(error)):
                self.failure = self.values[index] = failure_of(route.step.name, error)
                self.caught.add(index)
                self.tell("step_caught", index, duration=took, error=error)
                return target
        self.tell("step_failed", index, duration=took, error=error)
        times = f" after {attempts} attempts" if attempts > 1 else ""
        raise failed_as(
            error,
            f"step {route.step.name!r} failed{times}: {described(error)}",
            node=self.nodes[index].name,
            step=route.step.name,
            attempts=attempts,
            place=route.step.place,
        ) from error

    def sent(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state as the next step receives it.

        Args:
            state: The state.
        """
        if self.serializer is None:
            return state
        serializer = self.serializer
        return {name: serializer.thaw(serializer.freeze(value)) for name, value in state.items()}

    def node(self, index: int) -> Node:
        """Return the node of a visit.

        Args:
            index: Index of the visit.
        """
        node = self.nodes[index]
        assert isinstance(node, Node)
        return node

    def arrive(self, route: Route, began: float | None = None) -> int:
        """Add the node of a visit, and return its index.

        Args:
            route: The step.
            began: When it began, if that is known.
        """
        step, name = route.step, self.next_name(route)
        after = self.ends_of_included or ((self.nodes[-1].name,) if self.nodes else ())
        box = () if step.includes is None else (name,)
        node = Node(name, step, (), (), after, step.options.retry, step.place, box=box)
        self.ends_of_included = ()
        self.nodes.append(node)
        self.values.append(NOTHING)
        self.starts.append(self.elapsed() if began is None else began)
        self.ends.append(None)
        return len(self.nodes) - 1

    def leave(self, index: int, route: Route, following: str | None, state: dict[str, Any]) -> None:
        """Record the end of a visit.

        Args:
            index: Index of the visit.
            route: The step.
            following: The next step; ``None`` if the pipeline ends.
            state: The state that it has left.
        """
        self.errors.pop(index, None)
        is_answer = following is None and route.step.options.callback
        self.values[index] = state[route.name] if is_answer else state
        self.ends[index] = self.elapsed()

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return clock() - self.origin

    def tell(
        self,
        kind: EventKind,
        index: int | None = None,
        *,
        name: str | None = None,
        duration: float | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Send an event to the listener, if there is one."""
        if self.listener is None:
            return
        node = None if index is None else self.node(index)
        event = Event(
            kind,
            node=name if node is None else node.name,
            step=None if node is None else node.step.name,
            time=time(),
            duration=duration,
            attempt=1 if index is None else self.attempts.get(index, 1),
            error=error,
            pipeline=self.pipeline or self.definition.name,
            item=self.item,
        )
        self.listener.tell(event, last=kind == "run_finished")
