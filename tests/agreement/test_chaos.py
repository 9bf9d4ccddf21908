"""Executions in which calls, answers, workers and requests to S3 are lost, repeated and killed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from thorough import TIMES

from lokki_tf import DAG, MicroFunctions, Pipeline, RetryConfig, ReturnUpdates, flow, step, task
from lokki_tf.terraform import resources

if TYPE_CHECKING:
    from deployment import Deployment

AGAIN = RetryConfig(retries=8, delay=0, exceptions=(ConnectionError,))
SEEDS = range(2 * TIMES)
LARGE = 300_000  # bytes: more than a state may have


@step(retry=AGAIN)
def rows() -> dict[str, Any]:
    return {"numbers": (1, 2, 3), "text": "x" * LARGE}


@step(retry=AGAIN)
def longer(given: dict[str, Any], by: int) -> set[Any]:
    return {len(given["text"]) + by, given["numbers"]}


@step(retry=AGAIN)
def together(*parts: set[Any]) -> list[Any]:
    return sorted(str(one) for part in parts for one in part)


@step(retry=AGAIN, job_type="batch")
def in_job(given: dict[str, Any]) -> set[Any]:
    return {len(given["text"]), "job"}


@step(retry=AGAIN)
def numbers(limit: int) -> list[int]:
    return list(range(limit))


@step(retry=AGAIN)
def square(number: int) -> int:
    return number * number


@step(retry=AGAIN)
def text(number: int) -> str:
    return str(number) * 1_000


@step(retry=AGAIN)
def joined(texts: list[str]) -> str:
    return "".join(texts)


@flow(name="chaos-map")
def mapped(limit: int = 6):
    return numbers(limit=limit).map(square, batch_size=2).next(text).agg(joined)


@task(retry=AGAIN)
def begin() -> list[int]:
    return [1, 2, 3]


@task(retry=AGAIN, when=lambda given: len(given) > 5)
def skipped(given: list[int]) -> int:
    return len(given)


@task(retry=AGAIN)
def end(given: list[int], length: int | None = None) -> Any:
    return (given, length)


begin >> skipped
[begin, skipped] >> end

routed = MicroFunctions("count", name="chaos-routes")


@routed.fn(retry=AGAIN)
def count(*, seen: int = 0, said: str = "") -> Any:
    if seen == 4:
        return ReturnUpdates("say", seen=seen)
    return ReturnUpdates("count", seen=seen + 1, said=said + "y" * 60_000)


@routed.fn(retry=AGAIN, terminates=True)
def say(*, seen: int, said: str = "") -> Any:
    return {"seen": seen, "length": len(said)}


made = rows()
PIPELINES: dict[str, Any] = {
    "graph": Pipeline("chaos-graph", steps=[together(*(longer(made, n) for n in range(3)))]),
    "job": Pipeline("chaos-job", steps=[together(in_job(rows()))]),
    "map": mapped,
    "arrows": DAG("chaos-arrows", tasks=[end]),
    "routes": routed,
}


@pytest.fixture
def chaos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions and jobs meet faults; their attempts are counted in a folder that all share."""
    (tmp_path / "lokki.toml").write_text(
        f'[lambda]\nenv = {{ CHAOS_FOLDER = "{tmp_path}/seen" }}\n'
    )
    (tmp_path / "seen").mkdir()
    monkeypatch.chdir(tmp_path)
    template = Path(__file__).with_name("chaos_handler.py")
    plan = partial(resources.checked_plan, template_file=template)
    monkeypatch.setattr(resources, "checked_plan", plan)


@pytest.mark.parametrize("style", PIPELINES)
def test_faults_that_pass_change_no_result(
    style: str, chaos: None, tmp_path: Path, deployment: Deployment
) -> None:
    """With retries, an execution ends as a run without faults does.

    A tenth of the calls each is throttled, answers after a failure that loses the answer, is
    delivered twice, or is killed; of the requests to S3 a fifth fails, a tenth is repeated or
    loses its answer.
    """
    pipeline = PIPELINES[style]
    expected = pipeline.local_run().outputs
    machine = deployment.aws.register(pipeline)
    ended = {}
    for seed in SEEDS:
        execution = deployment.aws.execute(machine, {}, name=f"{style}-{seed}", timeout=60)
        if execution.succeeded:
            values = deployment.aws.values(execution)
            ended[seed] = "" if values == {name: expected[name] for name in values} else "differs"
        else:
            ended[seed] = f"{execution.error}: {execution.cause}"
    assert ended == dict.fromkeys(SEEDS, "")
    tries = [len(list(one.iterdir())) for one in (tmp_path / "seen").iterdir()]
    print(f"{style}: {len(SEEDS)} executions, {len(tries)} calls, {sum(tries)} attempts")
    assert sum(tries) > len(tries)  # some calls were tried again
