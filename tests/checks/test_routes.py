"""Rules for routed pipelines, on hand-built routes."""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from counting import calls_of

from lokki_tf.checks.routes import as_warnings, check_routes
from lokki_tf.errors import DefaultArgument, MissingArgument, Place
from lokki_tf.model import Finding, Route, Routes, Step, StepOptions, Transition


def function() -> None: ...


def way(
    target: str | None, updates: str = "", *, removes: str = "", clears: bool = False
) -> Transition:
    """Make a transition; names are in one string, separated by spaces."""
    return Transition(
        target, Place("f.py", 7), None, clears, tuple(removes.split()), tuple(updates.split())
    )


def route(name: str, takes: str, *ways: Transition, **more: Any) -> Route:
    """Make a step; ``takes`` lists its arguments, those with a default after a ``/``."""
    required, _, optional = takes.partition("/")
    arguments = {**dict.fromkeys(required.split(), True), **dict.fromkeys(optional.split(), False)}
    step = Step(name, function, StepOptions(), Place("f.py", 1, name))
    return Route(step, ways, arguments, **more)


def found(rule: str, *routes: Route, start_at: str | None = None) -> list[Finding]:
    """Return a rule's findings for a pipeline that starts with the first of these steps."""
    pipeline = Routes(routes[0].step.name, routes)
    return [one for one in check_routes(pipeline, start_at) if one.rule == rule]


def messages(rule: str, *routes: Route, start_at: str | None = None) -> list[str]:
    return [one.message for one in found(rule, *routes, start_at=start_at)]


END = way(None)


def tea(*ways: Transition) -> tuple[Route, ...]:
    """Return the pipeline in orchwipy's README, whose second step has the given transitions."""
    return (
        route("start", "choice", way("tea", clears=True), way("coffee", "beans", clears=True)),
        route("tea", "", *ways),
        route("coffee", "beans", way("drink", "milk")),
        route("drink", "milk", END),
    )


def test_a_sound_pipeline_has_no_findings() -> None:
    """A pipeline in which every step receives its arguments has no findings."""
    assert check_routes(Routes("start", tea(way("coffee", "beans", clears=True)))) == []


def test_a_missing_argument_is_reported_with_its_path() -> None:
    """The finding has orchwipy's path, and its location is the return that omits the argument."""
    (one,) = found("missing-argument", *tea(way("coffee", clears=True)))
    assert "{'beans'} : caller history ['start', 'tea'] -> coffee" in one.message
    assert one.severity == "error"
    assert one.place == Place("f.py", 7)
    assert one.remedy


def test_warnings_are_the_seeds() -> None:
    """Findings become the lines that orchwipy's check_graph writes, with its categories."""
    findings = check_routes(Routes("start", tea(way("coffee", clears=True))))
    ((message, category),) = as_warnings(findings)
    assert warnings.formatwarning(message, category, "", 0, "") == (
        ":0: MissingArgument: {'beans'} : caller history ['start', 'tea'] -> coffee\n"
    )
    other = Finding("default-argument", "m", None)
    assert as_warnings([other, Finding("no-end", "n", None)]) == [
        ("m", DefaultArgument),
        ("n", UserWarning),
    ]
    assert category is MissingArgument


def test_several_missing_arguments_are_one_sorted_set() -> None:
    """Arguments that are missing on the same path are reported together, sorted."""
    routes = route("a", "", way("b")), route("b", "z y x", END)
    assert messages("missing-argument", *routes) == [
        "a required argument is not passed: {'x', 'y', 'z'} : caller history ['a'] -> b"
    ]


def test_each_argument_is_reported_with_a_shortest_path() -> None:
    """Arguments that are missing on different paths have separate findings."""
    reported = messages(
        "missing-argument",
        route("a", "", way("b", "x"), way("c", "y")),
        route("b", "", way("d")),
        route("c", "", way("e", "z")),
        route("e", "", way("d")),
        route("d", "x y", END),
    )
    assert [one.partition(": ")[2] for one in reported] == [
        "{'x'} : caller history ['a', 'c', 'e'] -> d",
        "{'y'} : caller history ['a', 'b'] -> d",
    ]


def test_the_first_steps_required_arguments_are_passed() -> None:
    """The first step's required arguments come from the run; its defaults do not."""
    last = route("b", "x", END)
    assert not found("missing-argument", route("a", "x", way("b")), last)
    assert found("missing-argument", route("a", "/x", way("b")), last)
    assert found("missing-argument", route("a", "x", way("b", removes="x")), last)
    assert found("missing-argument", route("a", "x", way("b", clears=True)), last)
    assert not found("missing-argument", route("a", "x", way("b", "x", removes="x")), last)


def test_a_loop_to_the_first_step_must_pass_its_arguments() -> None:
    """The first step's arguments come from the run once; steps that return to it must pass them."""
    routes = route("a", "x", way("b", clears=True)), route("b", "", way("a"), END)
    (reported,) = messages("missing-argument", *routes)
    assert reported.endswith("{'x'} : caller history ['a', 'b'] -> a")


def test_names_removed_in_a_loop_are_missing() -> None:
    """A name that a loop removes is missing in the second iteration."""
    (reported,) = messages("missing-argument", route("a", "x", way("a", removes="x"), END))
    assert reported.endswith("{'x'} : caller history ['a'] -> a")


def test_a_check_may_start_elsewhere() -> None:
    """If the check starts with another step, that step's arguments come from the run."""
    routes = tea(way("coffee", clears=True))
    assert not found("missing-argument", *routes, start_at="coffee")
    assert not found("unreachable", *routes, start_at="coffee")


def test_defaults_that_are_never_replaced_are_warnings() -> None:
    """An optional argument that is passed on no path is a warning; one path is enough."""
    never = route("a", "/first", way("b", clears=True)), route("b", "/x", END)
    (one,) = found("default-argument", *never)
    assert one.severity == "warning"
    assert "{'x'} of step 'b'" in one.message
    sometimes = route("a", "", way("b", clears=True), way("b", "x")), route("b", "/x", END)
    assert not found("default-argument", *sometimes)


def test_a_run_may_replace_defaults() -> None:
    """A run may set any argument that the first step accepts by ``**kwargs`` and passes."""
    last = route("b", "/x", END)
    assert not found("default-argument", route("a", "", way("b")), last)
    assert found("default-argument", route("a", "", way("b"), takes_more=False), last)


def test_unexpected_arguments_are_errors() -> None:
    """Passing a name to a step that has no such parameter and no ``**kwargs`` is an error."""
    (one,) = found(
        "unexpected-argument",
        route("a", "x", way("b", "y")),
        route("b", "", way("c", removes="y"), way("c", "z", clears=True)),
        route("c", "z /q", END, takes_more=False),
    )
    assert "step 'b' passes 'x', but step 'c'" in one.message
    assert one.severity == "error"


def test_the_input_of_a_run_is_not_unexpected() -> None:
    """The first step may lack ``**kwargs``: the input of a run is not checked here."""
    assert not found("unexpected-argument", route("a", "x", END, takes_more=False))


def test_missing_steps_are_errors() -> None:
    """A misspelled next step is an error at its return, a misspelled default at its step."""
    first, second = found(
        "no-such-step",
        route("start", "", way("coffe"), way("coffee")),
        route("coffee", "", END, default_next="drnik"),
        route("drink", "", END),
    )
    assert "leads to step 'coffe'" in first.message
    assert first.remedy == "did you mean 'coffee'?"
    assert first.place == Place("f.py", 7)
    assert second.place == Place("f.py", 1, "coffee")
    assert second.remedy == "did you mean 'drink'?"


def test_a_missing_default_is_reported_once() -> None:
    """A misspelled default that a return uses is reported only at the return."""
    assert len(found("no-such-step", route("a", "", way("x"), default_next="x"))) == 1


def test_a_missing_first_step_is_an_error() -> None:
    """Without a first step, only the names of next steps are checked."""
    pipeline = Routes("strat", (route("start", "", way("tea")),))
    assert [one.rule for one in check_routes(pipeline)] == ["no-start", "no-such-step"]
    assert check_routes(pipeline)[0].remedy == "did you mean 'start'?"
    assert [one.rule for one in check_routes(Routes("a", ()))] == ["no-start"]
    one = check_routes(Routes("start", (route("start", "", END),)), "other")
    assert [finding.rule for finding in one] == ["no-start"]


def test_unreachable_steps_are_warnings() -> None:
    """An unreachable step is a warning, and so are those that only it leads to."""
    reported = found(
        "unreachable",
        route("a", "", END),
        route("b", "x", way("c")),
        route("c", "y", way("a")),
    )
    assert [one.place.name for one in reported if one.place] == ["b", "c"]
    assert {one.severity for one in reported} == {"warning"}


def test_paths_that_cannot_end_are_errors() -> None:
    """A step that cannot reach an end is an error, reported where a run first enters it."""
    (one,) = found(
        "no-end",
        route("a", "", way("b"), way("end")),
        route("b", "", way("c")),
        route("c", "", way("b")),
        route("end", "", END),
    )
    assert "step 'b' cannot end" in one.message
    (first,) = messages("no-end", route("a", "", way("b")), route("b", "", way("a")))
    assert "step 'a'" in first


def test_an_error_is_an_end() -> None:
    """A step that always raises is an end, and so is a misspelled step, which has its own error."""
    assert not found("no-end", route("a", "", way("fail")), route("fail", ""))
    assert not found("no-end", route("a", "", way("a"), way("nowhere")))


def at_random(seed: int, count: int, names: int, ways: int) -> Routes:
    """Return steps with random arguments and transitions, cycles included."""
    draw = random.Random(seed)
    pool = [f"n{number}" for number in range(names)]

    def some(most: int) -> str:
        return " ".join(draw.sample(pool, draw.randint(0, most)))

    routes = []
    for number in range(count):
        onward = [
            way(
                f"s{draw.randrange(count)}",
                some(2),
                removes=some(2),
                clears=draw.random() < 0.15,
            )
            for _ in range(draw.randint(0, ways))
        ]
        more = draw.random() < 0.5
        routes.append(route(f"s{number}", f"{some(2)} / {some(1)}", *onward, END, takes_more=more))
    return Routes("s0", tuple(routes))


State = tuple[str, frozenset[str]]


def states(routes: Routes, given: Iterable[str]) -> set[State]:
    """Enumerate all steps and states that a run can reach."""
    first: State = (routes.start, frozenset(given))
    seen, waiting = {first}, [first]
    while waiting:
        name, state = waiting.pop()
        for one in routes.by_name[name].transitions:
            if one.target is None:
                continue
            kept = frozenset() if one.clears else state - set(one.removes)
            after = one.target, kept | set(one.updates)
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return seen


def required(one: Route) -> set[str]:
    return {name for name, needed in one.takes.items() if needed}


@pytest.mark.parametrize("seed", range(150))
def test_an_enumeration_finds_the_same(seed: int) -> None:
    """On random pipelines, the rules find exactly what an enumeration of all paths finds."""
    routes = at_random(seed, 6, 4, 3)
    findings = check_routes(routes)
    first = routes.by_name["s0"]
    missing = {
        (name, argument)
        for name, state in states(routes, required(first))
        for argument in required(routes.by_name[name]) - state
    }
    reported = [one.message for one in findings if one.rule == "missing-argument"]
    assert missing == {pair for one in reported for pair in pairs(one)}
    strange = {
        name
        for name, state in states(routes, first.takes)
        if (name, state) != ("s0", frozenset(first.takes))
        and not routes.by_name[name].takes_more
        and state - set(routes.by_name[name].takes)
    }
    unexpected = [one.message for one in findings if one.rule == "unexpected-argument"]
    assert {one.split("step '")[2].split("'")[0] for one in unexpected} == strange


def pairs(message: str) -> list[tuple[str, str]]:
    """Return step and argument for each missing argument in a message."""
    names, _, step = message.partition("{")[2].partition("} : caller history")
    return [(step.rpartition("-> ")[2], name.strip("'")) for name in names.split(", ")]


@pytest.mark.parametrize("seed", range(30))
def test_reported_paths_exist(seed: int) -> None:
    """The reported path exists and lacks the reported arguments."""
    routes = at_random(seed, 8, 4, 3)
    for finding in check_routes(routes):
        if finding.rule != "missing-argument":
            continue
        history, _, last = finding.message.partition("history ")[2].partition(" -> ")
        steps = [*ast.literal_eval(history), last]
        reached: set[frozenset[str]] = {frozenset(required(routes.by_name["s0"]))}
        for before, after in pairwise(steps):
            reached = {
                (frozenset() if one.clears else state - set(one.removes)) | set(one.updates)
                for state in reached
                for one in routes.by_name[before].transitions
                if one.target == after
            }
        absent = {name for _, name in pairs(finding.message)}
        assert any(not absent & state for state in reached)


def test_five_hundred_steps_take_few_calls() -> None:
    """A chain of diamonds takes 100 calls a step, and a random pipeline, with its paths, 1,000."""
    diamonds = [
        one
        for number in range(166)
        for one in (
            route(f"a{number}", "x", way(f"b{number}", "y"), way(f"c{number}")),
            route(f"b{number}", "y", way(f"a{number + 1}")),
            route(f"c{number}", "", way(f"a{number + 1}", removes="x" if number == 99 else "")),
        )
    ]
    diamonds.append(route("a166", "x", END))
    findings: list[Finding] = []
    chain, tangle = Routes("a0", tuple(diamonds)), at_random(1, 500, 200, 4)
    assert calls_of(lambda: findings.extend(check_routes(chain))) < 100 * 500
    assert findings
    findings.clear()
    assert calls_of(lambda: findings.extend(check_routes(tangle))) < 1_000 * 500
    assert findings
