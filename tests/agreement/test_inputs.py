"""What a run may be given is the same in every style, here and in an execution."""

from __future__ import annotations

import json
import sys
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import (
    DAG,
    Flow,
    MicroFunctions,
    Parameter,
    Pipeline,
    ReturnUpdates,
    flow,
    step,
    task,
)
from lokki_tf.errors import BindingError, NamingError, StepFailed

if TYPE_CHECKING:
    from deployment import Deployment


@step
def one() -> int:
    return 1


@step
def plus(value: int, more: int = 1) -> int:
    return value + more


@flow
def unused(more: int = 1):
    return one()


@flow
def used(more: int = 2):
    return plus(one(), more=more)


@task()
def first() -> int:
    return 1


@task()
def second(first: int) -> int:
    return first + 1


routed = MicroFunctions("begin", name="routed-inputs")


@routed.fn(terminates=True)
def begin(*, more: int = 1, _original_input: dict[str, Any]) -> Any:
    return {"more": more, "input": _original_input}


STYLES: dict[str, tuple[Any, Any]] = {
    "calls": (Pipeline("calls-inputs", steps=[plus(one()), plus(one(), 5)]), {"plus": 2}),
    "flow": (used, {"plus": 3}),
    "flow without its parameter": (unused, {"one": 1}),
    "arrows": (DAG("arrows-inputs", tasks=[first]), {"first": 1}),
    "builder": (Flow("builder-inputs").add(first).add(second), {"second": 2}),
    "routed": (routed, {"begin": {"more": 1, "input": {}}}),
}


@pytest.mark.parametrize("style", STYLES)
def test_unknown_names_are_refused_in_every_style(style: str, deployment: Deployment) -> None:
    """An unknown name ends a run here before a step, and an execution in its first."""
    pipeline = STYLES[style][0]
    for strict in (False, True):
        with pytest.raises(BindingError, match="stranger"):
            pipeline.local_run({"stranger": 1}, strict=strict)
    there = deployment.execute(pipeline, {"stranger": 1})
    assert (there.status, there.error) == ("FAILED", "ValueError")
    assert "'stranger'" in there.cause


@pytest.mark.parametrize("style", STYLES)
def test_the_reserved_name_is_hidden(style: str, deployment: Deployment) -> None:
    """``lokki`` in the input changes no result, in any style."""
    pipeline, expected = STYLES[style]
    given = {"lokki": {"scheduled_at": "2024-01-01T00:00:00Z"}}
    here, there = pipeline.local_run(given).outputs, deployment.run(pipeline, given)
    assert {name: here[name] for name in expected} == expected
    assert {name: there[name] for name in expected} == expected


@pytest.mark.parametrize("style", ["calls", "flow"])
def test_the_reserved_name_holds_an_object(style: str, deployment: Deployment) -> None:
    """Another value under ``lokki`` is refused in both worlds."""
    pipeline = STYLES[style][0]
    with pytest.raises(BindingError, match="reserved"):
        pipeline.local_run({"lokki": 1})
    there = deployment.execute(pipeline, {"lokki": 1})
    assert (there.error, "reserved" in there.cause) == ("TypeError", True)


def test_no_parameter_has_the_reserved_name() -> None:
    """A parameter called ``lokki`` is an error, wherever parameters come from."""

    @flow
    def own(lokki: int = 1):
        return plus(one(), more=lokki)

    pipe = MicroFunctions("start")

    @pipe.fn(terminates=True)
    def start(*, lokki: int = 1) -> Any:
        return ReturnUpdates(None)

    with pytest.raises(NamingError, match="reserved"):
        _ = own.definition
    assert any(one.error is NamingError for one in pipe.check())


@step
def leaves(code: Any) -> None:
    sys.exit(code)


leaving = MicroFunctions("exits", name="leaving")


@leaving.fn(terminates=True)
def exits(code: Any) -> None:
    sys.exit(code)


@pytest.mark.parametrize("style", ["calls", "routes"])
def test_a_step_that_exits_fails_alike(style: str, deployment: Deployment) -> None:
    """``sys.exit`` is the error SystemExit with its code; Lambda's own is Runtime.ExitError."""
    for code in (0, 3, "no data"):
        pipeline: Any = Pipeline("leaves", steps=[leaves(code)]) if style == "calls" else leaving
        given = {"code": code} if style == "routes" else {}
        there = deployment.execute(pipeline, given)
        assert (there.status, there.error) == ("FAILED", "SystemExit")
        assert json.loads(there.cause or "")["errorMessage"] == str(code)
        with pytest.raises(StepFailed, match=f"SystemExit: {code}") as caught:
            pipeline.local_run(given)
        assert type(caught.value.__cause__) is SystemExit


class Stopped(BaseException):
    """No ``Exception``, like ``asyncio.CancelledError``."""


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@step
def ends(kind: str) -> None:
    if kind == "Mute":
        raise Mute
    raise (Stopped if kind == "Stopped" else GeneratorExit)("now")


@pytest.mark.parametrize("kind", ["Stopped", "GeneratorExit", "Mute"])
def test_errors_that_lambda_cannot_report_keep_their_names(
    kind: str, deployment: Deployment
) -> None:
    """Errors that are no ``Exception`` or have no text fail alike, and are caught alike."""
    failing = Pipeline("ends", steps=[ends(kind)])
    there = deployment.execute(failing, {})
    assert (there.status, there.error) == ("FAILED", kind)
    with pytest.raises(StepFailed, match=kind):
        failing.local_run()
    caught = Pipeline("ends", steps=[ends(kind, catch=(Stopped, Mute, GeneratorExit))])
    for way in ({}, {"strict": True}):
        failure = caught.local_run(**way).result
        assert failure.error == kind
        assert deployment.run(caught) == {"ends": failure}


@step
def kept(given: Any) -> Any:
    return given


@flow
def keeping(given: Any) -> Any:
    return kept(given)


routing = MicroFunctions("passes", name="routing")


@routing.fn(terminates=True)
def passes(given: Any) -> Any:
    return {"given": given}


@pytest.mark.parametrize("style", ["calls", "flow", "routes"])
@pytest.mark.parametrize(
    "value", [(1, 2), [(1,)], {1: 2}, float("nan"), {"a": {1}}, 2**60, date(2030, 1, 31)], ids=repr
)
def test_parameters_that_are_no_json_are_refused(
    style: str, value: Any, deployment: Deployment
) -> None:
    """What JSON would change is refused in local runs as in AWS, at the user's line."""
    calls = Pipeline("calls", steps=[kept(Parameter("given"))])
    pipeline: Any = {"calls": calls, "flow": keeping, "routes": routing}[style]
    for run in (pipeline.local_run, pipeline.start, partial(deployment.aws.run, pipeline)):
        with pytest.raises(BindingError, match="parameter 'given' must be JSON") as caught:
            run({"given": value})
        assert caught.value.place is not None
        assert caught.value.place.file == __file__


astray = MicroFunctions("seek", name="astray")


@astray.fn(catch={LookupError: "nowhere"}, terminates=True)
def seek() -> Any:
    return {"found": True}


def test_routes_that_lead_nowhere_are_errors_of_every_output(deployment: Deployment) -> None:
    """A next step or first step that does not exist is the same error as of ``check``."""
    unmade = MicroFunctions("seek", name="unmade")
    for pipeline, message in (
        (astray, "'nowhere', which does not"),
        (unmade, "'seek', which does"),
    ):
        assert any(one.error is NamingError for one in pipeline.check())
        for run in (partial(deployment.aws.run, pipeline), pipeline.generate_step_functions):
            with pytest.raises(NamingError, match=message):
                run()
