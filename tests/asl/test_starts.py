"""States, stacks and pictures of pipelines that start others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from golden_files import agrees_with_golden

from lokki_tf import (
    Parameter,
    Pipeline,
    PipelineFailed,
    RetryConfig,
    flow,
    start_pipeline,
    step,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@step
def load() -> Any:
    return {"rows": [1]}


@step
def report(*values: Any) -> None:
    """Report."""


@flow
def each(row: int) -> Any:
    return start_pipeline("one", {"row": row})


def starting() -> Pipeline:
    """A pipeline that starts others in every way."""
    rows = load()["rows"]
    again = RetryConfig(retries=2, delay=5)
    first = start_pipeline(
        "prices",
        {"day": Parameter("day", str, default="mon"), "rows": rows},
        retry=again,
        catch=PipelineFailed,
    )
    arn = "arn:aws:states:eu-west-1:210987654321:stateMachine:stocks"
    second = start_pipeline(arn, {"count": 3}, trust=True, name="all-stocks").after(first)
    return Pipeline("starting", steps=[report(first, second), rows.map(each)])


def test_the_machine_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """Parameters, start, result and error are states of their own; literals need no parameters."""
    text = json.dumps(starting().generate_step_functions(), indent=2, ensure_ascii=False)
    agrees_with_golden(request, "starts.statemachine.json", text + "\n")


def test_the_stack_is_as_reviewed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack has the function that moves values, and rights for exactly these pipelines."""
    monkeypatch.chdir(tmp_path)
    folder = starting().synth(tmp_path / "out").folder
    written = json.loads((folder / "cdk.tf.json").read_text())
    for function in written["resource"]["aws_lambda_function"].values():
        assert len(function.pop("source_code_hash")) == 64
    kinds = ("aws_iam_role_policy", "aws_sfn_state_machine", "aws_lambda_function")
    shown = {kind: written["resource"][kind] for kind in kinds}
    agrees_with_golden(request, "starts.cdk.tf.json", json.dumps(shown, indent=2) + "\n")


def test_pictures_name_the_pipelines() -> None:
    """A box names the node and the pipeline that it starts, in each format."""
    pipeline = starting()
    for text in (pipeline.to_mermaid(), pipeline.to_dot(), pipeline.to_svg()):
        assert "prices: starts prices" in text
        assert "all-stocks: starts stocks" in text


def test_nothing_changes_without_a_start() -> None:
    """A pipeline that starts no other has no state, function or right for it."""
    pipeline = Pipeline("plain", steps=[report(load())])
    assert "starts" not in json.dumps(pipeline.generate_step_functions())
    resources = pipeline.resources("123456789012", "us-east-1")
    assert [one for one in resources.functions if "starts" in one.name] == []
