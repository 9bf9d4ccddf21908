"""``ReturnUpdates("next", after=30)``: a wait before the next step, here and in AWS."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden

from lokki_tf import ConditionalReturns, MicroFunctions, ReturnUpdates
from lokki_tf.errors import RouteError, StepFailed
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    pass

DELAY = 60
looking = MicroFunctions(beginner="look", name="looking")


@looking.fn()
def look(*, seen: int = 0, most: int = 2) -> ReturnUpdates | ConditionalReturns:
    """Look until it has looked often enough, less often each time."""
    if seen < most:
        return ReturnUpdates("look", after=10 * 2**seen, seen=seen + 1, most=most)
    return ConditionalReturns(seen, ReturnUpdates("tell"), true=ReturnUpdates("tell", after=DELAY))


@looking.fn(terminates=True)
def tell(*, seen: int = 0, most: int = 2) -> dict[str, object]:
    """Return how often it looked."""
    return {"seen": seen, "most": most}


@pytest.mark.parametrize("most", [0, 1, 3])
def test_routed_waits_agree(most: int, aws: LocalAws) -> None:
    """The results and visited steps are the same here and in AWS; each wait is one state."""
    run = looking.local_run({"most": most}, wait_scale=0.001)
    strict = looking.local_run({"most": most}, wait_scale=0.001, strict=True)
    assert strict.outputs == run.outputs
    assert run.result == {"seen": most, "most": most}
    there = aws.run(looking, {"most": most})
    assert aws.values(there) == {"tell": run.result}
    entered = [one for one in there.history if one["type"] == "WaitStateEntered"]
    names = [one["stateEnteredEventDetails"]["name"] for one in entered]
    # tell is reached with and without a wait, so its wait may be of 0 seconds.
    assert names == ["Wait before look"] * most + ["Wait before tell"]


def test_a_routed_wait_takes_its_time() -> None:
    """A local run waits, times ``wait_scale``, and tells of it."""
    told: list[tuple[str, str | None]] = []
    began = time.perf_counter()
    looking.local_run(
        {"most": 1}, wait_scale=0.01, on_event=lambda one: told.append((one.kind, one.node))
    )
    assert 0.7 <= time.perf_counter() - began < 5
    assert [one for one in told if one[0].startswith("wait_")] == [
        ("wait_started", "Wait before look"), ("wait_finished", "Wait before look"),
        ("wait_started", "Wait before tell"), ("wait_finished", "Wait before tell"),
    ]  # fmt: skip


def test_the_states_of_routed_waits(request: pytest.FixtureRequest) -> None:
    """A wait before each step that is reached with one; no other state."""
    text = json.dumps(looking.generate_step_functions(), indent=2) + "\n"
    agrees_with_golden(request, "routed_waits.statemachine.json", text)


def test_pictures_show_routed_waits() -> None:
    """A wait is a shape between two others, with its seconds or their expression."""
    assert 'wait1" [shape=box,style=rounded,label="wait: 10 * 2 ** seen"]' in looking.to_dot()
    assert '["wait: 1 min"]' in looking.to_mermaid()
    assert "wait: 1 min" in looking.to_svg()
    assert '"look" -> "wait1"' in looking.to_dot()
    assert '"wait1" -> "look"' in looking.to_dot()


@pytest.mark.parametrize("after", [-1, 31_536_001, 0.5, "5", True])
def test_wrong_routed_waits(after: Any, aws: LocalAws) -> None:
    """A wait that is wrong only at run time fails the step, here and in AWS."""
    wrong = MicroFunctions(beginner="first", name="wrong")

    @wrong.fn()
    def first(*, after: Any) -> ReturnUpdates:
        return ReturnUpdates("last", after=after)

    @wrong.fn(terminates=True)
    def last(**_: object) -> None:
        return None

    with pytest.raises(StepFailed, match=r"after=|whole seconds|wait must have") as caught:
        wrong.local_run({"after": after})
    error = "ValueError" if type(after) is int else "TypeError"
    assert type(caught.value.__cause__).__name__ == error
    assert aws.run(wrong, {"after": after}).error == error


def test_wrong_constant_waits() -> None:
    """A constant that is wrong is an error at its line, before anything runs."""

    def of_text(**_: object) -> Any:
        return ReturnUpdates("last", after="5")  # type: ignore[arg-type]  # what is tested

    def negative(**_: object) -> Any:
        return ReturnUpdates("last", after=-1)

    def at_the_end(**_: object) -> Any:
        return ReturnUpdates(None, after=5)

    for function, message in (
        (of_text, "must be whole seconds"),
        (negative, "must be whole seconds"),
        (at_the_end, "waits without a next step"),
    ):
        wrong = MicroFunctions(beginner=function.__name__, name="wrong")
        wrong.fn(terminates=True)(function)
        with pytest.raises(RouteError, match=message) as caught:
            wrong.generate_step_functions()
        assert caught.value.place is not None
        assert caught.value.place.line == function.__code__.co_firstlineno + 1
