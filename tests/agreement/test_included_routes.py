"""Pipelines that are steps of a routed one: the same results and errors locally and in AWS."""

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
    Parameter,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    start_pipeline,
    step,
    task,
)
from lokki_tf.errors import OptionError, StepFailed
from lokki_tf.operate.outputs import outputs_of
from lokki_tf.operate.report import drawn_of, report_of
from lokki_tf.operate.states import RunHistory
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from lokki_tf.local import Event


@dataclass
class Price:
    """A class of the user's."""

    amount: int


class Refused(ValueError):
    """An error of the user's."""


class RefusedTwice(Refused):
    """A subclass of it."""


@step
def load(day: str) -> list[int]:
    return [len(day), 2]


@step
def clean(row: int, add: int = 0) -> int:
    return row + add


@step
def total(rows: Any) -> int:
    return sum(rows)


@step
def told(*values: Any) -> Any:
    return [[type(one).__name__, one] for one in values]


@step
def priced(amount: int) -> Price:
    return Price(amount)


@step
def doubled(price: Any) -> Price:
    assert isinstance(price, Price)
    return Price(2 * price.amount)


@step(when=lambda value: value > 5)
def large(value: int) -> int:
    return value


@step(catch=ValueError)
def caught(value: int) -> int:
    raise Refused(f"no {value}")


@step(retry=RetryConfig(retries=1, delay=0, exceptions=(RefusedTwice,)))
def refuses(kind: str) -> int:
    if kind == "once":
        raise Refused("once")
    if kind == "twice":
        raise RefusedTwice("twice")
    if kind == "other":
        raise LookupError("other")
    return 5


@step
def parameters() -> Any:
    context = run_context()
    return [context.parameters, context.step, context.pipeline]


@step
def sized(size: int) -> str:
    return "x" * size


@step
def length(value: str) -> int:
    return len(value)


@step(callback=True, timeout_seconds=60)
def approve(value: int) -> Any: ...


@step
def other(value: Any) -> Any:
    return value


@flow
def summed(day: str, add: int = 1):
    return load(day).map(clean, add=add).agg(total)


@flow
def summed_inline(day: str, add: int = 1):
    return load(day).map(clean, add=add, mode="inline").agg(total)


@flow
def two(day: str = "abcd"):
    rows = load(day)
    return rows, total(rows)


@flow
def mapped(day: str):
    return load(day).map(clean, add=1)


@flow
def both(day: str):
    rows = load(day)
    return rows, rows.map(clean, mode="inline")


@flow
def nested(day: str):
    return told(summed(day), summed(day, add=3), load(day)[0])


@flow
def with_price(price: Any, add: int = 1):
    return doubled(price), told(add)


@flow
def maybe(value: int):
    return large(value)


@flow
def maybe_two(value: int):
    return large(value), told(value)


@flow
def failure(value: int):
    return caught(value)


@flow
def refusing(kind: str):
    return refuses(kind)


@flow
def asking():
    return parameters()


@flow
def asking_in_map(day: str):
    return load(day).map(asked_item)


@step
def asked_item(row: int) -> Any:
    context = run_context()
    return [context.parameters, context.item_index, row]


@flow
def big(size: int, text: str = ""):
    return sized(size), length(text)


@flow
def waiting(day: str):
    return load(day).wait(seconds=1)


@flow
def started():
    return start_pipeline("two", {"day": "xyz"})


@flow
def approving(value: int):
    return approve(value)


@flow
def constants():
    return told([1, {"a": 2}], "text", None)


@task
def first_task(n: int) -> int:
    return n + 1


@task
def second_task(first_task: int) -> int:
    return 2 * first_task


first_task >> second_task
ARROWS = DAG("arrows", tasks=[second_task])
BUILT = Flow("built").add(first_task).add(second_task)
CALLS = Pipeline("calls", steps=[told(load(Parameter("day", str, default="abc")))])


def routed(
    name: str, included: Any, first: Any = None, *, last: bool = False, **given: Any
) -> MicroFunctions:
    """Return a routed pipeline that includes another one, first or after a function."""
    pipe = MicroFunctions("inner" if first is None else first.__name__, name=name)
    if first is not None:
        pipe.fn()(first)
    pipe.include(included, name="inner", next=None if last else "end", **given)
    if not last:

        @pipe.fn(terminates=True)
        def end(inner: Any, **values: Any) -> dict[str, Any]:
            return {"inner": inner, "kind": type(inner).__name__, "values": values}

    return pipe


def with_day(day: str) -> ReturnUpdates:
    return ReturnUpdates("inner", day=day + "!")


def with_tuple(size: int) -> ReturnUpdates:
    return ReturnUpdates("inner", text="y" * size, size=3, more=(1, 2))


def looped() -> MicroFunctions:
    pipe = MicroFunctions("summed", name="looped")
    pipe.include(summed, next="count")

    @pipe.fn(terminates=True)
    def count(day: str, summed: int, found: Any = (), add: int = 1) -> Any:
        found = [*found, summed]
        if len(found) < 3:
            return ReturnUpdates("summed", day=day + "x", found=found)
        return {"found": found}

    return pipe


def looped_inline() -> MicroFunctions:
    pipe = MicroFunctions("start", name="looped_inline")

    @pipe.fn()
    def start(day: str) -> ReturnUpdates:
        return ReturnUpdates("rows", day=day)

    pipe.include(summed_inline, name="rows", next="again")

    @pipe.fn(terminates=True)
    def again(day: str, rows: int) -> Any:
        return ConditionalReturns(
            rows > 9, ReturnUpdates("start", "rows", day=day + "xx"), true=ReturnUpdates(None)
        )

    return pipe


def passing() -> MicroFunctions:
    """Classes from functions to an included pipeline, and back."""
    pipe = MicroFunctions("make", name="passing")

    @pipe.fn()
    def make(amount: int) -> ReturnUpdates:
        return ReturnUpdates("with-price", cost=Price(amount), rest=(1, 2))

    pipe.include(with_price, {"price": "cost"}, next="show")

    @pipe.fn(terminates=True)
    def show(with_price: Any, cost: Price, rest: tuple[int, ...], amount: int) -> dict[str, Any]:
        price, values = with_price
        return {"found": [price.amount, values, cost.amount, rest, amount]}

    return pipe


def asking_after(first: str) -> MicroFunctions:
    """A function that receives the run's input, after an included or a started pipeline."""
    begin = "first" if first == "included" else "two"
    pipe = MicroFunctions(begin, name=f"{first}-first")
    if first == "included":
        pipe.include(asking, name="first", next="ask")
    else:
        pipe.start_pipeline("two", {"day": "a"}, result="first", next="ask")

    @pipe.fn(terminates=True)
    def ask(first: Any, **values: Any) -> dict[str, Any]:
        return {"found": [first, run_context().parameters]}

    return pipe


def catching(name: str, catch: Any) -> MicroFunctions:
    pipe = MicroFunctions("refusing", name=name)
    pipe.include(refusing, next="end", catch=catch)

    @pipe.fn(terminates=True)
    def end(refusing: int, kind: str) -> dict[str, Any]:
        return {"good": refusing}

    @pipe.fn(terminates=True)
    def amend(kind: str, failure: Failure) -> dict[str, Any]:
        return {"kind": kind, "failure": [failure.error, failure.message, failure.step]}

    return pipe


def twice() -> MicroFunctions:
    """A pipeline that is included under two names, one of which receives a failure."""
    pipe = MicroFunctions("one", name="twice")
    pipe.include(refusing, name="one", next="end", catch={Refused: "handle"})
    pipe.include(failing_told, ["failure"], name="handle", next="end")

    @pipe.fn(terminates=True)
    def end(kind: str, one: Any = None, handle: Any = None) -> dict[str, Any]:
        return {"one": one, "handle": handle}

    return pipe


@flow
def failing_told(failure: Any):
    return described(failure)


@step
def described(failure: Any) -> Any:
    return [failure.error, failure.message, failure.step]


def cleaned() -> MicroFunctions:
    pipe = routed("cleaned", summed)
    return MicroFunctions.from_functions(pipe, name="cleaned", cleanup=done)


@step
def done(day: str, inner: Any = None) -> None:
    print(f"done {day} {inner}")


SUCCEED: list[tuple[Any, dict[str, Any]]] = [
    (routed("distributed", summed), {"day": "abc"}),
    (routed("distributed-after", summed, with_day), {"day": "abc"}),
    (routed("inline", summed_inline), {"day": "abc", "add": 4}),
    (routed("inline-after", summed_inline, with_day), {"day": "abc"}),
    (routed("tuple", two), {"day": "abc"}),
    (routed("default", two), {}),
    (routed("list", mapped), {"day": "abc"}),
    (routed("end-and-map", both), {"day": "abc"}),
    (routed("nested", nested), {"day": "abc"}),
    (routed("arrows-inside", ARROWS), {"n": 3}),
    (routed("built-inside", BUILT), {"n": 3}),
    (routed("calls-inside", CALLS), {"day": "zz", "other": [1, {"ref": "s3://a/b"}]}),
    (routed("last", summed, last=True), {"day": "abc"}),
    (routed("last-two", two, last=True), {"day": "abc"}),
    (
        routed("renamed", summed, parameters={"day": "date"}, result="found", last=True),
        {"date": "z"},
    ),
    (routed("skipped", maybe), {"value": 3}),
    (routed("not-skipped", maybe), {"value": 6}),
    (routed("one-skipped", maybe_two), {"value": 3}),
    (routed("failure-inside", failure, last=False), {"value": 3}),
    (routed("context", asking), {"a": 1, "b": [2]}),
    (routed("context-in-map", asking_in_map), {"day": "abc"}),
    (routed("waits", waiting), {"day": "abc"}),
    (routed("starts", started), {}),
    (routed("literals", constants), {}),
    (routed("odd", constants), {"a.b": 1, "inner.day": "x", "$": None}),
    (routed("big-result", big, last=True), {"size": 150_000}),
    (routed("big-parameter", big), {"size": 3, "text": "ü" * 60_000}),
    (routed("big-after", big, with_tuple), {"size": 200_000}),
    (looped(), {"day": "abc"}),
    (looped_inline(), {"day": "abc"}),
    (looped_inline(), {"day": "abcdefghijk"}),
    (passing(), {"amount": 4}),
    (asking_after("included"), {"a": "abc"}),
    (asking_after("started"), {"a": "abc"}),
    (catching("caught-not", {Refused: "amend"}), {"kind": "good"}),
    (catching("caught-base", {Refused: "amend"}), {"kind": "once"}),
    (catching("caught-sub", {Refused: "amend"}), {"kind": "twice"}),
    (catching("caught-list", {(LookupError, RefusedTwice): "amend"}), {"kind": "other"}),
    (catching("caught-all", {True: "amend"}), {"kind": "other"}),
    (catching("caught-two", {RefusedTwice: "amend", ValueError: "amend"}), {"kind": "once"}),
    (twice(), {"kind": "good"}),
    (twice(), {"kind": "twice"}),
    (cleaned(), {"day": "abc"}),
]


@pytest.mark.parametrize(
    ("pipeline", "values"), SUCCEED, ids=[f"{one.name}-{n}" for n, (one, _) in enumerate(SUCCEED)]
)
def test_results_agree(pipeline: Any, values: dict[str, Any], aws: LocalAws) -> None:
    """Results, their types and all outputs are the same here, with serialized values and in AWS."""
    here = pipeline.local_run(values)
    strict = pipeline.local_run(values, strict=True)
    assert here.result == strict.result == pipeline.run(**values)
    execution = aws.run(pipeline, values)
    assert [*aws.values(execution).values()] == [here.result]


FAIL: list[tuple[Any, dict[str, Any], str, str]] = [
    (routed("raises", refusing), {"kind": "twice"}, "RefusedTwice", "twice"),
    (catching("raises-other", {Refused: "amend"}), {"kind": "other"}, "LookupError", "other"),
]


@pytest.mark.parametrize(("pipeline", "values", "error", "text"), FAIL)
def test_errors_agree(
    pipeline: Any, values: dict[str, Any], error: str, text: str, aws: LocalAws
) -> None:
    """An error of a step of an included pipeline that is not caught ends the run."""
    for strict in (False, True):
        with pytest.raises(StepFailed) as caught_here:
            pipeline.local_run(values, strict=strict)
        raised = caught_here.value
        assert (type(raised.__cause__).__name__, str(raised.__cause__)) == (error, text)
        assert raised.node is not None
        assert raised.node.partition(".")[2] == "refuses"
    execution = aws.run(pipeline, values)
    assert execution.status == "FAILED"
    assert execution.error == error


def test_a_missing_parameter_is_an_error() -> None:
    """A parameter that is not in the state is an error of check, and fails the step here."""
    pipe = MicroFunctions("make", name="missing")

    @pipe.fn()
    def make(day: str) -> ReturnUpdates:
        return ReturnUpdates("summed", "day")

    pipe.include(summed)
    (found,) = pipe.check()
    assert found.rule == "missing-argument"
    assert found.remedy == "pass it there, or name another value in parameters="
    with pytest.raises(StepFailed, match="the state has no 'day', which is parameter 'day' of"):
        pipe.local_run({"day": "x"})


EVENTS = [(looped(), {"day": "abc"}), (twice(), {"kind": "twice"}), FAIL[0][:2]]


@pytest.mark.parametrize(("pipeline", "values"), EVENTS)
def test_events_agree(pipeline: Any, values: dict[str, Any], aws: LocalAws) -> None:
    """Progress displays show the steps of included pipelines, under the same names."""
    here: list[Event] = []
    try:
        outputs = pipeline.local_run(values, on_event=here.append).outputs
    except StepFailed as error:
        outputs = error.run.outputs
    execution = aws.run(pipeline, values)
    definition = pipeline.definition
    tracker, there = events_of(aws, definition, execution.arn)
    assert _seen(there, definition) == _seen(here, definition)
    # Steps have results under the same names, in each turn of a loop.
    own = {one.name for one in definition.inclusions}
    expected = {name for name in outputs if name.rstrip("_0123456789") not in own}
    assert {*outputs_of(RunHistory(tracker, there), None, "run")} == expected


def _seen(events: list[Event], definition: Any) -> list[tuple[str, str | None]]:
    """Return kinds and steps of events, without those of items, of which AWS has the number."""
    maps = {one.name for one in definition.graph.every()} - {n.name for n in definition.graph.nodes}
    found = []
    for one in events:
        name = (one.node or "").rpartition("_")[0] if (one.node or "")[-2:-1] == "_" else one.node
        if one.kind.startswith(("run", "step")) and one.item is None and name not in maps:
            found.append((one.kind, name))
    return found


def test_the_state_machine_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """An included pipeline is a Parallel state, between a state before and one after it."""
    text = json.dumps(twice().generate_step_functions(), indent=2, ensure_ascii=False)
    agrees_with_golden(request, "included-routes.statemachine.json", text + "\n")


@step
def gated(rows: Any, gate: str) -> int:
    if gate and not Path(gate).exists():
        raise Refused("the gate is shut")
    return sum(rows)


@flow
def summed_gated(day: str, gate: str):
    return gated(load(day).map(clean, add=1, mode="inline"), gate)


def behind(name: str, *, caught: bool = False) -> MicroFunctions:
    """A routed pipeline whose included one fails without a file; a step before and one after."""
    pipe = MicroFunctions("start", name=name)

    @pipe.fn()
    def start(day: str, gate: str) -> ReturnUpdates:
        return ReturnUpdates("inner", day=day, gate=gate)

    pipe.include(
        summed_gated, name="inner", next="end", catch={Refused: "amend"} if caught else None
    )

    @pipe.fn(terminates=True)
    def end(day: str, inner: int, gate: str) -> dict[str, Any]:
        return {"inner": inner}

    @pipe.fn(terminates=True)
    def amend(day: str, gate: str) -> dict[str, Any]:
        return {"amended": day}

    return pipe


def _execution(
    pipeline: Any, values: dict[str, Any], aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> Any:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return pipeline.execution(aws.run(pipeline, values).arn.rpartition(":")[2])


SHOWN = [
    (looped(), {"day": "abc"}, "done"),
    (behind("shown-done"), {"day": "abc", "gate": ""}, "done"),
    (behind("shown-failed"), {"day": "abc", "gate": "/none"}, "failed"),
    (behind("shown-caught", caught=True), {"day": "abc", "gate": "/none"}, "failed, caught"),
]


@pytest.mark.parametrize(("pipeline", "values", "status"), SHOWN, ids=lambda one: str(one)[:40])
def test_pictures_agree(
    pipeline: Any,
    values: dict[str, Any],
    status: str,
    aws: LocalAws,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pictures of an execution show the step and its nodes as those of a local run do."""
    try:
        here: Any = pipeline.local_run(values)
    except StepFailed as error:
        here = error.run
    there = _execution(pipeline, values, aws, monkeypatch)
    definition, outcomes = drawn_of(there)

    def shown(definition: Any, outcomes: Any) -> list[Any]:
        nodes = definition.graph.nodes
        return [(one.name, one.box, one.after, outcomes[one.name].status) for one in nodes]

    assert shown(definition, outcomes) == shown(here.definition, here.outcomes)
    step = pipeline.definition.inclusions[0].name
    assert outcomes[step].status == status
    outline = there.to_text(100).splitlines()
    (line,) = (number for number, one in enumerate(outline) if one.startswith(f"    {step}  "))
    assert status in outline[line]
    assert outline[line + 1] == "       • load"
    assert there.to_html()


@step
def reported(day: str) -> int:
    run_context().card.append(f"about {day}")
    print(f"seen {day}")
    return len(day)


@step
def letters(day: str) -> list[str]:
    return [day]


@step
def reported_item(letter: str) -> int:
    run_context().card.append(letter)
    return len(letter)


@flow
def reporting(day: str):
    return letters(day).map(reported_item, mode="inline").agg(total), reported(day)


def looped_reports() -> MicroFunctions:
    pipe = MicroFunctions("inner", name="looped_reports")
    pipe.include(reporting, name="inner", next="again")

    @pipe.fn(terminates=True)
    def again(day: str, inner: Any) -> Any:
        run_context().card.append(day)
        return ReturnUpdates("inner", day=day + "x") if len(day) < 3 else {"inner": inner}

    return pipe


def test_reports_name_each_turn_of_a_loop(tmp_path: Path) -> None:
    """What a step of an included pipeline prints, and its card, are those of its turn."""
    run = looped_reports().local_run({"day": "ab"}, report=tmp_path / "report.html")
    recording: Any = run.recording
    assert [(one.call.node, one.text.strip()) for one in recording.lines] == [
        ("inner.reported", "seen ab"),
        ("inner.reported_2", "seen abx"),
    ]
    cards = [(one.node, one.item) for one in recording.cards]
    assert sorted(cards[:3]) == [
        ("again", None),
        ("inner.reported", None),
        ("inner.reported_item", 0),
    ]
    assert sorted(cards[3:]) == [
        ("again_2", None),
        ("inner.reported_2", None),
        ("inner.reported_item_2", 0),
    ]


def test_reports_of_executions_have_cards_of_each_turn(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In AWS, a turn of a loop keeps the cards of the turns before, in maps as well."""
    report = report_of(_execution(looped_reports(), {"day": "ab"}, aws, monkeypatch))
    seen = [(one.node, one.title) for one in report.cards]
    assert seen == [
        ("inner.reported_item_map", "inner.reported_item [0]"),
        ("inner.reported", "inner.reported"),
        ("again", "again"),
        ("inner.reported_item_map_2", "inner.reported_item [0]"),
        ("inner.reported_2", "inner.reported_2"),
        ("again_2", "again_2"),
    ]


def test_failed_executions_continue(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of an included pipeline is replayed, and a redrive continues with it."""
    gate, pipe = tmp_path / "gate", behind("redriven")
    execution = _execution(pipe, {"day": "abc", "gate": str(gate)}, aws, monkeypatch)
    assert execution.status == "FAILED"
    with pytest.raises(StepFailed, match="the gate is shut"):
        execution.replay()
    assert execution.replay("inner.clean", item=1) == 3
    with pytest.raises(OptionError, match="'inner' is a pipeline") as raised:
        execution.replay("inner")
    assert raised.value.remedy == "its steps are inner.load, inner.clean, inner.gated"
    try:
        gate.touch()
        assert pipe.local_run(from_run=execution, again=["inner"]).result == {"inner": 7}
        again = execution.redrive().wait(60, progress=False)
    finally:
        gate.unlink()
    assert again.result == {"inner": 7}
    assert {one.status for one in drawn_of(again)[1].values()} == {"done"}


@stack
def routed_with_included(aws: LocalAws, folder: Path) -> Path:
    """A routed pipeline that includes others, in a loop."""
    made: Path = looped().synth(folder).folder
    return made


@pytest.mark.terraform
def test_included_pipelines_are_deployed(applied: Applied) -> None:
    """With real Terraform, steps of included pipelines have functions and just enough rights."""
    expected = looped().local_run({"day": "abc"}).result
    assert applied.values("routed_with_included", {"day": "abc"}) == {"count": expected}
    decisions = [one for one in applied.aws.iam_decisions if "looped" in one.principal]
    assert decisions
    assert all(one.allowed for one in decisions)
