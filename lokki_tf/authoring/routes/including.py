"""Pipelines that are steps of a routed pipeline: their nodes, parameters and results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import (
    REQUIRED,
    Dataset,
    Graph,
    IncludedPipeline,
    Map,
    Parameter,
    Step,
    StepOptions,
    Wait,
    leaves,
    signature,
)

from ..builder import ends_in
from ..inlining import inlined
from ..nesting import INCLUDED, is_pipeline
from ..specs import Box, ParameterSpec, WaitSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.errors import Place
    from lokki_tf.model import AnyNode, UnusedLimit

    from ..inlining import SubPipeline

_NAME = re.compile(r"[\w-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A pipeline that is a step of a routed pipeline.

    Args:
        step: The step.
        graph: The pipeline's nodes, all of which are in the box of the step.
        optional: The values of the state that it takes if they are there.
        unused_limits: The ``timeout_seconds`` of the pipeline, and of those that it includes.
    """

    step: Step
    graph: Graph
    optional: frozenset[str]
    unused_limits: tuple[UnusedLimit, ...] = ()

    def changed(self, change: Callable[[Step], Step]) -> Inclusion:
        """Return the same pipeline with other options of its steps.

        Args:
            change: Returns the replacement of a step.
        """
        return replace(self, graph=_changed(self.graph, change))


def included(
    pipeline: Any,
    parameters: Mapping[str, str] | Sequence[str] | None,
    place: Place,
    *,
    name: str | None,
    result: str | None,
    next_step: str | None,
) -> Inclusion:
    """Return a pipeline as a step of a routed pipeline.

    Args:
        pipeline: The pipeline.
        parameters: The names of the values in the state that become its parameters, perhaps by the
            parameters' names; ``None`` for all parameters under their own names.
        place: Source location of the inclusion.
        name: The step's name; ``None`` for the pipeline's.
        result: The name of the result in the state; ``None`` for the step's.
        next_step: The next step, ``None`` if the routed pipeline ends.

    Raises:
        BindingError: If the pipeline cannot be included, or the parameters are not its own.
        OptionError: If it is no pipeline, or the name is not valid.
    """
    if not is_pipeline(pipeline) or not hasattr(pipeline, INCLUDED):
        raise OptionError(
            f"include({pipeline!r}) requires a pipeline whose steps become part of this one",
            place=place,
            remedy="pass a flow or another pipeline; to start a deployed one, write "
            "start_pipeline(name)",
        )
    sub: SubPipeline = getattr(pipeline, INCLUDED)(place)
    title = sub.name if name is None else name
    if not _NAME.fullmatch(title):
        raise OptionError(
            f"include(name={title!r}): name must be 1 to 80 characters",
            place=place,
            remedy="use letters A to Z, digits, - and _",
        )
    takes = _taken(sub, parameters, place)
    declared = [replace(one, name=f"{title}.{one.name}") for one in sub.parameters]
    values = {
        one.name: ParameterSpec(inner.name, place)
        for one, inner in zip(sub.parameters, declared, strict=True)
    }
    calls = inlined(replace(sub, name=title), (), values, place)
    if sub.routed is not None:
        for call in calls:
            call.box = Box(title, place)
    graph, names, limits = ends_in(calls)
    _refuse_unknown_times(graph, place)
    ends = [n for n, one in zip(names, calls, strict=True) if not _is_silent(one)]
    own = IncludedPipeline(
        sub.name,
        tuple(declared),
        tuple((f"{title}.{one}", source) for one, source in takes.items()),
        tuple(node.name.removeprefix(f"{title}.") for node in graph.nodes),
        tuple(ends),
        result or re.sub(r"\W", "_", title),
        next_step,
    )
    optional = {
        source
        for one, source in takes.items()
        if parameters is None and _default(sub, one) is not REQUIRED
    }
    return Inclusion(_step(own, title, place), graph, frozenset(optional), limits)


def _is_silent(one: object) -> bool:
    return isinstance(one, WaitSpec) and one.source is None


def _default(sub: SubPipeline, name: str) -> Any:
    return next(one.default for one in sub.parameters if one.name == name)


def _taken(
    sub: SubPipeline, parameters: Mapping[str, str] | Sequence[str] | None, place: Place
) -> dict[str, str]:
    """Return the values of the state, by the names of the parameters.

    Raises:
        BindingError: If a parameter does not exist, or a required one is left out.
    """
    declared = {one.name: one for one in sub.parameters}
    if parameters is None:
        return {name: name for name in declared}
    pairs = parameters if isinstance(parameters, Mapping) else {one: one for one in parameters}
    unknown = [name for name in pairs if name not in declared]
    missing = [n for n, one in declared.items() if n not in pairs and one.default is REQUIRED]
    if unknown or missing:
        problem = f"has no parameter {unknown[0]!r}" if unknown else f"requires {missing[0]!r}"
        raise BindingError(
            f"{sub.kind} {sub.name!r}, which is included here, {problem}",
            place=place,
            remedy=f"its signature is {signature(sub.parameters, sub.name)}",
        )
    return dict(pairs)


def _refuse_unknown_times(graph: Graph, place: Place) -> None:
    """Refuse what Step Functions itself would have to read from a value of the state.

    Raises:
        BindingError: If a wait, a map's limit or the location of a dataset is a parameter.
    """
    for node in graph.every():
        what = ""
        if isinstance(node, Wait) and isinstance(node.until, Parameter):
            what = f"the time of wait {node.name!r}"
        elif isinstance(node, Map) and node.limit is not None:
            what = f"the concurrency_limit of map {node.name!r}"
        elif isinstance(node, Map) and isinstance(node.items, Dataset):
            found = (one for one in leaves(node.items.location) if isinstance(one, Parameter))
            what = f"the location of the items of map {node.name!r}" * any(found)
        if what:
            raise BindingError(
                f"{what} is a parameter of the included pipeline, and its value is in the state, "
                "which only steps can read",
                place=place,
                remedy="let a step of the included pipeline return it, or start the pipeline with "
                "start_pipeline(name)",
            )


def _step(own: IncludedPipeline, name: str, place: Place) -> Step:
    def run(**parameters: Any) -> Any:
        raise BindingError(f"pipeline {own.name!r} is run by runs only", place=place)

    run.__name__ = run.__qualname__ = name
    return Step(name, run, StepOptions(), place, includes=own)


def _changed(graph: Graph, change: Callable[[Step], Step]) -> Graph:
    def changed(node: AnyNode) -> AnyNode:
        if isinstance(node, Wait):
            return node
        if isinstance(node, Map):
            return replace(node, body=_changed(node.body, change))
        if node.step.routed is not None:
            return replace(node, step=node.step.inside(change))
        return replace(node, step=change(node.step)) if node.step.has_code else node

    return Graph(tuple(map(changed, graph.nodes)))
