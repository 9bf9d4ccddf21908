"""All steps of a graph, each with the classes whose instances may reach it."""

from __future__ import annotations

import io
import pickle
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Group, Item, Literal, Map, Output, Parameter, leaves
from lokki_tf.runtime.envelope import json_text

from ..extract.cut import Cut, cut, cut_classes
from ..source.modules import NOTEBOOK, true_name
from ..source.origins import of_user
from .package import Package, code_digest, package
from .template import read_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from lokki_tf.model import Binding, Definition, Graph, Step

    from ..extract.cut import Named


def package_steps(
    definition: Definition, template_file: str | Path | None = None
) -> dict[Step, Package]:
    """Packs every step of a pipeline.

    Args:
        definition: Tells which steps' results, and which literals, may arrive where.
        template_file: A Lambda template instead of the default one.

    Raises:
        TemplateError: If the template cannot be read.
    """
    template = read_template(str(template_file)) if template_file is not None else None
    return {
        step: package(one, carried=others, template=template, routed=definition.routes is not None)
        for step, one, others in _cuts(definition)
    }


def code_digests(
    definition: Definition, digest: Callable[[Any], str | None]
) -> dict[Step, str | None]:
    """A digest of each step's code, with all of the user's that it uses.

    Args:
        definition: The pipeline.
        digest: Gives a value's digest, the same in every process; ``None`` if it has none.

    Returns:
        The same where the code is, whatever runs around it; ``None`` for a step of which not
        all can be read.
    """
    return {step: code_digest(one, others, digest) for step, one, others in _cuts(definition)}


def _cuts(definition: Definition) -> Iterator[tuple[Step, Cut, list[Cut]]]:
    """Each step's cut, with those of steps whose values may arrive."""
    cuts = {step: cut(step) for step in definition.steps}
    arriving = _arriving(definition, cuts)
    for step, one in cuts.items():
        yield step, one, [other for other in arriving[step] if other is not one]


Makers = dict[int, Cut]
"""Cuts by identity: they hold mappings, so they have no hash."""


def _arriving(definition: Definition, cuts: dict[Step, Cut]) -> dict[Step, list[Cut]]:
    """For each step, what makes values that, or parts of which, may reach one of its nodes."""
    if definition.routes is not None:  # the state brings each step what any other has made
        made = [one for one in cuts.values() if one.class_modules]
        return dict.fromkeys(cuts, made)
    graph = definition.graph
    arriving: dict[Step, Makers] = {step: {} for step in cuts}
    entering: Makers = {}
    classes = _classes([one.default for one in definition.parameters])
    if classes:
        of_defaults = cut_classes(graph.steps[0], classes)
        entering[id(of_defaults)] = of_defaults
    _follow(graph, entering, cuts, arriving)
    return {step: list(found.values()) for step, found in arriving.items()}


def _follow(
    graph: Graph, entering: Makers, cuts: dict[Step, Cut], arriving: dict[Step, Makers]
) -> Makers:
    """Makers of the graph's results; ``entering`` are those of what comes from around it."""
    makers: dict[str, Makers] = {}
    for node in graph.nodes:
        found: Makers = {}
        for leaf in (leaf for binding in node.bindings for leaf in leaves(binding)):
            if isinstance(leaf, Output):
                found |= makers[leaf.node]
            elif isinstance(leaf, Item | Parameter):
                found |= entering
        taker = next(node.body.walk()) if isinstance(node, Map) else node
        classes = _classes([value for one in node.bindings for value in _literals(one)])
        if classes:
            of_literals = cut_classes(taker.step, classes, cuts[taker.step].data)
            found[id(of_literals)] = of_literals
        if isinstance(node, Map):
            makers[node.name] = _follow(node.body, found, cuts, arriving)
            continue
        own = cuts[node.step]
        makers[node.name] = {**found, id(own): own} if own.class_modules else found
        arriving[node.step].update(found)
    return {key: one for name in graph.terminals for key, one in makers[name].items()}


def _classes(values: Iterable[Any]) -> list[Named]:
    """The user's classes of which values hold instances, and functions that they hold."""
    found: dict[Named, None] = {}
    for value in values:
        if json_text(value) is None:
            found.update(dict.fromkeys(_classes_in(value)))
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def _literals(binding: Binding) -> Iterator[Any]:
    if isinstance(binding, Literal):
        yield binding.value
    elif isinstance(binding, Group):
        yield from binding.keys
        for member in binding.members:
            yield from _literals(member)


def _classes_in(value: Any) -> list[Named]:
    """What a pickle of the value refers to, as far as the user wrote it."""
    found: list[Named] = []

    class Noting(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            reached = super().find_class(module, name)
            if isinstance(reached, type | FunctionType) and of_user(reached):
                found.append(reached)
            return reached

    try:
        Noting(io.BytesIO(pickle.dumps(value))).load()
    except Exception:  # the compiler tells what cannot be pickled, with place and remedy
        return []
    return found


def main_module() -> str:
    """The name under which the zips hold what is the module ``__main__`` here."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    return true_name(vars(main), file) if file else NOTEBOOK
