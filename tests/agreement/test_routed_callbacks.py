"""Steps with ``callback=True`` in routed pipelines: the same here and in AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden

from lokki_tf import (
    ConditionalReturns,
    Failure,
    MicroFunctions,
    RetryConfig,
    ReturnUpdates,
    run_context,
    step,
)
from lokki_tf.errors import BindingError, DefinitionError, LimitError, StepFailed
from lokki_tf.operate.history import Tracker
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from deployment import Deployment

    from lokki_tf.local import Event


class Rejected(Exception):
    """A person says no."""


class Late(Exception):
    """Nobody was there."""


def both(
    pipe: MicroFunctions, given: dict[str, Any], answers: dict[str, Any], aws: LocalAws
) -> Any:
    """Return the result of a run in any way, after comparing them."""
    plain = pipe.local_run(given, answers=answers, wait_scale=0).result
    assert pipe.local_run(given, answers=answers, wait_scale=0, strict=True).result == plain
    (there,) = aws.values(aws.run(pipe, given, answers=answers, timeout=60)).values()
    assert there == plain
    return plain


between = MicroFunctions("load", name="between")


@between.fn()
def load(order: Any) -> Any:
    return ReturnUpdates("approve", price=order * 2)


@between.fn(callback=True, timeout_seconds=86_400, heartbeat_seconds=3600)
def approve(price: Any, **others: Any) -> Any:
    others["order"].append("changed") if isinstance(others["order"], list) else None
    assert run_context().task_token
    return ReturnUpdates("confirm")


@between.fn(default_next="decide", callback=True)
def confirm(approve: Any, **others: Any) -> Any:
    """Ask a second person."""


@between.fn(terminates=True)
def decide(order: Any, price: Any, approve: Any, confirm: Any) -> Any:
    return {"all": [order, price, approve, confirm]}


ENVELOPE = {"ref": "s3://bucket/key.pickle", "value": 1, "each": {}, "state": {"given": {}}}


@pytest.mark.parametrize(
    ("order", "first", "second"),
    [
        (2, True, None),
        ([1], {"price": 9, "order": "forged"}, [1, 2.5, "ü"]),
        ("x" * 20_000, ENVELOPE, {"Payload": {"next": "load"}}),
        ("x" * 100_000, "y" * 110_000, "z" * 110_000),
    ],
)
def test_answers_are_added(order: Any, first: Any, second: Any, aws: LocalAws) -> None:
    """An answer is an entry of the state under the step's name; others remain, of any size."""
    result = both(between, {"order": order}, {"approve": first, "confirm": second}, aws)
    assert result == {"all": [order, order * 2, first, second]}


alone = MicroFunctions("approve_alone", name="alone")


@alone.fn(terminates=True, callback=True)
def approve_alone(order: Any) -> Any:
    """Ask, and end."""


@pytest.mark.parametrize(
    "answer", [None, 5, {"approve_alone": 1}, {"ref": "s3://x/y"}, "y" * 90_000]
)
def test_answers_are_results(answer: Any, aws: LocalAws) -> None:
    """The answer to the last step is the result of the run, of any form."""
    assert both(alone, {"order": 1}, {"approve_alone": answer}, aws) == answer


def looping() -> MicroFunctions:
    pipe = MicroFunctions("ask", name="loop")

    @pipe.fn(callback=True)
    def ask(count: int, seen: Any = ()) -> Any:
        return ReturnUpdates("look")

    @pipe.fn()
    def look(ask: Any, count: int, seen: Any = ()) -> Any:
        seen = [*seen, ask]
        return ConditionalReturns(
            count > 1,
            ReturnUpdates("last", "ask", "count", seen=seen),
            true=ReturnUpdates("ask", "ask", count=count - 1, seen=seen),
        )

    @pipe.fn(terminates=True, callback=True)
    def last(seen: Any) -> Any:
        return None

    return pipe


def test_loops_ask_again(aws: LocalAws) -> None:
    """The first step is asked again where a loop leads back to it, with the present state."""
    answers = {"ask": lambda context: context.step, "last": lambda context: context.parameters}
    assert both(looping(), {"count": 3}, answers, aws) == {"count": 3, "seen": []}


caught = MicroFunctions("begin", name="caught-routes")


@caught.fn()
def begin(order: Any) -> Any:
    return ReturnUpdates("ask_twice")


@caught.fn(
    callback=True,
    retry=RetryConfig(retries=1, delay=1, exceptions=(Rejected,)),
    catch={Rejected: "refused", Late: "late"},
)
def ask_twice(order: Any) -> Any:
    return ReturnUpdates("done")


@caught.fn(terminates=True)
def done(order: Any, ask_twice: Any) -> Any:
    return {"done": [order, ask_twice]}


@caught.fn(terminates=True)
def refused(order: Any, failure: Failure) -> Any:
    return {"refused": [order, failure.error, failure.message]}


@caught.fn(callback=True, terminates=True)
def late(order: Any, failure: Failure) -> Any:
    assert failure.error == "Late"
    return None


def test_refusals_agree(aws: LocalAws) -> None:
    """A refused step is asked again with a new token, and then leads to the route of its error."""
    tokens: list[str] = []

    def second(context: Any) -> Any:
        tokens.append(context.task_token)
        if context.attempt == 1:
            raise Rejected("no")
        return context.attempt

    assert both(caught, {"order": 1}, {"ask_twice": second}, aws) == {"done": [1, 2]}
    assert len(set(tokens)) == len(tokens) == 6
    expected = {"refused": [1, "Rejected", "never"]}
    assert both(caught, {"order": 1}, {"ask_twice": Rejected("never")}, aws) == expected
    answers = {"ask_twice": Late("x"), "late": [7]}
    assert both(caught, {"order": 1}, answers, aws) == [7]
    with pytest.raises(StepFailed, match="bad"):
        caught.local_run({"order": 1}, answers={"ask_twice": ValueError("bad")})
    ran = aws.run(caught, {"order": 1}, answers={"ask_twice": ValueError("bad")})
    assert (ran.status, ran.error, ran.cause) == ("FAILED", "ValueError", "bad")


FORGED = {"order": "forged", "extra": 1}


@step
def clean(order: Any = None, ask: Any = None, extra: Any = "none") -> None:
    assert [order, ask, extra] == [5, FORGED, "none"]


ending = MicroFunctions("ask", name="cleaned-end", cleanup=clean)
failing = MicroFunctions("ask", name="cleaned-failure", cleanup=clean)


@ending.fn(callback=True, terminates=True)
@failing.fn(callback=True, default_next="pass_on")
def ask(order: Any) -> Any:
    """Ask."""


@failing.fn(terminates=True)
def pass_on(order: Any, ask: Any) -> Any:
    return ReturnUpdates(None)


def test_cleanups_receive_answers(aws: LocalAws) -> None:
    """The cleanup step receives the answer under the step's name; it changes nothing else."""
    assert both(ending, {"order": 5}, {"ask": FORGED}, aws) == FORGED
    assert both(failing, {"order": 5}, {"ask": FORGED}, aws) == {"order": 5, "ask": FORGED}


def test_answers_of_run(tmp_path: Any) -> None:
    """``run`` takes ``answers=``, unless the first function has such a parameter."""
    assert alone.run(order=1, answers={"approve_alone": 8}) == 8
    assert alone.run_from(step="approve_alone", order=1, answers={"approve_alone": 8}) == 8
    for call in (lambda given: alone.run(given), lambda given: alone.run_from(given, step="x")):
        with pytest.raises(BindingError, match=r"takes values by name only, got {'order': 1}"):
            call({"order": 1})
    with pytest.raises(BindingError, match="parameters of 'approve_alone' are order"):
        alone.run(*[5])
    with pytest.raises(BindingError, match="answers= has 'approve', which is not a step"):
        alone.run(order=1, answers={"approve": 8})
    own = MicroFunctions("first", name="own")

    @own.fn(terminates=True)
    def first(answers: Any) -> Any:
        return {"given": answers}

    assert own.run(answers=3) == {"given": 3}


def test_kept_answers(tmp_path: Any) -> None:
    """A kept answer is used again, unless another one is given."""
    state = str(tmp_path / "kept")
    assert alone.local_run({"order": 1}, answers={"approve_alone": 1}, state=state).result == 1
    again = alone.local_run({"order": 1}, state=state)
    assert (again.result, again.status["approve_alone"]) == (1, "cached")
    assert alone.local_run({"order": 1}, answers={"approve_alone": 2}, state=state).result == 2


def _ways_in(body: str, **options: Any) -> MicroFunctions:
    pipe = MicroFunctions("ask", name="wrong")
    if body == "updates":

        @pipe.fn(callback=True, **options)
        def ask(order: Any) -> Any:
            return ReturnUpdates("end", order=1)

    elif body == "removes":

        @pipe.fn(callback=True, **options)
        def ask(order: Any) -> Any:
            return ReturnUpdates("end", "order")

    elif body == "dict":

        @pipe.fn(callback=True, **options)
        def ask(order: Any) -> Any:
            return {"$next": "end"}

    elif body == "after":

        @pipe.fn(callback=True, **options)
        def ask(order: Any) -> Any:
            return ReturnUpdates("end", after=5)

    elif body == "several":

        @pipe.fn(callback=True, **options)
        def ask(order: Any) -> Any:
            return ConditionalReturns(order, ReturnUpdates("end"), true=ReturnUpdates("ask"))

    elif body == "maybe":

        @pipe.fn(callback=True, **options)
        def ask(order: Any) -> Any:
            if order:
                return ReturnUpdates("end")
            return None

    else:

        @pipe.fn(callback=True, **options)
        def ask(order: Any) -> Any:
            """Return nothing."""

    @pipe.fn(terminates=True)
    def end(order: Any, ask: Any) -> Any:
        return None

    return pipe


@pytest.mark.parametrize(
    ("body", "options", "message", "remedy"),
    [
        ("updates", {}, "it changes the state", "added to the state as 'ask'"),
        ("removes", {}, "it changes the state", "added to the state as 'ask'"),
        ("dict", {}, "it changes the state", "added to the state as 'ask'"),
        ("after", {}, "it waits after=", "added to the state as 'ask'"),
        ("several", {}, "several next steps, 'ask', 'end'", "decide in the next step"),
        ("maybe", {"terminates": True}, "several next steps", "decide in the next step"),
        ("nothing", {}, "returns nothing on some path", "let the pipeline end"),
    ],
)
def test_refused_returns(body: str, options: Any, message: str, remedy: str) -> None:
    """What the state machine cannot do after an answer is refused, with the line of the return."""
    with pytest.raises(DefinitionError) as caught:
        _ = _ways_in(body, **options).definition
    text = str(caught.value)
    assert message in text
    assert remedy in text
    assert "test_routed_callbacks.py" in text


def test_histories_show_questions_once(deployment: Deployment) -> None:
    """An execution is reported as the run is: the state after an answer is no step."""
    answers = {"ask_twice": Late("x"), "late": [7]}
    execution = deployment.execute(caught, {"order": 1}, answers)
    tracker = Tracker(caught.definition, lambda arn: pytest.fail(arn), lambda uri: pytest.fail(uri))
    states = deployment.aws.client("stepfunctions")
    history = states.get_execution_history(executionArn=execution.arn)["events"]
    there = [event for one in history for event in tracker.read(one)]
    here: list[Event] = []
    caught.local_run({"order": 1}, answers=answers, on_event=here.append)
    assert [(one.node, one.kind) for one in there] == [(one.node, one.kind) for one in here]


def test_definition_of_questions(request: pytest.FixtureRequest) -> None:
    """A question has the state that waits, and the one that adds the answer."""
    text = json.dumps(caught.generate_step_functions(), indent=2) + "\n"
    agrees_with_golden(request, "routed_callbacks.statemachine.json", text)


def test_events_are_limited() -> None:
    """A loop of asked steps has eleven events for each: of the question, and of the answer."""
    pipe = MicroFunctions("ask", name="long", max_steps=10_000)

    @pipe.fn(callback=True, default_next="ask", catch={Rejected: "end"})
    def ask(**state: Any) -> Any:
        """Ask."""

    @pipe.fn(terminates=True)
    def end(**state: Any) -> Any:
        return ReturnUpdates(None)

    with pytest.raises(LimitError, match="max_steps=10000") as caught:
        pipe.generate_step_functions()
    assert "write max_steps=2273 at most" in str(caught.value)


def test_missing_arguments_are_found() -> None:
    """The answer is an argument of the next step: one without such a parameter is reported."""
    pipe = MicroFunctions("ask", name="unexpected")

    @pipe.fn(callback=True, default_next="end")
    def ask(order: Any) -> Any:
        """Ask."""

    @pipe.fn(terminates=True)
    def end(order: Any) -> Any:
        return None

    (found,) = pipe.check()
    assert "passes 'ask', but step 'end' has no such parameter" in found.message
