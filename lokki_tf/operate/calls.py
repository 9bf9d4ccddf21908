"""Calls of steps in an execution: the events that they have received, and their arguments.

An event is described in :mod:`lokki_tf.runtime.handler`. That of a job of Batch is in the bucket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, OptionError
from lokki_tf.local.spool import each
from lokki_tf.model import Map, Node
from lokki_tf.runtime.event_context import item_index
from lokki_tf.runtime.failures import details_of, node_of, payload_of
from lokki_tf.runtime.names import EVENT
from lokki_tf.runtime.parameters import filled, of_item, own, without_reserved
from lokki_tf.runtime.results import Results
from lokki_tf.runtime.routed import FAILURE, ORIGINAL

from .failures import find_blame
from .following import history, is_express
from .outputs import refuse_unloaded, whole
from .results import readable_here

if TYPE_CHECKING:
    from lokki_tf.model import Definition

    from .deployed import Deployed
    from .results import Reader
    from .runs import AwsRun

    Index = int | tuple[int, ...]

_OF_CALLS = {"args", "kwargs", "route"}
"""Fields of the events of calls."""
_AT_ONCE = 8  # executions of a map that are described at the same time
_ENDED = ("FAILED", "TIMED_OUT", "ABORTED", "RUNNING", "SUCCEEDED")  # the most interesting first


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call of a step in an execution.

    Args:
        run: The execution.
        event: The event that the step has received.
        batch: In a batch of items, the item's position; ``None`` outside of batches.
        given: The execution's input.
    """

    run: AwsRun
    event: Mapping[str, Any]
    batch: int | None
    given: Mapping[str, Any]

    @property
    def node(self) -> str:
        """The name of the node."""
        return str(self.event["node"])

    @property
    def item(self) -> Index | None:
        """The index of the item, in a map."""
        place: Any = self.event.get("place")
        return item_index(place if self.batch is None else place[self.batch])

    def __str__(self) -> str:
        item = "" if self.item is None else f" {list(_indices(self.item))}"
        return f"step {self.node!r}{item} of run {self.run.name}"

    def arguments(self, reader: Reader) -> tuple[list[Any], dict[str, Any]]:
        """Return its arguments, by position and by name.

        Args:
            reader: Reads values.

        Raises:
            SerializationError: If one cannot be read, or is a pickle and pickles are not allowed.
        """
        with readable_here(f"the arguments of {self}"):
            found = self._arguments(reader) if "route" not in self.event else None
            args, kwargs = found or ([], self._state(reader))
        for name, value in (*enumerate(args), *kwargs.items()):
            refuse_unloaded(value, f"argument {name} of {self}")
        return args, kwargs

    def _arguments(self, reader: Reader) -> tuple[list[Any], dict[str, Any]]:
        """Read the arguments as the step's runtime does."""
        event, given = self.event, self.event.get("given")

        def known(envelope: Mapping[str, Any]) -> dict[str, Any]:
            read = reader.expanded(filled(dict(envelope), given))
            return read if self.batch is None else of_item(read, self.batch)

        wholes = {key: reader.value(known(one)) for key, one in event.get("wholes", {}).items()}
        by_position: Mapping[str, Any] = event.get("args", {})

        def value(envelope: Mapping[str, Any]) -> Any:
            if "stream" not in envelope:
                return reader.value(known(envelope), wholes)
            found = reader.value(known(envelope["stream"]))
            refuse_unloaded(found, f"an argument of {self}")
            # A result that is not a list is that of a map that did not end, before a cleanup.
            once = envelope.get("once", False)
            return Results(partial(each, found), once=once) if isinstance(found, list) else found

        args = [value(by_position[str(n)]) for n in range(len(by_position))]
        kwargs = {name: value(one) for name, one in event.get("kwargs", {}).items()}
        return args, kwargs

    def _called(self, call: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
        """Read the arguments of a routed pipeline that is a node."""
        return replace(self, event={**self.event, **call})._arguments(reader)[1]

    def _state(self, reader: Reader) -> dict[str, Any]:
        """Read the state of a routed pipeline as the step's runtime does."""
        event = self.event
        state = event.get("state", {"given": event.get("input")})
        call = state.get("call", None if "state" in event else event.get("call"))
        if call is not None:
            values = self._called(call, reader)
        elif "given" in state:
            values = {name: own(one) for name, one in without_reserved(state["given"]).items()}
        else:
            values = reader.value(whole({"state": state}, reader))
        if event["route"].get("asks"):
            asked = event.get("call")
            values[ORIGINAL] = (
                own(without_reserved(event["input"]))
                if asked is None
                else self._called(asked, reader)
            )
        if "failure" in event:
            values[FAILURE] = reader.value(event["failure"])
        return values


def recorded_calls(
    deployed: Deployed, run: AwsRun, reader: Reader, step: str | None, item: Index | None
) -> list[RecordedCall]:
    """Return the last call of a step in an execution; several for a batch of items.

    Args:
        deployed: The pipeline.
        run: The execution.
        reader: Reads the events of jobs.
        step: Name of the node; by default that of the step that failed.
        item: Index of its item, in a map; in a map inside a map one for each.

    Raises:
        OptionError: If the step was not called, or its event is not recorded.
    """
    found = express = None
    if step is None and item is None:
        if run.is_running or not run.error:
            raise OptionError(
                f"run {run.name} has no failed step: it is {run.status.lower()}",
                remedy="name a step: --step NAME, or replay(step=…)",
            )
        blame = find_blame(deployed, run)
        step, found, express = blame.node, blame.call, blame.express
        if found is not None and not _has_arguments(found):
            found = None  # a task that raises the error of a job
    if step is None:
        raise OptionError(
            f"it is not known which step of run {run.name} failed",
            remedy="name a step: --step NAME, or replay(step=…)",
        )
    _require_replayable(deployed.stack.definition, step)
    search = _Search(deployed, reader, step, item, run.arn)
    event: Mapping[str, Any] | None
    if found is not None:
        event = _event_of(found, reader)
    else:
        event = search.event_in(run.arn if express is None else express)
    if event is None:
        what = f"step {step!r}" + ("" if item is None else f" {list(_indices(item))}")
        raise OptionError(
            f"{what} was not called in run {run.name}, or AWS has no record of its call",
            remedy="of an item of Express executions, only the call of the first step is; "
            f"{deployed.stack.command(f'show --run {run.name}')} lists the steps",
        )
    given = json.loads(run.input or "{}")
    place = event.get("place")
    batches: Sequence[int | None] = [None] if not isinstance(place, list) else range(len(place))
    calls = [RecordedCall(run, event, one, given) for one in batches]
    return [one for one in calls if item is None or one.item == item]


def _require_replayable(source: Definition, step: str) -> None:
    """Raise an error for a node that has no function of the user's."""
    started = next((one for one in source.started if one.name == step), None)
    if started is not None:
        assert started.step.starts is not None
        raise OptionError(
            f"step {step!r} starts the pipeline {started.step.starts.name!r}, and has no code here",
            remedy="replay the run of that pipeline",
        )
    routed = next((one for one in source.graph.routed if one.name == step), None)
    if routed is not None:
        nodes = (name for name, one in routed.visits.items() if one.step.has_code)
        raise OptionError(
            f"step {step!r} is a pipeline, of which each step is replayed by itself",
            remedy=f"its steps are {', '.join(nodes)}",
        )
    included = next((one for one in source.inclusions if one.name == step), None)
    if included is not None:
        graph = source.included(included).graph
        nodes = (one.name for one in graph.every() if isinstance(one, Node) and one.step.has_code)
        raise OptionError(
            f"step {step!r} is a pipeline, of which each step is replayed by itself",
            remedy=f"its steps are {', '.join(nodes)}",
        )


@dataclass(frozen=True, slots=True)
class _Search:
    """A search for the call of a step.

    Args:
        deployed: The pipeline.
        reader: Reads the events of jobs.
        step: Name of the node.
        item: Index of its item.
        run: ARN of the pipeline's execution.
    """

    deployed: Deployed
    reader: Reader
    step: str
    item: Index | None
    run: str

    def event_in(self, execution: str, depth: int = 0) -> Mapping[str, Any] | None:
        """Return the event of the step's last call in an execution.

        Args:
            execution: ARN of the pipeline's execution, or of one of a map's.
            depth: How many maps are around that.
        """
        if is_express(execution):
            event = self._rebuilt(execution)
            return event if event is not None and self._is_wanted(event) else None
        events = list(history(self.deployed, execution))
        for one in reversed(events):
            if one["type"].endswith("Scheduled") and self._may_be_wanted(details_of(one)):
                event = _event_of(details_of(one), self.reader)
                if self._is_wanted(event):
                    return event
        if not self._is_in_map():
            return None
        runs = [details_of(one)["mapRunArn"] for one in events if one["type"] == "MapRunStarted"]
        for map_run in reversed(runs):
            for child in self._children(map_run, depth):
                found = self.event_in(child, depth + 1)
                if found is not None:
                    return found
        return None

    def _may_be_wanted(self, details: Mapping[str, Any]) -> bool:
        """Return whether to read the event of a task, which is in the bucket for a job."""
        return self.step in str(details.get("parameters", ""))

    def _is_wanted(self, event: Mapping[str, Any]) -> bool:
        if node_of(event) != self.step or not _OF_CALLS & {*event}:
            return False
        places = event.get("place")
        if self.item is None:
            return True
        return self.item in map(item_index, places if isinstance(places, list) else [places])

    def _rebuilt(self, execution: str) -> Mapping[str, Any] | None:
        """Return the event of the first step of an Express execution, from the execution's input.

        Its state is in the state machine's definition, and takes parts of the input.
        """
        aws = self.deployed.aws
        answer = aws.call(
            "stepfunctions", "describe_state_machine_for_execution", executionArn=self.run
        )
        given = aws.call("stepfunctions", "describe_execution", executionArn=execution)["input"]
        for body in _bodies(json.loads(answer["definition"])):
            first = body["States"][body["StartAt"]]
            payload = first.get("Parameters", {}).get("Payload", {})
            if payload.get("node") == self.step:
                with suppress(LookupError, TypeError):  # it takes more than the input
                    event: dict[str, Any] = _taken(payload, json.loads(given))
                    return event
        return None

    def _is_in_map(self) -> bool:
        maps = (one for one in self.deployed.stack.definition.graph.every() if isinstance(one, Map))
        bodies = [one.body for one in maps]
        inside = (node.name for body in bodies for node in body.every())
        return self.step in {*inside, *(name for body in bodies for name in body.visits)}

    def _children(self, map_run: str, depth: int) -> Iterator[str]:
        """Yield executions of a map's run that may contain the item, failed ones first."""
        aws = self.deployed.aws
        for status in _ENDED:
            for page in aws.pages(
                "stepfunctions", "list_executions", mapRunArn=map_run, statusFilter=status
            ):
                arns = [str(one["executionArn"]) for one in page["executions"]]
                if self.item is None:
                    yield from arns
                    continue
                with ThreadPoolExecutor(_AT_ONCE) as pool:
                    numbers = pool.map(self._numbers, arns)
                    wanted = _indices(self.item)[depth : depth + 1]
                    yield from [
                        arn
                        for arn, found in zip(arns, numbers, strict=True)
                        if {*wanted} & {*found}
                    ]

    def _numbers(self, execution: str) -> list[int]:
        """Return the indices of the items of a map's execution."""
        answer = self.deployed.aws.call(
            "stepfunctions", "describe_execution", executionArn=execution
        )
        given = json.loads(answer.get("input", "{}"))
        return [one["index"] for one in given.get("Items", [given]) if "index" in one]


def _bodies(scope: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the bodies of all maps in a part of a state machine definition."""
    for state in scope["States"].values():
        inner = [state["ItemProcessor"]] if "ItemProcessor" in state else []
        yield from inner
        for one in (*inner, *state.get("Branches", ())):
            yield from _bodies(one)


def _taken(template: Any, given: Any) -> Any:
    """Return what a state's parameters are for its input; paths into it are ``$.name.name``.

    Raises:
        LookupError: If there is another path, or the input lacks what it names.
    """
    if not isinstance(template, dict):
        return template
    found = {}
    for name, value in template.items():
        if name.endswith(".$"):
            root, *names = value.split(".")
            if root != "$":
                raise LookupError(value)
            part = given
            for each in names:
                part = part[each]
            found[name.removesuffix(".$")] = part
        else:
            found[name] = _taken(value, given)
    return found


def is_job(details: Mapping[str, Any]) -> bool:
    """Return whether an event is that of a task which is a job of Batch."""
    return details.get("resourceType") == "batch"


def _has_arguments(details: Mapping[str, Any]) -> bool:
    return is_job(details) or bool(_OF_CALLS & {*payload_of(details)})


def _event_of(details: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """Return the event that a step has received."""
    if not is_job(details):
        return dict(payload_of(details))
    variables = json.loads(details["parameters"])["ContainerOverrides"]["Environment"]
    uri = next(str(one["Value"]) for one in variables if one["Name"] == EVENT)
    with readable_here(f"the event of a job, {uri},"):
        try:
            event: dict[str, Any] = json.loads(reader.read(uri))
        except AwsError as error:
            raise OptionError(f"the job's event is not in the bucket any more: {error}") from None
    return event


def _indices(item: Index) -> tuple[int, ...]:
    return item if isinstance(item, tuple) else (item,)
