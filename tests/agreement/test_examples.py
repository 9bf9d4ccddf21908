"""The examples: run here, on the local AWS without Terraform, and deployed by Terraform."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf import Pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
PIPELINES = {
    "birds/birds_flow.py": "birds_flow",
    "flights/pipeline.py": "pipe",
    "weather/weather.py": "weather",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An account for the examples alone."""
    with LocalAws(retry_delay_scale=0.0) as account:
        yield account


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> list[Pipeline]:
    """The pipelines of the examples, loaded as scripts' neighbours would be."""
    return [_loaded(EXAMPLES / file, name, monkeypatch) for file, name in PIPELINES.items()]


def _loaded(file: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.syspath_prepend(str(file.parent))
    spec = importlib.util.spec_from_file_location(f"example_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    found: Pipeline = getattr(module, name)
    return found


def test_examples_give_the_same_without_terraform(examples: list[Pipeline], aws: LocalAws) -> None:
    """`aws.run` gives what the local run gives."""
    for example in examples:
        assert aws.values(aws.run(example)) == _results(example)
    aws.reset()


@pytest.mark.terraform
def test_examples_give_the_same_deployed(
    examples: list[Pipeline], aws: LocalAws, tmp_path: Path
) -> None:
    """`aws.deploy` of the synthesized folders gives what the local runs give."""
    folders = [example.synth(tmp_path).folder for example in examples]
    with ThreadPoolExecutor() as pool:  # Terraform waits more than it computes
        deployed = list(pool.map(aws.deploy, folders))
    for example, outputs in zip(examples, deployed, strict=True):
        assert aws.values(aws.execute(outputs["state_machine_arn"])) == _results(example)


def _results(example: Pipeline) -> dict[str, Any]:
    outputs = example.local_run().outputs
    return {name: outputs[name] for name in example.graph.terminals}
