"""``cleanup=``: a step that runs once after all others, whatever happened."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import Group, Node, Output, Parameter, Part, Step
from lokki_tf.model.names import unique
from lokki_tf.model.signatures import signature_of

from .builder import called_last
from .calls import Call
from .failure_notices import no_receiver, one_of_pipeline, refuse_unfit
from .nesting import refuse_pipeline
from .parameters import declarations
from .placeholders import Placeholder, spec_of
from .stepped import Stepped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lokki_tf.errors import Place
    from lokki_tf.model import Binding, FlowParameter, Graph, Routes

    from .specs import CallSpec, NodeSpec

LONGEST_NAME = 80  # of a state
_REMEDY = "pass a step, cleanup=release, or a call of one, cleanup=release(lock)"
_WHY = "must run whatever happened"


def cleanup_of(
    given: Any,
    graph: Graph,
    parameters: tuple[FlowParameter, ...],
    ends: Iterable[NodeSpec],
    place: Place | None,
) -> tuple[Node | None, tuple[FlowParameter, ...]]:
    """Return the node of ``cleanup=``, and all parameters of a run.

    Args:
        given: A step or task, a call of a step, or ``None``.
        graph: The graph of the pipeline.
        parameters: The parameters of a run, without those that only ``cleanup=`` declares.
        ends: Specs of the last calls, from which the graph was made.
        place: Source location of the pipeline.

    Raises:
        OptionError: If it is something else, or the step cannot run after all others.
        BindingError: If an argument is neither a result nor a parameter of the run.
        NamingError: If another step of the pipeline has its name.
    """
    if given is None:
        return None, parameters
    spec = _called(given, place)
    step = _fit(_step_of(given, place) if spec is None else spec.step, graph.steps)
    if spec is None:
        names = {one.name for one in parameters}
        sources: dict[str, Binding] = {name: Parameter(name) for name in names}
        sources |= {name: Output(name) for name in graph.by_name}
        kwargs = _by_name(step, sources, f"results are {', '.join(graph.by_name)}")
        made = Node(step.name, step, (), kwargs, (), step.options.retry, step.place)
    else:
        called, declared = called_last(ends, spec)
        made = replace(_optional(called), step=step)
        # A flow may have been given other values for the defaults.
        known = {one.name: one.default for one in parameters}
        own = (replace(one, default=known.get(one.name, one.default)) for one in declared)
        parameters = declarations([*parameters, *own])
    taken = {node.name for node in graph.every()}
    return replace(made, name=unique(made.step.name, taken, LONGEST_NAME)), parameters


def routed_cleanup(given: Any, routes: Routes, place: Place | None) -> Node | None:
    """Return the node of a routed pipeline's ``cleanup=``.

    Args:
        given: A step, or ``None``.
        routes: The steps of the pipeline.
        place: Source location of the pipeline.

    Raises:
        OptionError: If it is something else, or the step cannot run after all others.
        BindingError: If a parameter is never in the state, nor a parameter of the run.
        NamingError: If another step of the pipeline has its name.
    """
    if given is None:
        return None
    step = _fit(_step_of(given, place), routes.steps)
    names = dict.fromkeys(
        name
        for route in routes.routes
        for name in (*route.takes, *(one for way in route.transitions for one in way.updates))
    )
    first = routes.by_name.get(routes.start)
    own = signature_of(step.function).parameters
    anything = first is None or first.takes_more
    allowed = (*names, *(own if anything else ()))
    sources: dict[str, Binding] = {name: Parameter(name) for name in allowed}
    kwargs = _by_name(step, sources, f"the state has {', '.join(names) or 'nothing'}")
    taken = {one.name for one in routes.steps}
    name = unique(step.name, taken, LONGEST_NAME)
    return Node(name, step, (), kwargs, (), step.options.retry, step.place)


def _called(given: Any, place: Place | None) -> CallSpec | None:
    """Return the call of a step, if it is one."""
    if not isinstance(given, Placeholder):
        return None
    if not isinstance(given, Call):
        raise OptionError(
            f"cleanup= must be a step or a call of one, got {spec_of(given).what}",
            place=place,
            remedy=_REMEDY,
        )
    spec = spec_of(given)
    if spec.body is not None:
        raise OptionError(
            f"the call of cleanup step {spec.step.name!r} is in a map, but cleanup runs once",
            place=spec.place,
            remedy="call it outside of the map, with the result of the map",
        )
    if spec.catch:
        raise no_receiver(f"cleanup step {spec.step.name!r}", spec.place)
    return spec


def _step_of(given: Any, place: Place | None) -> Step:
    refuse_pipeline(given, place)
    step = given.step if isinstance(given, Stepped) else given
    if not isinstance(step, Step):
        message = f"cleanup={given!r} is neither a step nor a call of one"
        raise OptionError(message, place=place, remedy=_REMEDY)
    return step


def _fit(step: Step, others: Iterable[Step]) -> Step:
    refuse_unfit(step, _WHY)
    if step.options.poll is not None:
        raise OptionError(
            f"step {step.name!r} polls, but {_WHY}, also after the pipeline's time limit",
            place=step.place,
            remedy="remove poll=, and wait in the step",
        )
    return one_of_pipeline(step, others, "cleanup")


def _by_name(
    step: Step, sources: Mapping[str, Binding], known: str
) -> tuple[tuple[str, Binding], ...]:
    """Return the sources that a step's parameters are named after.

    Args:
        step: The step.
        sources: Results and parameters by name.
        known: The names, for an error.

    Raises:
        BindingError: If a required parameter has none of these names.
    """
    found: list[tuple[str, Binding]] = []
    for name, one in signature_of(step.function).parameters.items():
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        if name in sources and one.kind is not one.POSITIONAL_ONLY:
            found.append((name, sources[name]))
        elif one.default is one.empty:
            near = get_close_matches(name, sources, 1)
            raise BindingError(
                f"parameter {name!r} of cleanup step {step.name!r} is neither a result nor a "
                "parameter of the run",
                place=step.place,
                remedy=(f"did you mean {near[0]!r}? " if near else "") + known,
            )
    return tuple(found)


def _optional(node: Node) -> Node:
    """Return a node for which parts of results that do not exist are ``None``."""
    return replace(
        node,
        args=tuple(map(_of_optional, node.args)),
        kwargs=tuple((name, _of_optional(one)) for name, one in node.kwargs),
        after=(),
    )


def _of_optional(binding: Binding) -> Binding:
    if isinstance(binding, Part):
        return replace(binding, skippable=True)
    if isinstance(binding, Group):
        return replace(binding, members=tuple(map(_of_optional, binding.members)))
    return binding
