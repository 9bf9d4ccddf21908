"""Failing steps: as often tried, and as finally failed or caught, here as in AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library import ERRORS, scripted
from strategies import retriers

from lokki_tf import Pipeline, RetryConfig, step
from lokki_tf.errors import StepFailed

if TYPE_CHECKING:
    from pathlib import Path

    from deployment import Deployment

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
