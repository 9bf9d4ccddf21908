"""What the page shows, read from the backends of the server's region."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

from lokki_tf.testing.settings import ACCOUNT_ID

LONGEST = 20_000
"""The number of characters of a value that is shown."""
ROWS = 200
"""The number of rows of a table."""


class AccountData:
    """Reads the account in one region.

    Args:
        region: The region's name.
    """

    def __init__(self, region: str) -> None:
        self._region = region

    def overview(self) -> dict[str, Any]:
        """Return the rows of all tables of the first page."""
        machines = self._machines()
        runs = sorted(
            (run for machine in machines for run in machine.executions),
            key=lambda run: run.start_date,
            reverse=True,
        )
        return {
            "machines": [self._machine_row(each) for each in machines],
            "executions": [_execution_row(run) for run in runs[:ROWS]],
            "execution_count": len(runs),
            "functions": [_function_row(each) for each in self._functions()],
            "logs": [_log_row(each) for each in self._log_groups()],
            "buckets": [_bucket_row(each) for each in self._buckets()],
        }

    def machine(self, name: str) -> dict[str, Any] | None:
        """Return a state machine with its definition and its latest executions."""
        found = next((each for each in self._machines() if each.name == name), None)
        if found is None:
            return None
        runs = sorted(found.executions, key=lambda run: run.start_date, reverse=True)
        return {
            **self._machine_row(found),
            "arn": found.arn,
            "role": found.roleArn,
            "definition": shown(found.definition),
            "executions": [_execution_row(run) for run in runs[:ROWS]],
        }

    def execution(self, arn: str) -> dict[str, Any] | None:
        """Return an execution with its input, its outcome, its events and its Map Runs."""
        from moto.stepfunctions.models import stepfunctions_backends

        backend: Any = stepfunctions_backends[ACCOUNT_ID][self._region]
        run = backend.find_execution(arn)
        if run is None:
            return None
        events = run.history.events
        return {
            **_execution_row(run),
            "machine": run.state_machine_name,
            "error": run.error,
            "cause": shown(run.cause),
            "input": shown(run.input_text),
            "output": shown(run.output_text),
            "redrives": run.redrive_count,
            "events": [_event_row(event, run.start_date) for event in events[:ROWS]],
            "event_count": len(events),
            "map_runs": [_map_run_row(each) for each in run.map_runs],
        }

    def function(self, name: str) -> dict[str, Any] | None:
        """Return a function with its settings."""
        found = next((each for each in self._functions() if each.function_name == name), None)
        if found is None:
            return None
        return {
            **_function_row(found),
            "arn": found.function_arn,
            "handler": found.handler,
            "role": found.role,
            # Their values may be secrets.
            "variables": sorted(found.environment_vars or {}),
        }

    def log(self, group: str) -> dict[str, Any] | None:
        """Return the latest lines of a log group."""
        found = next((each for each in self._log_groups() if each.name == group), None)
        if found is None:
            return None
        events = [event for stream in list(found.streams.values()) for event in stream.events]
        events.sort(key=lambda event: event.timestamp)
        lines = [
            {"at": datetime.fromtimestamp(event.timestamp / 1000), "text": shown(event.message)}
            for event in events[-ROWS:]
        ]
        return {"name": group, "lines": lines, "count": len(events)}

    def bucket(self, name: str, after: str) -> dict[str, Any] | None:
        """Return a bucket with its objects.

        Args:
            name: The bucket's name.
            after: The key after which the objects begin.
        """
        found = next((each for each in self._buckets() if each.name == name), None)
        if found is None:
            return None
        keys = sorted(key for key in found.keys if key > after)
        chosen = [found.keys[key] for key in keys[:ROWS]]
        objects = [
            {"key": each.name, "size": each.size, "changed": each.last_modified}
            for each in chosen
            if hasattr(each, "size")
        ]
        more = keys[ROWS - 1] if len(keys) > ROWS else None
        return {"name": name, "objects": objects, "count": len(found.keys), "more": more}

    def _machines(self) -> list[Any]:
        from moto.stepfunctions.models import stepfunctions_backends

        return sorted(
            stepfunctions_backends[ACCOUNT_ID][self._region].state_machines,
            key=lambda each: each.name,
        )

    def _machine_row(self, machine: Any) -> dict[str, Any]:
        last = max(machine.executions, key=lambda run: run.start_date, default=None)
        return {
            "name": machine.name,
            "kind": machine.type or "STANDARD",
            "count": len(machine.executions),
            "last": None if last is None else _execution_row(last),
        }

    def _functions(self) -> list[Any]:
        from moto.awslambda.models import lambda_backends

        functions = lambda_backends[ACCOUNT_ID][self._region].list_functions()
        return sorted(functions, key=lambda each: each.function_name)

    def _log_groups(self) -> list[Any]:
        from moto.logs.models import logs_backends

        groups = logs_backends[ACCOUNT_ID][self._region].groups
        return [groups[name] for name in sorted(groups)]

    def _buckets(self) -> list[Any]:
        from moto.s3.models import s3_backends

        buckets = s3_backends[ACCOUNT_ID]["aws"].buckets
        return [buckets[name] for name in sorted(buckets)]


def shown(text: str | None) -> str | None:
    """Return a text as it is shown: JSON on several lines, and not too long."""
    if text is None:
        return None
    try:
        value = json.loads(text) if len(text) <= LONGEST else text
        if isinstance(value, dict | list):
            text = json.dumps(value, indent=2, ensure_ascii=False)
    except ValueError:
        pass
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n… {len(text) - LONGEST:,} more characters"


def _execution_row(run: Any) -> dict[str, Any]:
    stopped = run.stop_date
    seconds = None if stopped is None else (stopped - run.start_date).total_seconds()
    return {
        "arn": run.arn,
        "name": run.name,
        "machine": run.state_machine_name,
        "status": run.status,
        "started": run.start_date,
        "seconds": seconds,
        "is_child": run.map_run_arn is not None,
    }


def _event_row(event: dict[str, Any], start: datetime) -> dict[str, Any]:
    known = ("timestamp", "type", "previousEventId", "id")
    details: dict[str, Any] = next((item for key, item in event.items() if key not in known), {})
    left = {key: item for key, item in details.items() if not key.endswith("Details")}
    name = left.pop("name", "")
    text = json.dumps(left, ensure_ascii=False, default=str) if left else ""
    return {
        "id": event["id"],
        "type": event["type"],
        "name": name,
        "after": (event["timestamp"] - start).total_seconds(),
        "details": shown(text),
    }


def _map_run_row(map_run: Any) -> dict[str, Any]:
    counts = map_run.describe()["itemCounts"]
    children = map_run.children
    failed = children.latest("FAILED") + children.latest("TIMED_OUT")
    chosen = [*failed, *islice((n for n in children.latest(None) if n not in set(failed)), ROWS)]
    return {
        "arn": map_run.arn,
        "status": map_run.status,
        "counts": _not_zero(counts.items()),
        "children": [_execution_row(each) for each in children.load(chosen[:ROWS])],
        "count": len(children),
    }


def _not_zero(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    kept = ("pending", "running", "succeeded", "failed", "timedOut", "aborted")
    return {name: count for name, count in counts if count and name in kept}


def _function_row(function: Any) -> dict[str, Any]:
    return {
        "name": function.function_name,
        "runtime": function.run_time or "image",
        "memory": function.memory_size,
        "timeout": function.timeout,
        "log": function.logs_group_name,
    }


def _log_row(group: Any) -> dict[str, Any]:
    return {"name": group.name, "streams": len(group.streams)}


def _bucket_row(bucket: Any) -> dict[str, Any]:
    sizes = [getattr(each, "size", 0) for each in list(bucket.keys.values())]
    return {"name": bucket.name, "count": len(sizes), "bytes": sum(sizes)}
