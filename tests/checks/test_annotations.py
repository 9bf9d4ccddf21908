"""Annotations that contradict each other are warnings, wherever an argument comes from."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from counting import calls_of

from lokki_tf import DAG, Flow, MicroFunctions, Pipeline, flow, step, task
from lokki_tf.checks import code
from lokki_tf.checks.annotations import check
from lokki_tf.errors import Place
from lokki_tf.model import (
    Binding,
    Definition,
    Finding,
    Graph,
    Item,
    Literal,
    Map,
    MapOptions,
    Node,
    Output,
    Parameter,
    RetryConfig,
    Step,
    StepOptions,
)

if TYPE_CHECKING:
    from missing import Gone  # type: ignore[import-not-found]


class Row: ...


class Proxy:
    """Gives itself out for a string."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return str


class Unbound:
    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("nothing is bound")


@step
def number() -> int: ...
@step
def numbers() -> list[int]: ...
@step
def nothing() -> None: ...
@step
def anything(): ...
@step
def pairs() -> dict[str, int]: ...
@step
def flag() -> bool: ...
@step
def maybe() -> int | None: ...
@step(when=lambda rows: bool(rows))
def sometimes(rows: list[int]) -> int: ...
@step
async def awaited() -> int: ...
@step
def generated() -> Iterator[int]:
    yield 1


@step
async def streamed() -> AsyncIterator[int]:
    yield 1


@step
def unsaid():
    yield 1


@step
def wrongly() -> int:
    yield 1  # type: ignore[misc]


@step
def iterating() -> Iterator[int]: ...
@step
def generating() -> Generator[int, None, None]: ...
@step
def promised() -> Awaitable[int]: ...
@step
def lost() -> Gone: ...
@step
def text(text: str) -> str: ...
@step
def texts(texts: list[str]) -> str: ...
@step
def mixed(pair: tuple[int, str], /, *more: int, table: dict[str, str] = {}, **others: str): ...  # noqa: B006
@step
def optional(text: str = None, row: Row | None = None) -> float: ...  # noqa: RUF013
@step
def either(value: list[int] | str | dict[str, list[int]]) -> float: ...
@step
def length(text: str) -> int: ...
@step
def lines() -> list[str]: ...
@step
def numbered(line: bytes) -> list[int]: ...
@step
def takes_row(row: Row) -> None: ...
@step
def half(text: str, gone: Gone) -> float: ...
@step
def item(value: str) -> float: ...
@step(when=lambda text: text)
def defaulted(text: str = 5, *, limit: int = "all") -> None: ...  # type: ignore[assignment] # fmt: skip


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def around(*args: Any) -> str:
        return str(function(*args))

    return around


@step
@wrapped
def changed() -> int: ...


def findings_of(pipeline: Pipeline) -> list[Finding]:
    return list(check(pipeline.definition))


def messages(*calls: Any) -> list[str]:
    """What is warned of in a pipeline that ends with these calls."""
    found = findings_of(Pipeline("p", steps=list(calls)))
    assert all((one.rule, one.severity) == ("annotations", "warning") for one in found)
    assert all(one.place is not None and one.remedy for one in found)
    return [one.message for one in found]


RETURNS_INT = "step 'number' returns int, and parameter"
TAKES_TEXT = "parameter 'text' of step 'text' takes str"
TAKES_TEXTS = "parameter 'texts' of step 'texts' takes list[str]"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: text(number()), f"{RETURNS_INT} 'text' of step 'text' takes str"),
        (lambda: text(text=number()), f"{RETURNS_INT} 'text' of step 'text' takes str"),
        (lambda: texts(numbers()),
         f"step 'numbers' returns list[int], and {TAKES_TEXTS}"),
        (lambda: text(nothing()),
         f"step 'nothing' returns None, and {TAKES_TEXT}"),
        (lambda: text(sometimes([1])),
         f"step 'sometimes' returns int, and {TAKES_TEXT}"),
        (lambda: text(maybe()),
         f"step 'maybe' returns int | None, and {TAKES_TEXT}"),
        (lambda: text(awaited()),
         f"step 'awaited' returns int, and {TAKES_TEXT}"),
        (lambda: texts(generated()),
         f"step 'generated' returns list[int], and {TAKES_TEXTS}"),
        (lambda: text(streamed()),
         f"step 'streamed' returns list[int], and {TAKES_TEXT}"),
        (lambda: text(unsaid()),
         f"step 'unsaid' returns list, and {TAKES_TEXT}"),
        (lambda: text(wrongly()),
         f"step 'wrongly' returns list, and {TAKES_TEXT}"),
        (lambda: texts(iterating()),
         f"step 'iterating' returns Iterable[int], and {TAKES_TEXTS}"),
        (lambda: text(generating()),
         f"step 'generating' returns list[int], and {TAKES_TEXT}"),
        (lambda: text(3), "parameter 'text' of step 'text' is given 3, an int, and takes str"),
        (lambda: text(None), "parameter 'text' of step 'text' is given None, and takes str"),
        (lambda: text(Row()), "parameter 'text' of step 'text' is given a Row, and takes str"),
        (lambda: text([text("a")]),
         "parameter 'text' of step 'text' is given a list, and takes str"),
        (lambda: texts([text("a"), number()]),
         f"step 'number' returns int, which is in a list, and {TAKES_TEXTS}"),
        (lambda: texts([text("a"), 5]),
         "parameter 'texts' of step 'texts' is given a list with 5, an int, and takes list[str]"),
        (lambda: texts([[text("a")]]),
         "parameter 'texts' of step 'texts' is given a list with a list, and takes list[str]"),
        (lambda: mixed((flag(), number())),
         "step 'number' returns int, which is in a tuple, and parameter 'pair' of step 'mixed' "
         "takes tuple[int, str]"),
        (lambda: mixed((1, "a"), 2, text("a")),
         "step 'text' returns str, and parameter '*more' of step 'mixed' takes int"),
        (lambda: mixed((1, "a"), table={"a": number()}),
         "step 'number' returns int, which is in a dict, and parameter 'table' of step 'mixed' "
         "takes dict[str, str]"),
        (lambda: mixed((1, "a"), other=number()),
         "step 'number' returns int, and parameter '**others' of step 'mixed' takes str"),
        (lambda: optional(number()),
         f"{RETURNS_INT} 'text' of step 'optional' takes Optional[str]"),
        (lambda: either(number()),
         f"{RETURNS_INT} 'value' of step 'either' takes list[int] | str | dict[str, list[int]]"),
        (lambda: either({"a": number()}),
         "step 'number' returns int, which is in a dict, and parameter 'value' of step "
         "'either' takes list[int] | str | dict[str, list[int]]"),
        (lambda: numbers().map(item),
         "an item of what step 'numbers' returns is int, and parameter 'value' of step 'item' "
         "takes str"),
        (lambda: pairs().map(item).agg(texts),
         f"map 'item_map' returns list[float], and {TAKES_TEXTS}"),
        (lambda: texts(texts=pairs().map(item)),
         f"map 'item_map' returns list[float], and {TAKES_TEXTS}"),
        (lambda: numbers().map(optional, row=number()),
         "step 'number' returns int, and parameter 'row' of step 'optional' takes Row | None"),
        (lambda: pairs().map(text).map(item).agg(texts).agg(texts),
         f"map 'item_map' returns list[float], and {TAKES_TEXTS}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_contradiction_is_a_warning(call: Callable[[], Any], message: str) -> None:
    """A warning names the types of source and parameter if no value fits both."""
    assert message in messages(call())


@pytest.mark.parametrize(
    "call",
    [
        lambda: text(anything()), lambda: text(text("a")), lambda: texts(["a", text("a")]),
        lambda: optional(None, None), lambda: optional(nothing(), row=nothing()),
        lambda: mixed((flag(), text("a")), flag(), 3, table={"a": text("a")}, other="x"),
        lambda: either([number(), flag()]), lambda: either(numbers()), lambda: either("a"),
        lambda: either({"a": numbers()}), lambda: half(number(), number()), lambda: text(lost()),
        lambda: text(changed()), lambda: text(promised()), lambda: text(Proxy()),
        lambda: pairs().map(item), lambda: text("a").map(item), lambda: anything().map(item),
        lambda: defaulted("a"), lambda: defaulted(),
    ],
)  # fmt: skip
def test_what_may_be_right_is_accepted(call: Callable[[], Any]) -> None:
    """Types that fit, are missing or cannot be resolved cause no warning."""
    assert messages(call()) == []


def test_a_chain_is_checked() -> None:
    """Types of items, of links inside a map and of outer values are compared."""
    chain = numbers().map(text).next(length).next(optional, row=flag()).agg(texts)
    assert messages(chain) == [
        "an item of what step 'numbers' returns is int, and parameter 'text' of step 'text' "
        "takes str",
        "step 'length' returns int, and parameter 'text' of step 'optional' takes Optional[str]",
        "step 'flag' returns bool, and parameter 'row' of step 'optional' takes Row | None",
        f"map 'text_map' returns list[float], and {TAKES_TEXTS}",
    ]


def test_nested_maps_are_checked() -> None:
    """The item of an inner map, an outer one's item in it, and a list of lists are known."""

    @step
    def both(value: str, limit: list[int]) -> bool: ...

    @flow
    def nested(limit: str = "a"):
        return lines().map(numbered).map(both, limit=limit).agg(text).agg(texts)

    found = [one.message for one in findings_of(nested)]
    assert found == [
        "an item of what step 'lines' returns is str, and parameter 'line' of step 'numbered' "
        "takes bytes",
        "an item of what step 'numbered' returns is int, and parameter 'value' of step 'both' "
        "takes str",
        "parameter 'limit' of the flow is str, and parameter 'limit' of step 'both' takes "
        "list[int]",
        "map 'both_map' returns list[bool], and parameter 'text' of step 'text' takes str",
    ]


def test_parameters_of_a_flow_are_checked() -> None:
    """A run's parameter has the type of its annotation or default, and None says nothing."""

    @flow
    def daily(limit: int, day: str = None, rows=1.5, other=None):  # noqa: RUF013
        return [text(limit), text(day), text(rows), text(other)]

    assert [one.message for one in findings_of(daily)] == [
        "parameter 'limit' of the flow is int, and parameter 'text' of step 'text' takes str",
        "parameter 'rows' of the flow is float, and parameter 'text' of step 'text' takes str",
    ]


def test_tasks_are_checked() -> None:
    """Arrows hand results on by position, a Flow by name, and both are looked at."""

    @task
    def extract() -> list[int]: ...

    @task
    def clean(extract: str) -> None: ...

    @task
    def load(clean: dict, *rest: str): ...

    extract >> clean >> load
    extract >> load
    expected = [
        "step 'extract' returns list[int], and parameter 'extract' of step 'clean' takes str",
        "step 'clean' returns None, and parameter 'clean' of step 'load' takes dict",
    ]
    drawn = [one.message for one in findings_of(DAG("d", tasks=[load]))]
    assert drawn == [
        *expected,
        "step 'extract' returns list[int], and parameter '*rest' of step 'load' takes str",
    ]
    built = findings_of(Flow("f").add(extract).add(clean).add(load))
    assert [one.message for one in built] == expected


def test_the_source_location_is_that_of_the_use_and_is_reported_once() -> None:
    """Calls in a loop have one warning, those at another line one of their own."""
    calls = [text(number) for number in range(3)]
    calls += [texts([number(), 1, 2, number()]), text("a")]
    calls.append(text(9))
    found = findings_of(Pipeline("p", steps=calls))
    first = found[0].place
    assert first is not None
    assert first.file == __file__
    assert [(one.place and one.place.line - first.line) for one in found] == [0, 1, 1, 2]


def test_a_routed_pipeline_has_nothing_to_compare() -> None:
    """Its state has no annotations."""
    routed = MicroFunctions("begin")

    @routed.fn(terminates=True)
    def begin(text: str = "a") -> None: ...

    assert list(check(routed.definition)) == []


def test_a_function_of_a_notebook_is_read_in_its_own_names() -> None:
    """Annotations that are strings mean what the function's module has under these names."""
    names: dict[str, Any] = {"step": step}
    exec(
        "class Row: ...\n"
        "@step\ndef load() -> 'list[Row]': ...\n"
        "@step\ndef total(rows: 'list[int]') -> int: ...\n"
        "@step\ndef again(rows: 'list[Row]') -> int: ...\n",
        names,
    )
    assert messages(names["again"](names["load"]())) == []
    assert messages(names["total"](names["load"]())) == [
        "step 'load' returns list[Row], and parameter 'rows' of step 'total' takes list[int]"
    ]
    other = step(text.step.function)
    two = Pipeline("p", steps=[names["load"](), takes_row(names["load"]().map(other))])
    assert len(findings_of(two)) == 2


def test_two_classes_of_one_name_are_shown_with_their_modules() -> None:
    """If both annotations have the same name, the message adds their modules."""
    names: dict[str, Any] = {"step": step, "__name__": "elsewhere"}
    exec("class Row: ...\n@step\ndef load() -> Row: ...", names)
    assert messages(takes_row(names["load"]())) == [
        "step 'load' returns elsewhere.Row, and parameter 'row' of step 'takes_row' takes "
        f"{__name__}.Row"
    ]


PLACE = Place("f.py", 1)


def node(name: str, function: Callable[..., Any], *args: Binding, **kwargs: Binding) -> Node:
    one = Step(name, function, StepOptions(), PLACE)
    return Node(name, one, args, tuple(kwargs.items()), (), RetryConfig(), PLACE)


class Unhashable(type):
    def __eq__(cls, other: object) -> bool:
        raise RuntimeError("no")


def found(*nodes: Node | Map) -> list[Finding]:
    return list(check(Definition("p", Graph(nodes))))


def test_a_map_runs_over_what_has_items() -> None:
    """What is annotated as a number or None cannot be mapped; what may be a list, can."""

    @step
    def count() -> int:
        return 1

    @step
    def perhaps() -> int | list[int]:
        return [1]

    @step
    def double(number: int) -> int:
        return number * 2

    @flow
    def wrong() -> Any:
        return count().map(double)

    @flow
    def right() -> Any:
        return perhaps().map(double)

    (found,) = check(wrong.definition)
    assert found.message == (
        "step 'count' returns int, and map 'double_map' runs for each item of a list"
    )
    assert found.severity == "warning"
    assert not list(check(right.definition))


def test_graphs_by_hand_do_not_raise() -> None:
    """Bindings of nothing, functions without code and values of odd classes have no opinion."""
    takes = text.step.function
    odd = Unhashable("Odd", (), {})
    assert (
        found(
            node("a", takes, text=Output("gone")),
            node("b", takes, text=Parameter("gone")),
            node("c", takes, text=Item()),
            node("d", print, Literal(1), end=Literal(2)),
            node("e", takes, Literal("a"), Literal(2), text=Literal(Unbound()), more=Literal(3)),
        )
        == []
    )
    assert found(node("f", takes, text=Literal(odd()))) == []
    body = Graph((node("g", takes, text=Item()),))
    options = MapOptions(mode="inline")
    assert found(Map("m", Literal([1]), body, (), options, (), PLACE)) == []


def test_a_thousand_nodes_take_a_few_calls_each() -> None:
    """Functions are read once, and the work grows with the number of arguments."""
    calls = [text(text(number())) for _ in range(400)] + [texts([number()] * 200)]
    definition = Pipeline("p", steps=calls).definition
    assert len(list(check(definition))) == 2
    made = calls_of(lambda: list(check(definition)))
    assert made < 150_000  # each node again for each other one would be millions


def test_only_check_and_synth_compare_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a pipeline and running it locally read no annotations; check does."""
    compared: list[Definition] = []
    monkeypatch.setattr(code, "check_annotations", lambda one: compared.append(one) or [])

    @step
    def ready() -> str:
        return "a"

    pipe = Pipeline("p", steps=[ready()])
    assert pipe.local_run().result == "a"
    assert compared == []
    pipe.check()
    assert compared == [pipe.definition]


def test_the_result_of_a_callback_is_the_answer() -> None:
    """A function that only hands its token on returns None, and its answer may be anything."""

    @step(callback=True, timeout_seconds=60)
    def asks() -> None: ...

    @step(callback=True, timeout_seconds=60)
    def counts() -> int: ...  # type: ignore[empty-body]

    answered: Any = asks()
    assert not list(check(Pipeline("answered", steps=[text(answered)]).definition))
    other: Any = counts()
    (found,) = check(Pipeline("counted", steps=[text(other)]).definition)
    assert "returns int" in found.message
