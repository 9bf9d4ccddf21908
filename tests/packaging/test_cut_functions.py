"""Functions do in a bare, fresh Python what they do here."""

from __future__ import annotations

import pytest

CASES = [
    ("a function by itself", "@step\ndef f(x):\n    return x * 2\n", "[3]"),
    (
        "a decorator with options over several lines is left out",
        """
        @step(
            name="double",  # a comment
            policies=["{}"],
        )
        # a comment between
        def f(x):
            return x * 2
        """,
        "[3]",
    ),
    (
        "decorators of the user's stay, those of functools too",
        """
        import functools

        def twice(fn):
            @functools.wraps(fn)
            def inner(*args):
                return fn(*args), fn(*args)
            return inner

        @step
        @twice
        @functools.cache
        def f(x):
            return x
        """,
        "[3]",
    ),
    (
        "a decorator of the user's that knows no functools.wraps",
        """
        def twice(fn):
            def inner(*args):
                return fn(*args) * 2
            return inner

        @step
        @twice
        def f(x):
            return [x]
        """,
        "[3]",
    ),
    (
        "a user's decorator that wraps one of lokki_tf counts as lokki_tf's",
        """
        def small(function):
            return step(function, policies=["{}"])

        @small
        def f(x):
            return x + 1
        """,
        "[3]",
    ),
    (
        "a decorator above the step saw only the step",
        """
        SEEN = []

        def seen(thing):
            SEEN.append(thing)
            return thing

        @seen
        @step
        def f(x):
            return x
        """,
        "[1]",
    ),
    (
        "every form of import",
        """
        import os, json, math
        import os.path
        import xml.etree.ElementTree as tree, xml.dom
        import collections.abc
        from math import (
            sqrt,
            floor as down,
        )

        @step
        def f(x):
            kinds = isinstance([], collections.abc.Sequence)
            return os.path.basename("a/b"), tree.fromstring("<a/>").tag, down(sqrt(x)), kinds
        """,
        "[10]",
    ),
    (
        "an import that falls back on another",
        """
        try:
            import not_there_at_all as fast
        except ImportError:
            import json as fast

        @step
        def f(x):
            return fast.dumps(x)
        """,
        "[[1]]",
    ),
    (
        "an import inside the function",
        """
        @step
        def f(x):
            import json
            from textwrap import dedent as d
            return json.dumps(d(x))
        """,
        "['  a']",
    ),
    (
        "helpers and what they need, in any order",
        """
        @step
        def f(x):
            return first(x)

        def first(x):
            return second(x) + OFFSET

        def second(x):
            return [y for y in range(x) if odd(y)][-1]

        odd = lambda y: y % 2 == 1
        OFFSET = BASE = 10
        """,
        "[6]",
    ),
    (
        "helpers that call each other",
        """
        def even(n):
            return n == 0 or odd(n - 1)

        def odd(n):
            return n != 0 and even(n - 1)

        @step
        def f(n):
            return even(n), odd(n)
        """,
        "[7]",
    ),
    (
        "a step that calls itself, and another step as a helper",
        """
        @step
        def g(n):
            return n + 100

        @step
        def f(n):
            return g(1) if n < 2 else n * f(n - 1)
        """,
        "[5]",
    ),
    (
        "constants of every kind, in the order of the file",
        """
        A, (B, *C) = 1, (2, 3, 4)
        D: int = A + B
        E = [D]
        E += [D * 2]
        E.append(5)
        F = {"a": E}
        F["b"] = C
        F.update(c=D)
        G = (n := 3) + 1
        H = {k: v for k, v in F.items()}
        del F["b"]

        @step
        def f():
            return A, B, C, D, E, F, G, n, H
        """,
        "[]",
    ),
    (
        "a constant that is bound again, before and after its use",
        """
        X = 1
        Y = X + 1
        X = 10
        Z = X + Y

        @step
        def f():
            return X, Y, Z
        """,
        "[]",
    ),
    (
        "a value that a helper made while the module was imported",
        """
        BASE = 2

        def power(n):
            return BASE ** n

        TABLE = [power(n) for n in range(4)]
        BASE = 3

        @step
        def f(n):
            return TABLE, power(n)
        """,
        "[2]",
    ),
    (
        "names that with, for, if, while and match bind",
        """
        import contextlib
        import sys

        for LAST in range(4):
            SQUARE = LAST ** 2
        if sys.version_info > (3, 8):
            def choose():
                return "new"
        else:
            def choose():
                return "old"
        with contextlib.nullcontext(5) as FIVE:
            SIX = FIVE + 1
        match {"a": [1, 2, 3]}:
            case {"a": [FIRST, *REST], **OTHER}:
                pass

        @step
        def f():
            return LAST, SQUARE, choose(), FIVE, SIX, FIRST, REST, OTHER
        """,
        "[]",
    ),
    (
        "scopes: parameters, comprehensions, lambdas, nested functions, globals",
        """
        x, y, z, total = 1, 2, 3, 0

        @step
        def f(a, *rest, k=y, **more):
            global total
            total += x
            def inner():
                nonlocal a
                a += z
                x = 5
                return [x for x in range(a)], (lambda y: y + z)(1), {z: z for z in rest}
            return inner(), total, a, k, more
        """,
        "[2, 4]",
    ),
    (
        "a name that is a builtin, until the module says otherwise",
        """
        def sum(values):
            return "mine"

        @step
        def f(values):
            return sum(values), max(values)
        """,
        "[[1, 2]]",
    ),
    (
        "type annotations that are evaluated bring their names",
        """
        from decimal import Decimal
        from typing import Any

        @step
        def f(x: "list[Decimal]", y: Decimal = Decimal(2)) -> dict[str, Any]:
            z: NotThere = 3
            return {"y": y, "z": z}
        """,
        "[1]",
    ),
    (
        "type annotations that are postponed bring nothing",
        """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from numpy import ndarray

        @step
        def f(x: ndarray) -> ndarray:
            return x
        """,
        "[1]",
    ),
    (
        "an async function and a generator",
        """
        import asyncio

        async def one():
            return 1

        def two():
            yield from (1, 2)

        @step
        def f():
            return asyncio.run(one()), list(two())
        """,
        "[]",
    ),
    (
        "strings over several lines, comments and odd formatting survive",
        '''
        TEXT = """
          indented
        # no comment
        """

        @step
        def f( x ):   # trailing

            # above
            return (x +
        """
        flush left
            """ + TEXT)
        ''',
        "['a']",
    ),
    (
        "text that is not ASCII",
        """
        GRÜSSE = "é𝄞"; ß = 2
        @step
        def f(x): return GRÜSSE * ß + x, "日本"  # ö
        """,
        "['ü']",
    ),
    (
        "statements that share a line",
        """
        A = 1; B = 2; C = A + B  # three

        @step
        def f():
            return B, C
        """,
        "[]",
    ),
    (
        "a function under a condition, with its decorator",
        """
        import sys

        if sys.maxsize:
            K = 7

            @step
            def f(x):
                '''Text
                over lines.'''
                return x * K, '''More
                lines.'''
        """,
        "[2]",
    ),
    (
        "one of several functions that a loop made",
        """
        made = {}
        for factor in (2, 3):
            @step
            def scale(x, factor=factor):
                return x * factor
            made[factor] = scale
        f = made[2]
        """,
        "[5]",
    ),
    (
        "a table that decorators fill",
        """
        HANDLERS = {}

        def register(name):
            def enter(function):
                HANDLERS[name] = function
                return function
            return enter

        @register("a")
        def one(x):
            return x + 1

        @register("b")
        def two(x):
            return x + 2

        @step
        def f(x):
            return {name: handler(x) for name, handler in HANDLERS.items()}
        """,
        "[5]",
    ),
    (
        "a generic function and its cases",
        """
        from functools import singledispatch

        @singledispatch
        def kind(value):
            return "object"

        @kind.register
        def _(value: int):
            return "int"

        @kind.register
        def _(value: list):
            return [kind(v) for v in value]

        @step
        def f(x):
            return kind(x)
        """,
        "[[1, 'a', [2]]]",
    ),
    (
        "state that functions rebind",
        """
        COUNT = 0

        def bump():
            global COUNT
            COUNT += 1

        @step
        def f():
            bump(); bump()
            return COUNT
        """,
        "[]",
    ),
    (
        "a global that only the function itself makes",
        """
        @step
        def f():
            global cache
            cache = 4
            return cache
        """,
        "[]",
    ),
    (
        "things that are made again where the code arrives",
        """
        import logging
        import os
        import re
        import threading

        log = logging.getLogger(__name__)
        log.setLevel(logging.INFO)
        lock = threading.Lock()
        digits = re.compile(r"\\d+")
        HOME = os.environ.get("NOT_SET_ANYWHERE", "none")

        @step
        def f(x):
            with lock:
                return digits.findall(x), log.level, HOME
        """,
        "['a12b3']",
    ),
    (
        "settings of a module that the function uses",
        """
        import decimal
        import random

        decimal.getcontext().prec = 5
        random.seed(4)
        unused = random.random()
        random.seed(5)

        @step
        def f():
            return str(decimal.Decimal(1) / 3), 1
        """,
        "[]",
    ),
    (
        "a literal that was computed from the pipeline",
        """
        from lokki_tf import Pipeline, step

        @step
        def g():
            return 1

        pipe = [Pipeline("p", [g()]), g()]
        COUNT = len(pipe)

        @step
        def f():
            return COUNT
        """,
        "[]",
    ),
    (
        "a value that was read from a file is written as a literal",
        """
        import json
        from pathlib import Path

        HERE = Path(__file__).parent
        with open(HERE / "data.json") as file:
            DATA = json.load(file)
        FIRST = DATA["names"][0]
        LONG = [
            {"name": name, "text": "x" * 40}
            for name in json.loads((HERE / "data.json").read_text())["names"]
        ]

        def read():
            return json.load(open(HERE / "data.json"))

        ALSO = read()["names"]

        @step
        def f():
            return DATA, FIRST, ALSO, LONG
        # file: data.json
        {"names": ["a", "b"], "n": null, "x": 1.5, "deep": {"t": true}}
        """,
        "[]",
    ),
    (
        "what step code may use of lokki_tf",
        """
        from lokki_tf import ReturnUpdates as R, step

        @step
        def f():
            return R("x", a=1).next_fn
        """,
        "[]",
    ),
    (
        "a name that was set without a statement, if it is a literal",
        """
        globals()["LIMIT"] = 3

        def sure():
            global SURE
            SURE = ("a", {"b": 1})

        sure()

        @step
        def f():
            return LIMIT, SURE
        """,
        "[]",
    ),
    (
        "a step made by calling the decorator",
        """
        def plain(x):
            return x + 1

        f = step(plain)
        """,
        "[1]",
    ),
    (
        "a lambda",
        """
        K = 3
        f = step(lambda x, y=K: (x * K,
                                 y), name="triple")
        """,
        "[2]",
    ),
    (
        "a lambda among others on its line",
        "K = 2\ng, f, h = step(lambda x: x, name='a'), step(lambda x: x * K, name='b'), 3\n",
        "[4]",
    ),
    (
        "a step that was made by a call, used as a helper",
        """
        double = step(lambda x: 2 * x, name="double")

        def plain(x):
            return x + 1

        other = step(plain)

        @step
        def f(x):
            return double(x), other(x)
        """,
        "[4]",
    ),
    (
        "a static method: its class is included",
        """
        class Steps:
            factor = 3

            @staticmethod
            def helper(x):
                return x * Steps.factor

            @staticmethod
            @step
            def run(x):
                return Steps.helper(x)

        f = Steps.run
        """,
        "[4]",
    ),
]


@pytest.mark.parametrize("main", [False, True], ids=["module", "script"])
@pytest.mark.parametrize("claim", [case[0] for case in CASES])
def test_it_gives_there_what_it_gives_here(results, claim, main):
    """Each of these modules gives in Lambda's Python what it gives in this one."""
    result = results[claim][main]
    source = result["package"].files["lambda_function.py"].decode()
    errors = [str(f) for f in result["package"].findings if f.severity == "error"]
    assert not errors, source
    assert result["there"] == result["here"], source
