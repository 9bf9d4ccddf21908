"""Routed pipelines that are nodes of graphs: the same results and errors locally and in AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack
from golden_files import agrees_with_golden
from histories import events_of

from lokki_tf import (
    DAG,
    ConditionalReturns,
    Failure,
    Flow,
    MicroFunctions,
    NotReady,
    Parameter,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    step,
    task,
)
from lokki_tf.errors import LoopError, StepFailed
from lokki_tf.local import Event
from lokki_tf.operate.outputs import outputs_of
from lokki_tf.operate.states import RunHistory
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    pass


@dataclass
class Price:
    """A class of the user's."""

    amount: int


class Refused(ValueError):
    """An error of the user's."""


class RefusedTwice(Refused):
    """A subclass of it."""


def halving(name: str, **options: Any) -> MicroFunctions:
    """A loop that ends, after a step with a failure that leads to another one."""
    pipe = MicroFunctions("load", name=name, **options)

    @pipe.fn(catch={Refused: "repair"})
    def load(rows: Any, base: int = 1) -> ReturnUpdates:
        if rows == [13]:
            raise RefusedTwice("thirteen")
        return ReturnUpdates("look", total=sum(rows) * base)

    @pipe.fn()
    def look(total: int, rows: Any, base: int = 1) -> ConditionalReturns:
        small = ReturnUpdates("done")
        return ConditionalReturns(total > 20, small, true=ReturnUpdates("halve", total=total // 2))

    @pipe.fn()
    def halve(total: int, rows: Any, base: int = 1) -> ReturnUpdates:
        return ReturnUpdates("look")

    @pipe.fn()
    def repair(failure: Failure, rows: Any, base: int = 1) -> ReturnUpdates:
        return ReturnUpdates("done", "failure", total=-1, text=[failure.error, failure.step])

    @pipe.fn(terminates=True)
    def done(total: int, rows: Any = None, base: int = 1, text: Any = None) -> dict[str, Any]:
        return {"total": total, "rows": rows, "text": text}

    return pipe


HALVING = halving("halving")
SHORT = halving("short", max_steps=3)


def single(name: str, function: Any, **options: Any) -> MicroFunctions:
    """A routed pipeline with one step."""
    pipe = MicroFunctions(function.__name__, name=name)
    pipe.fn(terminates=True, **options)(function)
    return pipe


def priced(amount: int) -> dict[str, Any]:
    return {"price": Price(amount), "rest": (amount, "ü")}


def lists(size: int) -> dict[str, Any]:
    return {"rows": [*range(size)], "price": Price(size)}


def sized(text: Any, size: int = 0) -> dict[str, Any]:
    return {"length": len(text), "text": "x" * size}


def asking(value: int) -> dict[str, Any]:
    context = run_context()
    return {"found": [context.parameters, context.pipeline, context.item_index, value]}


def refusing(kind: str) -> dict[str, Any]:
    if kind == "twice":
        raise RefusedTwice("twice")
    if kind == "other":
        raise LookupError("other")
    return {"kind": kind}


def waiting(attempts: int = 1) -> dict[str, Any]:
    if run_context().attempt <= attempts:
        raise NotReady("not yet")
    return {"attempts": run_context().attempt}


PRICED, LISTS, SIZED = single("priced", priced), single("lists", lists), single("sized", sized)
ASKING, REFUSING = single("asking", asking), single("refusing", refusing)
POLLING = single("polling", waiting, poll=1, poll_timeout=60)
RETRYING = single(
    "retrying", refusing, retry=RetryConfig(retries=1, delay=0, exceptions=(RefusedTwice,))
)

CARRYING = MicroFunctions("first", name="carrying")


@CARRYING.fn()
def first(price: Price, big: Any = None) -> ReturnUpdates:
    return ReturnUpdates("second", more=Price(2 * price.amount), after=5)


@CARRYING.fn(terminates=True)
def second(price: Price, more: Price, big: Any = None) -> dict[str, Any]:
    return {"sum": price.amount + more.amount, "big": len(big or "")}


ORIGINAL = MicroFunctions("change", name="original")


@ORIGINAL.fn()
def change(value: Any) -> ReturnUpdates:
    return ReturnUpdates("compare", value="changed")


@ORIGINAL.fn(terminates=True)
def compare(value: Any, _original_input: Any) -> dict[str, Any]:
    return {"now": value, "then": _original_input}


STARTING = MicroFunctions("choose", name="starting")


@STARTING.fn()
def choose(day: str) -> ReturnUpdates:
    return ReturnUpdates("summed", day=day + "!")


STARTING.start_pipeline("summed", {"day": "day"}, result="total", next="told")


@STARTING.fn(terminates=True)
def told(day: str, total: Any) -> dict[str, Any]:
    return {"day": day, "total": total}


LAST_STARTED = MicroFunctions("choose", name="last-started")
LAST_STARTED.fn()(choose)
LAST_STARTED.start_pipeline("summed", {"day": "day"}, result="total")


APPROVED = MicroFunctions("prepare", name="approved")


@APPROVED.fn()
def prepare(value: int) -> ReturnUpdates:
    return ReturnUpdates("approve", value=value + 1)


@APPROVED.fn(callback=True, timeout_seconds=60)
def approve(value: int) -> ReturnUpdates:
    return ReturnUpdates("end")


@APPROVED.fn(terminates=True)
def end(value: int, approve: Any) -> dict[str, Any]:
    return {"value": value, "answer": approve}


def ask(value: int) -> ReturnUpdates:
    return ReturnUpdates(None)


ANSWER = single("answer", ask, callback=True, timeout_seconds=60)


@step
def numbers(count: int = 3) -> list[int]:
    return [*range(count)]


@step
def rows_of() -> list[list[int]]:
    return [[1, 2], [13], [40, 50]]


@step
def shown(*values: Any) -> Any:
    return [[type(one).__name__, one] for one in values]


@step
def plus(value: int, add: int = 1) -> int:
    return value + add


@step
def text(size: int = 3) -> str:
    return "t" * size


@step
def made(amount: int) -> Price:
    return Price(amount)


@step(catch=True)
def broken() -> int:
    raise Refused("broken")


@step
def kinds() -> list[str]:
    return ["good", "twice", "other"]


@step
def error_of(value: Any) -> Any:
    return [value.error, value.message, value.step] if isinstance(value, Failure) else value


@step
def summed_text(day: str) -> int:
    return len(day)


@flow
def summed(day: str):
    return summed_text(day)


@flow
def chained(count: int = 30):
    return numbers(count).next(HALVING, base=2).next(shown)


@flow
def beginning(rows: list[int]):
    return HALVING(rows=rows)


@flow
def failing_first():
    return HALVING(rows=[13]).next(shown)


@flow
def twice():
    one, other = HALVING(rows=numbers(9)), HALVING(rows=[1], base=numbers()[2])
    return shown(one, other["total"], other)


@flow
def in_map(base: int = 3):
    return rows_of().map(HALVING, base=base).agg(shown)


@flow
def in_inline_map(base: int = 3):
    return rows_of().map(HALVING, base=base, mode="inline").agg(shown)


@flow
def in_express_map():
    return rows_of().map(HALVING, execution_type="express").agg(shown)


@flow
def mapped_on():
    return rows_of().map([HALVING, shown])


@flow
def nested(add: int = 1):
    return rows_of().map(plus_each, add=add).map(plus, mode="inline").agg(single_sum).agg(shown)


@step
def plus_each(rows: list[int], add: int) -> list[int]:
    return [one + add for one in rows]


@step
def single_sum(values: list[int]) -> int:
    return sum(values)


@flow
def carried(size: int = 3):
    return shown(CARRYING(price=made(4), big=text(size))["sum"], CARRYING(price=Price(3)))


@flow
def price_of():
    result = PRICED(amount=5)
    return shown(result, result["price"].amount, result["rest"][1])


@flow
def mapped_part(size: int = 4):
    return LISTS(size=size)["rows"].map(plus, add=2).agg(shown)


@flow
def mapped_part_inline(size: int = 4):
    result = LISTS(size=size)
    return shown(result["rows"].map(plus, mode="inline"), result["price"])


@flow
def large(size: int = 150_000):
    result = SIZED(text=text(size), size=size)
    return result, shown(result["length"])


@flow
def contexts(value: int = 7):
    return shown(ASKING(value=value), numbers(2).map(ASKING), numbers(2).map(ASKING, mode="inline"))


@flow
def original():
    return shown(ORIGINAL(value=numbers(2)), rows_of().map(ORIGINAL))


@flow
def starting(day: str = "abc"):
    return shown(STARTING(day=day), LAST_STARTED(day=day))


@flow
def given_failure():
    result = ORIGINAL(value=broken())
    return shown(result["now"]), error_of(result["then"]["value"])


@flow
def caught(kind: str):
    return error_of(REFUSING(kind=kind, catch=Refused))


@flow
def caught_all():
    return error_of(SHORT(rows=[100], catch=True)), error_of(REFUSING(kind="other", catch=True))


@flow
def caught_in_map():
    return kinds().map(REFUSING, catch=(Refused, LookupError)).next(error_of).agg(shown)


@flow
def caught_in_inline_map():
    return kinds().map(REFUSING, catch=True, mode="inline").next(error_of).agg(shown)


@flow
def polled():
    return shown(POLLING(attempts=2)).after(numbers())


@flow
def retried():
    return error_of(RETRYING(kind="twice", catch=True))


@task
def first_task(n: int) -> list[int]:
    return [n, 30]


@task
def last_task(halving_of_tasks: Any) -> Any:
    return halving_of_tasks["total"]


@task
def all_of(lengths: Any, first_task: list[int]) -> Any:
    return [lengths, first_task]


def lengths_of(first_task: list[int]) -> dict[str, Any]:
    return {"length": len(first_task)}


OF_TASKS = halving("halving-of-tasks")
ARROWS = DAG("arrows", tasks=[first_task >> OF_TASKS >> last_task])
BUILT = Flow("built").add(first_task).add(single("lengths", lengths_of)).add(all_of)
CALLS = Pipeline("calls", steps=[shown(HALVING(rows=numbers(Parameter("n", int, default=12))))])


@flow
def around(count: int = 8):
    return shown(chained(count), chained(count=2))


SUCCEED: list[tuple[Any, dict[str, Any]]] = [
    (chained, {}),
    (beginning, {"rows": [9, 99]}),
    (failing_first, {}),
    (twice, {}),
    (in_map, {}),
    (in_inline_map, {"base": 2}),
    (in_express_map, {}),
    (mapped_on, {}),
    (carried, {}),
    (carried, {"size": 200_000}),
    (price_of, {}),
    (mapped_part, {}),
    (mapped_part, {"size": 0}),
    (mapped_part_inline, {}),
    (large, {}),
    (contexts, {}),
    (original, {}),
    (starting, {}),
    (given_failure, {}),
    (caught, {"kind": "good"}),
    (caught, {"kind": "twice"}),
    (caught_all, {}),
    (caught_in_map, {}),
    (ARROWS, {"n": 7}),
    (BUILT, {"n": 7}),
    (CALLS, {}),
    (caught_in_inline_map, {}),
    (polled, {}),
    (retried, {}),
    (around, {}),
]


@pytest.mark.parametrize(
    ("pipeline", "values"), SUCCEED, ids=[f"{one.name}-{n}" for n, (one, _) in enumerate(SUCCEED)]
)
def test_results_agree(pipeline: Any, values: dict[str, Any], aws: LocalAws) -> None:
    """Results, their types and all outputs are the same here, with serialized values and in AWS."""
    here = pipeline.local_run(values)
    strict = pipeline.local_run(values, strict=True)
    assert here.outputs == strict.outputs
    found = aws.values(aws.run(pipeline, values))
    assert found == {name: here.outputs[name] for name in found}
    assert set(found) == set(here.definition.graph.results)


@flow
def approving(value: int):
    return shown(APPROVED(value=value), numbers(2).map(ANSWER))


def test_answers_agree(aws: LocalAws) -> None:
    """A step that waits for an answer adds it to the state; as the last one, it is the result."""
    answers = {"approved-approve": ["yes", 1], "answer.ask": {"ref": "s3://a/b"}}
    here = approving.local_run({"value": 4}, answers=answers)
    assert here.outputs == approving.local_run({"value": 4}, answers=answers, strict=True).outputs
    assert here.result == [
        ["dict", {"value": 5, "answer": ["yes", 1]}],
        ["list", [{"ref": "s3://a/b"}, {"ref": "s3://a/b"}]],
    ]
    there = aws.run(approving, {"value": 4}, answers=answers, timeout=60)
    assert [*aws.values(there).values()] == [here.result]


@flow
def too_many():
    return shown(SHORT(rows=[100]))


@flow
def refused(kind: str):
    return shown(REFUSING(kind=kind, catch=LookupError))


def around_routed() -> MicroFunctions:
    """A routed pipeline whose loop contains another one."""
    pipe = MicroFunctions("begin", name="around-routed")

    @pipe.fn()
    def begin(count: int) -> ReturnUpdates:
        return ReturnUpdates("halving", rows=[count, 13] if count else [13])

    pipe.include(HALVING, next="again")

    @pipe.fn(terminates=True)
    def again(count: int, rows: Any, halving: Any) -> Any:
        if count < 40:
            return ReturnUpdates("begin", "halving", "rows", count=count + 30)
        return {"found": halving}

    return pipe


@pytest.mark.parametrize(
    ("pipe", "values"), [(around_routed(), {"count": 0}), (around_routed(), {"count": 50})]
)
def test_routed_ones_in_routed_ones_agree(
    pipe: MicroFunctions, values: dict[str, Any], aws: LocalAws
) -> None:
    """A routed pipeline is a step of another one, also in a loop."""
    here = pipe.local_run(values)
    assert here.result == pipe.local_run(values, strict=True).result
    assert [*aws.values(aws.run(pipe, values)).values()] == [here.result]


WITH_JOBS = MicroFunctions("measure", name="with-jobs")


@WITH_JOBS.fn(job_type="batch")
def measure(rows: list[int]) -> ReturnUpdates:
    return ReturnUpdates("keep", total=sum(rows))


@WITH_JOBS.fn(job_type="batch", terminates=True)
def keep(rows: list[int], total: int) -> dict[str, Any]:
    if total > 50:
        raise Refused("too much")
    return {"rows": rows, "total": total}


@flow
def with_jobs():
    result = WITH_JOBS(rows=numbers())
    caught_one = error_of(WITH_JOBS(rows=[99], catch=True))
    return shown(result["rows"].map(plus), result["total"], caught_one)


def test_jobs_agree(aws: LocalAws) -> None:
    """Jobs are steps of it, also as the last one, over a part of whose result a map runs."""
    here = with_jobs.local_run()
    assert here.result == with_jobs.local_run(strict=True).result
    assert here.result[2] == ["list", ["Refused", "too much", "with-jobs"]]
    assert [*aws.values(aws.run(with_jobs)).values()] == [here.result]


@flow
def jobs_in_a_map():
    return rows_of().map(WITH_JOBS)


@flow
def mapped_start():
    return LAST_STARTED(day="abc")["total"].map(plus)


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [(jobs_in_a_map, "is a job of AWS Batch, and"), (mapped_start, "may end with 'summed'")],
)
def test_what_has_no_place_is_an_error(pipeline: Any, says: str) -> None:
    """What cannot be compiled is a finding of check, with the place of the call."""
    (found,) = [one for one in pipeline.check() if one.severity == "error"]
    assert says in found.message
    assert found.place is not None
    assert found.place.file == __file__


FAIL = [(refused, {"kind": "twice"}, "RefusedTwice", "twice", "refusing.refusing")]


@pytest.mark.parametrize(("pipeline", "values", "error", "text", "node"), FAIL)
def test_errors_agree(
    pipeline: Any, values: dict[str, Any], error: str, text: str, node: str, aws: LocalAws
) -> None:
    """An error that is not caught ends the run, with the name of the step that has failed."""
    for given in ({}, {"strict": True}, {"executor": "process"}):
        with pytest.raises(StepFailed) as caught_here:
            pipeline.local_run(values, **given)
        raised = caught_here.value
        assert (type(raised.__cause__).__name__, str(raised.__cause__)) == (error, text)
        assert raised.node == node
        assert node.replace(".", "-") in str(raised)
    execution = aws.run(pipeline, values)
    assert (execution.status, execution.error) == ("FAILED", error)


def test_too_many_steps_agree(aws: LocalAws) -> None:
    """A loop that does not end is an error of the run, under the name that AWS has."""
    with pytest.raises(LoopError, match="taken 3 steps and would continue"):
        too_many.local_run()
    execution = aws.run(too_many)
    assert (execution.status, execution.error) == ("FAILED", "TooManySteps")


EVENTS: list[tuple[Any, dict[str, Any]]] = [
    (twice, {}),
    (failing_first, {}),
    (refused, {"kind": "twice"}),
    (refused, {"kind": "other"}),
    (in_inline_map, {}),
    (starting, {}),
]


@pytest.mark.parametrize(("pipeline", "values"), EVENTS)
def test_events_agree(pipeline: Any, values: dict[str, Any], aws: LocalAws) -> None:
    """Progress displays show the visited steps, under the same names; so do results."""
    here: list[Event] = []
    try:
        outputs = pipeline.local_run(values, on_event=here.append).outputs
    except StepFailed as error:
        outputs = error.run.outputs
    tracker, there = events_of(aws, pipeline.definition, aws.run(pipeline, values).arn)
    assert sorted(_seen(there)) == sorted(_seen(here))
    history = RunHistory(tracker, there)
    assert {*outputs_of(history, None, "run")} == {*outputs}
    top = {node.name for node in pipeline.graph.nodes}
    visited = {name for node in pipeline.graph.routed for name in node.visits}
    assert {one.node for one in history.states()} <= top | visited


def test_the_state_machine_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """It is a Parallel state with one branch; where it is needed, a state before has arguments."""
    text = json.dumps(golden().generate_step_functions(), indent=2, ensure_ascii=False)
    agrees_with_golden(request, "routed-nodes.statemachine.json", text + "\n")


def golden() -> Pipeline:
    rows = numbers(2)
    last = REFUSING(kind="good", catch=LookupError)
    return Pipeline("golden", steps=[shown(rows.map(PRICED).agg(shown), last)])


@step
def gate_of(gate: str) -> str:
    return gate


def pass_gate(gate: str, count: int = 0) -> ReturnUpdates:
    return ReturnUpdates("shut", count=count + 1)


def shut(gate: str, count: int) -> dict[str, Any]:
    if not Path(gate).exists():
        raise Refused("the gate is shut")
    return {"count": count}


GATED = MicroFunctions("pass_gate", name="gated")
GATED.fn()(pass_gate)
GATED.fn(terminates=True)(shut)


@flow
def behind(gate: str):
    return GATED(gate=gate_of(gate)).next(shown)


def test_failed_executions_continue(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redrive continues with the step that has failed, and a local run with its node."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    gate = tmp_path / "gate"
    arn = aws.run(behind, {"gate": str(gate)}).arn
    execution = behind.execution(arn.rpartition(":")[2])
    assert execution.status == "FAILED"
    shown_states = {one.node: one.status for one in execution.steps}
    assert shown_states == {
        "gate_of": "done",
        "gated": "failed",
        "gated.pass_gate": "done",
        "gated.shut": "failed",
        "shown": "not run",
    }
    with pytest.raises(StepFailed, match="the gate is shut"):
        execution.replay()
    gate.touch()
    assert execution.replay("gated.shut")["count"] == 1
    assert behind.local_run(from_run=execution).result == [["dict", {"count": 1}]]
    again = execution.redrive().wait(60, progress=False)
    assert again.result == [["dict", {"count": 1}]]
    assert again.to_html()


def test_a_run_continues_inside_of_it(tmp_path: Path) -> None:
    """With a state file, steps that have run with the same values are not run again."""
    gate, state, seen = tmp_path / "gate", tmp_path / "state", list[Event]()
    with pytest.raises(StepFailed, match="the gate is shut"):
        behind.local_run({"gate": str(gate)}, state=state)
    gate.touch()
    run = behind.local_run({"gate": str(gate)}, state=state, on_event=seen.append)
    assert run.result == [["dict", {"count": 1}]]
    cached = [one.node for one in seen if one.kind == "step_cached"]
    assert cached == ["gate_of", "gated.pass_gate"]


@stack
def graph_with_routed(aws: LocalAws, folder: Path) -> Path:
    """A graph with a routed pipeline, also in a map."""
    made: Path = deployed_flow.synth(folder).folder
    return made


@flow
def deployed_flow(base: int = 2):
    return shown(rows_of().map(HALVING, base=base), CARRYING(price=made(4), big=text(200_000)))


@pytest.mark.terraform
def test_they_are_deployed(applied: Applied) -> None:
    """With real Terraform, the steps have functions and just enough rights."""
    expected = deployed_flow.local_run().result
    assert applied.values("graph_with_routed", {}) == {"shown": expected}
    decisions = [one for one in applied.aws.iam_decisions if "deployed-flow" in one.principal]
    assert decisions
    assert all(one.allowed for one in decisions)


def _seen(events: list[Event]) -> list[tuple[str, str, int | None]]:
    return [(one.kind, one.node or "", one.item) for one in events]
