"""The state of a map: a Distributed Map through the bucket, or an inline one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model import Dataset, Map
from lokki_tf.runtime.names import MAPS

from .capacities import BATCH_BYTES
from .jobs import refuse_inline
from .literals import BUCKET_VARIABLE, PREFIX_VARIABLE
from .payloads import with_paths
from .references import path, shared
from .text import Template

if TYPE_CHECKING:
    from .payloads import Payloads
    from .references import Array
    from .scopes import Scope


def map_state(
    one: Map,
    array: Array | None,
    scope: Scope,
    payloads: Payloads,
    label: str | None,
    body: dict[str, Any],
) -> dict[str, Any]:
    """Return a Map state, without its scope's use of its result.

    Args:
        one: The map.
        array: The array of its items; ``None`` if it runs over a dataset.
        scope: The scope of the state.
        payloads: Contains the outer values that the map's body needs.
        label: Label of a Distributed Map; ``None`` for an inline one.
        body: ``StartAt`` and ``States`` of its body.
    """
    source = "" if array is None else f"${scope.variable(array.producer)}.{array.key}"
    state: dict[str, Any] = {"Type": "Map"}
    if label is None:
        if array is not None and array.producer in payloads.jobs:
            raise refuse_inline(one, array.producer)
        state["ItemsPath"] = f"{source}.Array"
        mode: dict[str, Any] = {"Mode": "INLINE"}
    else:
        state["Label"] = label
        state["ItemReader"] = {
            "Resource": Template("arn:${partition}:states:::s3:getObject"),
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": f"{source}.Bucket", "Key.$": f"{source}.Key"},
        }
        if array is None:
            state["ItemReader"] = payloads.datasets.reader(one, scope)
        mode = {"Mode": "DISTRIBUTED", "ExecutionType": one.options.execution_type.upper()}
    state |= _item_selector(one, scope, payloads, source)
    state |= _limits(one)
    state["ItemProcessor"] = {"ProcessorConfig": mode, **body}
    if label is not None:
        state["ResultWriter"] = {
            "Resource": Template("arn:${partition}:states:::s3:putObject"),
            "Parameters": {
                "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
                "Prefix.$": _results_prefix(one, scope),
            },
        }
    return state


def _limits(one: Map) -> dict[str, Any]:
    options, limits = one.options, dict[str, Any]()
    if options.concurrency_limit is not None:
        limits["MaxConcurrency"] = options.concurrency_limit
    if options.tolerated_failure_percentage is not None:
        limits["ToleratedFailurePercentage"] = options.tolerated_failure_percentage
    if options.tolerated_failure_count is not None:
        limits["ToleratedFailureCount"] = options.tolerated_failure_count
    return limits


def _results_prefix(one: Map, scope: Scope) -> Template:
    start = f"${{{PREFIX_VARIABLE}}}runs/{MAPS}/{{}}"
    if scope.map is None:
        return Template(f"States.Format('{start}/{one.name}', $$.Execution.Name)")
    run = f"{shared(scope.map)}.run"
    return Template(f"States.Format('{start}/{{}}/{one.name}', {run}, $.place)")


def _item_selector(one: Map, scope: Scope, payloads: Payloads, source: str) -> dict[str, Any]:
    """Return the input of each execution of the body."""
    around = scope.map
    item: dict[str, Any] = {"item.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"}
    if isinstance(one.items, Dataset):  # data from outside, of any form
        item = {"item": {"value.$": item.pop("item.$")}, **item}
    if around is None:
        item["place.$"] = f"States.Format('{one.name}/{{}}', $$.Map.Item.Index)"
    else:
        item_path = f"'{{}}/{one.name}/{{}}', $.place, $$.Map.Item.Index"
        item["place.$"] = f"States.Format({item_path})"
    run = "$$.Execution.Name" if around is None else f"{shared(around)}.run"
    common: dict[str, Any] = {"run.$": run}
    if one.name in payloads.given:
        given = payloads.input if around is None else f"{shared(around)}.given"
        common["given.$"] = given
    if one.name in payloads.started:
        started = "$$.Execution.StartTime" if around is None else f"{shared(around)}.started"
        common["started.$"] = started
    captured = {reference.key: reference for reference in payloads.captured[one.name]}
    if captured:
        common["arguments"] = with_paths(captured, lambda reference: path(reference, scope))
    if one.options.mode == "inline":
        common["room.$"] = f"{source}.Room"
        if any(isinstance(n, Map) and n.options.mode == "inline" for n in one.body.nodes):
            common["events.$"] = f"{source}.Events"
    if one.options.batch_size > 1:
        batcher = {
            "MaxItemsPerBatch": one.options.batch_size,
            "MaxInputBytesPerBatch": BATCH_BYTES,
            "BatchInput": common,
        }
        return {"ItemSelector": item, "ItemBatcher": batcher}
    return {"ItemSelector": {**item, **common}}
