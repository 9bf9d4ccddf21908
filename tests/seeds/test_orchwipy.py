"""OrchWiPy's examples lead where its README says."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf.checks.routes import as_warnings, check_routes
from lokki_tf.errors import MissingArgument
from lokki_tf.runtime.routes import ReturnUpdates, moved
from seeds import orchwipy_sample, orchwipy_tea

if TYPE_CHECKING:
    from lokki_tf.model import Routes


def run(routes: Routes, **state: Any) -> list[str]:
    """The steps of a run, each move compared with the ways on that were read."""
    name: str | None = routes.start
    gone: list[str] = []
    while name is not None:
        gone.append(name)
        route = routes.by_name[name]
        returned = route.step.function(**state)
        name, after = moved(returned, state, route.next_key, route.default_next, gone[-1])
        assert any(
            one.target == name
            and set(after)
            == (set() if one.clears else set(state) - set(one.removes)) | set(one.updates)
            for one in route.transitions
        )
        state = after
    return gone


@pytest.mark.parametrize(
    ("answers", "steps"),
    [(["t"], ["start", "tea", "coffee", "drink"]), (["c", "3"], ["start", "coffee", "drink"])],
    ids=str,
)
def test_the_example_runs(
    answers: list[str], steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's example goes the ways that its picture shows."""
    monkeypatch.setattr("builtins.input", lambda prompt: answers.pop(0))
    assert run(orchwipy_tea.pipe.routes, choice=None) == steps


@pytest.mark.parametrize(
    ("choice", "steps"),
    [
        ("c", ["welcome", "making_coffee", "boil_water", "grind", "pour_water", "drink"]),
        ("t", ["welcome", "making_tea", "boil_water", "dip", "pour_water", "drink"]),
        ("x", ["welcome", "nochoice"]),
    ],
)
def test_the_sample_runs(choice: str, steps: list[str]) -> None:
    """The second example goes the ways that its picture shows."""
    assert run(orchwipy_sample.orch.routes, greeting="Hi there", choice=choice) == steps


def test_the_examples_are_sound() -> None:
    """Neither example has findings."""
    assert check_routes(orchwipy_tea.pipe.routes, "start") == []
    assert check_routes(orchwipy_sample.orch.routes, "welcome") == []


def test_the_readmes_warning_is_given() -> None:
    """Without the beans, the example gives the README's warning and no other."""
    pipe = deepcopy(orchwipy_tea.pipe)

    @pipe.fn()
    def tea(**kwargs):
        return {"$next": "coffee"}

    assert as_warnings(check_routes(pipe.routes, "start")) == [
        ("{'beans'} : caller history ['start', 'tea'] -> coffee", MissingArgument)
    ]


def test_a_step_that_is_replaced_in_a_copy_may_miss_an_argument() -> None:
    """A required argument that is never passed gives MissingArgument, only in the copy."""
    orch = deepcopy(orchwipy_sample.orch)

    @orch.fn()
    def dip(*, foo: str, **kwargs):
        return ReturnUpdates("pour_water", target="cup")

    found = as_warnings(check_routes(orch.routes, "welcome"))
    history = "['welcome', 'making_tea', 'boil_water']"
    assert found == [(f"{{'foo'}} : caller history {history} -> dip", MissingArgument)]
    assert check_routes(orchwipy_sample.orch.routes) == []
