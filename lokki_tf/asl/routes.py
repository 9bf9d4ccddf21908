"""Compilation of routes: a Task for each step, and a Choice if it has several next steps.

The state is the output of each Task. The first step of a run receives the execution's input; if a
step leads back to it, it has a second Task state, which receives the state. A step to which errors
of others lead has one more, which receives the failure as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from lokki_tf.model import FAILURE
from lokki_tf.model.names import digest, unique
from lokki_tf.model.retries import ALL, TASK_FAILED
from lokki_tf.model.signatures import required_of
from lokki_tf.runtime.envelope import FORMAT
from lokki_tf.runtime.routes import LARGEST, TooManySteps
from lokki_tf.runtime.started import LARGEST as MOST_STARTED

from . import quotas
from .cleanups import CleanupStates, add_cleanup
from .contexts import context_fields, poll_fields
from .jobs import error_event, job_states, raising, reading
from .literals import STORE_VARIABLE, Literals
from .locks import add_check
from .payloads import AROUND, given_variable, known_names
from .retries import Rules
from .starts import (
    COMMENT,
    STARTS_PLACEHOLDER,
    helper_call,
    preparing_state,
    result_state,
    started_state,
)
from .starts import error_event as error_event_of
from .text import Template
from .waits import waiting_times
from .walks import EVENT_BYTES, Inside

if TYPE_CHECKING:
    from collections.abc import Collection

    from lokki_tf.model import Definition, Route, Routes, Step, TextOrRef

INLINE_BYTES = 16_384
"""Bytes of a state in the history; larger values are in the bucket."""
END = "The end"
_LAST = "lokki_last"
"""The variable with the latest state, which the cleanup step reads."""

MOST_INCLUDED = 110_000
"""Bytes of the result of an included pipeline, which a function receives beside the state."""
MOST_GIVEN = 64_000
"""Bytes of the parameters of an included pipeline, which are in a state beside the state."""

_OF_ANSWERS = (
    *("format", "run.$", "place.$", "node", "store", "route", "input.$", "state.$", "taken.$"),
    *("call.$", "returns", "returns.$"),
)
"""Fields of a step's event that adding its answer requires."""


class Included(NamedTuple):
    """A compiled pipeline that is a step of a routed one.

    Args:
        states: ``StartAt`` and ``States``.
        defaults: Envelopes of the defaults of its parameters, by name.
        most: The most bytes of its parameters.
        asks: Whether one of its steps receives the parameters of the run.
    """

    states: dict[str, Any]
    defaults: Mapping[str, dict[str, Any]]
    most: int
    asks: bool


Compile = Callable[["Step", "set[str]"], Included]
"""Compiles an included pipeline: its arguments are the step, and the names of other states."""


def route_states(
    definition: Definition,
    functions: Mapping[Step, str],
    main: str,
    context: Collection[Step] = (),
    machines: Mapping[TextOrRef, str] = MappingProxyType({}),
    include: Compile | None = None,
    inside: Inside | None = None,
    taken: set[str] | None = None,
) -> tuple[dict[str, Any], int, Mapping[str, bytes], CleanupStates | None, str | None]:
    """Return the states of a routed pipeline, with the first one, and the limit of its input.

    Args:
        definition: The pipeline.
        functions: From each step to the name of its placeholder, without ``${}``.
        main: The name that the module ``__main__`` has in the zips.
        context: Steps whose code names ``run_context``.
        machines: The placeholders for ARNs of started state machines.
        include: Compiles included pipelines.
        inside: What holds for the pipeline if it is a node of a graph.
        taken: Names of other states, to which those of the pipeline are added.

    Returns:
        ``StartAt`` and ``States``; the most bytes that an execution's input may have, as compact
        JSON; what must be in the bucket, by key below the pipeline's prefix; the states that run
        the cleanup step, if there is one; and the state that takes a slot, if there is one.
    """
    assert definition.routes is not None
    compiler = _Compiler(
        definition, definition.routes, functions, main, context, machines, include, inside, taken
    )
    made = compiler.states()
    check = None
    if inside is None:
        check = add_check(definition, made, [definition.routes.start], compiler.own_name)
    return made, compiler.most_input, compiler.literals.objects, compiler.cleanup, check


class _Compiler:
    def __init__(
        self,
        definition: Definition,
        routes: Routes,
        functions: Mapping[Step, str],
        main: str,
        context: Collection[Step],
        machines: Mapping[TextOrRef, str],
        include: Compile | None,
        inside: Inside | None,
        taken: set[str] | None,
    ) -> None:
        self.definition = definition
        self.routes = routes
        self.functions = functions
        self.main = main
        self.context = context
        self.machines = machines
        self.inside = inside
        self.literals = Literals() if inside is None else inside.literals
        self.taken = set() if taken is None else taken
        names = {one.name: one.name for one in routes.routes}
        if inside is not None:
            names = {one: self.own_name(f"{inside.node}.{one}") for one in names}
        self.names = names
        """The names of states, by those with which steps lead to them."""
        self.taken |= {*names.values()}
        self.taken |= {node.name for node in definition.graph.every()}
        self.included: dict[Step, Included] = {}
        self.cleanup: CleanupStates | None = None
        if definition.cleanup is not None:
            self.taken.add(definition.cleanup.name)
            self.cleanup = CleanupStates.of(definition.cleanup.name, self.own_name)
        self.again = self.own_name(f"{self._named(routes.start)} again")
        self.end = self.own_name(END)
        self.waits = {
            target: self.own_name(f"Wait before {self._named(target)}") for target in self._waited()
        }
        caught = dict.fromkeys(
            target for one in self._reachable_routes() for target, _ in one.catches
        )
        self.limit = self.own_name("Too many steps")
        if include is not None:
            self.included = {
                one.step: include(one.step, self.taken)
                for one in self._reachable_routes()
                if one.step.includes is not None
            }
        self.failed = {
            name: self.own_name(f"{self._named(name)} after a failure") for name in caught
        }
        self.entries = {
            name: self._entry(name, routes.by_name[step].step) for name, step in self._visits()
        }

    def _named(self, name: str) -> str:
        return self.names.get(name, name)  # a check reports missing ones

    def _entry(self, name: str, step: Step) -> str:
        """Return the first state of a step: of a job, the one that writes its event."""
        if not step.has_code:
            return self.own_name(f"Parameters of {name}")
        return self.own_name(f"Event of {name}") if step.is_job else name

    def states(self) -> dict[str, Any]:
        reached = self._reachable_routes()
        states: dict[str, Any] = {}
        for route in self.routes.routes:
            name = self.names[route.name]
            if route.name == self.routes.start:
                self._add(states, route, name, first=True)
                if any(self.routes.start in one.targets for one in reached):
                    self._add(states, route, self.again, first=False)
            elif any(route.name in one.targets for one in reached):
                self._add(states, route, name, first=False)
            if route.name in self.failed and route in reached:
                self._add(states, route, self.failed[route.name], first=False, failed=True)
        for target in dict.fromkeys(target for route in reached for target in route.waits):
            following = self._state_of(target)
            wait = {"Type": "Wait", "SecondsPath": "$.after", "Next": following}
            states[self.waits[target]] = wait
        if any(state.get("Default") == self.end for state in states.values()):
            end = (
                {"Type": "Succeed"} if self.cleanup is None else {"Type": "Pass", **self._ending()}
            )
            states[self.end] = {**end, "OutputPath": "$.result"}
        state_machine = {"StartAt": self.entries[self._named(self.routes.start)], "States": states}
        if self.cleanup is not None:
            states[self.cleanup.done] = self._clean_up()
            none = {"state": {"given.$": "$$.Execution.Input"}}
            add_cleanup(state_machine, self.cleanup, {_LAST: none})
        return state_machine

    def _ending(self) -> dict[str, Any]:
        """Return what follows the last step."""
        return {"End": True} if self.cleanup is None else {"Next": self.cleanup.done}

    def _clean_up(self) -> dict[str, Any]:
        """Return the state that runs the cleanup step; its output is its input."""
        node = self.definition.cleanup
        assert node is not None
        rules, required = Rules.of(node, self.main), required_of(node.step.function)
        cleanup = {"cleanup": {name: name in required for name, _ in node.kwargs}}
        payload = {
            **self._begun(node.step, rules, cleanup),
            **self._context(node.step),
            "last.$": f"${_LAST}",
            "input.$": "$$.Execution.Input",
        }
        return {
            "Type": "Task",
            **self._comment(node.step),
            **self._invocation(node.step, payload, rules),
            "ResultPath": None,
            "End": True,
        }

    @property
    def most_input(self) -> int:
        """Return the most bytes of an execution's input that fit into all payloads with it."""
        asked = self.cleanup is not None or any(map(self._takes_input, self.routes.routes))
        first = self.routes.by_name.get(self.routes.start)
        room = quotas.STATE_BYTES - EVENT_BYTES - quotas.CAUSE_BYTES * bool(self.failed)
        # After a failure of the first step, the input itself is the state.
        twice = self.cleanup is not None or (asked and first is not None and first.catches)
        most = [room - LARGEST * asked, room // 2 if twice else room]
        if first is not None and first.step.starts is not None:
            most.append(room - MOST_STARTED)  # the result, beside the input
        # Beside the parameters of an included pipeline, whose steps receive it.
        most += [one.most // 2 for one in self.included.values() if one.asks]
        return min(most)

    def _takes_input(self, route: Route) -> bool:
        return route.takes_input or route.step in self.context

    def _waited(self) -> list[str]:
        found = (target for route in self.routes.routes for target in route.waits)
        return list(dict.fromkeys(found))

    def _visits(self) -> list[tuple[str, str]]:
        """Yield the states of steps, each with the step's name."""
        names = [(self.names[route.name], route.name) for route in self.routes.routes]
        names += [
            (state, step) for step, state in self.failed.items() if step in self.routes.by_name
        ]
        return [*names, (self.again, self.routes.start)] if self._has_start else names

    @property
    def _has_start(self) -> bool:
        return self.routes.start in self.routes.by_name

    def _reachable_routes(self) -> list[Route]:
        """Return the steps that can be reached from the first one, itself included."""
        seen = [self.routes.start]
        for name in seen:
            known = self.routes.by_name.get(name)  # a check reports missing ones
            seen += [one for one in (known.reaches if known else ()) if one not in seen]
        return [self.routes.by_name[name] for name in seen if name in self.routes.by_name]

    def _add(
        self,
        states: dict[str, Any],
        route: Route,
        name: str,
        *,
        first: bool,
        failed: bool = False,
    ) -> None:
        """Add a step's Task, and a Choice after it if it has several next steps."""
        following = [
            self.waits[target] if target in route.waits else self._state_of(target)
            for target in route.targets
        ]
        payload = self._payload(route, first=first, failed=failed)
        task, result = self._task(route, payload), "$.Payload"
        if route.step.starts is not None:
            task = self._start(states, route, name, payload, first=first)
        elif route.step.includes is not None:
            task = self._include(states, route, name, payload, first=first)
        elif route.step.is_job:
            writing, running = self._job(route, payload)
            states |= {self.entries[name]: {**writing, "Next": name}, name: {**task, **running}}
            task, result = self._answer(states, route, name, first=first), "$.result"
        elif route.step.options.callback:
            states[name] = task
            task |= self._catch(states, route, name, first=first)
            task = self._asked(states, route, name, payload, first=first)
        else:
            states[name] = task
            task |= self._catch(states, route, name, first=first)
        if self.cleanup is not None:
            last = "States.StringToJson($.Body)" if route.step.is_job else result
            task["Assign"] = {f"{_LAST}.$": last}
        if not following:
            task |= {"OutputPath": f"{result}.result", **self._ending()}
            return
        task["OutputPath"] = result
        if len(following) == 1 and not route.ends:
            task["Next"] = following[0]
            return
        choice = self.own_name(f"After {name}")
        task["Next"] = choice
        pairs = list(zip(route.targets, following, strict=True))
        default = self.end if route.ends else pairs.pop()[1]
        states[choice] = {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.next", "StringEquals": target, "Next": state}
                for target, state in pairs
            ],
            "Default": default,
        }

    def _catch(
        self, states: dict[str, Any], route: Route, name: str, *, first: bool
    ) -> dict[str, Any]:
        """Return the catchers of a step, each of which leads to a Pass state before the next step.

        That state makes the input of the next step, and counts the step that has failed.
        """
        if not route.catches:
            return {}
        rules = self._rules(route)
        catchers: list[dict[str, Any]] = []
        caught = [(target, rules.caught(errors)) for target, errors in route.catches]
        if any({ALL, TASK_FAILED}.intersection(names) for _, names in caught):
            # The error of the run itself is not one of the step.
            end = self.limit if self.cleanup is None else self.cleanup.failed
            catchers.append({"ErrorEquals": [TooManySteps.__name__], "Next": end})
            if self.cleanup is None:
                fail = {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"}
                states[self.limit] = fail
        for target, names in caught:
            title = self.own_name(f"Failure of {name}: {target}")
            failure = {"failed.$": "$" if first else "$.failed", "step": route.step.name}
            given = {"state": self._given(), "taken": 1}
            later = {"state.$": "$.state", "taken.$": "States.MathAdd($.taken, 1)"}
            states[title] = {
                "Type": "Pass",
                "Parameters": {**(given if first else later), "failure": failure},
                "Next": self.entries.get(self.failed[target], self.failed[target]),
            }
            kept = {} if first else {"ResultPath": "$.failed"}
            catchers.append({"ErrorEquals": names, **kept, "Next": title})
        return {"Catch": catchers}

    def _answer(
        self, states: dict[str, Any], route: Route, name: str, *, first: bool
    ) -> dict[str, Any]:
        """Return the state that reads a job's next step, which Batch does not return."""
        node, title = self.names[route.name], self.own_name(f"Answer of {name}")
        added, catch = raising(name, error_event(route.step.name, node, None), self.taken)
        selecting, found = reading()
        states[name] |= {**selecting, "Catch": catch, "Next": title}
        for state in added.values():
            state |= self._catch(states, route, name, first=first)
        states |= added
        states[title] = found
        return found

    def _asked(
        self,
        states: dict[str, Any],
        route: Route,
        name: str,
        payload: dict[str, Any],
        *,
        first: bool,
    ) -> dict[str, Any]:
        """Return the state after an answer: the step's function adds it to the state.

        Step Functions cannot: the state may be in the bucket, and must remain small.
        """
        title = self.own_name(f"Answer of {name}")
        kept = {} if first else {"ResultPath": "$.answer"}
        states[name] |= {**waiting_times(route.step.options), **kept, "Next": title}
        sent = {key: one for key, one in payload.items() if key in _OF_ANSWERS}
        if not first:
            sent.pop("input.$", None)
        sent |= {"inline": INLINE_BYTES, "answer.$": "$" if first else "$.answer"}
        adding = helper_call(sent, self.functions[route.step])
        states[title] = adding
        return adding

    def _start(
        self,
        states: dict[str, Any],
        route: Route,
        name: str,
        payload: dict[str, Any],
        *,
        first: bool,
    ) -> dict[str, Any]:
        """Add the states of a step that starts a pipeline, and return the one with its result."""
        started, rules = route.step.starts, self._rules(route)
        assert started is not None
        payload = _without_handling(payload)
        update = {"update": started.result, "next": started.next}
        placeholder = self.machines[started.machine]
        event = error_event_of(self.names[route.name], started)
        title, entry = self.own_name(f"Result of {name}"), self.entries[name]
        added, catch = raising(name, event, self.taken, STARTS_PLACEHOLDER, COMMENT)
        begun = started_state(name, started, rules, placeholder)
        result = result_state(name, started, {**payload, **update})
        made = {
            entry: preparing_state(name, started, {"takes": dict(started.takes), **payload}),
            name: {**begun, "Catch": catch, "Next": title},
            title: result,
            **added,
        }
        caught = self._catch(states, route, name, first=first)
        for one, state in made.items():
            state |= {} if one == name else caught
        states |= made
        return result

    def _include(
        self,
        states: dict[str, Any],
        route: Route,
        name: str,
        payload: dict[str, Any],
        *,
        first: bool,
    ) -> dict[str, Any]:
        """Add the states of an included pipeline, and return the one with its result.

        They are the same however the step is reached, after one that makes the parameters.
        """
        own, made = route.step.includes, self.included[route.step]
        assert own is not None
        step = route.step.name
        payload = _without_handling(payload)
        takes = {
            "starts": "given",
            "pipeline": own.name,
            "takes": dict(own.takes),
            "defaults": made.defaults,
            "room": made.most,
        }
        if made.asks:
            takes |= {"around": AROUND, "input.$": "$$.Execution.Input"}
        states[self.entries[name]] = {
            **helper_call({**payload, **takes}),
            "Assign": {f"{given_variable(step)}.$": "$.Payload.given"},
            "OutputPath": "$.Payload",
            "Next": step,
            **self._catch(states, route, name, first=first),
        }
        if step in states:  # reached in another way as well
            return cast("dict[str, Any]", states[states[step]["Next"]])
        title, output = self.own_name(f"Result of {step}"), f"lokki_output_{digest(step)}"
        caught = self._catch(states, route, step, first=False)
        states[step] = {
            "Type": "Parallel",
            "Comment": f"Runs the steps of {own.name}",
            "Parameters": {},
            "Branches": [made.states],
            "Assign": {f"{output}.$": "$[0]"},
            "ResultPath": None,
            "Next": title,
            **caught,
        }
        event = self._begun(route.step, Rules((), self.main), {})
        added = {
            "starts": "added",
            "output.$": f"${output}",
            "ends": list(own.ends),
            "update": own.result,
            "next": own.next,
            "state.$": "$.state",
            "taken.$": "$.taken",
        }
        states[title] = {**helper_call({**event, **added}), **caught}
        return cast("dict[str, Any]", states[title])

    def _state_of(self, target: str) -> str:
        name = self.again if target == self.routes.start else self._named(target)
        return self.entries.get(name, name)

    def _task(self, route: Route, payload: dict[str, Any]) -> dict[str, Any]:
        step = route.step
        state = {"Type": "Task", **self._comment(step)}
        if step.is_job or not step.has_code:
            return state
        return {**state, **self._invocation(step, payload, self._rules(route))}

    def _comment(self, step: Step) -> dict[str, Any]:
        description = step.options.description or (step.function.__doc__ or "").strip()
        comment = description.partition("\n")[0].strip()
        return {"Comment": comment} if comment else {}

    def _invocation(self, step: Step, payload: dict[str, Any], rules: Rules) -> dict[str, Any]:
        service = "lambda:invoke" + ".waitForTaskToken" * step.options.callback
        return {
            "Resource": Template(f"arn:${{partition}}:states:::{service}"),
            "Parameters": {
                "FunctionName": Template(f"${{{self.functions[step]}}}"),
                "Payload": payload,
            },
            "Retry": rules.retriers(),
        }

    def _job(self, route: Route, sent: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        step = route.step
        sent["seconds"] = step.options.timeout_seconds
        rules, placeholder = self._rules(route), self.functions[step]
        pipeline = self.definition if self.inside is None else self.inside.around
        node = self.names[route.name]
        return job_states(pipeline.name, step.name, node, None, rules, placeholder, sent)

    def _rules(self, route: Route) -> Rules:
        catches, step = tuple(errors for _, errors in route.catches), route.step
        if step.includes is None:
            around = () if self.inside is None else self.inside.listed
            return Rules(step.options.retry, self.main, catches, step.is_job, around)
        nodes = list(self.definition.included(step).graph.walk())
        around = nodes[0].around if nodes else ()
        return Rules((), self.main, catches, any(one.step.is_job for one in nodes), around)

    def _payload(self, route: Route, *, first: bool, failed: bool) -> dict[str, Any]:
        step = route.step
        ways = {
            "next_key": route.next_key,
            "default": route.default_next,
            "targets": list(route.targets),
            "ends": route.ends,
            "limit": self.routes.limit,
            **({"asks": True} if route.takes_input else {}),
            **({"waits": True} if route.waits else {}),
        }
        if self.inside is not None:
            ways["name"] = route.name
        payload = self._begun(step, self._rules(route), {"route": ways})
        payload |= poll_fields(step.options.retry)
        if step.options.callback:
            payload["inline"] = LARGEST  # the most bytes of an answer
        if route.catches or (self.inside is not None and self.inside.listed):
            payload["caught"] = True
        if failed and FAILURE in route.takes:
            payload["failure.$"] = "$.failure"
        payload |= self._context(step)
        if self.inside is not None:
            return payload | self._within(self.inside, route, first=first)
        if first or self._takes_input(route):
            payload["input.$"] = "$$.Execution.Input"
        if first and not route.takes_more:
            payload["flow"] = known_names(self.definition)
        if first:
            payload["route"]["most"] = self.most_input
        else:
            payload |= {"state.$": "$.state", "taken.$": "$.taken"}
        return payload

    def _within(self, inside: Inside, route: Route, *, first: bool) -> dict[str, Any]:
        """Return the fields of a step's event for a pipeline that is a node."""
        state = {"state.$": "$.state", "taken.$": "$.taken"}
        return {
            **({} if first else state),
            **(inside.arguments if first or route.takes_input else {}),
            **(inside.result if route.ends else {}),
        }

    def _given(self) -> dict[str, Any]:
        """Return the state after an error of the first step."""
        if self.inside is None:
            return {"given.$": "$$.Execution.Input"}
        return self.inside.arguments

    def _begun(self, step: Step, rules: Rules, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that the events of all steps have, and some of their own."""
        reported = rules.reported()
        return {
            "format": FORMAT,
            **({"run.$": "$$.Execution.Name"} if self.inside is None else self.inside.run),
            "node": self._named(step.own_name),
            "store": Template(f"${{{STORE_VARIABLE}}}"),
            "inline": INLINE_BYTES,
            **own,
            **({"retry": reported} if reported else {}),
        }

    def _context(self, step: Step) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        token = step.options.callback
        if self.inside is not None:
            asks = step in self.context or token
            return self.inside.context_of(step) if asks else {}
        if step in self.context:
            fields["context"] = context_fields(
                self.definition, self.literals, step, is_job=step.is_job, token=token
            )
        if step.name in self.literals.of_main:
            fields["main"] = self.main
        return fields

    def own_name(self, wanted: str) -> str:
        """Return a name that no other state has."""
        name = unique(wanted, self.taken, quotas.STATE_NAME_LENGTH)
        self.taken.add(name)
        return name


def _without_handling(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a function that runs no step, whose errors nothing distinguishes."""
    return {key: one for key, one in payload.items() if key not in ("retry", "caught")}
