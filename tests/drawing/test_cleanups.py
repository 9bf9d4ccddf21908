"""Pictures of pipelines with a cleanup step: it comes last, also in pictures of runs."""

from __future__ import annotations

from typing import Any

import pytest

from lokki_tf import MicroFunctions, Pipeline, step
from lokki_tf.drawing.routes import picture_of


@step
def held() -> str:
    return "lock"


@step
def fails(value: str) -> None:
    raise ValueError(value)


@step
def report(value: str) -> None: ...


@step
def release(held: str | None) -> None: ...


def graph() -> Pipeline:
    lock = held()
    return Pipeline("graph", steps=[fails(lock), report(lock)], cleanup=release)


def routes() -> MicroFunctions:
    functions = MicroFunctions("begin", name="routes", cleanup=release)

    @functions.fn()
    def begin(held: str = "x") -> Any:
        return {"$next": "end", "held": held}

    @functions.fn(terminates=True)
    def end(held: str) -> Any:
        return {"held": held}

    return functions


def test_a_cleanup_step_follows_the_last_steps() -> None:
    """Arrows carry the results that it takes; those from the last steps are dashed."""
    pipeline = graph()
    lines = [line.strip() for line in pipeline.to_mermaid().splitlines()]
    assert [line for line in lines if line.endswith(" n3")] == [
        "n0 --> n3",
        "n1 -.-> n3",
        "n2 -.-> n3",
    ]
    assert '"fails" -> "release" [style=dashed];' in pipeline.to_dot()
    assert "release" in pipeline.to_svg()


def test_pictures_of_runs_show_it() -> None:
    """Its outcome and its bar are in the pictures of a run that has failed."""
    pipeline = graph()
    with pytest.raises(ValueError, match="lock") as caught:
        pipeline.local_run(executor="sequential")
    run: Any = vars(caught.value)["run"]
    for text in (pipeline.to_svg(run), pipeline.to_gantt(run), run.table(), pipeline.to_dot(run)):
        assert "release" in text
    assert run.table().splitlines()[-1].split()[:2] == ["release", "done"]
    assert run.outcomes["release"].seconds is not None


def test_routes_lead_to_it_from_each_end() -> None:
    """A dashed arrow leads to it from each step with which the pipeline may end."""
    definition = routes().definition
    assert definition.routes is not None
    picture = picture_of(definition.routes, "begin", definition.cleanup)
    assert [one.before for one in picture.arrows if one.after == "release"] == ["end"]
    for text in (routes().to_mermaid(), routes().to_svg(), routes().to_dot()):
        assert "release" in text
    run = routes().local_run()
    assert [*run.status] == ["begin", "end", "release"]
    assert run.result == {"held": "x"}
    assert "release" in routes().to_gantt(run)
