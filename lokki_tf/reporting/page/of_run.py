"""The report of a local run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError, StepFailed
from lokki_tf.local.failures import raised, traceback_of
from lokki_tf.local.strict import described, is_not_ready
from lokki_tf.model import Map, Node, Wait

from .document import to_html
from .inputs import Inputs
from .model import CardReport, FailedItem, Input, LogEntry, Retry, RunReport, StepReport, Usage
from .values import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.errors import Place
    from lokki_tf.local import Run
    from lokki_tf.local.recording import Call, Recording
    from lokki_tf.model import AnyNode, Definition, Graph

MOST_FAILED = 20
"""Failed items of a map that are listed."""
_WITHOUT_OUTPUT = (
    "What steps printed was not recorded: run with --report FILE, or local_run(report=…)."
)
_COST = (
    "A run on this computer costs nothing. In AWS, each call is one call of a Lambda function or "
    "one job, and at least one transition of the state machine."
)


def write_report(run: Run[Any], error: BaseException | None) -> str:
    """Return the report of a local run as HTML.

    Args:
        run: The run.
        error: The error that ended it.
    """
    return to_html(report_of(run, error))


def report_of(run: Run[Any], error: BaseException | None) -> RunReport:
    """Return the data of the report of a local run.

    Args:
        run: The run.
        error: The error that ended it.
    """
    recording = run.recording
    assert recording is not None
    tops = inner_nodes(run.definition.whole)
    steps = [*_steps(run, recording, tops)]
    ended = [one.outcome for one in steps if one.outcome.status not in ("not run", "cached")]
    return RunReport(
        run.definition,
        recording.run_id,
        "on this computer",
        _status(run, error),
        datetime.fromtimestamp(recording.began, UTC),
        run.duration,
        steps,
        parameters=recording.parameters,
        result=_result(run),
        error="" if error is None else _message(error),
        trace="" if error is None else traceback_of(_cause(error)),
        facts=[("stage", recording.stage)] if recording.stage else [],
        cards=[
            CardReport(tops.get(call.node, call.node), call_title(call), parts)
            for call, parts in recording.cards.items()
            if parts
        ],
        cards_left_out=recording.left_out,
        logs=[
            LogEntry(datetime.fromtimestamp(line.time, UTC), _titled(line.call), line.text)
            for line in recording.lines
        ],
        logs_note="" if recording.has_output else _WITHOUT_OUTPUT,
        usage=[*_usage(run, recording)],
        numbers=[
            ("calls of steps", f"{sum(one.attempts for one in ended):,}, without items of maps"),
        ],
        cost_note=_COST,
        secrets=recording.secrets,
    )


def inner_nodes(graph: Graph) -> dict[str, str]:
    """Return the outermost map, or routed pipeline, of each node inside of one, by name.

    Args:
        graph: The graph.
    """
    found = {
        inner.name: node.name
        for node in graph.nodes
        if isinstance(node, Map)
        for inner in node.body.every()
    }
    walks = ((name, node.name) for node in graph.routed for name in node.visits)
    return found | {name: found.get(node, node) for name, node in walks}


def call_title(call: Call) -> str:
    """Return a call in words: ``score [3], attempt 2``.

    Args:
        call: The call.
    """
    return _titled(call) + (f", attempt {call.attempt}" if call.attempt > 1 else "")


def _titled(call: Call) -> str:
    if call.item is None:
        return call.node
    indices = call.item if isinstance(call.item, tuple) else (call.item,)
    return f"{call.node} {list(indices)}"


def kind_of(node: AnyNode) -> str:
    """Return what a node is, in words.

    Args:
        node: The node.
    """
    if isinstance(node, Map):
        return f"map, {node.options.mode}"
    if isinstance(node, Wait):
        return f"wait, {node.label}"
    if node.step.starts is not None:
        return f"starts pipeline {node.step.starts.name}"
    if node.step.routed is not None:
        return f"runs the steps of pipeline {node.step.routed.name}"
    kind = "job of AWS Batch" if node.step.is_job else "step"
    return f"{kind}, answered from outside" if node.step.options.callback else kind


def place_text(place: Place) -> str:
    """Return a source location, relative to the working folder if it is there.

    Args:
        place: The source location; without a file if it is not known.

    Returns:
        The text; empty if it is not known.
    """
    text = str(place) if place.file else ""
    return text.removeprefix(os.path.join(os.getcwd(), ""))


def facts_of(node: AnyNode, definition: Definition) -> list[tuple[str, str]]:
    """Return facts about a node that hold for every run, each a name and a text.

    Args:
        node: The node.
        definition: The pipeline.
    """
    facts = []
    if isinstance(node, Node):
        if node.step.name != node.name:
            facts.append(("step", node.step.name))
        if node.when is not None:
            facts.append(("condition", "runs only if its when= is true"))
        if node.catch:
            names = ", ".join(one if isinstance(one, str) else one.__name__ for one in node.catch)
            facts.append(("catches", names))
    cleanup = definition.cleanup
    if cleanup is not None and cleanup.name == node.name:
        facts.append(("cleanup", "runs after all other steps, whatever happened"))
    if node.box:
        facts.append(("part of", " / ".join(node.box)))
    return facts


def _steps(run: Run[Any], recording: Recording, tops: Mapping[str, str]) -> Iterator[StepReport]:
    nodes, outcomes, errors = run.definition.whole.nodes, run.outcomes, run.errors
    results = _results(run)
    inputs = Inputs(results, recording.parameters)
    retries: dict[str, list[Retry]] = {}
    for one in recording.retries:
        name = tops.get(one.call.node, one.call.node)
        what = f"{_titled(one.call)}, attempt {one.call.attempt}"
        made = Retry(what, one.error, one.trace, one.time - recording.began)
        retries.setdefault(name, []).append(made)
    failed, before = run.failed_items, ("the parameters", dict(recording.parameters))
    for node in nodes:
        error = errors.get(node.name)
        arguments: Sequence[Input] = inputs.of(node)
        if run.definition.routed is not None:
            arguments = [Input("state", f"from {before[0]}", before[1])]
            before = node.name, results.get(node.name, MISSING)
        yield StepReport(
            node.name,
            kind_of(node),
            outcomes[node.name],
            place=place_text(node.place),
            inputs=arguments,
            result=results.get(node.name, MISSING),
            error="" if error is None else described(error),
            trace="" if error is None or is_not_ready(error) else traceback_of(error),
            retries=retries.get(node.name, ()),
            items=_items(node, results, failed.get(node.name, {})),
            failed_items=[*_failed(node, failed)],
            facts=facts_of(node, run.definition),
        )


def _results(run: Run[Any]) -> dict[str, Any]:
    """Return the results of nodes, also those that ``run.outputs`` does not contain."""
    status, values = run.status, run.outputs
    return {name: values[name] for name in status if name in values}


def _result(run: Run[Any]) -> Any:
    try:
        return MISSING if run.busy is not None else run.result
    except LokkiError:
        return MISSING


def _items(
    node: AnyNode, results: Mapping[str, Any], failed: Mapping[Any, BaseException]
) -> tuple[int, int, int] | None:
    if not isinstance(node, Map):
        return None
    value = results.get(node.name)
    done = len(value) if isinstance(value, list) else 0
    return (done, len(failed), done + len(failed)) if done or failed else None


def _failed(
    node: AnyNode, failed: Mapping[str, Mapping[Any, BaseException]]
) -> Iterator[FailedItem]:
    if not isinstance(node, Map):
        return
    names = [node.name, *(one.name for one in node.body.every() if isinstance(one, Map))]
    listed = [(name, key, error) for name in names for key, error in failed.get(name, {}).items()]
    for name, key, error in listed[:MOST_FAILED]:
        index = str(list(key) if isinstance(key, tuple) else [key])
        title = index if name == node.name else f"{name} {index}"
        yield FailedItem(title, described(error), traceback_of(error))


def _usage(run: Run[Any], recording: Recording) -> Iterator[Usage]:
    for name, outcome in run.outcomes.items():
        if outcome.attempts and outcome.status not in ("cached", "skipped"):
            yield Usage(name, outcome.attempts, outcome.seconds)


def _status(run: Run[Any], error: BaseException | None) -> str:
    if run.busy is not None:
        return "skipped"
    if error is None:
        return "succeeded"
    return "failed" if isinstance(error, LokkiError) else "interrupted"


def _cause(error: BaseException) -> BaseException:
    return raised(error) if isinstance(error, LokkiError) else error


def _message(error: BaseException) -> str:
    if not isinstance(error, LokkiError):
        return described(error)
    text = error.message if isinstance(error, StepFailed) else described(error)
    return f"{text}\n{error.remedy}" if error.remedy else text
