"""Rules for routed pipelines, on routes built by hand."""

from __future__ import annotations

import ast
import random
import time
import warnings
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from lokki_tf.checks.routes import as_warnings, check_routes
from lokki_tf.errors import DefaultArgument, MissingArgument, Place
from lokki_tf.model import Finding, Route, Routes, Step, StepOptions, Transition


def function() -> None: ...


def way(
    target: str | None, updates: str = "", *, removes: str = "", clears: bool = False
) -> Transition:
    """A transition; names are written in one string."""
    return Transition(
        target, Place("f.py", 7), None, clears, tuple(removes.split()), tuple(updates.split())
    )


def route(name: str, takes: str, *ways: Transition, **more: Any) -> Route:
    """A step; ``takes`` lists its arguments, those with a default after a ``/``."""
    required, _, optional = takes.partition("/")
    arguments = {**dict.fromkeys(required.split(), True), **dict.fromkeys(optional.split(), False)}
    step = Step(name, function, StepOptions(), Place("f.py", 1, name))
    return Route(step, ways, arguments, **more)


def found(rule: str, *routes: Route, start_at: str | None = None) -> list[Finding]:
    """What a rule finds in a pipeline that starts with the first of these steps."""
    pipeline = Routes(routes[0].step.name, routes)
    return [one for one in check_routes(pipeline, start_at) if one.rule == rule]


def messages(rule: str, *routes: Route, start_at: str | None = None) -> list[str]:
    return [one.message for one in found(rule, *routes, start_at=start_at)]


END = way(None)


def tea(*ways: Transition) -> tuple[Route, ...]:
    """The pipeline of the seed's README, whose second step leads on as given."""
    return (
        route("start", "choice", way("tea", clears=True), way("coffee", "beans", clears=True)),
        route("tea", "", *ways),
        route("coffee", "beans", way("drink", "milk")),
        route("drink", "milk", END),
    )


def test_a_sound_pipeline_has_no_findings() -> None:
    """Where every step is handed what it takes there is nothing to say."""
    assert check_routes(Routes("start", tea(way("coffee", "beans", clears=True)))) == []


def test_a_missing_argument_is_told_with_the_way_to_it() -> None:
    """The message says the seed's words, and the place is the return that leaves it out."""
    (one,) = found("missing-argument", *tea(way("coffee", clears=True)))
    assert "{'beans'} : caller history ['start', 'tea'] -> coffee" in one.message
    assert one.severity == "error"
    assert one.place == Place("f.py", 7)
    assert one.remedy


def test_warnings_are_the_seeds() -> None:
    """Findings become the lines that the seed's check_graph writes, with its categories."""
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
    """What is missing on the same way is told together, in order."""
    routes = route("a", "", way("b")), route("b", "z y x", END)
    assert messages("missing-argument", *routes) == [
        "a required argument is not handed on: {'x', 'y', 'z'} : caller history ['a'] -> b"
    ]


def test_each_argument_is_told_with_a_shortest_way() -> None:
    """Arguments that are missing on different ways have findings of their own."""
    told = messages(
        "missing-argument",
        route("a", "", way("b", "x"), way("c", "y")),
        route("b", "", way("d")),
        route("c", "", way("e", "z")),
        route("e", "", way("d")),
        route("d", "x y", END),
    )
    assert [one.partition(": ")[2] for one in told] == [
        "{'x'} : caller history ['a', 'c', 'e'] -> d",
        "{'y'} : caller history ['a', 'b'] -> d",
    ]


def test_what_the_first_step_requires_goes_on() -> None:
    """It is given by the run, until it is taken out or nothing goes on; defaults are not."""
    last = route("b", "x", END)
    assert not found("missing-argument", route("a", "x", way("b")), last)
    assert found("missing-argument", route("a", "/x", way("b")), last)
    assert found("missing-argument", route("a", "x", way("b", removes="x")), last)
    assert found("missing-argument", route("a", "x", way("b", clears=True)), last)
    assert not found("missing-argument", route("a", "x", way("b", "x", removes="x")), last)


def test_a_way_back_to_the_first_step_hands_on_as_well() -> None:
    """The first step is given its arguments once; who leads back to it hands them on."""
    routes = route("a", "x", way("b", clears=True)), route("b", "", way("a"), END)
    (told,) = messages("missing-argument", *routes)
    assert told.endswith("{'x'} : caller history ['a', 'b'] -> a")


def test_loops_are_looked_at_once() -> None:
    """What a loop takes out on its way round is missing the second time."""
    (told,) = messages("missing-argument", route("a", "x", way("a", removes="x"), END))
    assert told.endswith("{'x'} : caller history ['a'] -> a")


def test_a_check_may_start_elsewhere() -> None:
    """From another step, that one's arguments are the run's."""
    routes = tea(way("coffee", clears=True))
    assert not found("missing-argument", *routes, start_at="coffee")
    assert not found("unreachable", *routes, start_at="coffee")


def test_defaults_that_are_never_replaced_are_told() -> None:
    """An optional argument that no way in hands on is a warning; some way in is enough."""
    never = route("a", "/first", way("b", clears=True)), route("b", "/x", END)
    (one,) = found("default-argument", *never)
    assert one.severity == "warning"
    assert "{'x'} of step 'b'" in one.message
    sometimes = route("a", "", way("b", clears=True), way("b", "x")), route("b", "/x", END)
    assert not found("default-argument", *sometimes)


def test_a_run_may_replace_defaults() -> None:
    """What the first step takes by ``**kwargs`` and does not hold back may be anything."""
    last = route("b", "/x", END)
    assert not found("default-argument", route("a", "", way("b")), last)
    assert found("default-argument", route("a", "", way("b"), takes_more=False), last)


def test_strange_arguments_are_told() -> None:
    """A step without ``**kwargs`` is not handed what it does not take, on any way."""
    (one,) = found(
        "unexpected-argument",
        route("a", "x", way("b", "y")),
        route("b", "", way("c", removes="y"), way("c", "z", clears=True)),
        route("c", "z /q", END, takes_more=False),
    )
    assert "step 'b' hands on 'x', and step 'c'" in one.message
    assert one.severity == "error"


def test_a_run_alone_brings_nothing_strange() -> None:
    """The first step may lack ``**kwargs``: what a run gives is the run's business."""
    assert not found("unexpected-argument", route("a", "x", END, takes_more=False))


def test_steps_that_are_not_there_are_told() -> None:
    """A next step that is misspelled is an error at its return, a default at its step."""
    first, second = found(
        "no-such-step",
        route("start", "", way("coffe"), way("coffee")),
        route("coffee", "", END, default_next="drnik"),
        route("drink", "", END),
    )
    assert "leads to 'coffe'" in first.message
    assert first.remedy == "did you mean 'coffee'?"
    assert first.place == Place("f.py", 7)
    assert second.place == Place("f.py", 1, "coffee")
    assert second.remedy == "did you mean 'drink'?"


def test_a_default_is_told_once() -> None:
    """A default that a return leads to is told at the return alone."""
    assert len(found("no-such-step", route("a", "", way("x"), default_next="x"))) == 1


def test_a_first_step_that_is_not_there_is_told() -> None:
    """Without a first step nothing else is looked at but names of steps."""
    pipeline = Routes("strat", (route("start", "", way("tea")),))
    assert [one.rule for one in check_routes(pipeline)] == ["no-start", "no-such-step"]
    assert check_routes(pipeline)[0].remedy == "did you mean 'start'?"
    assert [one.rule for one in check_routes(Routes("a", ()))] == ["no-start"]
    one = check_routes(Routes("start", (route("start", "", END),)), "other")
    assert [finding.rule for finding in one] == ["no-start"]


def test_steps_that_nothing_leads_to_are_told() -> None:
    """They are a warning; what only they lead to is one as well."""
    told = found(
        "unreachable",
        route("a", "", END),
        route("b", "x", way("c")),
        route("c", "y", way("a")),
    )
    assert [one.place.name for one in told if one.place] == ["b", "c"]
    assert {one.severity for one in told} == {"warning"}


def test_ways_that_cannot_end_are_told() -> None:
    """A step from which no end can be reached is an error, where a run first comes to one."""
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
    """A step that always raises ends a run, and one that is misspelled is told elsewhere."""
    assert not found("no-end", route("a", "", way("fail")), route("fail", ""))
    assert not found("no-end", route("a", "", way("a"), way("nowhere")))


def at_random(seed: int, count: int, names: int, ways: int) -> Routes:
    """Steps with arguments and transitions at random, cycles included."""
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
    """All steps with what they are handed, by going all ways."""
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
def test_all_ways_gone_say_the_same(seed: int) -> None:
    """On random pipelines the rules find what going all ways finds, no more and no less."""
    routes = at_random(seed, 6, 4, 3)
    findings = check_routes(routes)
    first = routes.by_name["s0"]
    missing = {
        (name, argument)
        for name, state in states(routes, required(first))
        for argument in required(routes.by_name[name]) - state
    }
    told = [one.message for one in findings if one.rule == "missing-argument"]
    assert missing == {pair for one in told for pair in pairs(one)}
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
    """Step and argument, for each argument that a finding tells to be missing."""
    names, _, step = message.partition("{")[2].partition("} : caller history")
    return [(step.rpartition("-> ")[2], name.strip("'")) for name in names.split(", ")]


@pytest.mark.parametrize("seed", range(30))
def test_the_way_that_is_told_is_one(seed: int) -> None:
    """Going the told way, whatever the returns chosen, can leave out what is told."""
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


def test_five_hundred_steps_take_no_time() -> None:
    """A chain of diamonds and a random pipeline of 500 steps are checked in a second each."""
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
    for routes in (Routes("a0", tuple(diamonds)), at_random(1, 500, 200, 4)):
        begin = time.process_time()
        assert check_routes(routes)
        assert time.process_time() - begin < 10  # half a second on a quiet machine
