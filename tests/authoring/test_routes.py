"""Transitions are read from the source of functions."""

from __future__ import annotations

import linecache
from itertools import count
from textwrap import indent
from typing import Any

import pytest

import lokki_tf
from lokki_tf import model
from lokki_tf.authoring.routes import Registry
from lokki_tf.errors import DefinitionError, RouteError
from lokki_tf.model import Route, Transition
from lokki_tf.runtime.routes import ConditionalReturns, ReturnUpdates

_numbers = count()


class Names:
    """A class may contain names of steps."""

    LATER = "later"


KNOWN = {
    "lokki_tf": lokki_tf,
    "ReturnUpdates": ReturnUpdates,
    "Either": ConditionalReturns,
    "Names": Names,
    "END": "end",
    "GONE": ("x", "y"),
}
"""The namespace of the functions' module."""


def route(text: str, *, terminates: bool = False, **options: Any) -> Route:
    """Return the route of ``f``, which is defined in a notebook cell."""
    number = next(_numbers)
    file = f"<ipython-input-{number}-abc>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    names: dict[str, Any] = {**KNOWN, "In": [""] * (number + 1) + [text]}
    exec(compile(text, file, "exec"), names)
    registry = Registry("f")
    registry.fn(terminates=terminates, **options)(names["f"])
    return registry.routes.by_name["f"]


def body(text: str, **options: Any) -> tuple[Transition, ...]:
    """Return the transitions of a function with this body."""
    return route(f"def f(c=None, **kwargs):\n{indent(text, '    ')}\n", **options).transitions


def targets(text: str, **options: Any) -> list[str | None]:
    """Return the next steps of a function with this body."""
    return [one.target for one in body(text, **options)]


def only(text: str, **options: Any) -> Transition:
    """Return the only transition of a function with this body."""
    (one,) = body(text, **options)
    return one


def says(text: str, **options: Any) -> str:
    """Return the error of a function with this body."""
    with pytest.raises(DefinitionError) as caught:
        body(text, **options)
    return str(caught.value)


def test_updates_are_read() -> None:
    """The transition contains removed and updated names, and ``*`` clears the state."""
    one = only("return ReturnUpdates('a', 'x', milk=1, beans=c)")
    assert (one.target, one.clears, one.removes, one.updates) == (
        "a",
        False,
        ("x",),
        ("milk", "beans"),
    )
    assert only("return ReturnUpdates('a', 'x', '*')").clears


def test_a_dict_replaces_the_state() -> None:
    """A dict literal clears the state and names the next step under its key."""
    one = only("return {'$next': 'a', 'milk': 1, **{'beans': 2}}")
    assert (one.target, one.clears, one.updates) == ("a", True, ("milk", "beans"))
    assert only("return {'go': 'a', '$next': 1}", next_key="go").updates == ("$next",)
    assert targets("return {**{'$next': 'b'}}") == ["b"]


def test_conditions_are_read_in_the_order_in_which_they_are_tried() -> None:
    """Named values come first, then ``true``, then the default, each with its test."""
    found = body(
        "return Either(c.kind, ReturnUpdates('d'), true=ReturnUpdates('t'), x=ReturnUpdates('a'))"
    )
    assert [(one.target, one.test) for one in found] == [
        ("a", model.Test(2, "c.kind", "x")),
        ("t", model.Test(2, "c.kind", True)),
        ("d", model.Test(2, "c.kind", None)),
    ]
    assert len(body("return Either(c, ReturnUpdates('d'), true=None)")) == 1
    spread = "{'in-progress': ReturnUpdates('a'), 'true': ReturnUpdates('t')}"
    ways = body(f"return Either(c, ReturnUpdates('d'), **{spread})")
    assert [(one.target, one.test.value) for one in ways if one.test] == [
        ("a", "in-progress"),
        ("t", True),
        ("d", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "if c:\n    return ReturnUpdates('a')\nreturn ReturnUpdates('b')",
        "return ReturnUpdates('a') if c else ReturnUpdates('b')",
        "return ReturnUpdates('a' if c else 'b')",
        "return {'$next': 'a' if c else 'b'}",
        "out = ReturnUpdates('a') if c else {'$next': 'b'}\nprint(out)\nreturn out",
        "out: object\n"
        "if c:\n"
        "    out = ReturnUpdates('a')\n"
        "else:\n"
        "    out = ReturnUpdates('b')\n"
        "return out",
        "out = ReturnUpdates('a')\n"
        "if c:\n"
        "    return out\n"
        "if not c:\n"
        "    return out\n"
        "return ReturnUpdates('b')",
        "for one in c:\n    return ReturnUpdates('a')\nelse:\n    return {'$next': 'b'}",
        "try:\n    return ReturnUpdates('a')\nexcept OSError:\n    return ReturnUpdates('b')",
        "with c:\n    return ReturnUpdates('a')\nreturn ReturnUpdates('b')",
        "match c:\n"
        "    case 1:\n"
        "        return ReturnUpdates('a')\n"
        "    case _:\n"
        "        return ReturnUpdates('b')",
        "while True:\n    if c:\n        return ReturnUpdates('a')\n    return ReturnUpdates('b')",
        "way = ReturnUpdates('b')\nreturn Either(c, way, x=ReturnUpdates('a'))",
        "return Either(c, ReturnUpdates('a') if c else ReturnUpdates('b'))",
    ],
    ids=repr,
)
def test_returns_are_found_in_any_block(text: str) -> None:
    """Return statements inside blocks, conditional expressions and local variables are read."""
    assert list(dict.fromkeys(targets(text))) == ["a", "b"]


def test_returns_of_inner_functions_do_not_count() -> None:
    """Return statements of nested functions, lambdas and classes are ignored."""
    assert targets(
        "def inner():\n"
        "    return 7\n"
        "class Local:\n"
        "    def method(self):\n"
        "        return 8\n"
        "async def other():\n"
        "    return 9\n"
        "key = lambda: 10\n"
        "return ReturnUpdates('a')",
    ) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "return lokki_tf.runtime.routes.ReturnUpdates('a')",
        "return Either(c, ReturnUpdates('a'))",
        "from lokki_tf.runtime.routes import ReturnUpdates as RU\nreturn RU('a')",
        "import lokki_tf.runtime.routes as r\nreturn r.ReturnUpdates('a')",
        "import lokki_tf.runtime.routes\nreturn lokki_tf.runtime.routes.ReturnUpdates('a')",
    ],
    ids=repr,
)
def test_names_are_resolved_not_spelled(text: str) -> None:
    """Aliases, attributes and imports inside the function are resolved."""
    assert targets(text) == ["a"]


def test_another_function_of_that_name_cannot_be_read() -> None:
    """Another object named ``ReturnUpdates`` cannot be read."""
    assert "cannot be read" in says("ReturnUpdates = dict\nreturn ReturnUpdates('a')")


def test_constants_are_known() -> None:
    """Names can be constants of the module, of classes and of enclosing functions."""
    assert targets("return ReturnUpdates(END)") == ["end"]
    assert targets("return {'$next': Names.LATER}") == ["later"]
    assert only("return ReturnUpdates('a', *GONE, *['z'])").removes == ("x", "y", "z")
    text = (
        "def make(name):\n    def f(**kwargs):\n        return ReturnUpdates(name)\n    return f\n"
    )
    assert route(f"{text}f = make('near')\n").transitions[0].target == "near"


def test_unnamed_next_steps_are_the_default_or_the_end() -> None:
    """Without a next step the default is taken, else the pipeline ends if it may."""
    assert targets("return ReturnUpdates(None)", default_next="d") == ["d"]
    assert targets("return {}", default_next="d", terminates=True) == ["d"]
    assert targets("return {'milk': 1}", terminates=True) == [None]
    assert targets("if c:\n    return\nreturn None", terminates=True) == [None, None]
    assert "returns no next step" in says("return {}")
    assert "returns no next step" in says("return Either(c, ReturnUpdates(None))")


@pytest.mark.parametrize(
    "text",
    [
        "pass",
        "return",
        "return ReturnUpdates('a') if c else None",
        "if c:\n    return ReturnUpdates('a')",
        "for one in c:\n    return ReturnUpdates('a')",
        "while c:\n    return ReturnUpdates('a')",
        "while True:\n    if c:\n        break",
        "while True:\n    for one in c:\n        pass\n    else:\n        break",
        "try:\n    return ReturnUpdates('a')\nexcept OSError:\n    pass",
        "match c:\n    case 1:\n        return ReturnUpdates('a')",
        "import contextlib\nwith contextlib.suppress(OSError):\n    return ReturnUpdates('a')",
    ],
    ids=repr,
)
def test_a_path_without_return_is_an_error(text: str) -> None:
    """Returning ``None`` is an error with a remedy, unless the pipeline may end."""
    message = says(text)
    assert "returns nothing on some path" in message
    assert "terminates=True" in message
    assert None in targets(text, terminates=True)


@pytest.mark.parametrize(
    "text",
    [
        "raise ValueError",
        "assert False, 'never'",
        "while True:\n    pass",
        "import sys\nsys.exit(1)",
        "import typing\ntyping.assert_never(c)",
        "try:\n    raise OSError\nfinally:\n    raise ValueError",
        "with c:\n    raise ValueError",
        "match c:\n    case 1:\n        raise OSError\n    case other:\n        raise",
    ],
    ids=repr,
)
def test_a_function_that_only_raises_leads_nowhere(text: str) -> None:
    """A function that always raises has no transitions, which is valid."""
    assert body(text) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("return c", "returns c, from which"),
        ("return decide(c)", "returns decide(c)"),
        ("return 7", "returns 7"),
        ("out = {}\nout['$next'] = 'a'\nreturn out", "returns out"),
        ("out = ReturnUpdates('a')\nout.next_fn = 'b'\nreturn out", "returns out"),
        ("out = {}\nout |= {'$next': 'a'}\nreturn out", "returns out"),
        ("with c as out:\n    return out", "returns out"),
        ("a = b = 1\nreturn a", "returns a"),
        ("a = b\nb = a\nreturn a", "returns a"),
        ("return ReturnUpdates(c)", "step c, which is not a constant string"),
        ("return ReturnUpdates(f'{c}')", "not a constant string"),
        ("return ReturnUpdates(*c)", "without a next step"),
        ("return ReturnUpdates()", "without a next step"),
        ("return ReturnUpdates('a', c)", "removes c"),
        ("return ReturnUpdates('a', *c)", "removes *c"),
        ("return ReturnUpdates('a', **c)", "**c, whose names"),
        ("return {'$next': 'a', **c}", "**c, whose names"),
        ("return {'$next': 'a', c: 1}", "with the key c"),
        ("return {'$next': c}", "step c, which is not a constant string"),
        ("return Either(c)", "operand and default"),
        ("return Either(c, default=ReturnUpdates('a'))", "operand and default"),
        ("return Either(c, ReturnUpdates('a'), **c)", "chooses from **c"),
        ("return Either(c, {'$next': 'a'})", "returns {'$next': 'a'}"),
        ("yield 1", "is a generator"),
    ],
    ids=repr,
)
def test_what_cannot_be_read_is_an_error(text: str, problem: str) -> None:
    """A value that is known only at run time is an error with its line and a remedy."""
    with pytest.raises(RouteError) as caught:
        body(text, default_next="d")
    assert problem in caught.value.message
    assert "step 'f'" in caught.value.message
    assert caught.value.remedy
    assert caught.value.place is not None
    assert caught.value.place.file.startswith("<cell ")


def test_a_return_that_cannot_be_read_does_not_hide_another() -> None:
    """Each return of a variable has its own error, and names of nested functions are their own."""
    message = says("out = 7\nif c:\n    return out\nreturn out")
    assert message.count("returns 7") == 2
    inner = "def inner():\n    out = ReturnUpdates('b')\n    return out\n"
    assert targets(f"{inner}out = ReturnUpdates('a')\nreturn out") == ["a"]
    shared = "def inner():\n    nonlocal out\n    out = 7\n"
    assert "returns out" in says(f"out = ReturnUpdates('a')\n{shared}inner()\nreturn out")


def test_all_errors_are_reported_together() -> None:
    """Errors of several returns and several functions are reported together, with their lines."""
    message = says("if c:\n    return 1\nreturn 2")
    assert "2 errors" in message
    assert ":3" in message
    assert ":4" in message


def test_arguments_are_read() -> None:
    """Defaults make arguments optional, annotations do not; the run's input is not an argument."""
    found = route(
        "def f(a, *args, x: str | None, y=None, _original_input, **kwargs):\n"
        "    return ReturnUpdates('b')\n"
    )
    assert dict(found.takes) == {"a": True, "x": True, "y": False}
    assert found.takes_more
    assert found.takes_input
    assert not route("def f(*, x):\n    return ReturnUpdates('b')\n").takes_more
    with pytest.raises(RouteError, match="'a' of step 'f' is positional-only"):
        route("def f(a, /):\n    return ReturnUpdates('b')\n")


def test_async_functions_are_steps() -> None:
    """The returns of an async function are read."""
    found = route("async def f(**kwargs):\n    return ReturnUpdates('b')\n")
    assert found.transitions[0].target == "b"


def test_decorated_functions_are_read_behind_their_decorators() -> None:
    """A function wrapped with functools.wraps is read."""
    found = route(
        "import functools\n"
        "def loud(function):\n"
        "    @functools.wraps(function)\n"
        "    def around(**kwargs):\n"
        "        return function(**kwargs)\n"
        "    return around\n"
        "@loud\n"
        "def f(*, x, **kwargs):\n"
        "    return ReturnUpdates('b')\n"
    )
    assert found.transitions[0].target == "b"
    assert dict(found.takes) == {"x": True}


def test_without_source_there_is_an_error() -> None:
    """A function without source, or a lambda, cannot be a step."""
    names: dict[str, Any] = dict(KNOWN)
    exec("def f(**kwargs):\n    return ReturnUpdates('a')\n", names)
    for function in (names["f"], lambda **kwargs: ReturnUpdates("a")):
        registry = Registry("f")
        registry.fn()(function)
        with pytest.raises(RouteError, match="cannot be found"):
            _ = registry.routes
