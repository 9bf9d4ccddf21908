"""Routed pipelines as nodes of graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model import Step, StepOptions

if TYPE_CHECKING:
    from lokki_tf.errors import Place
    from lokki_tf.model import Definition


def routed_step(definition: Definition) -> Step:
    """Return the step that runs a routed pipeline as a node of a graph.

    Args:
        definition: The pipeline.
    """

    def run(**parameters: Any) -> Any:
        raise BindingError(f"pipeline {definition.name!r} is run by runs only", place=place)

    run.__name__ = run.__qualname__ = definition.name
    place = definition.place
    assert place is not None
    return Step(definition.name, run, StepOptions(), place, routed=definition)


def refuse_inner(definition: Definition, place: Place) -> None:
    """Refuse a routed pipeline that cannot be a node of a graph.

    Args:
        definition: The pipeline.
        place: Source location where it becomes part of another one.

    Raises:
        BindingError: If it includes pipelines, its first step starts one, or it has no such step.
    """
    routes = definition.routes
    assert routes is not None
    first = routes.by_name.get(routes.start)
    problem = ""
    if first is None:
        problem = f"begins with {routes.start!r}, which does not exist"
    elif definition.inclusions:
        problem = f"includes another one, {definition.inclusions[0].name!r}"
    elif not first.step.has_code:
        problem = f"begins with start_pipeline({first.name!r})"
    if problem:
        raise BindingError(
            f"{definition.name!r} is a pipeline that {problem}, and cannot be part of another one",
            place=place,
            remedy="let it begin with a function that leads to other functions"
            if not definition.inclusions
            else f"start it with start_pipeline({definition.name!r}), or include both",
        )
