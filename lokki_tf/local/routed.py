"""Local runs of routed pipelines: one step after another, each chosen by the one before.

A Task and a Choice in the state machine correspond to an iteration of a loop here. The visited
steps become a chain of nodes, so that every run has the same form.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from time import sleep, time
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, LoopError, RouteError, StepFailed
from lokki_tf.model import FAILURE, ORIGINAL_INPUT, REQUIRED, Definition, Graph, Node, Route
from lokki_tf.model.names import unique
from lokki_tf.model.retries import lists, reported_as
from lokki_tf.model.signatures import required_of
from lokki_tf.runtime.context import CURRENT
from lokki_tf.runtime.routes import (
    ReturnUpdates,
    moved,
    refuse_stranger,
    seconds_before,
    too_many,
)

from .calls import call, overdue, within_limit
from .copies import copied
from .engine import answers_of
from .events import Event, EventKind, Listener
from .failures import attach, failed_as, failure_of, traceback_of
from .files import FileWatch
from .frames import clock
from .identity import Identity
from .recording import Call
from .result import NOTHING, Run
from .retry import Retries, names_of
from .settings import Settings
from .strict import RoundTripSerializer, described

if TYPE_CHECKING:
    from lokki_tf.model import Routes, StartedPipeline
    from lokki_tf.runtime.context import RunContext

    from .answers import Answers
    from .cache import Cache

LONGEST_NAME = 80
_Next = tuple[str | None, dict[str, Any], int]  # the next step, its state, the seconds before it


def run_routes(
    definition: Definition,
    parameters: Mapping[str, Any],
    *,
    start: str | None = None,
    strict: bool = False,
    on_event: Callable[[Event], None] | None = None,
    cache: Cache | None = None,
    settings: Settings | None = None,
    answers: Mapping[str, Any] | None = None,
) -> Run:
    """Run a routed pipeline locally.

    Args:
        definition: The pipeline.
        parameters: Arguments of the first step, by name.
        start: Name of another step to begin with.
        strict: Serialize the state between steps as in AWS.
        on_event: Called with each event.
        cache: Results of earlier runs to reuse; new ones are added.
        settings: Options in effect of the steps, and the scale of waits.
        answers: Answers to steps that wait for one, by name.

    Returns:
        The results: a node for each visit, and the result of the last one.

    Raises:
        StepFailed: If a step raised; ``error.run`` contains the results so far.
        RunTimeoutError: If the run took longer than the pipeline allows.
        LoopError: If the run would exceed its limit of steps.
        BindingError: If the step to begin with does not exist, or one to which an answer is given.
    """
    routes = definition.routes
    assert routes is not None
    first = start or routes.start
    if first not in routes.by_name:
        raise BindingError(
            f"the run begins with step {first!r}, which does not exist",
            place=definition.place,
            remedy=f"there are {', '.join(routes.by_name)}",
        )
    known = routes.by_name[first]
    lacking = [
        name for name, required in known.takes.items() if required and name not in parameters
    ]
    unknown = [name for name in parameters if name not in known.takes and not known.takes_more]
    if unknown:
        raise BindingError(
            f"step {first!r} has no parameter {unknown[0]!r}",
            place=known.step.place,
            remedy=f"its parameters are {', '.join(known.takes) or 'nothing'}",
        )
    if lacking:
        raise BindingError(
            f"step {first!r} requires {', '.join(map(repr, lacking))}",
            place=known.step.place,
            remedy=f"pass it to the run: {lacking[0]}=…",
        )
    settings, known_answers = settings or Settings(), answers_of(definition, answers)
    serializer = RoundTripSerializer() if strict else None
    walk = _Walk(definition, dict(parameters), serializer, on_event, cache, settings, known_answers)
    walk.tell("run_started")
    try:
        walk.run_within(routes, first)
    except BaseException as error:
        walk.tell("run_finished", duration=walk.elapsed(), error=error)
        attach(error, run=walk.run())
        raise
    walk.tell("run_finished", duration=walk.elapsed())
    return walk.run()


@dataclass(slots=True)
class _Walk:
    """The visited steps so far."""

    definition: Definition
    given: dict[str, Any]
    serializer: RoundTripSerializer | None
    on_event: Callable[[Event], None] | None
    cache: Cache | None
    settings: Settings
    answers: Answers | None = None
    nodes: list[Node] = field(default_factory=list)
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

    def __post_init__(self) -> None:
        self.listener = None if self.on_event is None else Listener(self.on_event)
        self.files = None if self.serializer is None else FileWatch()

    def go(self, routes: Routes, first: str) -> None:
        following: str | None = first
        state = self._sent(self.given)
        seconds = 0
        while following is not None:
            self.state = state
            route = routes.by_name.get(following)
            if route is None:
                last = self.nodes[-1].step
                raise RouteError(
                    f"step {last.name!r} leads to {following!r}, which does not exist",
                    place=last.place,
                    remedy=f"there are {', '.join(routes.by_name)}",
                )
            if len(self.nodes) >= routes.limit:
                error = LoopError(
                    too_many(routes.limit, following),
                    place=route.step.place,
                    remedy="let the loop end, or increase max_steps= of the pipeline",
                )
                attach(error, node=following)
                raise error
            self._wait(seconds, following)
            following, state, seconds = self._visit(route, state)
        self.state = state

    def run_within(self, routes: Routes, first: str) -> None:
        """Visit the steps, and call the cleanup step, within the pipeline's time limit.

        Args:
            routes: The pipeline.
            first: Name of the first step.
        """

        def limited() -> None:
            try:
                self.go(routes, first)
            except Exception as error:
                self._clean_up(error)
                raise
            self._clean_up(None)

        try:
            within_limit(self.definition, limited, waited=self.settings.waited)
        except BaseException as error:  # after the time limit, or an interrupt
            if self.last is None:
                self._clean_up(error, interrupted=True)
            raise

    def _clean_up(self, error: BaseException | None, *, interrupted: bool = False) -> None:
        """Call the cleanup step, if there is one, with the latest state.

        Args:
            error: The error that ends the run; it gets a note if the cleanup step fails, too.
            interrupted: Whether the run was interrupted: then the step receives the run's input
                only, as after an execution that was aborted.
        """
        node = self.definition.cleanup
        if node is None:
            return
        known = {**self.given, **({} if interrupted else self.state)}
        required = required_of(node.step.function)
        names = (name for name, _ in node.kwargs if name in known or name in required)
        state = {name: known.get(name) for name in names}
        self.last = Route(node.step, ())
        try:
            self._visit(self.last, state)
        except StepFailed as own:
            if error is None:
                raise
            error.add_note(f"also failed: {own}")

    def _wait(self, seconds: int, following: str) -> None:
        if not seconds:
            return
        name = f"Wait before {following}"
        began = clock()
        self.tell("wait_started", name=name)
        sleep(min(seconds * self.settings.wait_scale, threading.TIMEOUT_MAX))
        self.tell("wait_finished", name=name, duration=clock() - began)

    def _visit(self, route: Route, state: dict[str, Any]) -> _Next:
        index = self._arrive(route)
        given = {} if self.failure is None else {FAILURE: self.failure}
        self.failure = None
        asked = given if FAILURE in route.takes else {}
        key = self._key(route, index, {**state, **asked})
        is_given = self.answers is not None and self.answers.has(self.nodes[index])
        known = None if self.cache is None or is_given else self.cache.find(key)
        if known is not None:
            following, after, seconds = known.value
            self.cached.add(index)
            self._leave(index, route, following, after)
            self.tell("step_cached", index, duration=0.0)
            return following, after, seconds
        retries = Retries(self.settings.wait_scale)
        while True:
            self.tell("step_started", index)
            began = clock()
            try:
                token = CURRENT.set((self._context, route, index))
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
            self._leave(index, route, following, after)
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
    ) -> _Next:
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
            context = self._context(route, index)
            answer = self.answers.of(self.nodes[index], context, listed=route.listed)
            return next(iter(route.targets), None), self._sent({**received, step.name: answer}), 0
        following, after = moved(returned, state, route.next_key, route.default_next, step.name)
        seconds = seconds_before(returned)
        refuse_stranger(step.name, following, list(route.targets), route.ends, seconds)
        return following, self._sent(after), seconds

    def _start(self, started: StartedPipeline, /, **state: Any) -> ReturnUpdates:
        """Run a pipeline that a step starts."""
        from lokki_tf.runtime.started import taken

        assert self.settings.start is not None
        given = taken(started.name, dict(started.takes), state)
        value = self.settings.start(started, **given)
        return ReturnUpdates(started.next, **({started.result: value} if started.result else {}))

    def _context(self, route: Route, index: int) -> RunContext:
        declared = {one.name: one.default for one in self.definition.parameters}
        given = {
            name: value
            for name, value in {**declared, **self.given}.items()
            if value is not REQUIRED
        }
        if self.serializer is not None:
            given = {name: self.serializer.freeze(value) for name, value in given.items()}
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

    def _failed(
        self, route: Route, index: int, error: BaseException, began: float, retries: Retries
    ) -> str | None:
        """Wait for the next attempt, return the next step after the error, or end the run."""
        attempts, waited = self.attempts.setdefault(index, 1), clock() - self.origin
        waited -= self.starts[index] or 0.0
        error = retries.timely(index, route.step.options.retry, error, waited)
        delay = retries.delay(index, route.step.options.retry, error, route.listed)
        self.errors[index] = error
        self.ends[index] = clock() - self.origin
        took = clock() - began
        if delay is not None:
            self.settings.recording.retry(self.called(route, index), error, traceback_of)
            self.tell("step_retried", index, duration=took, error=error)
            self.attempts[index] += 1
            sleep(min(delay, threading.TIMEOUT_MAX))
            return None
        kind = reported_as(error, route.listed)
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

    def _sent(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state as the next step receives it."""
        if self.serializer is None:
            return state
        serializer = self.serializer
        return {name: serializer.thaw(serializer.freeze(value)) for name, value in state.items()}

    def _arrive(self, route: Route) -> int:
        taken = {node.name for node in self.nodes}
        name = unique(route.step.name, taken, LONGEST_NAME)
        after = (self.nodes[-1].name,) if self.nodes else ()
        step = route.step
        self.nodes.append(Node(name, step, (), (), after, step.options.retry, step.place))
        self.values.append(NOTHING)
        self.starts.append(self.elapsed())
        self.ends.append(None)
        return len(self.nodes) - 1

    def _leave(
        self, index: int, route: Route, following: str | None, state: dict[str, Any]
    ) -> None:
        self.errors.pop(index, None)
        is_answer = following is None and route.step.options.callback
        self.values[index] = state[route.step.name] if is_answer else state
        self.ends[index] = self.elapsed()

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return clock() - self.origin

    def run(self) -> Run:
        """Return the run so far."""
        nodes, last = tuple(self.nodes), None if self.last is None else self.nodes[-1]
        graph = Graph(nodes if last is None else nodes[:-1])
        return Run(
            replace(
                self.definition, graph=graph, routes=None, cleanup=last, routed=self.definition
            ),
            values=list(self.values),
            starts=list(self.starts),
            ends=list(self.ends),
            attempts=dict(self.attempts),
            errors=dict(self.errors),
            cached=frozenset(self.cached),
            caught=frozenset(self.caught),
            failed_items={},
            duration=self.elapsed(),
        )

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
        node = None if index is None else self.nodes[index]
        event = Event(
            kind,
            node=name if node is None else node.name,
            step=None if node is None else node.step.name,
            time=time(),
            duration=duration,
            attempt=1 if index is None else self.attempts.get(index, 1),
            error=error,
            pipeline=self.definition.name,
        )
        self.listener.tell(event, last=kind == "run_finished")
