"""Waits: for a time, until a time, a parameter or a result; in all styles, here and in AWS."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden
from ways import IN_THIS_PROCESS, WAYS

from lokki_tf import DAG, Flow, Pipeline, flow, step, task, wait
from lokki_tf.errors import BindingError, DefinitionError, OptionError, StepFailed
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    pass

PAST = datetime(2020, 1, 1, tzinfo=UTC)


@step
def load(value: Any = None) -> Any:
    return [value, 1]


@step
def echo(value: Any) -> Any:
    return value


@step
def both(one: Any, two: Any) -> Any:
    return (one, two)


@step
def due() -> datetime:
    return PAST + timedelta(days=1)


@step
def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@step
def text_of_time() -> str:
    return "2020-01-31T09:00:00+01:00"


@step(when=lambda value: False)
def never(value: Any) -> datetime:
    return datetime.now(UTC) + timedelta(days=300)


@step
def count() -> int:
    return 3


@step
def numbers(amount: int) -> list[int]:
    return list(range(amount))


def ordered() -> Pipeline:
    first = load(1)
    pause = wait(seconds=5).after(first)
    return Pipeline("ordered", steps=[echo(2).after(pause), echo(3).after(wait(minutes=1))])


def passing() -> Pipeline:
    waited = load((1, 2)).wait(seconds=2)
    return Pipeline("passing", steps=[both(waited, [waited, echo(load())]), waited.wait(hours=1)])


def alone() -> Pipeline:
    return Pipeline("alone", steps=[wait(seconds=1).after(load(1)), load(2)])


def until() -> Pipeline:
    moments = [PAST, due(), text_of_time(), never(1)]
    return Pipeline("until", steps=[load(n).after(wait(until=m)) for n, m in enumerate(moments)])


@flow
def chained(amount: int = 3):
    waited = load("outside").wait(seconds=1)
    inner = numbers(amount).wait(seconds=1).map(both, two=waited).wait(seconds=3).next(echo)
    return inner.agg(echo).wait(seconds=1)


@flow
def ending(amount: int = 2):
    return numbers(amount).map(load).wait(seconds=3)


@flow
def within(amount: int = 3):
    return numbers(amount).map(load, mode="inline").wait(seconds=2)


@flow
def nested(amount: int = 2, when: Any = PAST):
    opened = numbers(amount).map(numbers).wait(until=when).map(load)
    return opened.wait(until=due()).agg(echo).agg(echo)


@flow
def batched(amount: int = 5):
    return numbers(amount).map(load, batch_size=2).wait(seconds=1).next(echo).agg(echo)


@flow
def appointed(when: str, day: Any = PAST):
    return load(day).wait(until=when).next(echo).wait(until=day).next(echo)


@task
def one() -> Any:
    return ("one",)


@task
def two() -> Any:
    return 2


@task
def three(first: Any, second: Any = None) -> Any:
    return [first, second]


@task
def moment() -> datetime:
    return PAST


def drawn() -> DAG:
    [one, two] >> wait(seconds=3) >> three
    moment >> wait(until=moment) >> two
    return DAG("drawn", tasks=[three])


@task
def user() -> str:
    return "Ann"


@task
def orders(user: str) -> list[str]:
    return [user]


def built() -> Flow:
    return Flow("built").add(user).add(wait(seconds=2)).branch(orders, wait(seconds=1))


def several_waits() -> list[Any]:
    """Waits after waits: without a result, and with that of a task."""
    first, last = (
        task(name=name)(function)
        for name, function in (("first", two.step.function), ("last", three.step.function))
    )
    [first, one] >> wait(seconds=1) >> wait(seconds=2) >> last
    pauses = [wait(seconds=1) for _ in range(6)]
    return [
        DAG("drawn-twice", tasks=[last]),
        Flow("built-twice").branch(one, two).add(pauses[0]).branch(pauses[1], user).add(orders),
        Flow("first-twice").add(pauses[2]).add(pauses[3]).add(user).add(pauses[4]).add(pauses[5]),
    ]


def since(value: Any) -> datetime:
    return PAST


def drawn_late() -> DAG:
    """A wait for the time that a task returns, to which no arrow leads, and which begins later."""
    first, last, before, at = (
        task(name=name)(function)
        for name, function in (
            ("first", two.step.function),
            ("last", three.step.function),
            ("before", one.step.function),
            ("at", since),
        )
    )
    first >> wait(until=at) >> last
    before >> at
    return DAG("drawn-late", tasks=[first, last, at])


PIPELINES: list[tuple[Any, dict[str, Any]]] = [
    (ordered(), {}),
    (passing(), {}),
    (alone(), {}),
    (until(), {}),
    (chained, {}),
    (ending, {}),
    (within, {}),
    (nested, {}),
    (nested, {"when": "2021-01-01T00:00:00Z"}),
    (batched, {}),
    (appointed, {"when": "2021-01-01T00:00:00Z"}),
    (appointed, {"when": "2021-01-01T00:00:00Z", "day": "2022-01-01T00:00:00-05:00"}),
    (drawn(), {}),
    (built(), {}),
    *((one, {}) for one in several_waits()),
    (drawn_late(), {}),
]


@pytest.mark.parametrize(
    ("pipeline", "given"), PIPELINES, ids=[f"{one.name}-{len(given)}" for one, given in PIPELINES]
)
def test_waits_agree(pipeline: Any, given: dict[str, Any], aws: LocalAws) -> None:
    """Waits change no result, in any kind of run and style."""
    runs = [pipeline.local_run(given, wait_scale=0.001, **way) for way in WAYS]
    here = runs[0].outputs
    assert all(one.outputs == here and one.status == runs[0].status for one in runs[1:])
    there = aws.values(aws.run(pipeline, given))
    assert there == {name: here[name] for name in pipeline.graph.terminals if name in here}


def test_results_of_waits() -> None:
    """A wait after a call has the call's result; others have none."""
    run = passing().local_run(wait_scale=0)
    assert run.outputs["both"] == ([(1, 2), 1], [[(1, 2), 1], [None, 1]])
    assert run.outputs["wait_2"] == [(1, 2), 1]
    assert set(alone().local_run(wait_scale=0).outputs) == {"load", "load_2"}
    assert drawn().run(wait_scale=0)["three"] == [("one",), 2]


def test_a_wait_takes_its_time() -> None:
    """A local run waits, times ``wait_scale``, while other steps run."""
    pipeline = Pipeline("slow", steps=[load(1).after(wait(seconds=10)), load(2)])
    for way in IN_THIS_PROCESS:
        began = time.perf_counter()
        run = pipeline.local_run(wait_scale=0.03, **way)
        assert 0.3 <= time.perf_counter() - began < 5
        assert run.timings["load"][0] >= 0.3
    began = time.perf_counter()
    Pipeline("past", steps=[load().after(wait(until=PAST))]).local_run()
    assert time.perf_counter() - began < 1


def test_until_a_time_that_comes(aws: LocalAws) -> None:
    """A step after the wait begins when the time has come, in AWS too."""
    at = datetime.now(UTC) + timedelta(seconds=2)

    @step
    def now() -> datetime:
        return datetime.now(UTC)

    pipeline = Pipeline("soon", steps=[now().after(wait(until=at))])
    assert pipeline.local_run().result >= at
    later = Pipeline("later", steps=[now().after(wait(until=soon(2)))])
    began = datetime.now(UTC)
    assert later.local_run().result >= began + timedelta(seconds=2)
    events = aws.run(later).history
    (waited,) = [one for one in events if one["type"] == "WaitStateEntered"]
    assert waited


def test_wrong_times_of_results(aws: LocalAws) -> None:
    """A step that returns no time fails, here and in AWS, with the same error."""

    @step
    def naive() -> datetime:
        return datetime(2030, 1, 1)

    @step
    def number() -> int:
        return 5

    @step
    def far() -> datetime:
        return datetime.now(UTC) + timedelta(days=400)

    for one, error in ((naive, "ValueError"), (number, "TypeError"), (far, "ValueError")):
        pipeline = Pipeline("wrong", steps=[load().after(wait(until=one()))])
        for way in WAYS:
            with pytest.raises(StepFailed) as caught:
                pipeline.local_run(**way)
            assert caught.value.step == one.step.name
            assert type(caught.value.__cause__).__name__ == error
        assert aws.run(pipeline).error == error


def test_wrong_times_of_parameters(aws: LocalAws) -> None:
    """A parameter that is not a time fails the run at the wait."""
    iso_alone = ("2020-01-31 09:00:00Z", "20200131T090000Z", "2020-01-31T09:00Z")
    for text in ("tomorrow", "2030-01-01T00:00:00", *iso_alone):
        with pytest.raises(StepFailed, match="wait 'wait' failed"):
            appointed.local_run({"when": text})
        assert aws.run(appointed, {"when": text}).error == "States.Runtime"


def test_the_states_of_waits(request: pytest.FixtureRequest) -> None:
    """The golden machines: a state for each wait, one more before a parameter's, one at the end."""
    machines = {
        one.name: one.generate_step_functions()
        for one in (until(), passing(), nested, appointed, ending)
    }
    text = json.dumps(machines, indent=2) + "\n"
    agrees_with_golden(request, "waits.statemachine.json", text)


def test_waits_cost_no_other_state(aws: LocalAws) -> None:
    """A wait between steps is one state more; a pipeline without waits has none."""
    counts = []
    for chain in (load(1).next(echo), load(1).wait(seconds=1).next(echo)):
        history = aws.run(Pipeline("counted", steps=[chain])).history
        counts.append([one["type"] for one in history if one["type"].endswith("Entered")])
    assert counts == [
        ["TaskStateEntered", "TaskStateEntered"],
        ["TaskStateEntered", "WaitStateEntered", "TaskStateEntered"],
    ]


def test_pictures_show_waits() -> None:
    """Mermaid, Graphviz, SVG, Gantt and text name waits and their times."""
    pipeline = ordered()
    run = pipeline.local_run(wait_scale=0)
    assert '["wait: 5 s"]' in pipeline.to_mermaid()
    assert '"wait_2" [label="wait_2: 1 min"]' in pipeline.to_dot()
    assert "wait: 5 s" in pipeline.to_svg()
    assert "wait" in pipeline.to_gantt(run)
    assert "until due" in until().to_mermaid()
    assert "until 2020-01-01T00:00:00Z" in until().to_mermaid(until().local_run(wait_scale=0))
    assert "wait" in drawn().visualize()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "wait() has no argument"),
        ({"seconds": 1, "minutes": 1}, "wait() has seconds= and minutes="),
        ({"seconds": 1, "until": PAST}, "wait() has seconds= and until="),
        ({"seconds": -1}, "whole seconds from 0 to a year"),
        ({"seconds": 0.5}, "whole seconds"),
        ({"seconds": float("nan")}, "whole seconds"),
        ({"seconds": "5"}, "whole seconds"),
        ({"minutes": True}, "whole seconds"),
        ({"days": 366}, "whole seconds from 0 to a year"),
        ({"until": datetime(2030, 1, 1)}, "has no zone"),
        ({"until": "2030-01-01T00:00:00Z"}, "requires an aware datetime"),
        ({"until": 5}, "requires an aware datetime"),
    ],
)
def test_wrong_waits(given: dict[str, Any], message: str) -> None:
    """Each is an error at its line."""
    with pytest.raises(OptionError) as caught:
        wait(**given)
    assert message in str(caught.value)
    assert caught.value.place is not None
    assert Path(caught.value.place.file).name == Path(__file__).name


def test_misplaced_waits() -> None:
    """Misplaced waits are errors: as arguments without a value, or until a job or a map."""
    with pytest.raises(BindingError, match="a wait has no result"):
        echo(wait(seconds=1))  # type: ignore[arg-type]  # what is tested
    with pytest.raises(BindingError, match="a wait has no result"):
        wait(seconds=1).map(echo)
    with pytest.raises(OptionError, match="wait\\(\\) has no argument 'second'"):
        load().wait(second=1)  # type: ignore[attr-defined]  # a call is its result to type checkers
    job = step(name="job", job_type="batch")(load.step.function)
    with pytest.raises(DefinitionError, match="job"):
        Pipeline("job", steps=[load().after(wait(until=job()))])  # type: ignore[arg-type]
