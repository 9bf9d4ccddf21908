"""``run_context()``: the same values here, in worker processes, strictly and in AWS."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden
from ways import EVERY_WAY

from lokki_tf import (
    DAG,
    Flow,
    MicroFunctions,
    Parameter,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    step,
    task,
)
from lokki_tf.config import load_config
from lokki_tf.errors import StepFailed

if TYPE_CHECKING:
    from pathlib import Path

    from deployment import Deployment

    from lokki_tf.testing import Execution

DEFAULT = ("a", {1})


def seen() -> dict[str, Any]:
    """The context without what differs between runs."""
    context = run_context()
    assert run_context() == context
    assert context.started_at.utcoffset() == timedelta(0)
    assert datetime.now(UTC) - context.started_at < timedelta(minutes=5)
    kept = ("pipeline", "stage", "step", "attempt", "scheduled_at", "parameters", "item_index")
    return {**{name: getattr(context, name) for name in kept}, "token": context.task_token}


@step
def look(value: Any = None) -> Any:
    return value, seen()


@step
def ident(*others: Any) -> tuple[str, datetime, list[Any]]:
    return run_context().run_id, run_context().started_at, list(others)


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def row(number: int) -> list[int]:
    return [number] * number


@step
def gathered(values: Any) -> Any:
    return values


@step(retry=RetryConfig(retries=2, delay=0, exceptions=(LookupError,)))
def third_time() -> Any:
    if run_context().attempt < 3:
        raise LookupError("again")
    return seen()


def is_first(value: Any = None) -> bool:
    return run_context().attempt == 1 and run_context().parameters == {}


@step(when=is_first)
def asked(value: Any = None) -> Any:
    return run_context().step


def has_options() -> bool:
    return "options" in run_context().parameters


def is_plain(value: Any = None) -> bool:
    return run_context().parameters == {}


@step(job_type="batch", when=is_plain, retry=RetryConfig(1, delay=0, exceptions=(LookupError,)))
def own_retry(value: Any = None) -> Any:
    if run_context().attempt < 2:
        raise LookupError("again")
    return value, seen()


@step(job_type="batch", when=lambda value: value == 1)
def only_job_asks(value: Any) -> Any:
    return value, seen()


@step(job_type="batch", when=is_plain)
def only_condition_asks(value: Any) -> Any:
    return value


@step(job_type="batch", retry=1)
def batch_retry(value: Any = None) -> Any:
    if run_context().attempt < 2:
        raise LookupError("again")
    return seen()


@flow
def mapped(count: int = 3, options: Any = DEFAULT):
    return numbers(count).map(look).next(look).agg(gathered)


@flow
def nested(count: int = 3, mode: str = "x"):
    return numbers(count).map(row).map(look, mode="inline").agg(gathered).agg(gathered)


@flow
def batched(count: int = 5):
    return numbers(count).map(look, batch_size=2)


@flow
def within(count: int = 3):
    return numbers(count).map(look, mode="inline")


@task
def first() -> Any:
    return seen()


@task
def second(first: Any) -> Any:
    return first, seen()


drawn = DAG("drawn", tasks=[first >> second])
built = Flow("built").add(first).add(second)
calls = Pipeline("calls", steps=[look(look()), third_time(), asked()])
routed = MicroFunctions("begin", name="routed")


@routed.fn()
def begin(*, count: int = 2, choice: Any = DEFAULT, **more: Any) -> Any:
    return ReturnUpdates("finish", found=seen())


@routed.fn(terminates=True)
def finish(*, found: Any, **more: Any) -> Any:
    return {"found": found, "own": seen()}


PIPELINES: list[tuple[Any, dict[str, Any]]] = [
    (calls, {}),
    (mapped, {}),
    (mapped, {"count": 2, "options": [1]}),
    (nested, {}),
    (batched, {"count": 5}),
    (within, {}),
    (drawn, {}),
    (built, {}),
    (Pipeline("jobs", steps=[own_retry(), batch_retry()]), {}),
    (Pipeline("asked-conditions", steps=[only_job_asks(1), only_job_asks(2)]), {}),
    (Pipeline("condition", steps=[only_condition_asks(1)]), {}),
]


@pytest.mark.parametrize(
    ("pipeline", "given"), PIPELINES, ids=[f"{one.name}-{len(given)}" for one, given in PIPELINES]
)
def test_contexts_agree(pipeline: Any, given: dict[str, Any], deployment: Deployment) -> None:
    """A step's context is the same in every kind of run, in all styles that make graphs."""
    results = [pipeline.local_run(given, wait_scale=0, **way).outputs for way in EVERY_WAY]
    with ThreadPoolExecutor(2) as pool:
        results.append(pipeline.local_run(given, wait_scale=0, executor=pool).outputs)
    assert all(one == results[0] for one in results)
    there = deployment.run(pipeline, given)
    assert there == {name: results[0][name] for name in there}


@pytest.mark.parametrize("given", [{}, {"count": 7, "other": [1]}])
def test_contexts_of_routed_steps_agree(given: dict[str, Any], deployment: Deployment) -> None:
    """Routed steps receive the run's input and the defaults of the first function."""
    here = routed.local_run(given)
    assert routed.local_run(given, strict=True).result == here.result
    assert routed.run(**given) == here.result
    assert here.result["own"]["parameters"] == {"count": 2, "choice": DEFAULT, **given}
    assert here.result["own"]["step"] == "finish"
    assert deployment.run(routed, given) == {"finish": here.result}


def test_values_of_contexts() -> None:
    """Attempts count from 1, items are ints or tuples, parameters include their defaults."""
    outer, inner = mapped.local_run({"count": 2}).result[1]
    assert outer[1]["item_index"] == inner["item_index"] == 1
    assert inner["parameters"] == {"count": 2, "options": DEFAULT}
    assert inner["pipeline"] == "mapped"
    assert nested.local_run().result[2][1][1]["item_index"] == (2, 1)
    assert calls.local_run(wait_scale=0).outputs["third_time"]["attempt"] == 3


@pytest.mark.parametrize("way", EVERY_WAY)
def test_all_steps_of_a_run_have_one_id(way: dict[str, Any]) -> None:
    """Id and start are those of the run, and other runs have others."""
    pipeline = Pipeline("ids", steps=[ident(ident(), ident())])
    run_id, began, (one, other) = pipeline.local_run(**way).result
    assert one == other == (run_id, began, [])
    assert pipeline.local_run(**way).result[0] != run_id


def test_the_id_of_an_execution_is_its_name(deployment: Deployment) -> None:
    """Also for items of a Distributed Map, whose own executions have other names and times."""

    @flow
    def inside() -> Any:
        return numbers(2).map(ident).agg(ident)

    execution = deployment.execute(inside)
    (run_id, began, (items,)) = deployment.aws.values(execution)["ident_2"]
    assert run_id == execution.name
    assert items == [(run_id, began, [0]), (run_id, began, [1])]


def test_stages(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline's name includes the stage, in which it is deployed."""
    (tmp_path / "lokki.toml").write_text("[stage.dev]\n")
    monkeypatch.chdir(tmp_path)
    here = drawn.local_run(stage="dev").result
    assert (here[1]["stage"], here[1]["pipeline"]) == ("dev", "drawn-dev")
    assert deployment.aws.values(deployment.aws.run(drawn, stage="dev")) == {"second": here}
    config = load_config(stage="dev")
    assert drawn.local_run(config=config).result == here


def test_the_time_of_a_schedule(deployment: Deployment) -> None:
    """The reserved part of the input has the time for which a schedule started the run."""
    given = {"lokki": {"scheduled_at": "2024-02-29T12:00:00+01:00"}}
    expected = datetime(2024, 2, 29, 11, tzinfo=UTC)
    for pipeline in (drawn, within):
        here = pipeline.local_run(given)
        found = here.result[-1] if pipeline is drawn else here.result[0][1]
        assert found["scheduled_at"] == expected
        there = deployment.run(pipeline, given)
        assert list(there.values()) == [here.result]


@step
def fails() -> None:
    raise ValueError("on purpose")


@step(retry=RetryConfig(1, delay=0))
def notified(failure: dict[str, Any]) -> None:
    context = run_context()
    if context.attempt == 1:
        raise LookupError("again")
    print("NOTIFIED", json.dumps([context.run_id, context.step, context.attempt, seen()]))


@flow(on_failure=notified)
def failing(count: int = 1):
    return fails()


def test_contexts_of_failure_notices(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ``on_failure`` step has the failed run's identity, and the parameters it was given."""
    with pytest.raises(StepFailed):
        failing.local_run({"count": 3}, wait_scale=0)
    here = json.loads(capsys.readouterr().out.partition("NOTIFIED ")[2])
    execution: Execution = deployment.execute(failing, {"count": 3})
    lines = deployment.aws.logs("failing-notified")
    there = json.loads(next(one[9:] for one in lines if one.startswith("NOTIFIED ")))
    assert there[0] == execution.name
    assert there[1:] == here[1:]
    assert here[1:3] == ["notified", 2]
    assert here[3]["parameters"] == {"count": 3}


def test_outside_of_a_step() -> None:
    """Outside of a step, and in a thread that a step starts, there is an error that says so."""

    @step
    def in_thread() -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run_context).result()

    with pytest.raises(RuntimeError, match="while a step runs"):
        run_context()
    with pytest.raises(StepFailed, match="while a step runs"):
        Pipeline("threads", steps=[in_thread()]).local_run()
    for way in ({}, {"executor": "sequential"}):
        drawn.local_run(**way)
        with pytest.raises(RuntimeError, match="while a step runs"):
            run_context()


@step
def given_back() -> Any:
    return run_context()


@step
def passed_on(value: Any) -> Any:
    """Its bundle has no stub of lokki_tf."""
    return value, type(value).__name__, repr(value)[:12]


def test_contexts_are_values(deployment: Deployment) -> None:
    """A context can be returned, passed on by steps that do not know the class, and pickled."""
    pipeline = Pipeline("values", steps=[passed_on(given_back())])
    value, name, shown = pipeline.local_run(strict=True).result
    assert (name, shown) == ("RunContext", "RunContext(a")
    assert value.step == "given_back"
    assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(AttributeError, match="cannot be set"):
        value.step = "other"
    there, *rest = deployment.run(pipeline)["passed_on"]
    assert rest == [name, shown]
    assert type(there) is type(value)


@dataclass
class Options:
    """A class of the user's, of which a parameter has an instance as its default."""

    limit: int

    def reader(self) -> str:
        return run_context().step


@dataclass
class Others:
    """Another one."""

    limit: int


@step
def readers(options: Any) -> Any:
    """Only a class that it receives names ``run_context``."""
    return options.reader()


@step
def limits(value: Any) -> Any:
    """It receives the parameters of another step's context."""
    return [one.limit for one in value.parameters.values()]


@step
def used(*values: Any) -> Any:
    return [one.limit for one in values]


@step
def read_at_end() -> None:
    assert run_context().parameters["options"].limit == 2


@flow
def unused(options: Any = Options(2), others: Any = Others(3)):  # noqa: B008
    return numbers(2).map(look).next(passed_on)


def with_defaults(style: str) -> Any:
    """A pipeline with instances as defaults of parameters, which other steps only read."""
    taken = Parameter("options", default=Options(2)), Parameter("others", default=Others(3))
    if style == "cleanup":
        return Pipeline(style, steps=[used(*taken)], cleanup=read_at_end)
    function, is_job = used.step.function, step(name="job", job_type="batch")(seen)
    asks = step(name="asks", job_type="batch", when=has_options)(function)
    reading = {
        "look": look,
        "passed": lambda: limits(given_back()),
        "method": lambda: readers(Options(1)),
        "job": is_job,
        "condition": asks,
    }
    return Pipeline(style, steps=[used(*taken), reading[style]()])


DEFAULTS: list[Any] = [
    *map(with_defaults, ("look", "passed", "method", "job", "condition", "cleanup")),
    unused,
]


@pytest.mark.parametrize("pipeline", DEFAULTS, ids=[one.name for one in DEFAULTS])
def test_instances_as_defaults_agree(pipeline: Any, deployment: Deployment) -> None:
    """A step can read parameters whose defaults are instances of classes that it does not name."""
    there = deployment.run(pipeline)
    for way in EVERY_WAY[:2]:
        here = pipeline.local_run(**way).outputs
        assert there == {name: here[name] for name in pipeline.graph.terminals}


def test_steps_that_do_not_ask_receive_nothing(request: pytest.FixtureRequest) -> None:
    """Only events of steps whose code names it contain a context; the machine is the golden one."""

    @flow
    def some(count: int = 3, options: Any = DEFAULT) -> Any:
        return numbers(count).map(row).next(look).agg(gathered)

    machine = some.generate_step_functions()
    agrees_with_golden(request, "context.statemachine.json", json.dumps(machine, indent=2) + "\n")
    states = machine["States"]["row_map"]["ItemProcessor"]["States"]
    assert "context" in states["look"]["Parameters"]["Payload"]
    for other in (states["row"], machine["States"]["numbers"], machine["States"]["gathered"]):
        assert "context" not in other["Parameters"]["Payload"]


def test_a_context_takes_no_state(deployment: Deployment) -> None:
    """The machine has as many states with ``run_context()`` as without."""

    @step(name="look")
    def blind(value: Any = None) -> Any:
        return value

    counts = []
    for one in (look, blind):
        pipeline = Pipeline("counted", steps=[one(one())])
        execution = deployment.execute(pipeline)
        counts.append(sum(event["type"].endswith("Entered") for event in execution.history))
    assert counts == [2, 2]


def test_logs_have_the_attempt(deployment: Deployment) -> None:
    """Lines of the log in AWS have the run, the step and the attempt."""
    pipeline = Pipeline("logged", steps=[third_time()])
    execution = deployment.execute(pipeline)
    lines = [one for one in deployment.aws.logs("logged-third_time") if one.startswith("{")]
    found = [json.loads(one) for one in lines]
    ours = [one for one in found if one["run"] == execution.name and one["event"] == "step_start"]
    assert [one["attempt"] for one in ours] == [1, 2, 3]


def test_results_are_kept_by_parameters(tmp_path: Path) -> None:
    """With ``state=``, a step that may read parameters runs again if they change; others do not."""

    @flow
    def kept(count: int = 1) -> Any:
        return look(numbers(2))

    for count in (1, 1, 2):
        run = kept.local_run({"count": count}, state=tmp_path / "state.db")
        assert run.result[1]["parameters"] == {"count": count}
    assert run.status == {"numbers": "cached", "look": "done"}
