"""The examples: run here, on the local AWS without Terraform, and deployed by Terraform."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack
from gallery import DOCS, ORDER, Shown, measured, page, picture
from golden_files import agrees_with_golden

from lokki_tf.errors import StepFailed
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf import Pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
PIPELINES = {
    "birds/birds_flow.py": "birds_flow",
    "flights/pipeline.py": "pipe",
    "orders/orders.py": "orders",
    "review/clusters.py": "clusters",
    "review/daily.py": "daily",
    "review/review.py": "review",
    "weather/weather.py": "weather",
    "approval/approval.py": "approval",
    "export/export.py": "export",
}
OTHERS = {
    "nile/nile.py": "nile",
    "planes/planes.py": "fleet",
    "stock/stock.py": "stock",
    "inbox/inbox.py": "inbox",
}
"""Examples that Terraform need not apply, or that read buckets, which must exist."""
ANSWERS = {"travel-expenses": {"decide": "yes"}}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An account for the examples alone."""
    with LocalAws(retry_delay_scale=0.0) as account:
        yield account


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> list[Pipeline]:
    """The pipelines of the examples, loaded as scripts' neighbours would be."""
    return [loaded(EXAMPLES / file, name, monkeypatch) for file, name in PIPELINES.items()]


def loaded(file: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.syspath_prepend(str(file.parent))
    spec = importlib.util.spec_from_file_location(f"example_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    found: Pipeline = getattr(module, name)
    return found


def test_examples_give_the_same_without_terraform(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """`aws.run` gives what the local run gives; the gallery shows it, with pictures and costs."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    s3 = aws.client("s3")
    for bucket in ("stock-locks", "orders-inbox"):
        s3.create_bucket(Bucket=bucket)
    rows = (EXAMPLES / "inbox/monday.csv").read_bytes()
    s3.put_object(Bucket="orders-inbox", Key="in/monday.csv", Body=rows)
    event = json.loads((EXAMPLES / "inbox/event.json").read_text())
    shown = []
    for file in ORDER:
        example = loaded(EXAMPLES / file, {**PIPELINES, **OTHERS}[file], monkeypatch)
        given = {"event": event} if example.name == "inbox" else {}
        ran = aws.run(example, answers=ANSWERS.get(example.name), **given)
        known = _results(example, **given)
        assert aws.values(ran) == known
        functions = [one.name for one in example.resources("1" * 12, aws.region).functions]
        counts = measured(aws, ran, functions)
        result = known if len(known) > 1 else next(iter(known.values()))
        shown.append(Shown(file, example, result, *counts))
    for one in shown:
        folder = DOCS / "assets/examples"
        agrees_with_golden(request, picture(one), one.pipeline.to_svg() + "\n", folder)
    agrees_with_golden(request, "examples.md", page(shown), DOCS)
    aws.reset()


def test_the_day_of_the_daily_report_is_a_parameter(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run for another day gives that day's report, here and there, alone and as a part."""
    given = {"day": "2013-02-08"}
    for file in ("daily", "review"):
        example = loaded(EXAMPLES / "review" / f"{file}.py", file, monkeypatch)
        (there,) = aws.values(aws.run(example, given)).values()
        assert there == example.local_run(given).result
        assert there.startswith("2013-02-08: ")
    aws.reset()


LOCKED = "stock/stock.py", "stock"
"""The example with a lock in a bucket, which local runs need as well."""

for file, name in (*PIPELINES.items(), LOCKED):

    def example(aws: LocalAws, folder: Path, file: str = file, name: str = name) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            return loaded(EXAMPLES / file, name, patch).synth(folder).folder

    example.__name__ = name
    stack(example)


def test_examples_give_the_same_deployed(examples: list[Pipeline], applied: Applied) -> None:
    """Applied by Terraform, the examples give what the local runs give."""
    for example, name in zip(examples, PIPELINES.values(), strict=True):
        answers = ANSWERS.get(example.name)
        assert applied.values(name, answers=answers) == _results(example)


def held(aws: LocalAws, key: str = "locks/north") -> list[str]:
    """The locks in the bucket."""
    listed = aws.client("s3").list_objects_v2(Bucket="stock-locks", Prefix=key)
    return [one["Key"] for one in listed.get("Contents", [])]


def test_a_lock_is_released_whatever_happens(
    applied: Applied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cleanup step of the example releases its lock after success and failure, here and there.

    A run that does not get the lock leaves that of the other run.
    """
    s3 = applied.aws.client("s3")
    s3.create_bucket(Bucket="stock-locks")
    for name, value in applied.aws.environment.items():
        monkeypatch.setenv(name, value)
    example = loaded(EXAMPLES / LOCKED[0], LOCKED[1], monkeypatch)
    booked = {"book": {"kettle": 5, "cup": 12}}
    assert example.local_run().outputs["book"] == applied.values("stock")["book"] == booked["book"]
    assert held(applied.aws) == []
    wrong = {"delivery": "kettle;4\ncup;many"}
    with pytest.raises(ValueError, match="line 2 of the delivery note"):
        example.local_run(wrong)
    assert held(applied.aws) == []
    execution = applied.execute("stock", wrong)
    assert (execution.status, execution.error) == ("FAILED", "ValueError")
    assert held(applied.aws) == []
    released = [one for one in applied.aws.logs("stock-release") if '"released"' in one]
    assert [json.loads(one)["booked"] for one in released] == [booked["book"], None]
    s3.put_object(Bucket="stock-locks", Key="locks/north", Body=b"another run")
    with pytest.raises(StepFailed, match="Locked"):
        example.local_run()
    assert applied.execute("stock").error == "Locked"
    assert held(applied.aws) == ["locks/north"]
    s3.delete_object(Bucket="stock-locks", Key="locks/north")
    s3.delete_bucket(Bucket="stock-locks")


_known: dict[str, dict[str, Any]] = {}


def _results(example: Pipeline, **given: Any) -> dict[str, Any]:
    """The terminal outputs of a local run, which is made once."""
    if example.name not in _known:
        run = example.local_run(wait_scale=0.01, answers=ANSWERS.get(example.name), **given)
        ends = run.definition.graph.terminals  # of steps with routes, those that were taken
        _known[example.name] = {name: run.outputs[name] for name in ends}
    return _known[example.name]
