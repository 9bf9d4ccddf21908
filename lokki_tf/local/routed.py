"""Local runs of routed pipelines, with those that they include and the cleanup step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, LoopError, RunTimeoutError, StepFailed
from lokki_tf.model import FAILURE, Definition, Graph, Route
from lokki_tf.model.names import unique
from lokki_tf.model.retries import lists, reported_as
from lokki_tf.model.signatures import required_of

from .calls import within_limit
from .copies import copied
from .engine import answers_of, run
from .events import Event
from .failures import attach, failed_as, failure_of
from .included import new_names, renamed, result_of, taken_values
from .result import Run
from .retry import names_of
from .settings import Settings
from .strict import RoundTripSerializer, described
from .walk import LONGEST_NAME, Next, Walk

if TYPE_CHECKING:
    from lokki_tf.model import Routes, Step

    from .bounds import Inline
    from .cache import Cache


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
    walk = _Run(definition, dict(parameters), serializer, on_event, cache, settings, known_answers)
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
class _Run(Walk):
    """The visits of a run, with those of included pipelines and of the cleanup step."""

    of_included: tuple[Mapping[str, Any], Inline | None] = ({}, None)
    """The answers, and the limits of inline maps, for included pipelines."""

    def visit(self, route: Route, state: dict[str, Any]) -> Next:
        if route.step.includes is not None:
            return self._include(route, state)
        return Walk.visit(self, route, state)

    def _include(self, route: Route, state: dict[str, Any]) -> Next:
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
        index = self.arrive(route, began)
        after = self.sent({**state, own.result: result})
        self.leave(index, route, own.next, after)
        return own.next, after, 0

    def _left_included(
        self, route: Route, error: BaseException, began: float, state: dict[str, Any]
    ) -> Next:
        """Return the next step after an error of an included pipeline, or end the run."""
        raised = error.__cause__ if isinstance(error, StepFailed) and error.__cause__ else error
        step, graph = route.step, self.definition.included(route.step).graph
        listed = (*route.listed, *(one for node in graph.walk() for one in node.listed))
        kind = reported_as(raised, listed if route.catches else ())
        for target, errors in route.catches:
            if lists(errors, kind, names_of(raised)):
                index = self.arrive(route, began)
                self.ends[index] = self.elapsed()
                self.failure = self.values[index] = failure_of(step.name, raised)
                self.caught.add(index)
                return target, state, 0
        index = self.arrive(route, began)
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
                settings=replace(self.settings, parameters=self.parameters()),
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
            self.visit(self.last, state)
        except StepFailed as own:
            if error is None:
                raise
            error.add_note(f"also failed: {own}")

    def run(self) -> Run:
        """Return the run so far."""
        nodes, last = tuple(self.nodes), None if self.last is None else self.node(-1)
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
