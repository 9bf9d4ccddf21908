"""What runs in AWS have used: calls and their billed durations, and the items of maps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lokki_tf.costs import Observed

from .logs import Wanted, log_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .execution import Execution

_SLACK = 10.0  # seconds around a run in which its lines are


def observe(executions: Sequence[Execution[Any]]) -> Observed:
    """Return what executions of one pipeline have used.

    Calls and their billed durations are those that Lambda reports in the logs, so none are known
    after the logs' retention. A job's duration is that of its state, with the time in the queue.

    Args:
        executions: The executions; at least one.

    Raises:
        AwsError: If a history or log cannot be read.
    """
    calls: Counter[str] = Counter()
    milliseconds: Counter[str] = Counter()
    items: dict[str, list[int]] = {}
    used: dict[str, float] = {}
    for one in executions:
        _read_history(one, calls, milliseconds, items)
        run = one.run
        end = None if run.ended is None else run.ended.timestamp() + _SLACK
        wanted = Wanted((), run.began.timestamp() - _SLACK, end, run.name, reports=True)
        for line in log_lines(one.deployed, wanted):
            if line.entry.get("event") == "report":
                calls[line.step] += 1
                milliseconds[line.step] += int(line.entry["billed_ms"])
                used[line.step] = max(used.get(line.step, 0.0), line.entry.get("used_mb", 0.0))
    return Observed(
        len(executions),
        calls,
        {step: number / 1000 for step, number in milliseconds.items()},
        {name: sum(numbers) / len(numbers) for name, numbers in items.items()},
        {step: megabytes for step, megabytes in used.items() if megabytes},
    )


def _read_history(
    execution: Execution[Any],
    calls: Counter[str],
    milliseconds: Counter[str],
    items: dict[str, list[int]],
) -> None:
    found = execution.history
    definition = execution.deployed.stack.definition
    jobs = {node.name: node.step.name for node in definition.graph.walk() if node.step.is_job}
    jobs |= {step.name: step.name for step in definition.steps if step.is_job}
    for state in found.states():
        if state.node in jobs and state.duration is not None:
            calls[jobs[state.node]] += 1 + state.retries
            milliseconds[jobs[state.node]] += int(state.duration * 1000)
    for name, one in found.tracker.items.items():
        items.setdefault(name, []).append(one.total)
