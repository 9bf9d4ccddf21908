"""The pictures of the documentation are what the code draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from golden_files import agrees_with_golden
from order_routes import orders

from lokki_tf import Pipeline, Schedule, step
from lokki_tf.drawing import to_svg
from lokki_tf.model import Outcome

IMAGES = Path(__file__).parents[2] / "docs/images"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, which contains the slots of runs."""
    monkeypatch.chdir(tmp_path)


@step
def stations() -> list[str]:
    return []


@step
def fetch(names: list[str], number: int) -> int:
    return number


@step
def clean(size: int) -> int:
    return size


@step
def report(*sizes: int) -> int:
    return sum(sizes)


def test_the_wide_run(request: pytest.FixtureRequest) -> None:
    """The page about pictures shows the run of its pipeline, in which two calls have failed."""
    names = stations()
    pipeline = Pipeline(
        "weather",
        steps=[report(*[clean(fetch(names, number)) for number in range(40)])],
        triggers=[Schedule("cron(0 6 * * ? *)", timezone="Europe/Berlin")],
        max_concurrent_runs=1,
    )
    outcomes = {"stations": Outcome("done", 0.0, 0.2)}
    for number in range(1, 41):
        ending = "" if number == 1 else f"_{number}"
        if number in (17, 31):
            outcomes[f"fetch{ending}"] = Outcome("failed", 0.2, 3.2, 3)
        else:
            outcomes[f"fetch{ending}"] = Outcome("done", 0.2, 0.7 + number / 50)
            outcomes[f"clean{ending}"] = Outcome("done", 1.5, 1.6)
    agrees_with_golden(request, "weather.svg", to_svg(pipeline.definition, outcomes), IMAGES)


def test_the_routed_run(request: pytest.FixtureRequest) -> None:
    """The page about pictures shows a run of a pipeline with a loop and a caught error."""
    run = orders.local_run({})
    outcomes = {
        name: replace(one, start=number / 2, end=number / 2 + 0.2)
        for number, (name, one) in enumerate(run.outcomes.items())
    }
    agrees_with_golden(request, "orders.svg", to_svg(run.definition, outcomes), IMAGES)
