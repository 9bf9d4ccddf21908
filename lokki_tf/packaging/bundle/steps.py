"""All steps of a graph, each with the classes of instances that it may receive."""

from __future__ import annotations

import io
import pickle
import sys
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

from lokki_tf.model import (
    Dataset,
    Group,
    Item,
    Literal,
    Map,
    Node,
    Output,
    Parameter,
    Wait,
    leaves,
)
from lokki_tf.model.streams import streams_of
from lokki_tf.runtime.envelope import json_text, pickled
from lokki_tf.source.modules import NOTEBOOK, RUNTIME, Module, module_of, module_of_class, true_name
from lokki_tf.source.origins import of_user

from ..extract.cut import Cut, cut
from .objects import steps_with_objects
from .package import HANDLER_FILE, STUB, Package, package, state_key
from .runtime_files import (
    answer_files,
    context_files,
    failure_files,
    moment_files,
    object_files,
    stream_files,
    text_files,
)
from .template import read_template, with_client

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from lokki_tf.model import Binding, Definition, FlowParameter, Graph, Step


def package_steps(
    definition: Definition, template_file: str | Path | None = None
) -> dict[Step, Package]:
    """Pack every step of a pipeline.

    Args:
        definition: The pipeline, whose bindings determine which classes each step needs.
        template_file: A Lambda template instead of the default one.

    Raises:
        TemplateError: If the template cannot be read.
    """
    template = read_template(str(template_file)) if template_file is not None else None
    routed = {step for node in definition.graph.routed for step in node.step.with_code}
    if definition.routes is not None:
        routed |= {*definition.steps} - {*definition.graph.steps}
    packages = {
        step: package(one, template=template, routed=step in routed)
        for step, one in cut_steps(definition).items()
    }
    asking, shared = context_steps(packages), dict[str, bytes]()
    if _waits_for_times(definition):
        shared |= moment_files()
    if _has_located_results(definition):
        shared |= text_files()
    trusted = any(one.step.starts and one.step.starts.trust for one in definition.started)
    if definition.catches or trusted:
        shared |= failure_files()
    packages = {
        step: replace(one, files={**one.files, **answer_files()}) if _may_answer(one) else one
        for step, one in packages.items()
    }
    streaming = _streaming(definition)
    packages = {
        step: replace(one, files={**one.files, **stream_files()}) if step in streaming else one
        for step, one in packages.items()
    }
    for step in steps_with_objects(definition) & packages.keys():
        known = packages[step].files
        handler = {HANDLER_FILE: with_client(known[HANDLER_FILE])}
        packages[step] = replace(packages[step], files={**known, **handler, **object_files()})
    if not asking and not shared:
        return packages
    return {
        step: replace(
            one,
            files={
                **one.files,
                **shared,
                **(context_files(asks=step in asking) if asking else {}),
            },
        )
        for step, one in packages.items()
    }


def _waits_for_times(definition: Definition) -> bool:
    """Return whether the pipeline waits until a time that exists only in a run."""
    waits = (one for one in definition.graph.every() if isinstance(one, Wait))
    return any(isinstance(one.until, Output | Parameter) for one in waits)


def _streaming(definition: Definition) -> set[Step]:
    """Return the steps that read a map's results one after another, with their conditions."""
    maps = (one.body for one in definition.graph.every() if isinstance(one, Map))
    return {
        step
        for graph in (definition.whole, *maps)
        for node in graph.nodes
        if isinstance(node, Node) and any(streams_of(graph, node))
        for step in (node.step, node.step.condition)
        if step is not None
    }


def _has_located_results(definition: Definition) -> bool:
    """Return whether a map reads from a location in S3 that a step returns."""
    maps = (one for one in definition.graph.every() if isinstance(one, Map))
    datasets = (one.items for one in maps if isinstance(one.items, Dataset))
    return any(
        isinstance(one, Output | Parameter) for each in datasets for one in leaves(each.location)
    )


def context_steps(packages: Mapping[Step, Package]) -> frozenset[Step]:
    """Return the steps that are called with a context: their code names ``run_context``, or they
    have ``callback=True``. A job and its condition are called with the same event.

    Args:
        packages: The package of each step.
    """
    asking = {step for step, one in packages.items() if _asks(step, one)}
    return frozenset(
        one
        for step in packages
        for one in (step, step.condition)
        if one is not None and asking & {step, step.condition}
    )


def _asks(step: Step, made: Package) -> bool:
    return step.options.callback or any(b"run_context" in data for data in _own_code(made))


def _may_answer(made: Package) -> bool:
    """Return whether a step may call ``lokki_tf.answer`` and the like."""
    names = (b"answer", b"refuse", b"heartbeat")
    return any(
        b"lokki_tf" in data and any(name in data for name in names) for data in _own_code(made)
    )


def _own_code(made: Package) -> Iterator[bytes]:
    """Yield the user's own modules."""
    for path, data in made.files.items():
        if path.endswith(".py") and not path.startswith((RUNTIME, STUB)):
            yield data


def state_keys(
    definition: Definition,
    digest: Callable[[Any], str | None],
    secrets: Mapping[Step, Collection[str]],
) -> dict[Step, str | None]:
    """Return a hash of everything that can change each step's local result except its arguments.

    Args:
        definition: The pipeline.
        digest: Returns a value's digest, the same in every process; ``None`` if it has none.
        secrets: Names of environment variables that contain secrets, by step.

    Returns:
        ``None`` for a step whose code cannot be read completely.
    """
    cuts = cut_steps(definition)
    return {
        step: state_key(one, package(one), digest, secrets.get(step, ()))
        for step, one in cuts.items()
    }


def cut_steps(definition: Definition) -> dict[Step, Cut]:
    """Return the cut of each step, with the code for unpickling the values that it receives."""
    cuts = {step: cut(step) for step in definition.steps}
    defaults = _of_values([one.default for one in definition.parameters])
    asking: frozenset[Step] = frozenset()
    while True:
        for step, arriving in _arriving(definition, cuts, defaults, asking).items():
            for made in arriving:
                cuts[step].receive(made.classes, made.modules, made.data)
        if not defaults:
            return cuts
        # A class that a step receives may name run_context, which returns all parameters.
        known, asking = asking, context_steps({step: package(one) for step, one in cuts.items()})
        if asking == known:
            return cuts


@dataclass(frozen=True, eq=False)
class Made:
    """Code that unpickling some values requires.

    Args:
        classes: Classes of modules that are cut, by module and name.
        modules: Modules that are included whole.
        data: Data files that the classes' modules may read.
    """

    classes: list[tuple[Module, str]]
    modules: list[str]
    data: Mapping[str, Path] | None = None


Producers = dict[Made, None]


def _arriving(
    definition: Definition, cuts: dict[Step, Cut], defaults: Producers, asking: frozenset[Step]
) -> dict[Step, Producers]:
    """Return, for each step, the sources of values that any of its nodes may receive.

    Args:
        definition: The pipeline.
        cuts: The cut of each step.
        defaults: The sources of the parameters' defaults.
        asking: Steps that receive all parameters with ``run_context()``, and may return them.
    """
    made: dict[Step, Producers] = {}
    for step, one in cuts.items():
        known = Made(one.classes, one.defining, one.data if one.classes else None)
        made[step] = {known: None} if one.classes or one.defining else {}
    arriving: dict[Step, Producers] = {step: {} for step in cuts}
    for step in asking:
        made[step] |= defaults
        arriving[step] |= defaults
    if definition.routes is None:
        _follow(definition.whole, defaults, made, arriving)
        return arriving
    given = _of_values(
        [
            *(one.default for step in definition.inclusions for one in _declared(step)),
            *(v for n in definition.graph.every() for one in n.bindings for v in _literals(one)),
        ]
    )
    for step, sources in arriving.items():  # each receives the state, with values of any other step
        sources.update({one: None for other in made if other is not step for one in made[other]})
        sources.update(given)
    return arriving


def _declared(step: Step) -> tuple[FlowParameter, ...]:
    return () if step.includes is None else step.includes.parameters


def _follow(
    graph: Graph, entering: Producers, made: dict[Step, Producers], arriving: dict[Step, Producers]
) -> Producers:
    """Return the sources of the graph's results; ``entering`` are those of its inputs."""
    makers: dict[str, Producers] = {}
    for node in graph.nodes:
        found = _of_values([value for one in node.bindings for value in _literals(one)])
        for leaf in (leaf for binding in node.bindings for leaf in leaves(binding)):
            if isinstance(leaf, Output):
                found |= makers[leaf.node]
            elif isinstance(leaf, Item | Parameter):
                found |= entering
        if isinstance(node, Map):
            makers[node.name] = _follow(node.body, found, made, arriving)
        elif isinstance(node, Wait):
            makers[node.name] = found
        elif node.step.routed is not None:
            makers[node.name] = _of_states(node.step.with_code, found, made, arriving)
        elif node.step.starts is not None:
            makers[node.name] = {}  # JSON, or objects that only the step that receives them knows
        else:
            makers[node.name] = {**found, **made[node.step]}
            for step in filter(None, (node.step, node.step.condition)):
                arriving[step].update(found)
    return {one: None for name in graph.terminals for one in makers[name]}


def _of_states(
    steps: Collection[Step],
    entering: Producers,
    made: dict[Step, Producers],
    arriving: dict[Step, Producers],
) -> Producers:
    """Return the sources of a routed pipeline's result; each step receives all of its values."""
    states = {**entering, **{one: None for step in steps for one in made[step]}}
    for step in steps:
        arriving[step].update(states)
    return states


def _of_values(values: Iterable[Any]) -> Producers:
    """Return the code for unpickling literals of the pipeline."""
    classes: set[tuple[Module, str]] = set()
    modules: set[str] = set()
    for kind in (kind for one in values if json_text(one) is None for kind in _classes_in(one)):
        module = module_of_class(kind) if isinstance(kind, type) else module_of(kind)
        if module is not None and any(source.from_lokki for source in module.sources):
            classes.add((module, kind.__qualname__.partition(".")[0]))
        elif module is not None and module.sources:
            modules.add(module.name)
    ordered = sorted(classes, key=lambda one: (one[0].name, one[1]))
    return {Made(ordered, sorted(modules)): None} if classes or modules else {}


def _literals(binding: Binding) -> Iterator[Any]:
    if isinstance(binding, Literal):
        yield binding.value
    elif isinstance(binding, Group):
        yield from binding.keys
        for member in binding.members:
            yield from _literals(member)


def _classes_in(value: Any) -> list[type | FunctionType]:
    """Yield the user's classes and functions to which a pickle of the value refers."""
    found: list[type | FunctionType] = []

    class Noting(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            reached = super().find_class(module, name)
            if isinstance(reached, type | FunctionType) and of_user(reached):
                found.append(reached)
            return reached

    try:
        Noting(io.BytesIO(pickled(value))).load()
    except Exception:  # the compiler reports values that cannot be pickled, with line and remedy
        return []
    return found


def main_module() -> str:
    """Return the name that the module ``__main__`` has in the zips."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    return true_name(vars(main), file) if file else NOTEBOOK
