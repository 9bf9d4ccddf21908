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

from lokki_tf.errors import BindingError, LoopError, RouteError, RunTimeoutError, StepFailed
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
from .engine import answers_of, run
from .events import Event, EventKind, Listener
from .failures import attach, failed_as, failure_of, traceback_of
from .files import FileWatch
from .frames import clock
from .identity import Identity
from .included import new_names, renamed, result_of, taken_values
from .recording import Call
from .result import NOTHING, Run
from .retry import Retries, names_of
from .settings import Settings
from .strict import RoundTripSerializer, described

if TYPE_CHECKING:
    from lokki_tf.model import AnyNode, Routes, StartedPipeline, Step
    from lokki_tf.runtime.context import RunContext

    from .answers import Answers
    from .bounds import Inline
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
    inline: Inline | None = None,
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
        inline: Of included pipelines, as for :func:`.engine.run`.

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
    walk.of_included = (answers or {}, inline)
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
    of_included: tuple[Mapping[str, Any], Inline | None] = ({}, None)
    """The answers, and the limits of inline maps, for included pipelines."""

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
                last = self._node(-1).step
                raise RouteError(
                    f"step {last.name!r} leads to {following!r}, which does not exist",
                    place=last.place,
                    remedy=f"there are {', '.join(routes.by_name)}",
                )
            if self.visits >= routes.limit:
                error = LoopError(
                    too_many(routes.limit, following),
                    place=route.step.place,
                    remedy="let the loop end, or increase max_steps= of the pipeline",
                )
                attach(error, node=following)
                raise error
            self._wait(seconds, following)
            self.visits += 1
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

    def _include(self, route: Route, state: dict[str, Any]) -> _Next:
        """Run an included pipeline, whose nodes come before that of its step."""
        step, own = route.step, route.step.includes
        assert own is not None
        known = state if self.failure is None else {**state, FAILURE: self.failure}
        self.failure, began = None, self.elapsed()
        try:
            values = taken_values(own, step.name, known)
            result = result_of(own, self._run_included(route, values))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, LoopError | RunTimeoutError):
                raise
            return self._left_included(route, error, began, state)
        index = self._arrive(route, began)
        after = self._sent({**state, own.result: result})
        self._leave(index, route, own.next, after)
        return own.next, after, 0

    def _left_included(
        self, route: Route, error: BaseException, began: float, state: dict[str, Any]
    ) -> _Next:
        """Return the next step after an error of an included pipeline, or end the run."""
        raised = error.__cause__ if isinstance(error, StepFailed) and error.__cause__ else error
        step, graph = route.step, self.definition.included(route.step).graph
        listed = (*route.listed, *(one for node in graph.walk() for one in node.listed))
        kind = reported_as(raised, listed if route.catches else ())
        for target, errors in route.catches:
            if lists(errors, kind, names_of(raised)):
                index = self._arrive(route, began)
                self.ends[index] = self.elapsed()
                self.failure = self.values[index] = failure_of(step.name, raised)
                self.caught.add(index)
                return target, state, 0
        index = self._arrive(route, began)
        self.errors[index], self.ends[index] = raised, self.elapsed()
        if isinstance(error, StepFailed):
            raise error
        self.tell("step_started", index)
        self.tell("step_failed", index, duration=0.0, error=error)
        raise failed_as(
            error,
            f"step {step.name!r} failed: {described(error)}",
            node=self.nodes[index].name,
            step=step.name,
            attempts=1,
            place=step.place,
        ) from error

    def _run_included(self, route: Route, values: dict[str, Any]) -> Run:
        definition, (answers, inline) = self.definition.included(route.step), self.of_included
        taken = {node.name for node in Graph(tuple(self.nodes)).every()}
        names = new_names(definition.graph, taken)
        asked = {name for one in definition.asking for name in (one.name, one.step.name)}
        origin, number = self.elapsed(), self.visits
        cache = None if self.cache is None else self.cache.within(f"{route.step.name}#{number}")

        def on_event(event: Event) -> None:
            assert self.listener is not None
            if event.kind not in ("run_started", "run_finished"):
                self.listener.tell(replace(event, node=names.get(event.node or "", event.node)))

        made: Run | None = None
        self.settings.recording.names = names
        try:
            made = run(
                definition,
                {name: copied(value) for name, value in values.items()},
                strict=self.serializer is not None,
                on_event=None if self.listener is None else on_event,
                cache=cache,
                inline=inline,
                settings=replace(self.settings, parameters=self._parameters()),
                answers={name: one for name, one in answers.items() if name in asked} or None,
            )
        except BaseException as error:
            made = getattr(error, "run", None)
            node = getattr(error, "node", None)
            if node is not None:
                attach(error, node=names.get(node, node))
            raise
        finally:
            self.settings.recording.names = {}
            if made is not None:
                self._add(route.step, made, names, origin)
        return made

    def _add(self, step: Step, made: Run, names: Mapping[str, str], origin: float) -> None:
        """Add the nodes of an included pipeline that has run."""
        first = (self.nodes[-1].name,) if self.nodes else ()
        start, taken = len(self.nodes), {node.name for node in self.nodes}
        box = unique(step.name, taken, LONGEST_NAME)  # as its own node, which follows
        graph = renamed(made.definition.graph, names, first, box)
        self.nodes += graph.nodes
        self.ends_of_included = graph.terminals
        known = made.recorded
        self.values += known.values
        self.starts += [None if one is None else one + origin for one in known.starts]
        self.ends += [None if one is None else one + origin for one in known.ends]
        self.attempts |= {start + index: one for index, one in known.attempts.items()}
        self.errors |= {start + index: one for index, one in known.errors.items()}
        self.cached |= {start + index for index in known.cached}
        self.caught |= {start + index for index in known.caught}
        self.skipped |= {start + index for index in known.skipped}
        self.failed_items |= {names[name]: one for name, one in known.failed_items.items()}
        self.totals |= {names[name]: one for name, one in known.totals.items()}

    def _visit(self, route: Route, state: dict[str, Any]) -> _Next:
        if route.step.includes is not None:
            return self._include(route, state)
        index = self._arrive(route)
        given = {} if self.failure is None else {FAILURE: self.failure}
        self.failure = None
        asked = given if FAILURE in route.takes else {}
        key = self._key(route, index, {**state, **asked})
        is_given = self.answers is not None and self.answers.has(self._node(index))
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
            answer = self.answers.of(self._node(index), context, listed=route.listed)
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
        given = self._parameters()
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

    def _parameters(self) -> dict[str, Any]:
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

    def _node(self, index: int) -> Node:
        """Return the node of a visit."""
        node = self.nodes[index]
        assert isinstance(node, Node)
        return node

    def _arrive(self, route: Route, began: float | None = None) -> int:
        taken = {node.name for node in self.nodes}
        step, name = route.step, unique(route.step.name, taken, LONGEST_NAME)
        after = self.ends_of_included or ((self.nodes[-1].name,) if self.nodes else ())
        box = () if step.includes is None else (name,)
        node = Node(name, step, (), (), after, step.options.retry, step.place, box=box)
        self.ends_of_included = ()
        self.nodes.append(node)
        self.values.append(NOTHING)
        self.starts.append(self.elapsed() if began is None else began)
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
        nodes, last = tuple(self.nodes), None if self.last is None else self._node(-1)
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
            skipped=frozenset(self.skipped),
            cached=frozenset(self.cached),
            caught=frozenset(self.caught),
            failed_items=dict(self.failed_items),
            totals=dict(self.totals),
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
        node = None if index is None else self._node(index)
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
