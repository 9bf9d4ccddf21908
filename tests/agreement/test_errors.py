"""Failing steps: as often tried, and as finally failed or caught, here as in AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from library import ERRORS, Early, Late, Refused, echo, is_not_single, listing, pair, scripted
from strategies import retriers, same

from lokki_tf import Pipeline, RetryConfig, step
from lokki_tf.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from deployment import Deployment

    from lokki_tf.local import Run

SCRIPTS = st.lists(st.sampled_from([one.__name__ for one in ERRORS]), max_size=4)
OFTEN = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def tried(folder: Path) -> dict[str, int]:
    """Number of attempts by the folder's name."""
    return {one.name: len(list(one.iterdir())) for one in folder.iterdir()}


@given(retry=retriers(), script=SCRIPTS, job=st.booleans())
@OFTEN
def test_retriers_agree(
    retry: list[RetryConfig],
    script: list[str],
    job: bool,
    tmp_path_factory: pytest.TempPathFactory,
    deployment: Deployment,
) -> None:
    """Several retriers retry the same errors equally often in threads, functions and jobs."""
    folder = tmp_path_factory.mktemp("tried")
    options: dict[str, Any] = {"job_type": "batch"} if job else {}
    one = step(name="one", retry=retry or None, **options)(scripted)

    def made(where: str) -> Pipeline:
        return Pipeline("retriers", steps=[one(str(folder / where), script)])

    try:
        made("here").local_run(wait_scale=0)
        failed = None
    except StepFailed as error:
        failed = type(error.__cause__).__name__
    there = deployment.execute(made("there"))
    assert (there.status == "FAILED") == (failed is not None)
    attempts = tried(folder)
    assert attempts["here"] == attempts["there"]
    if failed is not None:
        assert there.cause is not None
        assert "on purpose" in there.cause
        assert failed in f"{there.error} {there.cause}"


CATCHES = st.sampled_from(
    [
        *(ValueError, Refused, Early, OSError, True, "States.ALL", "States.TaskFailed"),
        *((Late, LookupError), ["States.Timeout", ConnectionError], (Exception,), SystemExit),
    ]
)
MODES: list[dict[str, Any] | None] = [None, {}, {"mode": "inline"}, {"batch_size": 2}]


@given(
    retry=retriers(),
    catch=CATCHES,
    script=SCRIPTS,
    kind=st.sampled_from(("lambda", "lambda", "batch")),
    mode=st.sampled_from(MODES),
    is_last=st.booleans(),
    skips=st.booleans(),
)
@OFTEN
def test_caught_errors_agree(
    retry: list[RetryConfig],
    catch: Any,
    script: list[str],
    kind: str,
    mode: dict[str, Any] | None,
    is_last: bool,
    skips: bool,
    tmp_path_factory: pytest.TempPathFactory,
    deployment: Deployment,
) -> None:
    """The same errors become failures, with equal contents, wherever the step runs."""
    assume(not (kind == "batch" and mode not in (None, {})))
    if mode == {"batch_size": 2}:
        script = script[:1] * 9  # a batch is tried again as a whole, an item of it here by itself
    folder = tmp_path_factory.mktemp("caught")
    when = {"when": is_not_single} if skips and mode is None else {}
    one = step(name="one", retry=retry or None, catch=catch, job_type=kind, **when)(scripted)
    also = step(name="also")(echo.step.function)

    def made(where: str) -> Pipeline:
        if mode is None:
            end = one(str(folder / where), script)
            beside = echo(script)
            steps = [end, beside] if is_last else [pair(also(end), second=beside)]
            return Pipeline("caught", steps=steps)
        folders = [str(folder / where / name) for name in "abc"]
        chain = listing(*folders).map(one, script=script, **mode)
        chain = chain if is_last else chain.next(also)
        return Pipeline("caught", steps=[chain.agg(echo)])

    here = outcome(lambda: made("here").local_run(wait_scale=0))
    assert same(outcome(lambda: made("s").local_run(wait_scale=0, strict=True)), here)
    sequential = {"executor": "sequential"}
    assert same(outcome(lambda: made("q").local_run(wait_scale=0, **sequential)), here)
    there = deployment.execute(made("there"))
    if here is FAILED:
        assert there.status == "FAILED"
        return
    assert same(deployment.aws.values(there), here)


FAILED = object()


def outcome(run: Callable[[], Run]) -> Any:
    """Results of the last steps, or ``FAILED``."""
    try:
        ran = run()
    except StepFailed:
        return FAILED
    last = ran.definition.graph.terminals
    return {name: ran.outputs[name] for name in last if name in ran.outputs}
