"""Compilation of a graph to a state machine.

The stages: :mod:`.structure` nests the graph into series and parallels, :mod:`.scopes` places
variables and exports, :mod:`.payloads` makes the input of each task, :mod:`.capacities` and
:mod:`.sizes` divide the bytes, and this module writes the states. The state that makes a result
assigns it to a variable. A scope's last state builds the scope's output, so no state exists only to
forward values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LimitError
from lokki_tf.model import REQUIRED, Dataset, Literal, Map, Node, Part, Wait
from lokki_tf.model.names import identifier, shortened, unique
from lokki_tf.runtime.call import SKIPPED

from . import quotas, starts
from .capacities import capacities, failure_bytes, item_of, title
from .cleanups import NOTHING, CleanupStates, add_cleanup
from .datasets import TEXT_BYTES
from .events import add_inline_events, refuse_long_walks
from .jobs import (
    JOB_ERRORS_PLACEHOLDER,
    asked_variables,
    asking,
    error_event,
    job_result,
    job_states,
    raising,
)
from .literals import BUCKET_VARIABLE, PREFIX_VARIABLE, STORE_VARIABLE
from .locks import LOCKS_PLACEHOLDER, add_check
from .maps import map_state
from .payloads import Payloads, has_stored_literal, known_names, references_in, with_paths
from .references import Array, Reference, arrays_of, path, reference_bytes, shared
from .retries import Rules
from .routes import MOST_GIVEN, MOST_INCLUDED, Included, route_states
from .scopes import Fork, Loop, Scope, scopes
from .sizes import REFERENCE_BYTES, inline_limits
from .text import Template, filled_bytes, render
from .waits import (
    INSTANT_BYTES,
    parameter_state,
    parameter_variables,
    time_state,
    waiting_times,
)
from .walks import Branch, assigning, inside_of, parallel_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lokki_tf.model import AnyNode, Definition, FlowParameter, Routes, Step, TextOrRef

    from .sizes import Capacity
    from .walks import Inside

_TEMPLATE_NAMES = {
    *(STORE_VARIABLE, BUCKET_VARIABLE, PREFIX_VARIABLE, "partition"),
    *(JOB_ERRORS_PLACEHOLDER, starts.STARTS_PLACEHOLDER, LOCKS_PLACEHOLDER),
}
LABEL_LENGTH = 40


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A compiled state machine.

    Args:
        definition: Amazon States Language; strings of the type ``Template`` contain placeholders.
        functions: From each step to the name of its placeholder, without ``${}``.
        objects: What must be in the bucket, by key below the pipeline's prefix.
        limits: The longest inline JSON of each node's result, in bytes.
        readers: Steps that may have to read objects of the bucket.
        labels: Labels of the Distributed Maps.
        nested_maps: Whether one of them is inside another.
        standard_maps: Whether items of one of them are Standard executions.
        most_parameters: Most bytes of an execution's input, as compact JSON.
        inline: Layouts of the items of inline maps, by the maps' names.
        cleanup: The states that run the cleanup step, if there is one.
        machines: The placeholders for ARNs of started state machines.
        check: The state that takes a slot, of a pipeline with a limit of runs.
        room: Bytes that an item of a dataset has beside the longest further values, by map.
        answers: The states, or parts of them, that contain answers from outside.
    """

    definition: dict[str, Any]
    functions: Mapping[Step, str]
    objects: Mapping[str, bytes]
    limits: Mapping[str, int]
    readers: frozenset[Step]
    labels: tuple[str, ...] = ()
    nested_maps: bool = False
    standard_maps: bool = False
    most_parameters: int = quotas.STATE_BYTES
    inline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cleanup: CleanupStates | None = None
    machines: Mapping[TextOrRef, str] = field(default_factory=dict)
    check: str | None = None
    room: Mapping[str, int] = field(default_factory=dict)
    answers: tuple[Capacity, ...] = ()

    def text(self, values: Mapping[str, str]) -> str:
        """Return the definition as a template for Terraform's ``templatefile``.

        Args:
            values: The value of each placeholder; if it is not known yet, a text of the greatest
                length.

        Raises:
            LimitError: If the definition is longer than Step Functions accepts.
        """
        text = render(self.definition)
        if filled_bytes(text, values) > quotas.DEFINITION_BYTES:
            text = render(self.definition, compact=True)
        size = filled_bytes(text, values)
        if size > quotas.DEFINITION_BYTES:
            raise LimitError(
                f"the state machine's definition has {size:,} bytes; Step Functions allows "
                f"{quotas.DEFINITION_BYTES:,}",
                remedy="write steps that repeat as a map, or split the pipeline",
            )
        return text


def compile_state_machine(
    definition: Definition, main: str = "__main__", context: Collection[Step] = ()
) -> StateMachine:
    """Compile a pipeline to a state machine.

    Args:
        definition: The pipeline.
        main: The name that the module ``__main__`` has in the zips.
        context: Steps whose code names ``run_context``; only these receive what it returns.

    Raises:
        LimitError: If the results that one state needs exceed its size limit.
        SerializationError: If a literal cannot be serialized.
    """
    return _Compiler(definition, main, context).state_machine()


@dataclass(slots=True, eq=False)
class _Compiler:
    source: Definition
    main: str
    context: Collection[Step]
    outer: Definition | None = None
    ends: Collection[str] | None = None
    names: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    nested_maps: bool = False
    standard_maps: bool = False
    limits: dict[str, int] = field(default_factory=dict)
    functions: dict[Step, str] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)  # variables for times of waits
    parallel: dict[str, str] = field(default_factory=dict)  # variables for limits of maps
    arrays: dict[str, Array] = field(default_factory=dict)  # by maps
    layouts: dict[Array, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    conditions: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # functions of conditional jobs
    machines: dict[TextOrRef, str] = field(default_factory=dict)
    started: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)  # nodes that are answered from outside
    instants: set[str] = field(default_factory=set)  # nodes until whose results others wait
    walks: dict[str, Inside] = field(default_factory=dict)  # nodes that are routed pipelines
    inside: list[tuple[_Compiler, list[Map], dict[str, Any]]] = field(default_factory=list)
    payloads: Payloads = field(init=False)
    reserved: dict[str, int] = field(init=False)  # bytes of failures, by caught nodes
    most_parameters: int = field(init=False)
    answers: tuple[Capacity, ...] = ()

    def state_machine(self) -> StateMachine:
        for step in self.source.steps:
            taken = {*_TEMPLATE_NAMES, *self.functions.values()}
            self.functions[step] = unique(f"{identifier(step.name)}_arn", taken, 80)
        return self._of_graph() if self.source.routes is None else self._of_routes()

    def _head(self) -> dict[str, Any]:
        """Return the fields of the definition before its states."""
        comment = {"Comment": self.source.description} if self.source.description else {}
        seconds = self.source.timeout_seconds
        return {**comment, **({} if seconds is None else {"TimeoutSeconds": seconds})}

    def _of_routes(self) -> StateMachine:
        routes, cleanup = self.source.routes, self.source.cleanup
        assert routes is not None
        taken = {*_TEMPLATE_NAMES, *self.functions.values()}
        self.machines = starts.machine_placeholders(self.source.started, taken)
        states, most, objects, named, check = route_states(
            self.source, self.functions, self.main, self.context, self.machines, self._included
        )
        longest = refuse_long_walks(states, routes, self.source.place)
        self._divide_events(routes, longest)
        # Each may receive a state of any size, or parameters from one.
        steps = [*routes.steps, *self.source.graph.steps, *([cleanup.step] if cleanup else [])]
        steps += [one.condition for one in self.source.graph.steps if one.condition is not None]
        objects = dict(objects)
        inline: dict[str, Mapping[str, Any]] = {}
        room: dict[str, int] = {}
        for inner, maps, _ in self.inside:
            objects |= inner.payloads.literals.objects
            inline |= {k: inner.layouts[one] for k, one in inner._inline_arrays(maps).items()}
            room |= {k: inner.limits[item_of(k)] for k in inner.payloads.datasets.locations}
        return StateMachine(
            {**self._head(), **states},
            self.functions,
            objects,
            self.limits,
            frozenset(steps),
            tuple(self.labels),
            self.nested_maps,
            self.standard_maps,
            most_parameters=most,
            inline=inline,
            cleanup=named,
            machines=self.machines,
            check=check,
            room=room,
        )

    def _divide_events(self, routes: Routes, longest: int) -> None:
        """Add the events that items of inline maps of included pipelines may have, in each run.

        Args:
            routes: The steps.
            longest: The events of the longest run, without those of these items.
        """
        found = []
        for inner, maps, states in self.inside:
            if inner._inline_arrays(maps):
                name = inner.source.graph.nodes[0].box[0]
                found.append((inner, maps, states, routes.limit if routes.repeats(name) else 1))
        left = quotas.HISTORY_EVENTS - longest
        share = left // max(1, sum(times for *_, times in found))
        for inner, maps, states, _ in found:
            arrays, place = inner._inline_arrays(maps), inner.source.place
            add_inline_events(states, arrays, inner.layouts, place, share)

    def _included(self, step: Step, names: set[str]) -> Included:
        """Compile a pipeline that is a step of this routed one.

        Args:
            step: The step.
            names: Names of states, to which those of the pipeline are added.
        """
        assert step.includes is not None
        inner = _Compiler(
            self.source.included(step), self.main, self.context, self.source, step.includes.ends
        )
        inner.names, inner.labels = names, self.labels
        inner.functions, inner.machines = self.functions, self.machines
        _, maps, states = inner._compiled()
        self.nested_maps |= inner.nested_maps
        self.standard_maps |= inner.standard_maps
        self.limits |= inner.limits
        self.inside.append((inner, maps, states))
        default = {
            one.name: inner.payloads.literals.envelope(one.default, step)
            for one in inner.source.parameters
            if one.default is not REQUIRED
        }
        asks = any("context" in payload for payload in inner.payloads.of_tasks.values())
        most = min(MOST_GIVEN, inner.most_parameters)
        return Included(states, default, most, asks)

    def _compiled(self) -> tuple[Scope, list[Map], dict[str, Any]]:
        """Return the outermost scope of the graph, its maps and its states."""
        root = scopes(self.source.graph, self.source.cleanup, self.ends)
        maps = [scope.of for scope in root.walk() if scope.of]
        self._collect(root, maps)
        self._divide_bytes(root, maps)
        return root, maps, self._states(root)

    def _inline_arrays(self, maps: Iterable[Map]) -> dict[str, Array]:
        return {one.name: self.arrays[one.name] for one in maps if one.options.mode == "inline"}

    def _of_graph(self) -> StateMachine:
        cleanup, named = self.source.cleanup, None
        taken = {*_TEMPLATE_NAMES, *self.functions.values()}
        self.machines = starts.machine_placeholders(self.source.started, taken)
        root, maps, states = self._compiled()
        if cleanup is not None:
            named = CleanupStates.of(cleanup.name, self._own_name)
            read = {root.variables[name]: NOTHING for name in cleanup.inputs}
            add_cleanup(states, named, read)
        check = add_check(self.source, states, root.exports.values(), self._own_name)
        inline = self._inline_arrays(maps)
        add_inline_events(states, inline, self.layouts, self.source.place)
        return StateMachine(
            {**self._head(), **states},
            self.functions,
            self.payloads.literals.objects,
            self.limits,
            self._readers(),
            tuple(self.labels),
            self.nested_maps,
            self.standard_maps,
            self.most_parameters,
            {name: self.layouts[array] for name, array in inline.items()},
            named,
            self.machines,
            check,
            {name: self.limits[item_of(name)] for name in self.payloads.datasets.locations},
            self.answers,
        )

    def _collect(self, root: Scope, maps: list[Map]) -> None:
        """Collect nodes, waits and the variables of the root, and the tasks' inputs."""
        self.payloads = Payloads(self.source, self.main, self.context, self.outer)
        self.nodes = {node.name: node for node in self.source.whole.walk()}
        self.answered = {name for name, one in self.nodes.items() if one.step.options.callback}
        self.variables = asked_variables(self.nodes.values(), root)
        self.waits = {one.name: one for one in self.source.graph.every() if isinstance(one, Wait)}
        taken = {name for scope in root.walk() for name in scope.variables.values()}
        taken |= {*self.variables.values()}
        self.times = parameter_variables(self.payloads.until, "lokki_time", taken)
        self.parallel = parameter_variables(self.payloads.limited, "lokki_limit", taken)
        self.names |= {*self.nodes, *self.waits, *(one.name for one in maps)}
        self.arrays = arrays_of(maps)
        self.payloads.datasets.assign(taken)

    def _divide_bytes(self, root: Scope, maps: list[Map]) -> None:
        """Compute the limits of results, and the layouts of those that maps run over."""
        items = [item_of(one.name) for one in maps if one.options.mode == "distributed"]
        names = [*self.nodes, *(one.name for one in maps), *items]
        most_output = None if self.outer is None else MOST_INCLUDED
        limited, self.most_parameters = capacities(root, self.payloads, most_output)
        self.answers = tuple(one for one in limited if not self.answered.isdisjoint(one.results))
        producers = {one.producer for one in self.arrays.values()}
        references = {
            one.name: reference_bytes(one, self.source.name)
            for one in self.source.graph.nodes
            if isinstance(one, Node) and one.name not in producers
        }
        read = {item_of(one.name) for one in maps if isinstance(one.items, Dataset)}
        self.limits = inline_limits(limited, names, references, self.answered | read)
        self.reserved = failure_bytes(self.payloads)
        for name, size in self.reserved.items():
            self.limits[name] += size * (self.payloads.batch_of(name) == 1)
        self.layouts = self._layouts(maps)
        self._reserve()

    def _layouts(self, maps: list[Map]) -> dict[Array, dict[str, Any]]:
        """Return the layouts of results for the maps that run over them or over parts of them."""
        layouts: dict[Array, dict[str, Any]] = {}
        within = [one.body.results for one in maps if one.options.mode == "inline"]
        ends = {name for terminals in within for name in terminals}
        for one in maps:
            if one.name not in self.arrays:
                continue
            layout = layouts.setdefault(self.arrays[one.name], {})
            if isinstance(one.items, Part):
                layout["part"] = one.items.selection
            if one.options.mode == "inline":
                self._lay_out_inline(one, layout, ends)
            else:
                limit = self.limits[item_of(one.name)]
                layout["inline"] = max(0, min(layout.get("inline", limit), limit))
        taken = {
            reference.name
            for payload in self.payloads.of_tasks.values()
            for reference in references_in(payload)
        } | {*(self.ends or ())}
        for (producer, _), layout in layouts.items():
            if producer not in taken:
                layout["alone"] = True
        return layouts

    def _lay_out_inline(self, one: Map, layout: dict[str, Any], ends: Collection[str]) -> None:
        """Add an inline map to the layout of its items.

        Args:
            one: The map.
            layout: The layout, which maps over the same items share.
            ends: Nodes whose results are those of inline maps.
        """
        limit = self.limits[one.name]
        layout["room"] = min(layout.get("room", limit), limit)
        if one.name in ends:
            layout["within.$"] = "$.room"
        last = [node for node in one.body.nodes if node.name in ends]
        referred = [REFERENCE_BYTES for node in last if _is_referred(node)]
        failed = [self.reserved[node.name] for node in last if node.name in self.reserved]
        if referred or failed:
            layout["least"] = max(*referred, *failed, layout.get("least", 0))

    def _reserve(self) -> None:
        """Subtract from the limits what envelopes contain beside the value."""
        for producer, _ in self.layouts:  # the location of the items
            self.limits[producer] = max(0, self.limits[producer] - REFERENCE_BYTES)
        times = (one for one in self.payloads.until.values() if isinstance(one, Reference))
        self.instants = {one.name for one in times}
        for name in self.instants:
            self.limits[name] = max(0, self.limits[name] - INSTANT_BYTES)
        for name, texts in self.payloads.datasets.texts.items():
            self.limits[name] = max(0, self.limits[name] - TEXT_BYTES * len(texts))

    def _layouts_of(self, producer: str) -> dict[str, dict[str, Any]]:
        """Return the layouts for the maps over a node's result, by the keys of their arrays."""
        arrays = dict.fromkeys(one for one in self.arrays.values() if one.producer == producer)
        return {one.key: self.layouts[one] for one in arrays}

    def _readers(self) -> frozenset[Step]:
        payloads, read = self.payloads.of_tasks, self.payloads.datasets.locations
        return frozenset(
            step
            for name, node in self.nodes.items()
            if any(not (one.is_item and one.name in read) for one in references_in(payloads[name]))
            or has_stored_literal(payloads[name])
            for step in (*node.step.with_code, node.step.condition)
            if step is not None
        ) | {step for node in self.source.graph.routed for step in node.step.with_code}

    # States.

    def _states(self, scope: Scope) -> dict[str, Any]:
        for node in (self.nodes[one] for one in scope.parts if one in self.payloads.walks):
            sent = {**self._sent(node, scope), **self._inline(node, scope)}
            literals, around = self.payloads.literals, self.outer or self.source
            self.walks[node.name] = inside_of(node, sent, literals, around, scope.map)
        titles = [self._state_name(part) for part in scope.parts]
        entries = [self._entry(name, part) for name, part in zip(titles, scope.parts, strict=True)]
        following = [*entries[1:], None]
        states: dict[str, Any] = {}
        for name, entry, part, after in zip(titles, entries, scope.parts, following, strict=True):
            states |= self._part_states(name, entry, part, after, scope)
        return {"StartAt": entries[0], "States": states}

    def _part_states(
        self, name: str, entry: str, part: str | Fork | Loop, following: str | None, scope: Scope
    ) -> dict[str, Any]:
        """Return the states of a part of a scope.

        Args:
            name: Name of the state that makes the part's result.
            entry: Name of the part's first state.
            part: The part.
            following: Name of the next part's first state, ``None`` for the last part.
            scope: The scope.
        """
        node = self.nodes.get(part) if isinstance(part, str) else None
        waits, conditional = name in self.waits, name in self.variables
        skips = node is not None and node.when is not None and name in self.answered
        state = {**self._state(part, scope), **self._kept(part, scope)}
        states = {name: state}
        if following is None and (conditional or skips or (waits and scope.exports)):
            following = self._own_name(f"Answer of {name}")
            states[following] = {"Type": "Pass", **self._exported(scope, {}), "End": True}
        if following is None:
            state |= {**self._output(part, scope), "End": True}
        else:
            state |= {**({} if waits else {"ResultPath": None}), "Next": following}
        if skips:
            state["Catch"] = [self._skipping(name, state, scope)]
        if name in self.times:
            states[entry] = self._time(self.waits[name], scope)
        is_located = isinstance(part, Loop) and self.payloads.datasets.is_prepared(part.map)
        first = name
        if name in self.parallel:
            first = self._own_name(f"Limit of {name}") if is_located else entry
            states[first] = self._limit(name, scope)
        if isinstance(part, Loop) and is_located:
            states |= self.payloads.datasets.states(part.map, scope, entry, first, self._own_name)
        raising_states = [name]
        if node is not None and node.step.is_job:
            event = error_event(node.step.name, name, scope)
            added, state["Catch"] = raising(name, event, self.names)
            writing = {**self.events.pop(name), "Next": name}
            if conditional:
                states |= self._condition(name, entry, state["Next"], writing)
            else:
                states[entry] = writing
            states |= added
            raising_states = [*added, *([entry] if conditional else ())]
        if entry != name and node is not None and node.step.routed is not None:
            states[entry] = assigning(self.walks[name])
        if node is not None and node.step.starts is not None:
            start = self._start(node, name, entry)
            states |= start
            raising_states += [one for one in start if one != node.name]
        if node is not None and node.catch:
            raised = [states[one] for one in raising_states]
            states |= self._catching(node.name, scope, following, raised)
        return states

    def _skipping(self, name: str, state: dict[str, Any], scope: Scope) -> dict[str, Any]:
        """Return the rule that continues without the answer, if a step's condition is false."""
        variable = scope.variables.get(name)
        kept = {"Assign": {variable: {"value": None, "skipped": True}}} if variable else {}
        return {"ErrorEquals": [SKIPPED], "ResultPath": None, **kept, "Next": state["Next"]}

    def _condition(
        self, name: str, entry: str, following: str, writing: dict[str, Any]
    ) -> dict[str, Any]:
        """Add the states that decide whether a job is submitted, and the one that writes its event.

        Args:
            name: Name of the job's state.
            entry: Name of the first of these states.
            following: Name of the state after the job.
            writing: The state that writes the event.
        """
        choice, event = self._own_name(f"Whether {name} runs"), self._own_name(f"Event of {name}")
        rule = {"Variable": f"${self.variables[name]}", "BooleanEquals": True, "Next": event}
        return {
            entry: {**self.conditions.pop(name), "Next": choice},
            choice: {"Type": "Choice", "Choices": [rule], "Default": following},
            event: writing,
        }

    def _entry(self, name: str, part: str | Fork | Loop) -> str:
        """Return the first state of a part: before a job, the condition's or the event's state."""
        if part in self.times:
            return self._own_name(f"Time of {name}")
        if isinstance(part, Loop) and self.payloads.datasets.is_prepared(part.map):
            return self._own_name(f"Location of {name}")
        if name in self.parallel:
            return self._own_name(f"Limit of {name}")
        if isinstance(part, str) and part in self.payloads.starts:
            prepared = self._is_prepared(part)
            return self._own_name(f"Parameters of {part}") if prepared else part
        if part in self.payloads.walks and self.walks[name].variable is not None:
            return self._own_name(f"Arguments of {name}")
        if part not in self.payloads.jobs:
            return name
        what = "Condition" if part in self.variables else "Event"
        return self._own_name(f"{what} of {name}")

    def _is_prepared(self, node: str) -> bool:
        """Return whether a function makes the input of a pipeline that a node starts."""
        return node in self.payloads.given or starts.needs_function(self.payloads.of_tasks[node])

    def _start(self, node: Node, result: str, entry: str) -> dict[str, Any]:
        """Return the states before that with the result of a started pipeline."""
        preparing, state = self.started.pop(node.name)
        assert node.step.starts is not None
        event = starts.error_event(node.name, node.step.starts)
        placeholder, comment = starts.STARTS_PLACEHOLDER, starts.COMMENT
        added, catch = raising(node.name, event, self.names, placeholder, comment)
        first = {} if entry == node.name else {entry: preparing}
        return {**first, node.name: {**state, "Catch": catch, "Next": result}, **added}

    def _own_name(self, wanted: str) -> str:
        """Return a name that no other state has."""
        name = unique(wanted, self.names, quotas.STATE_NAME_LENGTH)
        self.names.add(name)
        return name

    def _catching(
        self, node: str, scope: Scope, following: str | None, raised: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Add a catcher to the states that raise a step's errors; return the state it requires.

        Args:
            node: The node.
            scope: Its scope.
            following: The state after it, which reads variables; ``None`` if there is none. A
                state is then made that makes the scope's output.
            raised: The states that raise its errors.
        """
        step = self.nodes[node].step.name
        failed, variable = {"failed.$": "$", "step": step}, scope.variables.get(node)
        names = Rules.of(self.nodes[node], self.main).caught(self.nodes[node].catch)
        catcher: dict[str, Any] = {"ErrorEquals": names}
        added: dict[str, Any] = {}
        if following is None:
            following = self._own_name(f"Failure of {node}")
            made = self._exported(scope, {node: failed})
            added[following] = {"Type": "Pass", **made, "End": True}
        else:
            catcher["ResultPath"] = None
            if variable is not None:
                catcher["Assign"] = {variable: failed}
        catcher["Next"] = following
        for state in raised:
            state["Catch"] = [*state.get("Catch", ()), catcher]
        return added

    def _exported(self, scope: Scope, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a Pass state that makes a scope's output, as :meth:`_exports`."""
        exports = self._exports(scope, own)
        return {"Parameters": exports} if exports else {"OutputPath": None}

    def _exports(self, scope: Scope, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the template of a scope's output.

        Args:
            scope: The scope.
            own: Envelopes that are in no variable, or their paths, by node.
        """
        exports: dict[str, Any] = {}
        for node, key in scope.exports.items():
            exports |= _field(key, own.get(node) or f"${scope.variables[node]}")
        return exports

    def _state_name(self, part: str | Fork | Loop) -> str:
        if isinstance(part, Loop):
            return part.map.name
        if isinstance(part, str):
            return self._own_name(f"Result of {part}") if part in self.payloads.starts else part
        name = unique(title(part), self.names, quotas.STATE_NAME_LENGTH)
        self.names.add(name)
        return name

    def _state(self, part: str | Fork | Loop, scope: Scope) -> dict[str, Any]:
        if isinstance(part, Fork):
            branches = [self._states(branch) for branch in part.branches]
            return {"Type": "Parallel", "Branches": branches}
        if isinstance(part, Loop):
            return self._map(part, scope)
        if part in self.waits:
            return self._wait(self.waits[part], scope)
        return self._task(self.nodes[part], scope)

    def _wait(self, one: Wait, scope: Scope) -> dict[str, Any]:
        if one.seconds is not None:
            return {"Type": "Wait", "Seconds": one.seconds}
        if isinstance(one.until, Literal):
            return {"Type": "Wait", "Timestamp": one.until.value}
        until = self.payloads.until[one.name]
        if isinstance(until, Reference):
            return {"Type": "Wait", "TimestampPath": f"{path(until, scope)}.instant"}
        return {"Type": "Wait", "TimestampPath": f"${self.times[one.name]}"}

    def _time(self, one: Wait, scope: Scope) -> dict[str, Any]:
        """Return the state that assigns the parameter until which a wait waits."""
        parameter, given = self._parameter(self.payloads.until[one.name].name, scope)
        return time_state(parameter, given, self.times[one.name], one)

    def _limit(self, name: str, scope: Scope) -> dict[str, Any]:
        """Return the state that assigns the parameter that limits how many items run at once."""
        parameter, given = self._parameter(self.payloads.limited[name].name, scope)
        return parameter_state(given, parameter.default, self.parallel[name], name)

    def _parameter(self, name: str, scope: Scope) -> tuple[FlowParameter, str]:
        """Return a parameter, and the path of its value in a scope."""
        (parameter,) = (each for each in self.source.parameters if each.name == name)
        around = scope.map
        given = self.payloads.input if around is None else f"{shared(around)}.given"
        return parameter, f"{given}.{name}"

    def _task(self, node: Node, scope: Scope) -> dict[str, Any]:
        description = node.step.options.description or _first_line(node.step.function.__doc__)
        state: dict[str, Any] = {
            "Type": "Task",
            **({"Comment": description} if description else {}),
        }
        if node.step.routed is not None:
            return self._walk(node, self.walks[node.name])
        sent, rules = self._sent(node, scope), Rules.of(node, self.main)
        if node.step.starts is not None:
            preparing, begun, made = starts.starting(
                node,
                {**sent, **self._inline(node, scope)},
                rules,
                self.machines[node.step.starts.machine],
                prepared=self._is_prepared(node.name),
            )
            self.started[node.name] = preparing, begun
            return made
        if node.step.is_job:
            return {**state, **self._job(node, scope, sent, rules)}
        function = {
            "FunctionName": Template(f"${{{self.functions[node.step]}}}"),
            "Payload": {**sent, **self._inline(node, scope)},
        }
        service, retriers = "lambda:invoke", rules.retriers()
        if node.name in self.answered:
            service += ".waitForTaskToken"
            state |= waiting_times(node.step.options)
            if node.when is not None:
                retriers = [{"ErrorEquals": [SKIPPED], "MaxAttempts": 0}, *retriers]
        return {
            **state,
            "Resource": Template(f"arn:${{partition}}:states:::{service}"),
            "Parameters": function,
            "Retry": retriers,
        }

    def _walk(self, node: Node, inside: Inside) -> dict[str, Any]:
        """Return the state that runs a routed pipeline."""
        definition, routes = node.routed, node.routes
        assert routes is not None
        made, *_ = route_states(
            definition,
            self.functions,
            self.main,
            self.context,
            self.machines,
            inside=inside,
            taken=self.names,
        )
        events = refuse_long_walks(made, routes, node.place)
        return parallel_state(definition.name, Branch(made, events))

    def _sent(self, node: Node, scope: Scope) -> dict[str, Any]:
        """Return the event of a node, without the limit of its result."""
        payload = self.payloads.of_tasks[node.name]
        sent = with_paths(payload, lambda reference: path(reference, scope))
        around = scope.map
        if around is None:
            sent = {"run.$": "$$.Execution.Name", **sent}
        else:
            item = "$.Items[*]" if around.options.batch_size > 1 else "$"
            sent = {"run.$": f"{shared(around)}.run", "place.$": f"{item}.place", **sent}
        if node.name in self.payloads.given:
            given = self.payloads.input if around is None else f"{shared(around)}.given"
            sent["given.$"] = given
            if (
                node is not self.source.cleanup and self.outer is None
            ):  # the first steps refuse an input that is wrong
                sent["flow"] = {**known_names(self.source), "most": self.most_parameters}
        layouts = self._layouts_of(node.name)
        if "items" in layouts:
            sent["items"] = layouts.pop("items")
        if layouts:
            sent["parts"] = layouts
        if node.name in self.instants:
            sent["instant"] = True
        if node.name in self.payloads.datasets.texts:
            sent["texts"] = self.payloads.datasets.texts[node.name]
        return sent

    def _job(self, node: Node, scope: Scope, sent: dict[str, Any], rules: Rules) -> dict[str, Any]:
        """Return the fields of a job's state, and keep the states before it.

        Args:
            node: The node.
            scope: Its scope.
            sent: Its event.
            rules: Its retriers.
        """
        if node.when is not None:
            condition = self.functions[_condition_of(node)]
            variable, result = self.variables[node.name], scope.variables.get(node.name)
            self.conditions[node.name] = asking(sent, condition, variable, result, node, rules)
            sent = {key: value for key, value in sent.items() if key != "when"}
        sent["seconds"] = node.step.options.timeout_seconds
        placeholder = self.functions[node.step]
        self.events[node.name], running = job_states(
            self.source.name, node.step.name, node.name, scope, rules, placeholder, sent
        )
        return running

    def _inline(self, node: Node, scope: Scope) -> dict[str, Any]:
        """Return the result's limit; in inline maps, a share of the map's capacity."""
        one = scope.map
        if one and one.options.mode == "inline" and node.name in one.body.results:
            return {"inline.$": "$.room", "bounded": True}
        return {"inline": self.limits[node.name]}

    def _map(self, loop: Loop, scope: Scope) -> dict[str, Any]:
        one, label = loop.map, None
        if one.options.mode == "distributed":
            label = unique(shortened(identifier(one.name), LABEL_LENGTH), self.labels, LABEL_LENGTH)
            self.labels.append(label)
            self.standard_maps |= one.options.execution_type == "standard"
        before = len(self.labels)
        body = self._states(loop.body)
        if label is not None and len(self.labels) > before:
            self.nested_maps = True
        made = map_state(one, self.arrays.get(one.name), scope, self.payloads, label, body)
        if one.name in self.parallel:
            made["MaxConcurrencyPath"] = f"${self.parallel[one.name]}"
        return made

    def _kept(self, part: str | Fork | Loop, scope: Scope) -> dict[str, Any]:
        """Return the assignments that later states of the scope read."""
        kept: dict[str, Any] = {}
        for name, result in self._results(part, scope).items():
            if name in scope.variables:
                kept |= _field(scope.variables[name], result)
        return {"Assign": kept} if kept else {}

    def _output(self, part: str | Fork | Loop, scope: Scope) -> dict[str, Any]:
        """Return the scope's output, which its last state makes."""
        if not scope.exports:
            unused = {} if part in self.waits else {"ResultPath": None}
            return {**unused, "OutputPath": None}
        return {"ResultSelector": self._exports(scope, self._results(part, scope))}

    def _results(self, part: str | Fork | Loop, scope: Scope) -> dict[str, Any]:
        """Return the position of each envelope in a state's result: a path, or paths by name."""
        if isinstance(part, Fork):
            return dict(part.paths)
        if isinstance(part, str) and part in self.waits:
            value = self.waits[part].value
            return {} if value is None else {part: f"${scope.variable(value.node)}"}
        if isinstance(part, str) and part in self.answered:
            return {part: {"value.$": "$"}}  # data from outside, of any form
        if isinstance(part, str) and part in self.walks:
            return {part: "$[0]"}
        if isinstance(part, str):
            of_job = part in self.payloads.jobs
            return {part: job_result(self._layouts_of(part)) if of_job else "$.Payload"}
        if part.map.options.mode == "inline":
            return {part.map.name: {"gathered.$": "$"}}
        return {part.map.name: {"map.$": "$.ResultWriterDetails"}}


def _condition_of(node: Node) -> Step:
    """Return the Lambda step of a job's condition."""
    assert node.step.condition is not None
    return node.step.condition


def _is_referred(node: AnyNode) -> bool:
    """Return whether a result is always a reference: a job's, or that of a Distributed Map."""
    if isinstance(node, Map):
        return node.options.mode == "distributed"
    return isinstance(node, Node) and node.step.is_job


def _field(key: str, result: Any) -> dict[str, Any]:
    """Return a field of a template: an object, or what a path selects."""
    return {f"{key}.$": result} if isinstance(result, str) else {key: result}


def _first_line(text: str | None) -> str:
    return text.strip().partition("\n")[0].strip() if text else ""
