"""Steps with ``callback=True``: answered from outside, the same here and in AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden
from ways import WAYS

from lokki_tf import DAG, Pipeline, RetryConfig, flow, run_context, step, task, wait
from lokki_tf.errors import BindingError, DefinitionError, OptionError, StepFailed
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from pathlib import Path


@step
def load(value: Any = 1) -> Any:
    return {"price": value}


@step
def names() -> list[str]:
    return ["a", "b", "c"]


@step(callback=True)
def approve(request: Any) -> Any:
    assert run_context().task_token
    return object()  # not used


@step(callback=True, timeout_seconds=86_400, heartbeat_seconds=3600)
def slowly(request: Any) -> Any:
    """Ask someone who takes their time."""


@step(callback=True, when=lambda request: request["price"] > 5)
def approve_large(request: Any) -> Any:
    """Ask only where much is at stake."""


@step
def tell(*parts: Any) -> Any:
    return [*parts]


@task(callback=True)
def ask_task(request: Any) -> Any:
    """Ask, as a task."""


@task
def load_task() -> Any:
    return {"price": 3}


@task
def tell_task(one: Any) -> Any:
    return [one]


def calls() -> Pipeline:
    loaded = load()
    return Pipeline("calls", steps=[tell(loaded, approve(loaded), slowly(loaded))])


def last() -> Pipeline:
    return Pipeline("last", steps=[approve(load())])


@flow
def chained() -> Any:
    return names().map(approve).agg(tell)


@flow
def inline() -> Any:
    return names().map(approve, mode="inline").agg(tell)


def conditional(price: int, *, ends: bool) -> Pipeline:
    asked = approve_large(load(price))
    name = f"conditional-{price}-{ends}"
    return Pipeline(name, steps=[asked if ends else tell(asked, load(2))])


def drawn() -> DAG:
    load_task >> ask_task >> wait(seconds=1) >> tell_task
    return DAG("drawn", tasks=[tell_task])


def parts() -> Pipeline:
    answer = approve(load())
    return Pipeline("parts", steps=[tell(answer["yes"], answer["who"][0])])


ENVELOPES = {"ref": "s3://bucket/key.pickle", "value": 1, "skipped": True, "Payload": {"ref": "x"}}
PIPELINES: list[tuple[Any, dict[str, Any]]] = [
    (calls(), {"approve": True, "slowly": "ja"}),
    (calls(), {"approve": ENVELOPES, "slowly": None}),
    (last(), {"approve": [1, 2.5, "ü"]}),
    (last(), {"approve": {"Payload": {"skipped": True}}}),
    (chained, {"approve": lambda context: [context.item_index, context.step]}),
    (inline, {"approve": lambda context: context.item_index}),
    (conditional(9, ends=True), {"approve_large": "yes"}),
    (conditional(9, ends=False), {"approve_large": "yes"}),
    (conditional(2, ends=True), {}),
    (conditional(2, ends=False), {}),
    (drawn(), {"ask_task": 5}),
    (parts(), {"approve": {"yes": True, "who": ["me"]}}),
]


@pytest.mark.parametrize(
    ("pipeline", "answers"),
    PIPELINES,
    ids=[f"{one.name}-{n}" for n, (one, _) in enumerate(PIPELINES)],
)
def test_answers_agree(pipeline: Any, answers: dict[str, Any], aws: LocalAws) -> None:
    """An answer is the step's result, of any form, in any kind of run and style."""
    runs = [pipeline.local_run(answers=answers, wait_scale=0, **way) for way in WAYS]
    here = runs[0].outputs
    assert all(one.outputs == here and one.status == runs[0].status for one in runs[1:])
    there = aws.values(aws.run(pipeline, answers=answers, timeout=60))
    assert there == {name: here[name] for name in pipeline.graph.terminals if name in here}


@dataclass
class Rules:
    """A class of a parameter's default."""

    limit: int


@flow
def ruled(rules: Any = Rules(5), text: str = "x" * 300_000, count: int = 1) -> Any:  # noqa: B008
    return tell(approve(rules), approve(text).wait(seconds=1), names().map(approve).agg(tell))


def test_contexts_of_answers_agree(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that answers receives the step's context: its stage, and large defaults too."""
    (tmp_path / "lokki.toml").write_text("[stage.dev]\n")
    monkeypatch.chdir(tmp_path)

    def answer(context: Any) -> Any:
        own = context.parameters
        read = [own["rules"].limit, len(own["text"]), own["count"]]
        return [context.pipeline, context.stage, context.step, context.item_index, *read]

    for stage in (None, "dev"):
        given = {"count": 2}
        here = ruled.local_run(given, answers={"approve": answer}, wait_scale=0, stage=stage)
        there = aws.values(aws.run(ruled, given, answers={"approve": answer}, stage=stage))
        assert there == {"tell_2": here.result}


class Rejected(Exception):
    """A person says no."""


@step(callback=True, retry=RetryConfig(retries=1, delay=1, exceptions=(Rejected,)))
def ask_twice() -> Any:
    """Ask a second time after a no."""


def test_refusals_agree(aws: LocalAws) -> None:
    """A refused step fails with the error's name; a retry asks again, with a new token."""
    pipeline = Pipeline("refused", steps=[tell(approve(load()))])
    with pytest.raises(StepFailed, match="too much") as caught:
        pipeline.local_run(answers={"approve": Rejected("too much")})
    assert isinstance(caught.value.__cause__, Rejected)
    ran = aws.run(pipeline, answers={"approve": Rejected("too much")})
    assert (ran.status, ran.error, ran.cause) == ("FAILED", "Rejected", "too much")

    again = Pipeline("again", steps=[tell(ask_twice())])
    tokens: list[str] = []

    def second(context: Any) -> Any:
        tokens.append(context.task_token)
        if context.attempt == 1:
            raise Rejected
        return context.attempt

    assert again.local_run(answers={"ask_twice": second}, wait_scale=0).result == [2]
    assert aws.values(aws.run(again, answers={"ask_twice": second}))["tell"] == [2]
    assert len(set(tokens)) == len(tokens) == 4


@step(callback=True, catch=(Rejected,))
def ask_caught(one: Any) -> Any:
    """Ask; a no is a result as well."""


@step
def read(answer: Any) -> Any:
    return f"{answer}"


@step
def release() -> None:
    """Clean up."""


class Denied(Rejected):
    """A subclass of an error that is listed."""


class TooLate(Exception):
    """Another error."""


TooLateAlike = type("TooLate", (Exception,), {})


@step(
    callback=True, catch=(Rejected,), retry=RetryConfig(retries=1, delay=1, exceptions=(TooLate,))
)
def ask_by_name(one: Any) -> Any:
    """Ask; some refusals are results, some are asked again."""


@pytest.mark.parametrize(
    ("refusal", "asked"), [(Rejected, 1), (Denied, 1), (TooLate, 2), (TooLateAlike, 2)]
)
def test_refusals_match_by_name(refusal: type[Exception], asked: int, aws: LocalAws) -> None:
    """A refusal is only its name: base classes do not match, another class of the name does."""
    attempts: list[int] = []

    def refuses(context: Any) -> Any:
        attempts.append(context.attempt)
        raise refusal("no")

    pipeline = Pipeline("by-name", steps=[read(ask_by_name(load()))])
    ran = aws.run(pipeline, answers={"ask_by_name": refuses})
    answers = {"ask_by_name": refuses}
    for way in WAYS:
        if refusal is Rejected:
            here = pipeline.local_run(answers=answers, wait_scale=0, **way)
            assert aws.values(ran) == {"read": here.result}
            continue
        with pytest.raises(StepFailed) as caught:
            pipeline.local_run(answers=answers, wait_scale=0, **way)
        assert type(caught.value.__cause__).__name__ == ran.error == refusal.__name__
    assert attempts == [*range(1, asked + 1)] * (1 + len(WAYS))


def test_caught_refusals_and_cleanups_agree(aws: LocalAws) -> None:
    """A refusal can be caught; cleanup runs after answers, refusals and skipped questions."""
    caught = Pipeline("caught", steps=[read(ask_caught(load()))])
    for answer in (Rejected("x" * 20_000), Rejected("no"), "yes"):
        here = caught.local_run(answers={"ask_caught": answer})
        there = aws.values(aws.run(caught, answers={"ask_caught": answer}))
        assert there == {"read": here.result}
    for price in (2, 9):
        asked = approve_large(load(price))
        cleaned = Pipeline(f"cleaned-{price}", steps=[read(asked)], cleanup=release)
        here = cleaned.local_run(answers={"approve_large": "yes"})
        ran = aws.run(cleaned, answers={"approve_large": "yes"})
        assert aws.values(ran) == {"read": here.result}


@pytest.mark.parametrize("together", [False, True])
def test_many_answers_have_room(together: bool, aws: LocalAws) -> None:
    """Any number of answers can meet other results, in a step's input and at the end."""

    def pipeline(asked: int, others: int) -> Pipeline:
        calls = [
            *(step(name=f"a{n}", callback=True)(slowly.step.function)(n) for n in range(asked)),
            *(load(n) for n in range(others)),
        ]
        name = f"many-{asked}-{others}-{together}"
        return Pipeline(name, steps=[tell(*calls)] if together else calls)

    for asked, others in product((1, 2, 3, 5, 8, 12), (0, 1, 3, 7)):
        pipeline(asked, others).generate_step_functions()
    ran = pipeline(5, 2)
    answers = {f"a{n}": "x" * 10_000 for n in range(5)}
    here = ran.local_run(answers=answers).outputs
    there = aws.values(aws.run(ran, answers=answers))
    assert there == {name: here[name] for name in ran.graph.terminals}


def test_answers_that_are_too_large_together(aws: LocalAws) -> None:
    """Each may have 256 KiB, but no state more: AWS fails where they meet, a local run before."""

    @step(callback=True)
    def one() -> Any:
        """Ask."""

    @step(callback=True)
    def other() -> Any:
        """Ask someone else."""

    both = Pipeline("too-large", steps=[tell(one(), other())])
    answers = {"one": "x" * 150_000, "other": "y" * 150_000}
    with pytest.raises(BindingError, match="'one', 'other' have 300,004 bytes together") as caught:
        both.local_run(answers=answers)
    assert caught.value.place == both.definition.place
    assert aws.run(both, answers=answers).error == "States.DataLimitExceeded"
    enough = {**answers, "other": "y"}
    assert aws.run(both, answers=enough).succeeded
    both.local_run(answers=enough)


def test_times_of_answers(aws: LocalAws) -> None:
    """A step that is not answered in time fails with AWS's error."""

    @step(callback=True, timeout_seconds=1)
    def forgotten() -> Any:
        """Ask, and forget it."""

    @step(callback=True, timeout_seconds=60, heartbeat_seconds=1)
    def silent() -> Any:
        """Ask someone who does not say that they work on it."""

    late = aws.run(Pipeline("late", steps=[tell(forgotten())]))
    assert (late.status, late.error) == ("FAILED", "States.Timeout")
    silent_run = aws.run(Pipeline("silent", steps=[tell(silent())]))
    assert silent_run.error == "States.Timeout"


def test_the_states_of_callbacks(request: pytest.FixtureRequest) -> None:
    """The golden machines: one Task for each step, whose result is wrapped."""
    machines = {
        one.name: one.generate_step_functions()
        for one in (calls(), last(), inline, conditional(9, ends=True), conditional(9, ends=False))
    }
    text = json.dumps(machines, indent=2) + "\n"
    agrees_with_golden(request, "callbacks.statemachine.json", text)


def test_transitions_of_callbacks(aws: LocalAws) -> None:
    """A callback costs no state, and a skipped one is called once."""
    asked = aws.run(calls(), answers={"approve": 1, "slowly": 2})
    kinds = [one["type"] for one in asked.history]
    assert kinds.count("TaskStateEntered") == 4
    skipped = aws.run(conditional(2, ends=False))
    kinds = [one["type"] for one in skipped.history]
    assert kinds.count("TaskScheduled") == kinds.count("TaskStateEntered")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poll": 30}, "callback=True and poll= are both given"),
        ({"heartbeat_seconds": 0}, "heartbeat_seconds"),
        ({"heartbeat_seconds": 60, "timeout_seconds": 60}, "must be below timeout_seconds=60"),
        ({"timeout_seconds": 40_000_000}, "timeout_seconds"),
        ({"job_type": "batch"}, "callback"),
        ({"callback": "yes"}, "callback"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    """Contradictions are errors before anything is written."""

    def asks() -> Any:
        """Ask."""

    with pytest.raises(DefinitionError, match=message):
        Pipeline("wrong", steps=[step(**{"callback": True, **options})(asks)()])


def test_misplaced_callbacks() -> None:
    """Answers are not items, not times, and not those of a batch."""
    with pytest.raises(OptionError, match="heartbeat_seconds= is given without callback=True"):
        step(heartbeat_seconds=5)(lambda: None)
    for option in ("on_failure", "cleanup"):
        with pytest.raises(OptionError, match="has callback=True, but"):
            Pipeline("wrong", steps=[load()], **{option: slowly})
    with pytest.raises(OptionError, match="a map runs over the answer"):
        Pipeline("wrong", steps=[approve(1).map(tell)])
    with pytest.raises(OptionError, match="waits until the answer"):
        Pipeline("wrong", steps=[tell().after(wait(until=approve(1)))])
    with pytest.raises(OptionError, match="batch_size"):
        Pipeline("wrong", steps=[names().map(approve, batch_size=2)])


def test_wrong_answers(monkeypatch: pytest.MonkeyPatch, aws: LocalAws) -> None:
    """Unknown steps, values that are not JSON, and too many bytes are errors."""
    for run in (last().local_run, partial(aws.run, last())):
        with pytest.raises(BindingError, match="'aprove', which is not a step with callback=True"):
            run(answers={"aprove": 1})
    with pytest.raises(BindingError, match="answers= must be a dict by name, got"):
        last().local_run(answers=[True])  # type: ignore[arg-type]
    with pytest.raises(BindingError, match="'load'"):
        last().local_run(answers={"load": 1})
    for value in ({1, 2}, float("nan")):
        with pytest.raises(StepFailed, match="an answer must be JSON"):
            last().local_run(answers={"approve": value})
    with pytest.raises(StepFailed, match="262,144 bytes"):
        last().local_run(answers={"approve": "x" * 262_144})
    monkeypatch.setattr("sys.stdin", None)
    for way in WAYS:
        with pytest.raises(StepFailed, match=r"a terminal only: pass local_run\(answers"):
            last().local_run(**way)
