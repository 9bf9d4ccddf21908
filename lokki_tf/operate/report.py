"""The report of an execution in AWS: from its history, its logs, and the pipeline's bucket."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from lokki_tf.asl.quotas import STATE_NAME_LENGTH
from lokki_tf.errors import AwsError
from lokki_tf.local.included import renamed
from lokki_tf.local.recording import Call
from lokki_tf.local.strict import described, is_not_ready
from lokki_tf.model import REQUIRED, Graph, MapItems, Node, Outcome, Step
from lokki_tf.model.names import unique
from lokki_tf.reporting.page import (
    MISSING,
    CardReport,
    FailedItem,
    LogEntry,
    Retry,
    RunReport,
    StepReport,
    Unread,
    Usage,
    to_html,
)
from lokki_tf.reporting.page.document import MOST_CARDS
from lokki_tf.reporting.page.inputs import Inputs
from lokki_tf.reporting.page.model import Input, indices_of
from lokki_tf.reporting.page.of_run import (
    call_title,
    facts_of,
    inner_nodes,
    kind_of,
    place_text,
)
from lokki_tf.runtime.cards import LARGEST
from lokki_tf.runtime.event_context import item_index
from lokki_tf.runtime.failure import message_of, own_error, trace_of
from lokki_tf.runtime.names import CARD_SUFFIX, CARDS
from lokki_tf.runtime.parameters import without_reserved

from .lines import LineWriter
from .logs import Reader as LogReader
from .logs import Wanted
from .outputs import RemoteOutputs

if TYPE_CHECKING:
    from lokki_tf.errors import ExecutionFailed
    from lokki_tf.local import Event
    from lokki_tf.model import AnyNode, Definition, Status

    from .deployed import Deployed
    from .logs import LogLine
    from .results import Reader
    from .runs import AwsRun
    from .states import RunHistory

_LARGEST = 8_000_000  # bytes of a value that is read
_AT_ONCE = 8
_MOST_FAILED = 10
"""Failed items of a Distributed Map that are listed: each is a request."""
_SLACK = 60.0  # seconds by which AWS's clocks may differ
_ENDED: Mapping[str, Status] = {
    "step_finished": "done",
    "step_skipped": "skipped",
    "step_failed": "failed",
    "step_caught": "failed, caught",
    "wait_finished": "done",
}
_BEGUN = ("step_started", "map_started", "wait_started")
_NUMBERS = re.compile(r"\d+")
_COST = (
    "Transitions are those of the execution itself, retries included; executions of the items of a "
    "Distributed Map have their own. Lambda bills what its reports in the log say. AWS Batch and "
    "other services are not included."
)


class Described(Protocol):
    """What a report contains of an execution, see :class:`lokki_tf.operate.execution.Execution`."""

    deployed: Deployed
    seen: AwsRun

    @property
    def run(self) -> AwsRun:
        """What AWS says about it."""

    @property
    def history(self) -> RunHistory:
        """All that has happened so far."""

    @property
    def outputs(self) -> RemoteOutputs:
        """The results of its steps, by name."""

    @property
    def reader(self) -> Reader:
        """Reads its values from the bucket."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of parameters with which it was started."""

    @property
    def link(self) -> str | None:
        """URL of its page in AWS's console."""

    @property
    def error(self) -> ExecutionFailed | None:
        """Why it has not succeeded."""


def report_html(execution: Described) -> str:
    """Return the report of an execution as HTML.

    Args:
        execution: The execution.

    Raises:
        AwsError: If AWS refuses or cannot be reached.
    """
    return to_html(report_of(execution))


def report_of(execution: Described) -> RunReport:
    """Return the data of the report of an execution.

    Args:
        execution: The execution.

    Raises:
        AwsError: If AWS refuses or cannot be reached.
    """
    run, past, deployed = execution.run, execution.history, execution.deployed
    end = run.ended or datetime.now(UTC)
    visits = _visits(past.events, deployed.stack.definition, run.began.timestamp())
    definition = of_visits(deployed.stack.definition, visits)
    outputs = execution.outputs.shown(_LARGEST)
    parameters = _parameters(definition, execution.parameters)
    lines, billed, note = _logs(execution)
    steps = [*_steps(execution, definition, visits, outputs, parameters)]
    error = execution.error
    counts, left_out = _cards(deployed, run.name, run.arn, visits, definition)
    return RunReport(
        definition,
        run.name,
        f"in AWS, {deployed.aws.region}",
        "skipped" if run.busy else run.status.lower().replace("_", " "),
        run.began,
        (end - run.began).total_seconds(),
        steps,
        parameters=parameters,
        result=_result(execution),
        error="" if error is None else "\n".join(filter(None, (error.message, error.remedy))),
        trace="" if error is None else error.trace,
        facts=[*_facts(execution)],
        link=execution.link,
        cards=counts,
        cards_left_out=left_out,
        logs=lines,
        logs_note=note,
        usage=[*_usage(visits, billed, definition)],
        numbers=[*_numbers(execution, visits, billed)],
        cost_note=_COST,
    )


def drawn_of(execution: Described) -> tuple[Definition, dict[str, Outcome]]:
    """Return what pictures of an execution show: its definition, and the outcomes of its nodes.

    Args:
        execution: The execution.

    Raises:
        AwsError: If AWS refuses or cannot be reached.
    """
    run, past, whole = execution.run, execution.history, execution.deployed.stack.definition
    visits = _visits(past.events, whole, run.began.timestamp())
    items = {
        name: MapItems(one.total, one.failed, _first_failed(execution, name) if one.failed else ())
        for name, one in past.tracker.items.items()
    }
    last = {one.node: one.name for one in visits}  # items are counted in the last turn of a loop
    outcomes = {
        one.name: replace(
            one.outcome, items=items.get(one.node) if last[one.node] == one.name else None
        )
        for one in visits
    }
    return of_visits(whole, visits), outcomes


def _first_failed(execution: Described, name: str) -> tuple[int, ...]:
    """Return indices of failed items of a map, from the history or from its own executions."""
    past, deployed = execution.history, execution.deployed
    inner = {
        one for one, top in inner_nodes(deployed.stack.definition.whole).items() if top == name
    }
    failed = (one for one in past.events if one.kind == "step_failed" and one.node in inner)
    known = sorted({one.item for one in failed if one.item is not None})
    return tuple(known) or indices_of(_failed(deployed, past.tracker.map_runs.get(name, [])[-1:]))


@dataclass(slots=True)
class Visit:
    """A node of an execution, or a visit of a step of a routed one.

    Times are in seconds from the start of the execution.
    """

    name: str
    node: str
    status: Status = "not run"
    start: float | None = None
    end: float | None = None
    attempts: int = 0
    calls: int = 0
    seconds: float = 0.0
    error: BaseException | None = None
    retries: list[Retry] = field(default_factory=list)
    items: dict[str, int] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """Its outcome."""
        return Outcome(self.status, self.start, self.end, self.attempts)


def _visits(events: Sequence[Event], definition: Definition, began: float) -> list[Visit]:
    """Return the nodes in the graph's order; of a routed pipeline, in the order of visits."""
    routed = definition.routes is not None
    tops = inner_nodes(definition.whole)
    found = (
        {} if routed else {one.name: Visit(one.name, one.name) for one in definition.whole.nodes}
    )
    latest: dict[str, Visit] = {}
    for event in events:
        when = max(0.0, event.time - began)
        if event.kind == "run_finished":
            _interrupt(found.values())
        elif event.kind == "run_started":
            for one in found.values():  # a redrive continues what has not succeeded
                if one.status in ("failed", "interrupted"):
                    one.end, one.error = None, None
        if event.node is None:
            continue
        name = tops.get(event.node, event.node)
        visit = latest.get(name) if routed else found.get(name)
        is_begun = event.kind in _BEGUN and event.node == name
        if visit is None or (routed and is_begun and visit.end is not None and event.attempt == 1):
            visit = Visit(unique(name, found, STATE_NAME_LENGTH), name)
            found[visit.name] = visit
        latest[name] = visit
        _note(visit, event, when, inner=event.node in tops)
    if not definition.inclusions:
        return list(found.values())
    succeeded = bool(events) and events[-1].kind == "run_finished" and events[-1].error is None
    return _with_included(list(found.values()), definition, succeeded=succeeded)


def _with_included(
    visits: Sequence[Visit], definition: Definition, *, succeeded: bool
) -> list[Visit]:
    """Add the visits of included pipelines, each after those of its nodes.

    A step that is a pipeline has no events of its own, unless its values could not be moved.
    """
    steps = {
        node.name: step.name
        for step in definition.inclusions
        for node in definition.included(step).graph.nodes
    }
    order = {name: number for number, name in enumerate(steps)}
    last = "" if definition.cleanup is None else definition.cleanup.name
    taken, found, inside = {one.name for one in visits}, list[Visit](), list[Visit]()
    for one in (*visits, None):
        step = None if one is None else steps.get(one.node)
        own = steps[inside[0].node] if inside else None
        if own and (step != own or any(one and one.node == each.node for each in inside)):
            # Branches start in any order; reports and pictures have that of the graph.
            found[-len(inside) :] = sorted(inside, key=lambda each: order[each.node])
            if one is None or one.node != own:
                follows = one is not None and one.node != last
                made = _around(inside, unique(own, taken, STATE_NAME_LENGTH), own)
                made.status = _status(inside, follows=follows, ended=follows or succeeded)
                made.end = None if made.status == "interrupted" else made.end
                taken.add(made.name)
                found.append(made)
            else:
                one.start = inside[0].start
            inside = []
        if one is not None:
            found.append(one)
        if one is not None and step is not None:
            inside.append(one)
    return found


def _around(inside: Sequence[Visit], name: str, step: str) -> Visit:
    starts = [one.start for one in inside if one.start is not None]
    ends = [one.end for one in inside if one.end is not None]
    return Visit(
        name, step, start=min(starts, default=None), end=max(ends, default=None), attempts=1
    )


def _status(inside: Sequence[Visit], *, follows: bool, ended: bool) -> Status:
    """Return the status of an included pipeline, from those of its nodes.

    Args:
        inside: The visits of its nodes.
        follows: Whether another step followed.
        ended: Whether it has ended without an error, or its error was caught.
    """
    if any(one.status == "failed" for one in inside):
        return "failed, caught" if follows else "failed"
    return "done" if ended else "interrupted"


def _interrupt(visits: Iterable[Visit]) -> None:
    for one in visits:
        if one.start is not None and one.end is None:
            one.status = "interrupted"


def _note(visit: Visit, event: Event, when: float, *, inner: bool) -> None:
    """Add an event to a visit; those of nodes inside of maps only as far as they are failures."""
    if event.kind == "step_retried" and event.error is not None:
        item = "" if event.item is None else f" [{event.item}]"
        what = f"{event.node}{item}, attempt {event.attempt}"
        trace = "" if is_not_ready(event.error) else getattr(event.error, "trace", "")
        visit.retries.append(Retry(what, described(event.error), trace, when))
    if event.kind in ("step_finished", "step_retried", "step_failed", "step_caught"):
        visit.calls += 1
        visit.seconds += event.duration or 0.0
    if inner:
        return
    if event.kind in _BEGUN:
        visit.start = when if visit.start is None else visit.start
        visit.status, visit.end = "interrupted", None
        visit.attempts += 1
    elif event.kind == "step_retried":
        visit.error = event.error
    elif event.kind in _ENDED or event.kind == "map_finished":
        failed: Status = "failed" if event.error else "done"
        visit.status = _ENDED.get(event.kind, failed)
        visit.end, visit.error = when, event.error
        if visit.start is None:
            visit.start = max(0.0, when - (event.duration or 0.0))


def of_visits(definition: Definition, visits: Sequence[Visit]) -> Definition:
    """Return the definition of a graph; of a routed pipeline, a chain of what was visited."""
    routes = definition.routes
    if routes is None:
        return definition
    cleanup = definition.cleanup
    nodes: list[AnyNode] = []
    names, last = {one.name for one in visits}, None
    inside: dict[str, str] = {}
    included = {one.name: one for one in definition.inclusions}
    before: tuple[str, ...] = ()
    of_pipelines = {node.name for node in definition.graph.nodes}
    for one in visits:
        if one.node in of_pipelines:
            inside[one.node] = one.name
            continue
        if one.node in included:
            own = definition.included(included[one.node]).graph
            for node in own.every():  # those that have not run have names as well
                inside.setdefault(node.name, unique(node.name, names, STATE_NAME_LENGTH))
                names.add(inside[node.name])
            graph = renamed(own, inside, before, one.name)
            nodes += graph.nodes
            before, inside = graph.terminals, {}
        is_cleanup = cleanup is not None and one.node == cleanup.name
        step = cleanup.step if is_cleanup and cleanup else _step_of(definition, one.node)
        if step is None:
            continue  # a wait between two steps
        box = (one.name,) if step.includes is not None else ()
        made = Node(one.name, step, (), (), before, step.options.retry, step.place, box=box)
        if is_cleanup:
            last = made
        else:
            nodes.append(made)
            before = (one.name,)
    graph = Graph(tuple(nodes))
    return replace(definition, graph=graph, routes=None, cleanup=last, routed=definition)


def _steps_in_order(definition: Definition) -> list[Node]:
    """Return the visits of a routed pipeline, without the nodes of included ones."""
    if definition.routed is None:
        return []
    nodes = (one for one in definition.whole.nodes if isinstance(one, Node))
    return [one for one in nodes if not one.box or one.step.includes]


def _step_of(definition: Definition, name: str) -> Step | None:
    route = definition.routes.by_name.get(name) if definition.routes else None
    return None if route is None else route.step


def _parameters(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    declared = {one.name: one.default for one in definition.parameters}
    values = {**declared, **without_reserved(dict(given))}
    return {name: value for name, value in values.items() if value is not REQUIRED}


def _steps(
    execution: Described,
    definition: Definition,
    visits: Sequence[Visit],
    outputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> Iterator[StepReport]:
    deployed, tracker = execution.deployed, execution.history.tracker
    routed = deployed.stack.definition.routes is not None
    inputs, by_name = Inputs(outputs, parameters), {one.name: one for one in visits}
    running = execution.seen.is_running
    before = ("the parameters", dict(parameters))
    for node in definition.whole.nodes:
        visit = by_name.get(node.name) or Visit(node.name, node.name)
        status = visit.status
        arguments: Sequence[Input] = inputs.of(node)
        if routed and isinstance(node, Node) and (not node.box or node.step.includes):
            arguments = [Input("state", f"from {before[0]}", before[1])]
            before = node.name, outputs.get(node.name, MISSING)
        counts = tracker.items.get(node.name)
        items = None if counts is None else (counts.done, counts.failed, counts.total)
        lost = items is not None and items[1] > 0
        map_runs = tracker.map_runs.get(node.name, []) if lost else []
        error = visit.error if status in ("failed", "failed, caught", "interrupted") else None
        yield StepReport(
            node.name,
            kind_of(node),
            visit.outcome,
            status="running" if running and status == "interrupted" else "",
            place=place_text(node.place),
            inputs=arguments,
            result=outputs.get(node.name, MISSING),
            error="" if error is None else described(error),
            trace=getattr(error, "trace", ""),
            retries=visit.retries,
            items=items,
            failed_items=[*_failed(deployed, map_runs[-1:])],
            facts=facts_of(node, definition),
        )


def _failed(deployed: Deployed, map_runs: Sequence[str]) -> Iterator[FailedItem]:
    """Yield the first failed items of a Distributed Map, which are executions of their own."""
    from .failures import item_of

    for map_run in map_runs:
        answer = deployed.aws.call(
            "stepfunctions",
            "list_executions",
            mapRunArn=map_run,
            statusFilter="FAILED",
            maxResults=_MOST_FAILED,
        )
        for one in answer["executions"]:
            found = deployed.aws.call(
                "stepfunctions", "describe_execution", executionArn=one["executionArn"]
            )
            name, cause = own_error(found.get("error"), found.get("cause"))
            item = item_of(found.get("input", "")).strip()
            yield FailedItem(item, f"{name}: {message_of(cause or '')}", trace_of(cause or ""))


def _result(execution: Described) -> Any:
    run = execution.seen
    if run.output is None or run.busy is not None:
        return MISSING
    envelopes = json.loads(run.output)
    if not isinstance(envelopes, dict):
        return MISSING
    found = RemoteOutputs(envelopes, execution.reader, run.name).shown(_LARGEST)
    done = {name: one for name, one in found.items() if "skipped" not in envelopes[name]}
    if len(envelopes) == 1:
        return next(iter(done.values()), None)
    return {name: f"<{one.why}>" if isinstance(one, Unread) else one for name, one in done.items()}


def _facts(execution: Described) -> Iterator[tuple[str, str]]:
    run = execution.seen
    stage = execution.deployed.stack.config.stage
    if stage:
        yield "stage", stage
    yield "execution", run.arn
    if run.redrives:
        yield "redrives", f"{run.redrives:,}"
    if run.busy is not None:
        yield "skipped", run.busy


def _logs(execution: Described) -> tuple[list[LogEntry], list[LogLine], str]:
    """Return the lines of logs, what Lambda bills, and why there is nothing if so."""
    run, deployed = execution.seen, execution.deployed
    start = run.began.timestamp() - _SLACK
    end = None if run.ended is None else run.ended.timestamp() + _SLACK
    reader = LogReader(
        deployed, Wanted(tuple(deployed.log_groups), start, end, run.name, reports=True)
    )
    try:
        lines = reader.lines()
    except AwsError as error:
        return [], [], f"The logs cannot be read: {error.message}"
    writer = LineWriter()
    billed = [line for line in lines if "billed_ms" in line.entry]
    return [_entry(writer, line) for line in lines if "billed_ms" not in line.entry], billed, ""


def _entry(writer: LineWriter, line: LogLine) -> LogEntry:
    return LogEntry(datetime.fromtimestamp(line.time, UTC), "", writer.words(line))


def _usage(
    visits: Sequence[Visit], billed: Sequence[LogLine], definition: Definition
) -> Iterator[Usage]:
    tops = inner_nodes(definition.whole)
    times: dict[str, list[LogLine]] = {}
    for one in billed:
        node = one.node or one.step
        times.setdefault(tops.get(node, node), []).append(one)
    seen: set[str] = set()
    for visit in visits:
        own = [] if visit.node in seen else times.get(visit.node, [])
        seen.add(visit.node)
        calls = max(visit.calls, len(own))
        if calls:
            yield Usage(
                visit.name,
                calls,
                visit.seconds or None,
                round(sum(one.entry["billed_ms"] for one in own)) if own else None,
                round(own[0].entry.get("memory_mb", 0)) or None if own else None,
            )


def _numbers(
    execution: Described, visits: Sequence[Visit], billed: Sequence[LogLine]
) -> Iterator[tuple[str, str]]:
    tracker = execution.history.tracker
    retries = sum(len(one.retries) for one in visits)
    transitions = tracker.transitions + retries
    yield "state transitions", f"{transitions:,}"
    yield "retries", f"{retries:,}"
    items = sum(
        one.done + one.failed for name, one in tracker.items.items() if name in tracker.map_runs
    )
    if items:
        yield "items of Distributed Maps", f"{items:,}"
    if billed:
        total = sum(one.entry["billed_ms"] for one in billed)
        memory = (
            sum(one.entry["billed_ms"] * one.entry.get("memory_mb", 0) for one in billed)
            / 1000
            / 1024
        )
        yield "calls of Lambda functions", f"{len(billed):,}"
        yield "billed by Lambda", f"{total:,.0f} ms, {memory:,.3f} GB-seconds"
        yield "cost", _cost(execution, transitions, billed)


def _cost(execution: Described, transitions: int, billed: Sequence[LogLine]) -> str:
    """Return what the counted transitions, calls and milliseconds cost."""
    from lokki_tf.costs import Usage as Units
    from lokki_tf.costs import load_prices
    from lokki_tf.costs.result import usd
    from lokki_tf.terraform.settings import with_settings

    stack, prices = execution.deployed.stack, load_prices(execution.deployed.aws.region)
    steps = with_settings(stack.definition, stack.config).steps
    architectures = {step.name: step.options.architecture for step in steps}
    units = Units(stack.name)
    units.add("transition", transitions)
    for one in billed:
        seconds, memory = one.entry["billed_ms"] / 1000, one.entry.get("memory_mb", 0)
        units.add_lambda(architectures.get(one.step, "x86_64"), 1, seconds, memory)
    return f"at least {usd(units.usd(prices))} USD, with prices of {prices.region} of {prices.date}"


def _cards(
    deployed: Deployed, run: str, arn: str, visits: Sequence[Visit], definition: Definition
) -> tuple[list[CardReport], int]:
    """Return the cards of an execution, and the number of those that are not read."""
    store = deployed.store
    bucket, _, prefix = store.removeprefix("s3://").partition("/")
    folders = [
        f"{prefix}/".lstrip("/") + f"runs/{step}/{run}/{CARDS}/"
        for step in _steps_with_contexts(deployed, arn)
    ]

    def listed(folder: str) -> list[str]:
        pages = deployed.aws.pages("s3", "list_objects_v2", Bucket=bucket, Prefix=folder)
        keys = [str(one["Key"]) for page in pages for one in page.get("Contents", ())]
        return [key for key in keys if key.endswith(CARD_SUFFIX)]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        keys = sorted((key for found in pool.map(listed, folders) for key in found), key=_order)
        uris = [f"s3://{bucket}/{key}" for key in keys[:MOST_CARDS]]
        data = pool.map(deployed.aws.read, uris)
        cards = [card for one in data for card in _card(one, visits, definition)]
    order = {visit.name: number for number, visit in enumerate(visits)}
    return sorted(cards, key=lambda one: order.get(one.node, -1)), len(keys) - len(uris)


def _order(key: str) -> list[Any]:
    """Return a key for sorting names by the numbers in them: items, then attempts."""
    texts, numbers = _NUMBERS.split(key), [int(one) for one in _NUMBERS.findall(key)]
    return [one for pair in zip(texts, [*numbers, 0], strict=True) for one in pair]


def _card(data: bytes, visits: Sequence[Visit], definition: Definition) -> Iterator[CardReport]:
    """Yield a card, unless the object is something else: any step may write into its folder."""
    try:
        plain = zlib.decompressobj(31).decompress(data, 2 * LARGEST)
        found = json.loads(plain)
        node, parts = str(found["node"]), [one for one in found["parts"] if isinstance(one, dict)]
        call = Call(node, item_index(found.get("item")), int(found.get("attempt") or 1))
        visit = int(found.get("visit") or 0)
    except (ValueError, LookupError, TypeError, zlib.error):
        return
    node = own = inner_nodes(definition.whole).get(node, node)
    steps = _steps_in_order(definition)
    if 0 <= visit < len(steps):
        step = steps[visit]
        if step.step.name == node:
            node = step.name
        elif step.step.includes is not None:
            names = [one.name for one in visits]
            before = visits[: names.index(step.name)]  # the nodes of a turn are before its step
            node = next((one.name for one in reversed(before) if one.node == node), node)
    if call.node == own:
        call = call._replace(node=node)
    yield CardReport(node, call_title(call), parts)


def _steps_with_contexts(deployed: Deployed, arn: str) -> list[str]:
    """Return the names of the steps that may have cards: their events have a context."""
    answer = deployed.aws.call(
        "stepfunctions", "describe_state_machine_for_execution", executionArn=arn
    )
    definition = deployed.stack.definition
    nodes = {node.name: node.step for node in definition.whole.every() if isinstance(node, Node)}
    if definition.routes is not None:
        nodes |= {one.step.name: one.step for one in definition.routes.routes}
    steps = [nodes[name] for name in _asking(json.loads(answer["definition"])) if name in nodes]
    conditions = [one.condition for one in steps if one.condition is not None]
    notified = [definition.on_failure] if isinstance(definition.on_failure, Step) else []
    return list(dict.fromkeys(one.name for one in (*steps, *conditions, *notified)))


def _asking(part: Any) -> Iterator[str]:
    """Yield the names of nodes whose events have a context, from a state machine definition."""
    if isinstance(part, list):
        for one in part:
            yield from _asking(one)
    elif isinstance(part, dict):
        if "context" in part and isinstance(part.get("node"), str):
            yield part["node"]
        for one in part.values():
            yield from _asking(one)
