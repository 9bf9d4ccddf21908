"""Inputs of tasks, and of the items of maps.

A map's body cannot read outer variables: a Distributed Map's children are separate executions. So
all outer values are passed to it: literals and flow parameters are in the body's own tasks, results
and items of outer maps are passed by the map's ``ItemSelector`` as ``$.arguments``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lokki_tf.model import (
    REQUIRED,
    Dataset,
    Definition,
    Group,
    Item,
    Literal,
    Map,
    Node,
    Output,
    Parameter,
    Part,
    TerraformRef,
    Wait,
    signature,
)
from lokki_tf.model.names import digest
from lokki_tf.model.streams import stream_of
from lokki_tf.runtime.envelope import FORMAT

from .contexts import context_fields, parameter_envelope, poll_fields
from .datasets import Datasets
from .literals import STORE_VARIABLE, Literals
from .references import Reference, shared
from .retries import Rules
from .text import RefTemplate, Template
from .walks import asking, left_out

if TYPE_CHECKING:
    from collections.abc import Collection

    from lokki_tf.model import Binding, Graph, Step


AROUND = "run"
"""The name of the execution's input beside the parameters of an included pipeline, whose names have
a dot."""


@dataclass(slots=True, eq=False)
class Payloads:
    """Payloads of tasks, with references instead of variables.

    Args:
        definition: The pipeline.
        main: The name that the module ``__main__`` has in the zips.
        context: Steps whose code names ``run_context``.
        outer: The routed pipeline that includes it, if one does: parameters are envelopes then.
        literals: Collects objects for the bucket.
        of_tasks: From each node to its payload.
        captured: From each map to the outer values that its body needs, in order.
        given: Nodes that receive the execution's input, and the maps around them.
        started: Maps whose items receive the time when the execution began.
        home: From each node to the map in whose body it is, ``None`` outside of maps.
        batches: From each map to the number of items that a call receives.
        jobs: Nodes that run as jobs of Batch.
        starts: Nodes that start other pipelines.
        walks: From each node that is a routed pipeline to the bytes that events of its steps have
            beside its arguments.
        until: From each wait until a time that exists only later to that time.
        limited: From each map to the parameter that limits its items, if there is one.
    """

    definition: Definition
    main: str
    context: Collection[Step] = ()
    outer: Definition | None = None
    literals: Literals = field(default_factory=Literals)
    of_tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    captured: dict[str, dict[Reference, None]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    home: dict[str, str | None] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    starts: set[str] = field(default_factory=set)
    walks: dict[str, int] = field(default_factory=dict)
    until: dict[str, Reference | Parameter] = field(default_factory=dict)
    limited: dict[str, Parameter] = field(default_factory=dict)
    datasets: Datasets = field(init=False)
    """The locations of what maps read from S3."""
    _wholes: dict[tuple[Binding, int], tuple[str, Any]] = field(default_factory=dict, init=False)
    """Of the present node, the values of which it receives parts, by source and nesting: their keys
    and envelopes."""

    def __post_init__(self) -> None:
        self.datasets = Datasets(self.definition)
        self._graph(self.definition.graph, ())
        cleanup = self.definition.cleanup
        if cleanup is not None:
            self.home[cleanup.name] = None
            self.of_tasks[cleanup.name] = self._payload(cleanup, (), self.definition.graph)

    @property
    def input(self) -> str:
        """The path of what parameters are looked up in, outside of maps."""
        if self.outer is None:
            return "$$.Execution.Input"
        return f"${given_variable(self.definition.graph.nodes[0].box[0])}"

    def batch_of(self, node: str) -> int:
        """Return the number of items for which one call of a node runs."""
        return self.batches.get(self.home[node] or "", 1)

    def _graph(self, graph: Graph, around: tuple[Map, ...]) -> None:
        begun = {one.name for one in graph.nodes if isinstance(one, Wait) and not one.inputs}
        begun |= {
            one.name
            for one in graph.nodes
            if isinstance(one, Map) and isinstance(one.items, Dataset) and not one.inputs
        }
        for node in graph.nodes:
            if isinstance(node, Map):
                self.captured[node.name] = {}
                self.batches[node.name] = node.options.batch_size
                if node.limit is not None:
                    self.limited[node.name] = node.limit
                    self.given.update(one.name for one in around)
                if isinstance(node.items, Dataset):
                    self.datasets.add(node, partial(self._located, around))
                self._graph(node.body, (*around, node))
            elif isinstance(node, Wait):
                self._wait(node, around)
            else:
                self.home[node.name] = around[-1].name if around else None
                if node.step.is_job:
                    self.jobs.add(node.name)
                if node.step.starts is not None:
                    self.starts.add(node.name)
                if node.step.routed is not None:
                    self.walks[node.name] = left_out(node)
                self.of_tasks[node.name] = self._payload(node, around, graph)
                is_first = not around and begun.issuperset(node.predecessors)
                if is_first and self.outer is None:
                    self.given.add(node.name)  # it raises errors for unknown names of the input

    def _wait(self, node: Wait, around: tuple[Map, ...]) -> None:
        for binding in (node.value, node.until):
            if binding is None or isinstance(binding, Literal):
                continue
            found = self._found(binding, around, around)
            if isinstance(found, Parameter):
                self.given.update(one.name for one in around)
            if binding is node.until:
                self.until[node.name] = found

    def _located(self, around: tuple[Map, ...], binding: Binding) -> Reference | Parameter:
        """Return the source of a part of a dataset's location."""
        found = self._found(binding, around, around)
        if isinstance(found, Parameter):
            self.given.update(one.name for one in around)
        return found

    def _found(
        self, binding: Binding, level: tuple[Map, ...], around: tuple[Map, ...]
    ) -> Reference | Parameter:
        """Return the parameter or the result to which a binding refers."""
        if isinstance(binding, Parameter):
            if not level:
                return binding
            return self._found(dict(level[-1].arguments)[binding.name], level[:-1], around)
        assert isinstance(binding, Output)
        reference = Reference(binding.node, False, level[-1].name if level else None)
        for outer in around[len(level) :]:
            self.captured[outer.name][reference] = None
        return reference

    def _payload(self, node: Node, around: tuple[Map, ...], graph: Graph) -> dict[str, Any]:
        store = Template(f"${{{STORE_VARIABLE}}}")
        payload: dict[str, Any] = {"format": FORMAT, "node": node.name, "store": store}
        self._wholes = {}
        reported = Rules.of(node, self.main).reported()
        if reported:
            payload["retry"] = reported
        if node.around:
            payload["caught"] = True
        if node.catch:
            payload["caught"] = True
            if around and around[-1].options.batch_size > 1:
                rules = Rules.of(node, self.main)
                payload["catch"] = {
                    "errors": rules.caught(node.catch),
                    "again": [
                        {"errors": rules.names(one), "retries": one.retries} for one in node.retry
                    ],
                    "attempt.$": "$$.State.RetryCount",
                    "step": node.step.name,
                }
        if node.args:
            payload["args"] = {
                str(index): self._argument(index, binding, node, around, graph)
                for index, binding in enumerate(node.args)
            }
        if node.kwargs:
            payload["kwargs"] = {
                name: self._argument(name, binding, node, around, graph)
                for name, binding in node.kwargs
            }
        if self._wholes:
            payload["wholes"] = dict(self._wholes.values())
        if node.when is not None:
            payload["when"] = node.when.taken
        payload |= poll_fields(node.retry)
        asks = node.step in self.context or node.step.condition in self.context
        if node.step.routed is not None:
            asks = bool(asking(node, self.context))
        if asks or node.step.options.callback:
            payload["context"] = self._context(node, around)
        if node.name in self.literals.of_main:
            payload["main"] = self.main
        return payload

    def _context(self, node: Node, around: tuple[Map, ...]) -> dict[str, Any]:
        maps = [one.name for one in around]
        self.given.update((node.name, *maps))
        self.started.update(maps)
        # The items of a Distributed Map are executions of their own.
        started = {"started": f"{shared(around[-1])}.started"} if around else {}
        step = node.step
        token = step.options.callback
        pipeline = self.outer or self.definition
        fields = context_fields(
            pipeline, self.literals, node, is_job=step.is_job, token=token, **started
        )
        return fields if self.outer is None else {**fields, "around": AROUND}

    def _argument(
        self,
        where: int | str,
        binding: Binding,
        node: Node,
        around: tuple[Map, ...],
        graph: Graph,
    ) -> Any:
        """Return the envelope of an argument.

        Args:
            where: The argument's position or name.
            binding: The argument.
            node: Its node.
            around: The maps around the node, innermost last.
            graph: The node's graph.
        """
        envelope = self._resolved(binding, node, around, around)
        kind = stream_of(graph, node, where, binding)
        if kind is None:
            return envelope
        return {"stream": envelope, **({"once": True} if kind == "iterator" else {})}

    def _resolved(
        self, binding: Binding, node: Node, level: tuple[Map, ...], around: tuple[Map, ...]
    ) -> Any:
        """Return a reference; ``level`` is the binding's nesting, ``around`` the node's."""
        if isinstance(binding, Literal):
            return self.literals.envelope(binding.value, node)
        if isinstance(binding, TerraformRef):
            return self.literals.reference(binding)
        if isinstance(binding, Part):
            source = binding.of, len(level)
            if source not in self._wholes:
                envelope = self._resolved(binding.of, node, level, around)
                self._wholes[source] = str(len(self._wholes)), envelope
            return {"part": binding.selection, "of": self._wholes[source][0]}
        if isinstance(binding, Group):
            made: dict[str, Any] = {"make": binding.kind}
            if binding.kind == "dict":
                made["keys"] = self.literals.envelope(list(binding.keys), node)
            made["items"] = {
                str(index): self._resolved(member, node, level, around)
                for index, member in enumerate(binding.members)
            }
            return made
        if isinstance(binding, Parameter):
            if level:
                outside = dict(level[-1].arguments)[binding.name]
                return self._resolved(outside, node, level[:-1], around)
            self.given.update((node.name, *(one.name for one in around)))
            (one,) = (one for one in self.definition.parameters if one.name == binding.name)
            if self.outer is not None:
                return {"parameter": one.name, "packed": True}
            return parameter_envelope(one, self.literals, node)
        home = level[-1].name if level else None
        if isinstance(binding, Item):
            assert home is not None
            reference = Reference(home, True, home)
        else:
            reference = Reference(binding.node, False, home)
        for outer in around[len(level) :]:
            self.captured[outer.name][reference] = None
        return reference


def given_variable(step: str) -> str:
    """Return the variable with the parameters of an included pipeline.

    Args:
        step: The step of the routed pipeline.
    """
    return f"lokki_given_{digest(step)}"


def known_names(definition: Definition) -> dict[str, Any]:
    """Return the allowed names of an execution's input, which the runtime checks."""
    names = [one.name for one in definition.parameters]
    known: dict[str, Any] = {"names": names} if names else {}
    limits = {one.name: one.default is REQUIRED for one in definition.limits}
    if limits:
        known["limits"] = limits
    return {**known, "signature": signature(definition.parameters, definition.name)}


def references_in(payload: Any) -> Iterator[Reference]:
    """Yield the references in a payload, repeats included."""
    if isinstance(payload, Reference):
        yield payload
    elif isinstance(payload, Mapping):
        for value in payload.values():
            yield from references_in(value)


def count_refs(payload: Any) -> int:
    """Return the number of values in a payload that only Terraform knows."""
    if isinstance(payload, Mapping):
        return sum(map(count_refs, payload.values()))
    return int(isinstance(payload, RefTemplate))


def with_paths(payload: Any, path: Callable[[Reference], Any]) -> Any:
    """Return the payload with each reference replaced.

    Args:
        payload: A payload with references.
        path: Returns a path for the value of a key, or an object instead.
    """
    if not isinstance(payload, dict):
        return payload
    filled: dict[str, Any] = {}
    for key, value in payload.items():
        if isinstance(value, Reference):
            found = path(value)
            filled[f"{key}.$" if isinstance(found, str) else key] = found
        else:
            filled[key] = with_paths(value, path)
    return filled


def has_stored_literal(payload: Any) -> bool:
    """Return whether a literal of the payload is in the bucket."""
    if not isinstance(payload, dict):
        return False
    return isinstance(payload.get("ref"), Template) or any(
        map(has_stored_literal, payload.values())
    )
