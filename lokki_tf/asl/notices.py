"""What a machine does when it fails: it tells somebody, and then fails as it would have.

Every outermost state catches every error, with the state's name, and leads to one state that
tells of it. That one hands error and cause on, whether it succeeds or not, to a Fail state.
``States.Runtime`` cannot be caught, nor can a state's input or output that is too large
(``States.DataLimitExceeded``; a task's result that is too large can), nor a stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model import Map, Step
from lokki_tf.model.names import shortened, unique

from . import quotas
from .literals import STORE_VARIABLE
from .retries import full_name, retriers, retries_everything
from .scopes import handed_out
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lokki_tf.model import Definition, Graph

    from .scopes import Scope

FAILED_VARIABLE = "lokki_failed"
"""The variable that holds the name of what failed."""
INLINE_BYTES = 1_024  # of what the step returns, which nobody takes
_SUBJECT_LENGTH = 100  # of an SNS message
_FAILING = ("Task", "Parallel", "Map")
_PUBLISH_AGAIN = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 3}


def with_notice(
    machine: Mapping[str, Any], source: Definition, functions: Mapping[Step, str], main: str
) -> dict[str, Any]:
    """A machine that tells of its failure, if somebody wants to know.

    Args:
        machine: ``StartAt`` and ``States``.
        source: The pipeline.
        functions: From each step to the name of its placeholder, without ``${}``.
        main: The name under which the zips hold what is the module ``__main__`` here.
    """
    notice = source.on_failure
    if notice is None:
        return dict(machine)
    taken = set(_names(machine))
    wanted = notice.name if isinstance(notice, Step) else "Tell of the failure"
    name = unique(wanted, taken, quotas.STATE_NAME_LENGTH)
    end = unique("Failed", {*taken, name}, quotas.STATE_NAME_LENGTH)
    if isinstance(notice, Step):
        state = _call(name, notice, functions[notice], _told(source), main)
    else:
        state = _publish(notice, source)
    told = {
        **state,
        # What the notice itself says or raises changes nothing: error and cause go on.
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": end}],
        "ResultPath": None,
        "Next": end,
    }
    states = machine["States"]
    aside = _asides(states)
    caught = {
        title: _handed_on(one, name) if title in aside else _caught(title, one, name)
        for title, one in states.items()
    }
    fail = {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"}
    return {**machine, "States": {**caught, name: told, end: fail}}


def outermost(titles: Iterable[str], root: Scope, graph: Graph) -> dict[str, str]:
    """From each node, those inside maps included, to the machine's own state that it is in.

    Args:
        titles: Names of the machine's own states.
        root: What they do.
        graph: The pipeline's.
    """
    found: dict[str, str] = {}
    for title, part in zip(titles, root.parts, strict=True):
        waiting = [graph.by_name[name] for name in handed_out(part)[0]]
        while waiting:
            node = waiting.pop()
            found[node.name] = title
            waiting += node.body.nodes if isinstance(node, Map) else ()
    return found


def _names(machine: Mapping[str, Any]) -> Iterator[str]:
    for name, state in machine["States"].items():
        yield name
        for branch in state.get("Branches", ()):
            yield from _names(branch)
        if "ItemProcessor" in state:
            yield from _names(state["ItemProcessor"])


def _caught(title: str, state: dict[str, Any], following: str) -> dict[str, Any]:
    if state["Type"] not in _FAILING:
        return state
    sent = state.get("Parameters", {})
    event = sent.get("Payload") or sent.get("Body") or {}
    failed = {FAILED_VARIABLE: event.get("node", title)}
    # What catches an error already, a job's text, leads to the notice later.
    own = [{**one, "Assign": failed} for one in state.get("Catch", ())]
    last = {"ErrorEquals": ["States.ALL"], "Assign": failed, "Next": following}
    return {**state, "Catch": [*own, last]}


def _asides(states: Mapping[str, Any]) -> set[str]:
    """States that errors lead to before there is a notice: what finds a job's error out."""
    found: set[str] = set()
    waiting = [one["Next"] for state in states.values() for one in state.get("Catch", ())]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [states[name]["Next"]] if "Next" in states[name] else []
    return found


def _handed_on(state: dict[str, Any], following: str) -> dict[str, Any]:
    """A state where the machine would fail, which hands error and cause on instead."""
    if state["Type"] != "Fail":
        return state
    told = {
        f"{name}.$" if path in state else name: state[path if path in state else name]
        for name, path in (("Error", "ErrorPath"), ("Cause", "CausePath"))
    }
    return {"Type": "Pass", "Parameters": told, "Next": following}


def _told(source: Definition) -> dict[str, Any]:
    return {
        "pipeline": source.name,
        "execution.$": "$$.Execution.Id",
        "step.$": f"${FAILED_VARIABLE}",
        "error.$": "$.Error",
        "cause.$": "$.Cause",
        "input.$": "$$.Execution.Input",
    }


def _call(
    name: str, step: Step, placeholder: str, told: dict[str, Any], main: str
) -> dict[str, Any]:
    retry = step.options.retry
    payload: dict[str, Any] = {
        "run.$": "$$.Execution.Name",
        "node": name,
        "store": Template(f"${{{STORE_VARIABLE}}}"),
        "inline": INLINE_BYTES,
        "args": {"0": {"value": told}},
    }
    if retry.retries and not retries_everything(retry):
        payload["retry"] = [full_name(error, main) for error in retry.exceptions]
    return {
        "Type": "Task",
        "Comment": "Tells of the failure",
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {"FunctionName": Template(f"${{{placeholder}}}"), "Payload": payload},
        "Retry": retriers(retry),
    }


def _publish(topic: str, source: Definition) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::sns:publish"),
        "Parameters": {
            "TopicArn": topic,
            "Subject": shortened(f"{source.name} failed", _SUBJECT_LENGTH),
            "Message": _told(source),
        },
        "Retry": [_PUBLISH_AGAIN],
    }
