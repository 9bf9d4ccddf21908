"""The page of examples: what each shows, its picture, what it prints and what a run costs.

Prices: AWS Step Functions pricing (state transitions of Standard workflows) and AWS Lambda pricing
(requests), both in us-east-1.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lokki_tf import Pipeline
from lokki_tf.testing import Execution, LocalAws

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TRANSITION, REQUEST = 0.025 / 1000, 0.20 / 1_000_000
"""Dollars."""

HEAD = """\
# Examples

Whole pipelines, each in a folder of its own below `examples`. The tests of lokki_tf run each of
them locally and on the local AWS, with equal results. Those with real data need
`pip install 'lokki-tf[examples]'`.

Costs are those of state transitions and of calls of functions in us-east-1. The functions' time is
added: at 512 MiB, a second costs $0.0000083.
"""
ORDER: dict[str, tuple[str, str]] = {
    "birds/birds_flow.py": ("chains", "a map over a list"),
    "nile/nile.py": ("chains", "real data, a file that a step reads, a map in batches"),
    "weather/weather.py": ("chains", "real data, parameters, a map over 364 days"),
    "stock/stock.py": ("chains", "a lock that is released whatever happens: cleanup"),
    "flights/pipeline.py": ("calls", "real data: 336,776 flights, twelve steps in parallel"),
    "approval/approval.py": ("calls", "a person who is asked"),
    "inbox/inbox.py": ("calls", "files that start runs, rows from S3, errors as values"),
    "review/daily.py": ("calls", "real data, a parameter, parts of a result"),
    "review/clusters.py": ("calls", "real data, rounds of k-means: parts of results"),
    "review/review.py": ("calls", "a pipeline of two others"),
    "planes/planes.py": ("arrows", "real data, two tasks in parallel"),
    "export/export.py": ("arrows", "a job of another service, polled until it is done"),
    "orders/orders.py": ("routes", "steps that are undone after an error"),
}  # fmt: skip
"""Style and subject of each example."""


@dataclass(frozen=True)
class Shown:
    """What the page shows of an example.

    Args:
        file: Its path below ``examples``.
        pipeline: The pipeline.
        result: The result of a run.
        transitions: The number of states that an execution enters.
        calls: The number of calls of functions.
    """

    file: str
    pipeline: Pipeline
    result: Any
    transitions: int
    calls: int


def measured(aws: LocalAws, execution: Execution, functions: Sequence[str]) -> tuple[int, int]:
    """Return how many states an execution entered, with its children, and how many calls it made.

    Args:
        aws: The account, in which nothing else has called these functions.
        execution: The execution.
        functions: The names of the pipeline's functions.
    """
    kinds = [one["type"] for one in execution.history]
    entered = sum(kind.endswith("StateEntered") for kind in kinds)
    calls = sum(line.startswith("START ") for name in functions for line in aws.logs(name))
    own = kinds.count("TaskStarted") + kinds.count("LambdaFunctionStarted")
    return entered + max(0, calls - own), calls


def page(examples: Sequence[Shown]) -> str:
    """Return the text of the page.

    Args:
        examples: What it shows.
    """
    parts = [HEAD, "| example | style | shows |", "|---|---|---|"]
    for one in examples:
        style, subject = ORDER[one.file]
        parts.append(f"| [{_title(one)}](#{_anchor(one)}) | {style} | {subject} |")
    for one in examples:
        cost = one.transitions * TRANSITION + one.calls * REQUEST
        parts += [
            f"\n## {_title(one)}\n",
            f"`examples/{one.file}`: {_about(one)}\n",
            f"![Graph of {one.pipeline.name}](assets/examples/{picture(one)})\n",
            f"```text\n{_text(one.result)}\n```\n",
            f"A run has {one.transitions} state transitions and {one.calls} calls of functions: "
            f"${cost:.6f}.",
        ]
    return "\n".join(parts) + "\n"


def picture(one: Shown) -> str:
    """Return the name of an example's picture."""
    return f"{Path(one.file).stem if one.file.startswith('review') else _title(one)}.svg"


def _title(one: Shown) -> str:
    folder, file = Path(one.file).parts
    return f"{folder}: {Path(file).stem}" if folder == "review" else folder


def _anchor(one: Shown) -> str:
    return _title(one).replace(": ", "-")


def _about(one: Shown) -> str:
    source = (ROOT / "examples" / one.file).read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _text(result: Any) -> str:
    if isinstance(result, Mapping) and "report" in result:
        result = result["report"]
    if isinstance(result, str):
        return result.strip()
    try:
        return json.dumps(result, indent=2, ensure_ascii=False)
    except TypeError:
        return repr(result)
