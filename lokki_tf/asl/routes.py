"""Compilation of routes: a Task for each step, and a Choice if it has several next steps.

The state is the output of each Task. The first step of a run receives the execution's input; if a
step leads back to it, it has a second Task state, which receives the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model.names import unique
from lokki_tf.runtime.envelope import FORMAT
from lokki_tf.runtime.routes import LARGEST

from . import quotas
from .contexts import context_fields, poll_fields
from .jobs import job_states, raising, reading
from .literals import STORE_VARIABLE, Literals
from .payloads import known_names
from .retries import Rules
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lokki_tf.model import Definition, Route, Routes, Step

INLINE_BYTES = 16_384
"""Bytes of a state in the history; larger values are in the bucket."""
END = "The end"
_PAYLOAD_BYTES = 16_384
"""Bytes of a payload without the state and the input: names of the next steps and of errors."""


def route_states(
    definition: Definition,
    functions: Mapping[Step, str],
    main: str,
    context: Collection[Step] = (),
) -> tuple[dict[str, Any], int, Mapping[str, bytes]]:
    """Return the states of a routed pipeline, with the first one, and the limit of its input.

    Args:
        definition: The pipeline.
        functions: From each step to the name of its placeholder, without ``${}``.
        main: The name that the module ``__main__`` has in the zips.
        context: Steps whose code names ``run_context``.

    Returns:
        ``StartAt`` and ``States``; the most bytes that an execution's input may have, as compact
        JSON; and what must be in the bucket, by key below the pipeline's prefix.
    """
    assert definition.routes is not None
    compiler = _Compiler(definition, definition.routes, functions, main, context)
    return compiler.states(), compiler.most_input, compiler.literals.objects


class _Compiler:
    def __init__(
        self,
        definition: Definition,
        routes: Routes,
        functions: Mapping[Step, str],
        main: str,
        context: Collection[Step],
    ) -> None:
        self.definition = definition
        self.routes = routes
        self.functions = functions
        self.main = main
        self.context = context
        self.literals = Literals()
        self.taken = {route.step.name for route in routes.routes}
        self.again = self._name(f"{routes.start} again")
        self.end = self._name(END)
        self.waits = {target: self._name(f"Wait before {target}") for target in self._waited()}
        self.entries = {  # for a job, the state that writes its event
            name: self._name(f"Event of {name}") if routes.by_name[step].step.is_job else name
            for name, step in self._visits()
        }

    def states(self) -> dict[str, Any]:
        reached = self._reachable_routes()
        states: dict[str, Any] = {}
        for route in self.routes.routes:
            if route.step.name == self.routes.start:
                self._add(states, route, route.step.name, first=True)
                if any(self.routes.start in one.targets for one in reached):
                    self._add(states, route, self.again, first=False)
            elif route in reached:
                self._add(states, route, route.step.name, first=False)
        for target in dict.fromkeys(target for route in reached for target in route.waits):
            following = self._state_of(target)
            wait = {"Type": "Wait", "SecondsPath": "$.after", "Next": following}
            states[self.waits[target]] = wait
        if any(state.get("Default") == self.end for state in states.values()):
            states[self.end] = {"Type": "Succeed", "OutputPath": "$.result"}
        return {"StartAt": self.entries[self.routes.start], "States": states}

    @property
    def most_input(self) -> int:
        """Return the most bytes of an execution's input that fit into all payloads with it."""
        asked = any(map(self._takes_input, self.routes.routes))
        return quotas.STATE_BYTES - _PAYLOAD_BYTES - LARGEST * asked

    def _takes_input(self, route: Route) -> bool:
        return route.takes_input or route.step in self.context

    def _waited(self) -> list[str]:
        found = (target for route in self.routes.routes for target in route.waits)
        return list(dict.fromkeys(found))

    def _visits(self) -> list[tuple[str, str]]:
        """Yield the states of steps, each with the step's name."""
        names = [(route.step.name, route.step.name) for route in self.routes.routes]
        return [*names, (self.again, self.routes.start)] if self._has_start else names

    @property
    def _has_start(self) -> bool:
        return self.routes.start in self.routes.by_name

    def _reachable_routes(self) -> list[Route]:
        """Return the steps that can be reached from the first one, itself included."""
        seen = [self.routes.start]
        for name in seen:
            known = self.routes.by_name.get(name)  # a check reports missing ones
            seen += [one for one in (known.targets if known else ()) if one not in seen]
        return [self.routes.by_name[name] for name in seen if name in self.routes.by_name]

    def _add(self, states: dict[str, Any], route: Route, name: str, *, first: bool) -> None:
        """Add a step's Task, and a Choice after it if it has several next steps."""
        following = [
            self.waits[target] if target in route.waits else self._state_of(target)
            for target in route.targets
        ]
        task, result = self._task(route, first=first), "$.Payload"
        if route.step.is_job:
            writing, running = self._job(route, first=first)
            states |= {self.entries[name]: {**writing, "Next": name}, name: {**task, **running}}
            task, result = self._answer(states, route, name), "$.told"
        else:
            states[name] = task
        if not following:
            task |= {"OutputPath": f"{result}.result", "End": True}
            return
        task["OutputPath"] = result
        if len(following) == 1 and not route.ends:
            task["Next"] = following[0]
            return
        choice = self._name(f"After {name}")
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

    def _answer(self, states: dict[str, Any], route: Route, name: str) -> dict[str, Any]:
        """Return the state that reads a job's next step, which Batch does not return."""
        node, title = route.step.name, self._name(f"Answer of {name}")
        added, catch = raising(name, node, node, None, self.taken)
        selecting, found = reading()
        states[name] |= {**selecting, "Catch": catch, "Next": title}
        states |= added
        states[title] = found
        return found

    def _state_of(self, target: str) -> str:
        name = self.again if target == self.routes.start else target
        return self.entries.get(name, name)

    def _task(self, route: Route, *, first: bool) -> dict[str, Any]:
        step = route.step
        description = step.options.description or (step.function.__doc__ or "").strip()
        comment = description.partition("\n")[0].strip()
        state = {"Type": "Task", **({"Comment": comment} if comment else {})}
        if step.is_job:
            return state
        return {
            **state,
            "Resource": Template("arn:${partition}:states:::lambda:invoke"),
            "Parameters": {
                "FunctionName": Template(f"${{{self.functions[step]}}}"),
                "Payload": self._payload(route, first=first),
            },
            "Retry": self._rules(step).retriers(),
        }

    def _job(self, route: Route, *, first: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        step, sent = route.step, self._payload(route, first=first)
        sent["seconds"] = step.options.timeout_seconds
        rules, placeholder = self._rules(step), self.functions[step]
        name = step.name
        return job_states(self.definition.name, name, name, None, rules, placeholder, sent)

    def _rules(self, step: Step) -> Rules:
        return Rules(step.options.retry, self.main)

    def _payload(self, route: Route, *, first: bool) -> dict[str, Any]:
        step = route.step
        payload: dict[str, Any] = {
            "format": FORMAT,
            "run.$": "$$.Execution.Name",
            "node": step.name,
            "store": Template(f"${{{STORE_VARIABLE}}}"),
            "inline": INLINE_BYTES,
            "route": {
                "next_key": route.next_key,
                "default": route.default_next,
                "targets": list(route.targets),
                "ends": route.ends,
                "limit": self.routes.limit,
                **({"asks": True} if route.takes_input else {}),
                **({"waits": True} if route.waits else {}),
            },
        }
        reported = self._rules(step).reported()
        if reported:
            payload["retry"] = reported
        payload |= poll_fields(step.options.retry)
        if step in self.context:
            fields = context_fields(self.definition, self.literals, step, is_job=step.is_job)
            payload["context"] = fields
        if step.name in self.literals.of_main:
            payload["main"] = self.main
        if first or self._takes_input(route):
            payload["input.$"] = "$$.Execution.Input"
        if first and not route.takes_more:
            payload["flow"] = known_names(self.definition)
        if first:
            payload["route"]["most"] = self.most_input
        else:
            payload |= {"state.$": "$.state", "taken.$": "$.taken"}
        return payload

    def _name(self, wanted: str) -> str:
        name = unique(wanted, self.taken, quotas.STATE_NAME_LENGTH)
        self.taken.add(name)
        return name
