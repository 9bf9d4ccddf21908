"""From a graph to a state machine.

The stages: :mod:`.structure` nests the graph into series and parallels, :mod:`.scopes`
places variables and exports, :mod:`.sizes` shares out the bytes, and this module writes
the states. A result is assigned to a variable where its state ends; a branch's last state
builds the branch's output, so no state is there only to pass something on.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LimitError
from lokki_tf.model import Group, Literal, Output, outputs_in
from lokki_tf.model.names import identifier, unique

from . import quotas
from .literals import STORE_VARIABLE, Literals
from .retries import retriers, retries_everything
from .scopes import Fork, Scope, scopes
from .sizes import Capacity, inline_limits
from .structure import nest
from .text import Template, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lokki_tf.model import Binding, Definition, Graph, Node, Step

_RESULT_OVERHEAD = 2_048  # what lambda:invoke puts around the payload: status, headers
_MARGIN = 1_024  # names, braces and commas that Step Functions may write differently


@dataclass(frozen=True, slots=True)
class Machine:
    """A compiled state machine.

    Args:
        definition: Amazon States Language; strings of the type ``Template`` are to be filled.
        functions: From each step to the name of its placeholder, without ``${}``.
        objects: What must stand in the bucket, by key below the pipeline's prefix.
        limits: The longest inline JSON of each node's result, in bytes.
        readers: Steps that may have to read objects of the bucket.
    """

    definition: dict[str, Any]
    functions: Mapping[Step, str]
    objects: Mapping[str, bytes]
    limits: Mapping[str, int]
    readers: frozenset[Step]

    @property
    def text(self) -> str:
        """The definition as a template for Terraform's ``templatefile``.

        Raises:
            LimitError: If it is longer than Step Functions accepts.
        """
        text = render(self.definition)
        if len(text.encode()) > quotas.DEFINITION_BYTES:
            text = render(self.definition, compact=True)
        size = len(text.encode())
        if size > quotas.DEFINITION_BYTES:
            raise LimitError(
                f"the state machine's definition has {size:,} bytes, and Step Functions takes "
                f"{quotas.DEFINITION_BYTES:,}",
                remedy="write steps that repeat as a map, or split the pipeline",
            )
        return text


def compile_machine(definition: Definition, main: str = "__main__") -> Machine:
    """The state machine of a pipeline.

    Args:
        definition: The pipeline.
        main: The name under which the zips hold what is the module ``__main__`` here.

    Raises:
        LimitError: If results cannot fit where they meet.
        SerializationError: If a literal cannot travel.
    """
    return _Compiler(definition, main).machine()


@dataclass(slots=True, eq=False)
class _Compiler:
    source: Definition
    main: str
    literals: Literals = field(default_factory=Literals)
    names: set[str] = field(default_factory=set)
    limits: dict[str, int] = field(default_factory=dict)
    functions: dict[Step, str] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        return self.source.graph

    def machine(self) -> Machine:
        seconds = {
            node.name: node.step.options.expected_seconds
            for node in self.graph.nodes
            if node.step.options.expected_seconds is not None
        }
        root = scopes(self.graph, nest(self.graph.predecessors, seconds))
        for step in self.graph.steps:
            taken = {STORE_VARIABLE, "partition", *self.functions.values()}
            self.functions[step] = unique(f"{identifier(step.name)}_arn", taken, 80)
        self.names = {node.name for node in self.graph.nodes}
        payloads = {node.name: self._payload(node) for node in self.graph.nodes}
        self.limits = inline_limits(
            self._capacities(root, payloads), [node.name for node in self.graph.nodes]
        )
        definition = {
            **({"Comment": self.source.description} if self.source.description else {}),
            **self._states(root, payloads),
        }
        readers = frozenset(
            node.step
            for node in self.graph.nodes
            if node.inputs or _has_reference(payloads[node.name])
        )
        objects = self.literals.objects
        return Machine(definition, self.functions, objects, self.limits, readers)

    # What a task is sent. Variables are filled in later, when their scope is known.

    def _payload(self, node: Node) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "node": node.name,
            "run.$": "$$.Execution.Name",
            "store": Template(f"${{{STORE_VARIABLE}}}"),
        }
        if node.retry.retries and not retries_everything(node.retry):
            payload["retry"] = [self._full_name(error) for error in node.retry.exceptions]
        if node.args:
            payload["args"] = {
                str(index): self._envelope(binding, node) for index, binding in enumerate(node.args)
            }
        if node.kwargs:
            payload["kwargs"] = {
                name: self._envelope(binding, node) for name, binding in node.kwargs
            }
        if node.name in self.literals.of_main:
            payload["main"] = self.main
        return payload

    def _full_name(self, error: type[BaseException]) -> str:
        module = self.main if error.__module__ == "__main__" else error.__module__
        return f"{module}.{error.__qualname__}"

    def _envelope(self, binding: Binding, node: Node) -> Any:
        if isinstance(binding, Output):
            return binding
        if isinstance(binding, Group):
            made: dict[str, Any] = {"make": binding.kind}
            if binding.kind == "dict":
                made["keys"] = self.literals.envelope(list(binding.keys), node)
            made["items"] = {
                str(index): self._envelope(member, node)
                for index, member in enumerate(binding.members)
            }
            return made
        assert isinstance(binding, Literal)
        return self.literals.envelope(binding.value, node)

    def _capacities(self, root: Scope, payloads: Mapping[str, Any]) -> list[Capacity]:
        room = quotas.STATE_BYTES - _MARGIN
        capacities = [
            Capacity(
                f"the input of {node.name!r}",
                room - len(json.dumps(_with_variables(payloads[node.name], lambda _: "$v"))),
                Counter(name for b in node.bindings for name in outputs_in(b)),
            )
            for node in self.graph.nodes
        ]
        capacities += [
            Capacity(f"the result of {node.name!r}", room - _RESULT_OVERHEAD, Counter((node.name,)))
            for node in self.graph.nodes
        ]
        stored: Counter[str] = Counter()
        for scope in root.walk():
            stored.update(list(scope.variables))
            capacities.append(self._together("the pipeline's output", scope.exports))
            for part in scope.parts:
                if isinstance(part, Fork):
                    what = f"the output of the branches {_title(part)!r}"
                    capacities.append(self._together(what, part.paths))
        total = quotas.ALL_VARIABLES_BYTES - _MARGIN
        return [*capacities, Capacity("the variables of an execution", total, stored)]

    def _together(self, what: str, results: Iterable[str]) -> Capacity:
        keys = sum(len(name) + 8 for name in results)
        return Capacity(what, quotas.STATE_BYTES - _MARGIN - keys, Counter(list(results)))

    # States.

    def _states(self, scope: Scope, payloads: Mapping[str, Any]) -> dict[str, Any]:
        titles = [self._state_name(part) for part in scope.parts]
        states: dict[str, Any] = {}
        for index, (title, part) in enumerate(zip(titles, scope.parts, strict=True)):
            last = index == len(titles) - 1
            if isinstance(part, Fork):
                state = self._parallel(part, payloads)
            else:
                state = self._task(self.graph.by_name[part], scope, payloads[part])
            state |= self._kept(part, scope)
            state |= self._output(part, scope) if last else {"ResultPath": None}
            states[title] = {**state, **({"End": True} if last else {"Next": titles[index + 1]})}
        return {"StartAt": titles[0], "States": states}

    def _state_name(self, part: str | Fork) -> str:
        if isinstance(part, str):
            return part
        name = unique(_title(part), self.names, quotas.STATE_NAME_LENGTH)
        self.names.add(name)
        return name

    def _task(self, node: Node, scope: Scope, payload: dict[str, Any]) -> dict[str, Any]:
        sent = _with_variables(payload, scope.variable)
        description = node.step.options.description or _first_line(node.step.function.__doc__)
        return {
            "Type": "Task",
            **({"Comment": description} if description else {}),
            "Resource": Template("arn:${partition}:states:::lambda:invoke"),
            "Parameters": {
                "FunctionName": Template(f"${{{self.functions[node.step]}}}"),
                "Payload": {**sent, "inline": self.limits[node.name]},
            },
            "Retry": retriers(node.retry),
        }

    def _parallel(self, fork: Fork, payloads: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "Type": "Parallel",
            "Branches": [self._states(branch, payloads) for branch in fork.branches],
        }

    def _kept(self, part: str | Fork, scope: Scope) -> dict[str, Any]:
        """What later states of the scope read."""
        kept = {
            f"{scope.variables[name]}.$": path
            for name, path in _results(part).items()
            if name in scope.variables
        }
        return {"Assign": kept} if kept else {}

    def _output(self, part: str | Fork, scope: Scope) -> dict[str, Any]:
        """The scope's last state makes the scope's output."""
        if not scope.exports:
            return {"ResultPath": None, "OutputPath": None}
        own = _results(part)
        return {
            "ResultSelector": {
                f"{key}.$": own.get(name) or f"${scope.variables[name]}"
                for name, key in scope.exports.items()
            }
        }


def _results(part: str | Fork) -> dict[str, str]:
    """Where each envelope stands in the result of a state."""
    return part.paths if isinstance(part, Fork) else {part: "$.Payload"}


def _title(fork: Fork) -> str:
    """A Parallel state is named after the first nodes of its branches."""
    firsts = [_first(branch) for branch in fork.branches]
    if len(firsts) == 2:
        return " and ".join(firsts)
    return f"{firsts[0]} and {len(firsts) - 1} more"


def _first(scope: Scope) -> str:
    part = scope.parts[0]
    return part if isinstance(part, str) else _first(part.branches[0])


def _with_variables(payload: Any, variable: Callable[[str], str]) -> Any:
    """The payload with each output replaced by the path of its variable."""
    if not isinstance(payload, dict):
        return payload
    filled: dict[str, Any] = {}
    for key, value in payload.items():
        if isinstance(value, Output):
            filled[f"{key}.$"] = f"${variable(value.node)}"
        else:
            filled[key] = _with_variables(value, variable)
    return filled


def _has_reference(payload: Any) -> bool:
    """Whether a literal of the payload stands in the bucket."""
    if not isinstance(payload, dict):
        return False
    return isinstance(payload.get("ref"), Template) or any(
        _has_reference(value) for value in payload.values()
    )


def _first_line(text: str | None) -> str:
    return text.strip().partition("\n")[0].strip() if text else ""
