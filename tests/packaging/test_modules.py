"""The user's modules and classes are included with the functions that use them."""

from __future__ import annotations

import pytest

CASES = [
    (
        "a class is in a module with its own name, without code that only the function needs",
        """
        import json
        from dataclasses import dataclass

        LIMIT = 3

        @dataclass(frozen=True)
        class Order:
            n: int

            def big(self):
                return self.n > LIMIT and self.n < OTHER

        OTHER = 10

        def dumps(x):
            return json.dumps(x)

        @step
        def f(n):
            order = Order(n)
            return dumps([order.n, order.big()]), Order.__module__, LIMIT
        """,
        "[4]",
    ),
    (
        "classes made by calls are classes too, and so are exceptions and enums",
        """
        import collections
        import enum
        from typing import NamedTuple, TypedDict

        Point = collections.namedtuple("Point", "x y")
        Color = enum.Enum("Color", "RED GREEN")

        class Size(enum.IntEnum):
            S = 1
            L = enum.auto()

        class Failed(Exception):
            pass

        class Pair(NamedTuple):
            a: int
            b: Size = Size.L

        class Row(TypedDict):
            a: int

        DEFAULT = Pair(1)

        @step
        def f():
            import pickle
            try:
                raise Failed("x")
            except Failed as error:
                made = Point(1, 2), Color.RED, DEFAULT, Row(a=1), error.args
            return pickle.loads(pickle.dumps(made)) == made, made[0].x, made[1].name, made[2].b.name
        """,
        "[]",
    ),
    (
        "a registry that a base class keeps has its subclasses",
        """
        class Plugin:
            known = {}

            def __init_subclass__(cls):
                Plugin.known[cls.__name__] = cls

        class A(Plugin):
            def run(self):
                return "a"

        class B(Plugin):
            def run(self):
                return "b"

        @step
        def f():
            return {name: plugin().run() for name, plugin in Plugin.known.items()}
        """,
        "[]",
    ),
    (
        "state that a class and the function share is one",
        """
        SEEN = []
        COUNT = 0

        class Counter:
            def add(self, x):
                global COUNT
                COUNT += 1
                SEEN.append(x)

        def count():
            return COUNT

        @step
        def f():
            Counter().add("a")
            Counter().add("b")
            return SEEN, COUNT, count()
        """,
        "[]",
    ),
    (
        "a module beside the script, cut down to what is used",
        """
        import helpers
        from helpers import shout as loud

        @step
        def f(x):
            return helpers.twice(x), loud(x), helpers.SIGN
        # file: helpers.py
        import not_a_package_that_is_needed_elsewhere_only as nope
        SIGN = "!"
        def twice(x):
            return _pair(x)
        def _pair(x):
            return x, x
        def shout(x):
            return x.upper() + SIGN
        def unused():
            return nope.x
        # file: not_a_package_that_is_needed_elsewhere_only.py
        x = 1
        """,
        "['a']",
    ),
    (
        "packages, relative imports, re-exports and submodules",
        """
        import shop.prices
        import shop.models as models
        from shop import stock, total
        from shop.models import Order

        @step
        def f(n):
            order = Order(n)
            return (total([order]), shop.prices.PRICE, stock.left(order), models.VERSION,
                    isinstance(order, models.Order), Order.__module__)
        # file: shop/__init__.py
        NAME = "shop"
        from .sums import total
        from . import broken_unless_unused
        # file: shop/broken_unless_unused.py
        import json as unused
        # file: shop/sums.py
        from .models import Order
        from . import prices
        def total(orders):
            return sum(price(o) for o in orders)
        def price(order: Order):
            return order.n * prices.PRICE
        # file: shop/prices.py
        from . import NAME
        PRICE = len(NAME)
        # file: shop/models.py
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import ClassVar
        VERSION = 2
        @dataclass
        class Order:
            n: int
            kind: ClassVar[str] = "order"
        # file: shop/stock.py
        def left(order):
            from .models import VERSION
            from . import NAME
            return VERSION - order.n, NAME
        """,
        "[5]",
    ),
    (
        "a module that is used as a value is whole",
        """
        import ops
        from pkg import tools

        @step
        def f(name):
            return getattr(ops, name)(2), vars(tools)["K"]
        # file: ops.py
        import math
        from lokki_tf import step
        OFFSET = 1
        def plus(x):
            return x + OFFSET
        def root(x):
            return math.sqrt(x)
        @step
        def a_step(x):
            return x
        node = a_step(1)
        if __name__ == "__main__":
            raise SystemExit
        # file: pkg/__init__.py
        # file: pkg/tools.py
        K = 4
        """,
        "['plus']",
    ),
    (
        "a module with names that cannot be seen is whole",
        """
        import consts

        @step
        def f():
            return consts.A, consts.B
        # file: consts.py
        for _name, _value in {"A": 1, "B": 2}.items():
            globals()[_name] = _value
        """,
        "[]",
    ),
    (
        "a module that creates its names on access",
        """
        import lazy

        @step
        def f():
            return lazy.anything, lazy.known
        # file: lazy.py
        known = 1
        def __getattr__(name):
            if name.startswith("__"):
                raise AttributeError(name)
            return name
        """,
        "[]",
    ),
    (
        "a star import brings what is used",
        """
        from math import *
        from helpers import *

        @step
        def f(x):
            return floor(x), twice(x), pi > 3
        # file: helpers.py
        __all__ = ["twice", "thrice"]
        def twice(x):
            return 2 * x
        def thrice(x):
            return 3 * x
        """,
        "[1.5]",
    ),
    (
        "a module that is imported inside the function, and not before",
        """
        @step
        def f(x):
            import late
            from deep.inside import value
            return late.double(x), value
        # file: late.py
        from lokki_tf import step
        K = 2
        @step
        def double(x):
            return x * K
        # file: deep/__init__.py
        # file: deep/inside.py
        import late
        value = late.K
        """,
        "[4]",
    ),
    (
        "a namespace package needs no __init__",
        """
        from space.inner import K

        @step
        def f():
            return K
        # file: space/inner.py
        K = 3
        """,
        "[]",
    ),
    (
        "a helper that needs the script's own module",
        """
        import helpers

        class Order:
            pass

        BASE = [1]

        @step
        def f():
            BASE.append(2)
            return helpers.base(), BASE
        # file: helpers.py
        def base():
            import pipeline
            return isinstance(pipeline.Order(), pipeline.Order), len(pipeline.BASE) > 0
        """,
        "[]",
    ),
    (
        "modules that import each other",
        """
        from left import left

        @step
        def f(n):
            return left(n)
        # file: left.py
        import right
        def left(n):
            return n if n < 1 else right.right(n - 1)
        # file: right.py
        import left
        def right(n):
            return n if n < 1 else left.left(n - 1)
        """,
        "[3]",
    ),
    (
        "a helper module that is a fallback of another",
        """
        try:
            import fast_one as impl
        except ImportError:
            import slow_one as impl

        @step
        def f(x):
            return impl.run(x)
        # file: slow_one.py
        def run(x):
            return "slow", x
        """,
        "[1]",
    ),
    (
        "constants of a helper module that are read from files are written as literals",
        """
        from config import NAMES

        @step
        def f():
            return NAMES
        # file: config.py
        import json, pathlib
        RAW = pathlib.Path(__file__).with_name("names.json").read_text()
        NAMES = json.loads(RAW)
        # file: names.json
        ["x", "y"]
        """,
        "[]",
    ),
    (
        "a step of another module, used as a helper",
        """
        from steps import plus
        import steps

        @step
        def f(x):
            return plus(x), steps.plus(x)
        # file: steps.py
        from lokki_tf import step
        K = 1
        @step(name="plus one")
        def plus(x):
            return x + K
        """,
        "[1]",
    ),
    (
        "a class with base, metaclass, decorator and attributes of its module",
        """
        import functools
        from base import Base

        class Meta(type):
            def __new__(mcls, name, bases, space):
                return super().__new__(mcls, name, bases, {**space, "added": name})

        def mark(cls):
            cls.marked = MARK
            return cls

        MARK = "m"

        @mark
        @functools.total_ordering
        class Thing(Base, metaclass=Meta):
            size = len(MARK)
            sizes = [size for _ in range(2)] if False else [1]

            def __lt__(self, other):
                return True

            def __eq__(self, other):
                return False

        @step
        def f():
            thing = Thing()
            return thing.added, thing.marked, thing.size, thing.hello(), thing >= thing
        # file: base.py
        GREETING = "hello"
        class Base:
            def hello(self):
                return GREETING
        """,
        "[]",
    ),
    (
        "closures over literals, functions, classes and modules",
        """
        import json as j
        import math

        class Outer:
            value = 7

        def make(n, names=("a", "b")):
            limit = {"n": n}
            text = "x" * n

            class Inner:
                k = 5

                def get(self):
                    return self.k + n

            def helper(x):
                return x + n

            def fact(x):
                return 1 if x < 2 else x * fact(x - 1)

            mod, cls, builtin, lam, py = math, Outer, len, (lambda x: x - n), j.dumps

            @step
            def inner(x, *, factor=n):
                return (helper(x), fact(3), limit, text, names, mod.floor(2.5), cls.value,
                        builtin(text), lam(x), Inner().get(), factor, py([1]))
            return inner

        f = make(2)
        """,
        "[4]",
    ),
    (
        "a decorated function inside a function",
        """
        import functools

        def twice(fn):
            @functools.wraps(fn)
            def wrapper(*args):
                return [fn(*args), fn(*args)]
            return wrapper

        def make(n):
            @step
            @twice
            def inner(x):
                return x + n
            return inner

        f = make(3)
        """,
        "[4]",
    ),
    (
        "a dataclass that is only mentioned in postponed annotations is there to be unpickled",
        """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Row:
            n: int

        @step
        def f(data: bytes, rows: list[Row]) -> Row:
            import pickle
            return pickle.loads(data)
        """,
        "[b'cpipeline\\nRow\\n)\\x81}(Vn\\nK\\x05ub.', []]",
    ),
    (
        "a namespace package in another one that is not imported here",
        """
        def late():
            from outer.inner import deep
            return deep.V
        @step
        def f(x=None):
            return late() + x if x else late()
        # file: outer/inner/deep.py
        V = 3
        """,
        "[1]",
    ),
]


@pytest.mark.parametrize("main", [False, True], ids=["module", "script"])
@pytest.mark.parametrize("claim", [case[0] for case in CASES])
def test_it_gives_there_what_it_gives_here(results, claim, main):
    """Each of these modules gives in Lambda's Python what it gives in this one."""
    result = results[claim][main]
    package = result["package"]
    files = {k: v.decode() for k, v in package.files.items() if "lokki_runtime/" not in k}
    text = "\n".join(f"--- {name}\n{content}" for name, content in files.items())
    errors = [str(finding) for finding in package.findings if finding.severity == "error"]
    assert not errors, text
    if any(finding.rule == "module-twice" for finding in package.findings):
        return  # here the script and the module are two
    assert result["there"] == result["here"].replace("'__main__'", "'pipeline'"), text
