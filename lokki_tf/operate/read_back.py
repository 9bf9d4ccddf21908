"""A pipeline's definition from its deployed state machine, for reports without the user's code.

The tasks of a state machine name the nodes that they run, the sources of their arguments, and of a
routed pipeline the next steps. Code, source locations, conditions and the types of parameters are
not in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from lokki_tf.asl import failed_title
from lokki_tf.errors import Place
from lokki_tf.model import (
    REQUIRED,
    Attribute,
    Condition,
    Definition,
    FlowParameter,
    Graph,
    Group,
    Item,
    Literal,
    Map,
    MapOptions,
    Node,
    Output,
    Parameter,
    Part,
    Route,
    Routes,
    Step,
    StepOptions,
    Transition,
    Wait,
)
from lokki_tf.model.steps import IncludedPipeline, StartedPipeline
from lokki_tf.runtime.call import SKIPPED

NO_PLACE = Place("", 0)
"""The source location of what is read from a state machine."""
_ITEM = re.compile(r"\$\.(Items\[\*\]\.)?item\b")
_ARGUMENT = re.compile(r"\$\.(?:BatchInput\.)?arguments\.(\w+)")
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
_JOB = re.compile(r"/runs/([^/]+)/")
_ASIDES = ("starts", "answer", "redrives", "slots", "asks")
_NONE: Mapping[str, Any] = MappingProxyType({})
_NOT_INPUTS = ("value", "pickle", "ref")  # of envelopes


@dataclass(slots=True)
class _Scope:
    """The nodes of a graph while its states are read.

    Args:
        nodes: The nodes so far.
        variables: Names of the nodes whose results variables and outputs have, by these.
        ends: Names of the nodes after which the next state follows.
    """

    nodes: list[Node | Map | Wait] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    ends: tuple[str, ...] = ()


def is_pipeline(machine: Mapping[str, Any]) -> bool:
    """Return whether a state machine was written by lokki_tf.

    Args:
        machine: Its definition.
    """
    return any({"node", "format"} <= set(one) for _, _, one in _tasks(machine))


def store_in(machine: Mapping[str, Any]) -> str:
    """Return ``s3://bucket/prefix`` under which a pipeline stores all objects.

    Args:
        machine: The definition of its state machine.
    """
    found = (one["store"] for _, _, one in _tasks(machine) if "store" in one)
    return str(next(found, ""))


def definition_in(name: str, machine: Mapping[str, Any]) -> Definition:
    """Return a pipeline's definition from its state machine.

    Args:
        name: The name of the state machine.
        machine: Its definition.
    """
    return _Reading(name, machine).definition()


def functions_in(machine: Mapping[str, Any], definition: Definition) -> dict[str, str]:
    """Return the names of the Lambda functions of a pipeline's steps, by step.

    Args:
        machine: The definition of its state machine.
        definition: The definition that was read from it.
    """
    names = {node.name: node.step.name for node in definition.whole.walk()}
    names |= {one.name: one.name for one in definition.steps}
    return {
        names[one["node"]]: _function(state)
        for _, state, one in _tasks(machine)
        if one.get("node") in names and not _is_aside(one) and "Payload" in state["Parameters"]
    }


class _Reading:
    def __init__(self, name: str, machine: Mapping[str, Any]) -> None:
        self.name = name
        self.machine = machine
        self.states: Mapping[str, Mapping[str, Any]] = machine["States"]
        every = list(_tasks(machine))
        # The arguments of a job are in the task that writes its event, those of a started pipeline
        # in the task that makes its parameters.
        self.given = {one["node"]: one for _, _, one in every if {"kwargs", "args"} & set(one)}
        self.asked = {one["node"] for _, _, one in every if "when" in one}
        own = [_payload(state) for state in self.states.values()]
        tasks = sorted((one for one in own if "route" in one), key=lambda one: "failure" not in one)
        self.routed = {str(_routed_name(one)): one for one in tasks}
        self.cleanup = next(
            (title for title in self.states if failed_title(title) in self._failed_states()), None
        )
        self.parameters = tuple(self._parameters([one for _, _, one in every]))

    def _failed_states(self) -> set[str]:
        """Return the names of states after which an execution fails."""
        ends = {name for name, state in self.states.items() if state["Type"] == "Fail"}
        return {name for name, state in self.states.items() if state.get("Next") in ends}

    def definition(self) -> Definition:
        routes = self._routes() if self.routed else None
        if routes is None:
            scope = self._scope(self.machine, ())
            nodes = [one for one in scope.nodes if one.name != self.cleanup]
        else:
            nodes = [*self._included(routes)]
        cleanup = None
        if self.cleanup is not None:
            cleanup = self._node(self.cleanup, self.states[self.cleanup], _Scope())
            cleanup = replace(cleanup, name=self.cleanup, kwargs=())
        check = next((state for _, state, one in _tasks(self.machine) if "slots" in one), None)
        return Definition(
            self.name,
            Graph(tuple(nodes)),
            place=NO_PLACE,
            description=self.machine.get("Comment"),
            parameters=self.parameters,
            routes=routes,
            timeout_seconds=self.machine.get("TimeoutSeconds"),
            cleanup=cleanup,
            when_busy="skip" if check is not None and "Catch" in check else "queue",
        )

    def _parameters(self, payloads: Sequence[Mapping[str, Any]]) -> Iterator[FlowParameter]:
        """Yield the parameters of a run: their names, and defaults as far as they are known."""
        signatures = (str(one["flow"]["signature"]) for one in payloads if "flow" in one)
        members = (one for payload in payloads for one in _members(payload.get("kwargs")))
        given = {one["parameter"]: one.get("default", {}) for one in members if "parameter" in one}
        for name, default in _defaults(next(signatures, "()")).items():
            yield FlowParameter(name, Any, given.get(name, {}).get("value", default))

    # Graphs.

    def _scope(
        self, scope: Mapping[str, Any], before: tuple[str, ...], known: _Scope | None = None
    ) -> _Scope:
        """Read the states of a scope one after another, from its first one.

        Args:
            scope: ``StartAt`` and ``States``.
            before: Names of the nodes that its first state follows.
            known: The graph to which its nodes are added.
        """
        found = _Scope() if known is None else known
        found.ends = before
        states, name, seen = scope["States"], scope["StartAt"], set[str]()
        while name is not None and name not in seen:
            seen.add(name)
            self._add(name, states[name], found)
            choices = states[name].get("Choices", ())
            name = choices[0]["Next"] if choices else states[name].get("Next")
        return found

    def _add(self, name: str, state: Mapping[str, Any], scope: _Scope) -> None:
        """Add the nodes of a state to a graph."""
        kind = state["Type"]
        made: Node | Map | Wait | None = None
        if kind == "Parallel" and (walk := self._walk(name, state, scope)) is not None:
            made = walk
        elif kind == "Parallel":
            before, ends = scope.ends, list[str]()
            for branch in state["Branches"]:
                self._scope(branch, before, scope)
                ends += scope.ends
            scope.ends = tuple(dict.fromkeys(ends))
        elif kind == "Map":
            made = self._map(name, state, scope)
        elif kind == "Wait":
            made = self._wait(name, state, scope)
        elif kind == "Task" and _runs_node(state):
            made = self._node(name, state, scope)
        payload = _payload(state)
        if made is None and payload.get("starts") != "result":
            return
        for part in (state.get("Assign", {}), state.get("ResultSelector", {})):
            of = str(payload["node"]) if made is None else made.name
            scope.variables |= {key.removesuffix(".$"): of for key in part}
        if made is None:
            return
        waits = {one.name for one in scope.nodes if isinstance(one, Wait)}
        if not made.inputs or waits.intersection(scope.ends):
            made = replace(made, after=scope.ends)
        scope.nodes.append(made)
        scope.ends = (made.name,)

    def _node(self, name: str, state: Mapping[str, Any], scope: _Scope) -> Node:
        payload = _payload(state)
        node = str(payload.get("node", name))
        given = self.given.get(node, payload)
        return Node(
            node,
            self._step(node, state),
            tuple(one for _, one in _bindings(given, "args", scope)),
            _bindings(given, "kwargs", scope),
            (),
            (),
            NO_PLACE,
            Condition() if node in self.asked else None,
            tuple(self._caught(node, state)),
        )

    def _walk(self, name: str, state: Mapping[str, Any], scope: _Scope) -> Node | None:
        """Return the node of a state that runs a routed pipeline; ``None`` for other states."""
        branch = state["Branches"][0]
        inside = _Reading(self.name, branch)
        if not inside.routed:
            return None
        title = str(state["Comment"]).removeprefix("Runs the steps of ")
        inner = replace(inside.definition(), name=title)
        call = self._call(_payload(branch["States"][branch["StartAt"]]))
        kwargs = _bindings(call, "kwargs", scope)
        caught = tuple(self._caught(name, state))
        step = _step(title, StepOptions(), routed=inner)
        return Node(name, step, (), kwargs, (), (), NO_PLACE, catch=caught)

    def _call(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the arguments of a routed pipeline: in its first event, or in a variable."""
        variable = str(payload.get("call.$", "")).removeprefix("$").partition(".")[0]
        assigned = (state.get("Assign", {}).get(variable) for _, state in _every(self.machine))
        held: Any = next((one for one in assigned if one is not None), {"call": {}})
        found: Mapping[str, Any] = payload.get("call", held["call"])
        return found

    def _step(self, node: str, state: Mapping[str, Any]) -> Step:
        """Return the step that a task runs; its name is in that of its function or job."""
        resource, given = state["Resource"], state.get("Parameters", {})
        options = StepOptions(callback=resource.endswith(".waitForTaskToken"))
        if "states:startExecution" in resource:
            machine = str(given.get("StateMachineArn", ""))
            title = str(state.get("Comment", node)).removeprefix("Starts ")
            return _step(node, options, starts=StartedPipeline(title, machine))
        if "batch:submitJob" in resource:
            found = _JOB.search(str(given.get("Parameters", {}).get("At.$", "")))
            name = node if found is None else found[1]
            return _step(name, replace(options, job_type="batch"))
        name = _function(state).removeprefix(f"{self.name}-")
        return _step(node if name == _function(state) else name, options)

    def _caught(self, node: str, state: Mapping[str, Any]) -> Iterator[str]:
        """Yield the errors that make a failure the result of a node."""
        if _is_job(state):
            state = self._inner_state(f"{node}: error") or {}
        for catcher in state.get("Catch", ()):
            if catcher["Next"] != self.cleanup and not self._is_of_cleanup(catcher["Next"]):
                yield from (one for one in catcher["ErrorEquals"] if one != SKIPPED)

    def _is_of_cleanup(self, state: str) -> bool:
        return self.cleanup is not None and state == failed_title(self.cleanup)

    def _inner_state(self, name: str) -> Mapping[str, Any] | None:
        return next((state for title, state in _every(self.machine) if title == name), None)

    def _map(self, name: str, state: Mapping[str, Any], scope: _Scope) -> Map:
        body = state.get("ItemProcessor") or state["Iterator"]
        inline = body.get("ProcessorConfig", {}).get("Mode", "INLINE") == "INLINE"
        source = [state.get("ItemsPath"), state.get("ItemReader")]
        common = state.get("ItemBatcher", {}).get("BatchInput", state.get("ItemSelector", {}))
        outer = {key: _binding(one, scope) for key, one in _fields(common.get("arguments", {}))}
        inner = Graph(tuple(self._scope(body, ()).nodes))
        return Map(
            name,
            _binding(source, scope),
            inner,
            tuple(dict(_arguments(inner, outer)).items()),
            MapOptions(mode="inline" if inline else "distributed"),
            (),
            NO_PLACE,
        )

    def _wait(self, name: str, state: Mapping[str, Any], scope: _Scope) -> Wait:
        if "Seconds" in state:
            return Wait(name, NO_PLACE, seconds=int(state["Seconds"]))
        found = [*_references(state.get("TimestampPath"), scope)]
        until = found[0] if found else Literal(state.get("Timestamp", "a time of the run"))
        return Wait(name, NO_PLACE, until=until)

    # Routes.

    def _routes(self) -> Routes:
        limit = max(int(one["route"].get("limit", 25)) for one in self.routed.values())
        tasks = {name: self._target(name) for name in self.states}
        start = self._target(self.machine["StartAt"])
        routes = [self._route(name) for name in self.routed]
        known = {one.name for one in routes}
        others = (name for name in dict.fromkeys(tasks.values()) if name and name not in known)
        routes += [Route(self._step_of(name), ()) for name in others if name != self.cleanup]
        return Routes(start or routes[0].name, tuple(routes), limit)

    def _route(self, name: str) -> Route:
        route = self.routed[name]["route"]
        targets: list[str | None] = [*route["targets"], *([None] if route["ends"] else [])]
        transitions = [Transition(one, NO_PLACE) for one in targets]
        caught: dict[str, list[str]] = {}
        for state in self._states_of(name):
            for catcher in state.get("Catch", ()):
                target = self._target(catcher["Next"])
                if target is not None and target != self.cleanup:
                    caught.setdefault(target, []).extend(catcher["ErrorEquals"])
        transitions += [
            Transition(target, NO_PLACE, errors=tuple(dict.fromkeys(errors)))
            for target, errors in caught.items()
        ]
        return Route(self._step_of(name), tuple(transitions), default_next=route["default"])

    def _states_of(self, name: str) -> list[Mapping[str, Any]]:
        """Return the states of a step of a routed pipeline, in which its errors are caught."""
        name = self.routed[name]["node"]
        named = (name, f"{name}: error", f"{name} after a failure")
        return [self.states[one] for one in named if one in self.states]

    def _target(self, state: str) -> str | None:
        """Return the step to which a state leads."""
        seen: set[str] = set()
        while state is not None and state not in seen:
            seen.add(state)
            found = self.states[state]
            name = _routed_name(_payload(found))
            if name in self.routed:
                return name
            if found["Type"] in ("Task", "Parallel") and state in self.routed:
                return state
            if found["Type"] == "Choice":
                state = found["Choices"][0]["Next"]
            else:
                state = found.get("Next", "")
            if state not in self.states:
                break
        return None

    def _step_of(self, name: str) -> Step:
        node = self.routed[name]["node"] if name in self.routed else name
        state = self.states.get(node)
        if state is not None and state["Type"] == "Parallel":
            inner = self._inside(name, state)
            nodes = tuple(one.name.removeprefix(f"{name}.") for one in inner)
            title = str(state.get("Comment", name)).removeprefix("Runs the steps of ")
            target = self.routed[name]["route"]["targets"]
            own = IncludedPipeline(
                title, (), (), nodes, (inner[-1].name,), name, target[0] if target else None
            )
            return _step(name, StepOptions(), includes=own)
        if state is None or state["Type"] != "Task":
            title = next(
                one for one in self.states if _payload(self.states[one]).get("node") == node
            )
            state = self.states[title]
        step = self._step(node, state)
        return replace(step, name=name) if node == name else replace(step, written=name)

    def _inside(self, name: str, state: Mapping[str, Any]) -> list[Node | Map | Wait]:
        scope = self._scope({"StartAt": name, "States": {name: {**state, "Next": None}}}, ())
        return [replace(one, box=(name,)) for one in scope.nodes]

    def _included(self, routes: Routes) -> Iterator[Node | Map | Wait]:
        for route in routes.routes:
            if route.step.includes is not None:
                yield from self._inside(route.step.name, self.states[route.step.name])


def _arguments(body: Graph, outer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what every item of a map receives, from the steps of its body that receive the item.

    Args:
        body: The map's body.
        outer: Values of the graph around it, by the names that they have inside.
    """
    for node in body.nodes:
        if isinstance(node, Node) and any(isinstance(one, Item) for one in node.bindings):
            for key, one in node.kwargs:
                if isinstance(one, Parameter | Literal):
                    yield key, outer.get(one.name, one) if isinstance(one, Parameter) else one


def _step(name: str, options: StepOptions, **more: Any) -> Step:
    return Step(name, _no_code, options, NO_PLACE, **more)


def _no_code() -> None:
    """Stands for the function of a step."""


def _every(scope: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield all states, those inside others included."""
    for name, state in scope["States"].items():
        yield name, state
        bodies = (state.get("ItemProcessor"), state.get("Iterator"), *state.get("Branches", ()))
        for body in bodies:
            if body is not None:
                yield from _every(body)


def _tasks(
    machine: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the name, the state and the payload of each task with a payload."""
    for name, state in _every(machine):
        payload = _payload(state)
        if "node" in payload:
            yield name, state, payload


def _payload(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the payload of a task's function, or the event that it writes for a job."""
    given = state.get("Parameters")
    found = None
    if state["Type"] == "Task" and isinstance(given, Mapping):
        found = given.get("Payload", given.get("Body"))
    return found if isinstance(found, Mapping) else {}


def _routed_name(payload: Mapping[str, Any]) -> str | None:
    """Return the name by which others lead to a step of a routed pipeline, if it is one."""
    name = payload.get("route", {}).get("name", payload.get("node"))
    return None if name is None else str(name)


def _is_aside(payload: Mapping[str, Any]) -> bool:
    return any(one in payload for one in _ASIDES)


def _is_job(state: Mapping[str, Any]) -> bool:
    return any(
        one in state.get("Resource", "") for one in ("batch:submitJob", "states:startExecution")
    )


def _runs_node(state: Mapping[str, Any]) -> bool:
    payload = _payload(state)
    runs = "node" in payload and "Payload" in state["Parameters"] and not _is_aside(payload)
    return runs or _is_job(state)


def _function(state: Mapping[str, Any]) -> str:
    """Return the name of the function that a task calls."""
    arn = str(state.get("Parameters", {}).get("FunctionName", ""))
    return arn.split(":")[6] if arn.count(":") >= 6 else arn


def _defaults(signature: str) -> dict[str, Any]:
    """Return the parameters in a signature, ``flow(day: str = 'mon')``, with their defaults."""
    _, _, rest = signature.replace("…", "...").partition("(")
    found = ast.parse(f"def flow({rest}: pass").body[0]
    assert isinstance(found, ast.FunctionDef)
    names, defaults = [one.arg for one in found.args.args], found.args.defaults
    known = [REQUIRED] * (len(names) - len(defaults)) + [*map(ast.literal_eval, defaults)]
    return {name: REQUIRED if one is ... else one for name, one in zip(names, known, strict=True)}


def _fields(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in given.items():
        yield key.removesuffix(".$"), value


def _members(given: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all objects inside an argument."""
    waiting = [given]
    for one in waiting:
        if isinstance(one, Mapping):
            yield one
        waiting += (
            one.values() if isinstance(one, Mapping) else one if isinstance(one, list) else ()
        )


def _bindings(payload: Mapping[str, Any], field: str, scope: _Scope) -> tuple[tuple[str, Any], ...]:
    """Return the sources of a task's arguments, by name or position.

    Args:
        payload: The payload of the task.
        field: ``args`` or ``kwargs``.
        scope: The graph.
    """
    wholes = dict(_fields(payload.get("wholes", {})))
    given = _fields(payload.get(field, {}))
    return tuple((key, _binding(one, scope, wholes)) for key, one in given)


def _binding(given: Any, scope: _Scope, wholes: Mapping[str, Any] = _NONE) -> Any:
    """Return the source of an argument, as far as it is in the state machine.

    Args:
        given: The argument in the payload of a task.
        scope: The graph.
        wholes: The values of which arguments are parts.
    """
    found = list(_references(given, scope, wholes))
    if isinstance(given, Mapping) and isinstance(given.get("part"), Mapping) and len(found) == 1:
        path = (
            Attribute(k["attribute"]) if isinstance(k, dict) else k for k in given["part"]["path"]
        )
        return Part(found[0], tuple(path), "")
    if len(found) == 1 and not (isinstance(given, Mapping) and "make" in given):
        return found[0]
    if isinstance(given, Mapping) and "value" in given:
        return Literal(given["value"])
    return Group("list", tuple(found))


def _references(given: Any, scope: _Scope, wholes: Mapping[str, Any] = _NONE) -> Iterable[Any]:
    """Return the bindings for variables, the item and parameters inside an argument, each once."""
    found: dict[Any, None] = {}
    waiting = [given]
    for one in waiting:
        if isinstance(one, str) and _ITEM.match(one):
            found[Item()] = None
        elif isinstance(one, str) and (match := _ARGUMENT.match(one)):
            found[Parameter(match[1])] = None
        elif isinstance(one, str) and (match := _VARIABLE.match(one)):
            if match[1] in scope.variables:
                found[Output(scope.variables[match[1]])] = None
        elif isinstance(one, Mapping):
            if "parameter" in one:
                found[Parameter(one["parameter"])] = None
            if "part" in one and one.get("of") in wholes:
                waiting.append(wholes[one["of"]])
            waiting += [part for key, part in one.items() if key not in _NOT_INPUTS]
        elif isinstance(one, list):
            waiting += one
    return found
