"""Parts of results: the same values, and the same errors, here and there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import library
import pytest
from strategies import same
from ways import WAYS

from lokki_tf import Pipeline, RetryConfig, flow, part, step
from lokki_tf.errors import StepFailed

if TYPE_CHECKING:
    from deployment import Deployment


@step
def wide() -> Any:
    """Two lists, and more than a state has room for."""
    return {"one": [1, 2], "two": [(3,), {4}], "long": "é" * 300_000}


@step
def add(value: Any, more: Any = None) -> Any:
    return (value, more)


@step(when=library.never)
def skipped(value: Any) -> tuple[list[int], int]:
    return [1], 2


@step(when=library.never, job_type="batch")
def skipped_job(value: Any) -> tuple[list[int], int]:
    return [1], 2


@step
def one_and_more() -> Any:
    return {"x": 1}


def agree(pipeline: Any, deployment: Deployment, given: Any = None) -> dict[str, Any]:
    """Run a pipeline here in all ways and there; return the outputs."""
    here = pipeline.local_run(given)
    others = [pipeline.local_run(given, **options) for options in WAYS[1:]]
    there = deployment.run(pipeline, given or {})
    for other in (*(one.outputs for one in others), there):
        assert all(same(other[name], here.outputs[name]) for name in there)
    return there


@pytest.mark.parametrize("mode", ["inline", "distributed"])
def test_maps_over_parts_agree(mode: Any, deployment: Deployment) -> None:
    """Several maps over parts of one result, within the state or not, and their parts."""
    whole = library.parted([1, (2,)])
    first = whole["a"].map(add, more=whole["pair"][0][1], mode=mode)
    second = whole["rows"].map(add, more=first[0], mode=mode)
    again = whole["a"].map(library.boxed, mode=mode).agg(library.listing)
    found = agree(Pipeline("maps", steps=[second, again, add(first[-1][0])]), deployment)
    assert found["add_map_2"] == [([1, (2,)], (1, (2,))), (2, (1, (2,)))]


def test_batches_and_nested_maps_agree(deployment: Deployment) -> None:
    """Parts inside of batches, and in maps inside of maps, are those of the right value."""
    whole = wide()
    batched = whole["two"].map(add, more=whole["one"][1], batch_size=2)
    inner = library.parted(whole["one"])["rows"].map(library.counted)
    nested = inner.map(add, more=whole["two"][0][0]).agg(library.echo).agg(library.echo)
    found = agree(Pipeline("nested", steps=[batched, nested]), deployment)
    assert found["add_map"] == [((3,), 2), ({4}, 2)]


def test_jobs_agree(deployment: Deployment) -> None:
    """A job has parts, receives parts, and maps run over parts of its result."""
    job = library.as_job(library.parted)
    whole = job(library.parted([1])["rows"])
    mapped = whole["rows"].map(library.as_job(library.echo))
    agree(Pipeline("jobs", steps=[mapped, add(whole["pair"][1].content)]), deployment)


def test_parts_of_parameters_agree(deployment: Deployment) -> None:
    """A parameter of a run has parts, in its default as well, also inside of maps."""

    @flow
    def written(given: dict = {"a": [1, (2,)]}) -> Any:  # type: ignore[type-arg] # noqa: B006
        return [add(given["a"][1]), library.listing(1).map(add, more=given["a"])]

    agree(written, deployment)
    found = agree(written, deployment, {"given": {"a": "xyz"}})
    assert found == {"add": ("y", None), "add_map": [(1, "xyz")]}


def test_parts_of_skipped_steps_are_none(deployment: Deployment) -> None:
    """Parts of a skipped step's result are ``None``, and a map over it has no items."""
    for one in (skipped, skipped_job):
        rows, number = one(1)
        mapped = library.listing(7).map(add, more=number)
        taken = library.pair(rows, number)
        found = agree(Pipeline("skips", steps=[taken, rows.map(add), mapped]), deployment)
        assert found == {"pair": (None, None), "add_map": [(7, None)], "add_map_2": []}


@pytest.mark.parametrize(
    ("select", "error"),
    [
        (lambda out: out["y"], KeyError),
        (lambda out: out["x"][0], TypeError),
        (lambda out: out.x, AttributeError),
        (lambda out: part(out, "__missing__"), AttributeError),
        (lambda out: library.listing(out)[1], IndexError),
    ],
)
def test_missing_parts_fail_alike(select: Any, error: Any, deployment: Deployment) -> None:
    """A part that does not exist is Python's own error in the step that receives it."""
    pipeline = Pipeline("missing", steps=[add(select(one_and_more()))])
    for options in WAYS:
        with pytest.raises(error, match="does not exist") as caught:
            pipeline.local_run(**options)
        assert isinstance(caught.value, StepFailed)
        assert caught.value.step == "add"
        assert type(caught.value.__cause__) is error
    there = deployment.execute(pipeline)
    assert (there.status, there.error) == ("FAILED", error.__name__)
    assert "of the result of step '" in str(there.cause)


def test_a_missing_part_is_retried_by_its_base_class(deployment: Deployment) -> None:
    """A retrier of LookupError covers a missing key, here and there."""
    retried = step(retry=RetryConfig(retries=1, delay=0, exceptions=(LookupError,)))(_taking)
    pipeline = Pipeline("retried", steps=[retried(one_and_more()["y"])])
    with pytest.raises(KeyError) as caught:
        pipeline.local_run(wait_scale=0)
    assert caught.value.attempts == 2  # type: ignore[attr-defined]
    there = deployment.execute(pipeline)
    assert there.error == "LookupError"
    assert "KeyError, reported as LookupError" in str(there.cause)


def _taking(value: Any) -> Any:
    return value


def test_a_whole_in_the_bucket_is_read_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that receives several parts of one large result reads and unpickles it once."""
    from lokki_tf.runtime import envelope, store
    from lokki_tf.runtime.handler import run

    data = envelope.freeze({"a": (1,), "b": "x" * 9})[1]
    reads: list[str] = []
    thawed: list[str] = []
    real = envelope.thaw
    monkeypatch.setattr(store, "opened", lambda uri: reads.append(uri) or data)
    monkeypatch.setattr(envelope, "thaw", lambda *args: thawed.append(args[0]) or real(*args))
    parts = {key: {"part": {"path": [key], "what": key}, "of": "0"} for key in "ab"}
    event = {
        "node": "add", "run": "r", "store": "s3://b", "inline": 999, "kwargs": parts,
        "wholes": {"0": {"ref": "s3://b/runs/x.pickle.gz"}},
    }  # fmt: skip
    assert run(lambda a, b: [len(a), b], event) == {"value": [1, "x" * 9]}
    assert (len(reads), len(thawed)) == (1, 1)


def test_a_changed_part_alone_runs_its_step_again(tmp_path: Path) -> None:
    """With stored results, a step whose part is unchanged does not run again."""
    whole = {"a": 1, "b": 2}

    def load() -> Any:
        return dict(whole)

    loaded = step(load)()
    first, second = (step(name=name)(_taking) for name in ("first", "second"))
    pipeline = Pipeline("kept", steps=[first(loaded["a"]), second(loaded["b"])])
    pipeline.local_run(state=tmp_path / "state.db")
    whole["b"] = 3
    again = pipeline.local_run(state=tmp_path / "state.db")
    assert again.outputs["second"] == 3
    statuses = {name: one.status for name, one in again.outcomes.items()}
    assert statuses == {"load": "done", "first": "cached", "second": "done"}


def test_a_part_after_a_wait_is_that_of_the_step(deployment: Deployment) -> None:
    """A wait passes a result on, so its parts are the step's, also of a skipped one."""
    steps = [add(one_and_more().wait(seconds=0)["x"]), add(skipped(1).wait(seconds=0)[1])]
    found = agree(Pipeline("waited", steps=steps), deployment)
    assert found == {"add": (1, None), "add_2": (None, None)}
