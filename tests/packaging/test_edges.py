"""Corners of the language, and of how people write modules."""

from __future__ import annotations

import pytest

CASES = [
    (
        "functools.wraps of a third-party function",
        """
        import functools, json
        @step
        @functools.wraps(json.dumps)
        def f(x):
            return [x]
        """,
        "[1]",
    ),
    (
        "decorators of another module, with and without functools.wraps",
        """
        from deco import timed, plain_deco
        @step
        @timed
        def f(x):
            return g.step.function(x) if hasattr(g,"step") else g(x)
        @step
        @plain_deco
        def g(x):
            return x + 1
        # file: deco.py
        import functools
        COUNT = {"n": 0}
        def timed(fn):
            @functools.wraps(fn)
            def inner(*a):
                COUNT["n"] += 1
                return fn(*a), COUNT["n"]
            return inner
        def plain_deco(fn):
            def inner(*a):
                return fn(*a) * 10
            return inner
        """,
        "[1]",
    ),
    (
        "a step made of a function that a call wrapped",
        """
        from deco import plain_deco
        def twice(fn):
            def inner(x):
                return fn(x), fn(x)
            return inner
        def raw(x):
            return x + 1
        f = step(twice(raw))
        # file: deco.py
        def plain_deco(fn):
            def inner(*a):
                return fn(*a) * 10
            return inner
        """,
        "[1]",
    ),
    (
        "a step made of a function that another module wrapped",
        """
        from deco import plain_deco
        def raw(x):
            return x + 1
        f = step(plain_deco(raw))
        # file: deco.py
        def plain_deco(fn):
            def inner(*a):
                return fn(*a) * 10
            return inner
        """,
        "[1]",
    ),
    (
        "a step made of a function of another module",
        """
        import helpers
        f = step(helpers.plain)
        # file: helpers.py
        K = 3
        def plain(x):
            return x + K
        """,
        "[1]",
    ),
    (
        "statements in the else block of TYPE_CHECKING",
        """
        import typing
        if typing.TYPE_CHECKING:
            from foo import Bar
        else:
            Bar = int
        @step
        def f(x: Bar) -> Bar:
            return Bar(x)
        """,
        "['1']",
    ),
    (
        "a table that calls and loops fill",
        """
        TABLE = {}
        def register(k, v):
            TABLE[k] = v
        for n in range(3):
            register(n, n * n)
        register("x", 1)
        @step
        def f():
            return TABLE
        """,
        "[]",
    ),
    (
        "a class and a module that need each other",
        """
        import other
        class A:
            def b(self):
                return other.B()
        @step
        def f():
            return type(A().b().a()).__name__
        # file: other.py
        class B:
            def a(self):
                import pipeline
                return pipeline.A()
        """,
        "[]",
    ),
    (
        "star imports of lokki_tf and of Python in one module",
        """
        from lokki_tf import *
        from math import *
        @step
        def f(x):
            return floor(x)
        """,
        "[1.5]",
    ),
    (
        "what the module does with steps stays behind",
        """
        @step
        def g(x): return x
        @step
        def f(x): return g(x)
        g.after = 3
        """,
        "[1]",
    ),
    (
        "a name that a class body uses before it binds it",
        """
        from dataclasses import dataclass, field
        def names(): return ["a"]
        @dataclass
        class Row:
            names: list = field(default_factory=names)
        @step
        def f():
            return Row().names, names()
        """,
        "[]",
    ),
    (
        "a dataclass with postponed ClassVar, InitVar and KW_ONLY",
        """
        from __future__ import annotations
        from dataclasses import dataclass, InitVar, KW_ONLY
        import typing as t
        T = t.TypeVar("T")
        @dataclass
        class Box(t.Generic[T]):
            value: T
            scale: InitVar[int] = 1
            _: KW_ONLY
            kind: t.ClassVar[str] = "box"
            def __post_init__(self, scale): self.value *= scale
        @step
        def f(x: Box[int]) -> t.Any:
            return Box(2, 3).value, Box.kind
        """,
        "[1]",
    ),
    (
        "subpackages reached by attributes",
        """
        import pkg
        @step
        def f():
            return pkg.sub.K, pkg.sub.deep.J
        # file: pkg/__init__.py
        import pkg.sub
        # file: pkg/sub/__init__.py
        from . import deep
        K = 1
        # file: pkg/sub/deep.py
        J = 2
        """,
        "[]",
    ),
    (
        "a submodule that only other code imported",
        """
        import importer
        import pkg
        @step
        def f():
            return pkg.sub.K
        # file: importer.py
        import pkg.sub
        # file: pkg/__init__.py
        # file: pkg/sub.py
        K = 1
        """,
        "[]",
    ),
    (
        "a module that the script changes",
        """
        import helpers
        helpers.K = 5
        @step
        def f():
            return helpers.get(), helpers.K
        # file: helpers.py
        K = 1
        def get(): return K
        """,
        "[]",
    ),
    (
        "an enum member as a default value",
        """
        import enum
        class C(enum.Enum):
            A = 1
        @step
        def f(c=C.A, *, k=(y := 3)):
            return c.name, k
        """,
        "[]",
    ),
    (
        "functions and constants in the same block as a pipeline",
        """
        from lokki_tf import Flow, step
        if True:
            LIMIT = 3
            def helper(): return LIMIT
            pipe = Flow("p")
        @step
        def f():
            return helper(), LIMIT
        """,
        "[]",
    ),
    (
        "a lambda as a default value",
        """
        try:
            K = int("x")
        except ValueError as error:
            K = 0
        @step
        def f(x=lambda a=K: a):
            return x()
        """,
        "[]",
    ),
    (
        "a class that rebinds a global",
        """
        STATE = 0
        class Machine:
            def tick(self):
                global STATE
                STATE += 1
        def read(): return STATE
        @step
        def f():
            Machine().tick()
            return read(), STATE
        """,
        "[]",
    ),
    (
        "context managers, properties, static and class methods",
        """
        from contextlib import contextmanager
        @contextmanager
        def ctx():
            yield 3
        class P:
            @property
            def x(self): return 1
            @x.setter
            def x(self, v): pass
            @staticmethod
            def s(): return helper()
            @classmethod
            def c(cls): return cls.s()
        def helper(): return 7
        @step
        def f():
            with ctx() as c:
                p = P(); p.x = 3
                return c, p.x, P.c()
        """,
        "[]",
    ),
    (
        "strings in annotations that are not names",
        """
        from typing import Literal
        @step
        def f(mode: Literal["fast", "not a name"] = "fast") -> "tuple[str, int]":
            return mode, 1
        """,
        "[]",
    ),
    (
        "nested async functions",
        """
        import asyncio
        async def sleep(): return 5
        @step
        def f():
            async def go():
                return [x async for x in gen()], await sleep()
            async def gen():
                yield 1
            return asyncio.run(go())
        """,
        "[]",
    ),
    (
        "a constant that a function of another module read",
        """
        from loader import load_config
        CFG = load_config()
        @step
        def f(): return CFG
        # file: loader.py
        import json, pathlib
        def load_config():
            return json.loads((pathlib.Path(__file__).parent / "c.json").read_text())
        # file: c.json
        {"a": [1, 2]}
        """,
        "[]",
    ),
    (
        "an instance whose class could read, but did not",
        """
        from conf import Settings
        S = Settings(3)
        @step
        def f(): return S.n
        # file: conf.py
        class Settings:
            def __init__(self, n): self.n = n
            def load(self): return open("x").read()
        """,
        "[]",
    ),
    (
        "a default value that was read from a file",
        """
        import json
        @step
        def f(x=json.loads(open(__file__.replace("pipeline.py", "d.json")).read()), y=3, *, z=[1]):
            return x, y, z
        # file: d.json
        [1, 2]
        """,
        "[]",
    ),
    (
        "a helper's default value that was read from a file",
        """
        import json
        def helper(x=json.load(open(__file__.replace("pipeline.py", "d.json")))):
            return x
        def make(): return {"a": object}
        def other(x=make()):
            return list(x)
        @step
        def f():
            return helper(), other()
        # file: d.json
        [1, 2]
        """,
        "[]",
    ),
    (
        "modules imported by their names in strings",
        """
        import importlib
        @step
        def f():
            helpers = importlib.import_module("helpers")
            return helpers.g(), __import__("json").dumps(1)
        # file: helpers.py
        def g(): return 5
        def h(): return 6
        """,
        "[]",
    ),
    (
        "star imports of star imports",
        """
        from pkg import *
        @step
        def f(): return deep(), other()
        # file: pkg/__init__.py
        from .a import *
        from pkg.b import *
        # file: pkg/a.py
        def deep(): return _helper()
        def _helper(): return 1
        # file: pkg/b.py
        __all__ = ["other"]
        def other(): return 2
        """,
        "[]",
    ),
    (
        "modules imported inside the function, cut down as well",
        """
        @step
        def f():
            import helpers as h, pkg.sub
            return h.g(), pkg.sub.K
        # file: helpers.py
        def g(): return 5
        def h(): return nothing
        # file: pkg/__init__.py
        # file: pkg/sub.py
        K = 1
        J = nonsense = 2
        """,
        "[]",
    ),
    (
        "a step that only the script defines",
        """
        K = 4
        def helper(): return K
        if __name__ == "__main__" or True:
            L = 5
            @step
            def f(): return helper(), L
        """,
        "[]",
    ),
    (
        "literals of every size that come from the pipeline",
        """
        from lokki_tf import Flow, step
        p = Flow("p")
        BIG = 10 ** 5000 if p else 1
        DEEP = [[[{"a": (1, {2, 3}, frozenset("a"))}]]] if p else 1
        INF = [float("inf"), -float("inf"), 1e300, 1j] if p else 0
        @step
        def f(): return BIG % 7, DEEP, INF
        """,
        "[]",
    ),
    (
        "a step under two names",
        """
        @step(name="a")
        def f(): return 1
        g = f
        """,
        "[]",
    ),
    (
        "a class in a default value and in a quoted annotation",
        """
        class A:
            def __repr__(self): return "A"
        @step
        def f(a: A = A()) -> "A":
            return a
        """,
        "[]",
    ),
    (
        "a subclass of another module's class",
        """
        from base import Base
        class Child(Base):
            def hello(self):
                return super().hello() + SUFFIX
        SUFFIX = "!"
        @step
        def f(): return Child().hello(), isinstance(Child(), Base)
        # file: base.py
        class Base:
            def hello(self): return self.__class__.__name__
        """,
        "[]",
    ),
    (
        "scopes of class bodies",
        """
        N = 3
        class A:
            xs = [i for i in range(N)]
            y = [x for x in xs]
            N = N + 1
            z = lambda self: N
        @step
        def f(): return A.xs, A.y, A.N, A().z()
        """,
        "[]",
    ),
    (
        "an import inside the function that falls back on another",
        """
        @step
        def f():
            try:
                import helpers_fast as h
            except ImportError:
                import helpers_slow as h
            return h.K
        # file: helpers_slow.py
        K = 1
        """,
        "[]",
    ),
    (
        "functions in a table",
        """
        def a(x): return x + 1
        def b(x): return x * 2
        OPS = {"a": a, "b": b, "c": lambda x: a(b(x))}
        @step
        def f(x): return [OPS[k](x) for k in OPS]
        """,
        "[3]",
    ),
    (
        "partial and cached functions of the module",
        """
        import functools, operator
        add = functools.partial(operator.add, 2)
        inc = functools.lru_cache(maxsize=None)(lambda x: x + ONE)
        ONE = 1
        @step
        def f(x): return add(x), inc(x)
        """,
        "[3]",
    ),
    (
        "an import that is too long for a line when it is cut down",
        """
        from typing import (
            Any, Callable, ClassVar, Dict, FrozenSet, Generic, Iterable, Iterator, List,
            Mapping, MutableMapping, NamedTuple, Optional, Sequence, Union
        )
        @step
        def f(a: Any, b: Callable = None, c: Dict = None, d: FrozenSet = None,
              e: Iterable = None, g: Iterator = None, h: List = None, i: Mapping = None,
              j: MutableMapping = None, k: Sequence = None) -> Optional[int]:
            return a
        """,
        "[3]",
    ),
    (
        "names that with and while bind",
        """
        import contextlib
        with contextlib.suppress(ZeroDivisionError):
            A = 1
            B = A / 0
        while True:
            C = 3
            break
        else:
            C = 4
        @step
        def f(): return A, C
        """,
        "[]",
    ),
    (
        "third-party decorators, above the definition and called",
        """
        from heavylib import retry

        @retry
        def plain(x):
            return x

        wrapped = retry(plain)
        g = step(wrapped, layers=["arn"])

        @step(layers=["arn"])
        @retry
        def f(x):
            return plain(x), g(x)
        """,
        "[1]",
    ),
    (
        "a step made of a function that third-party code wrapped",
        """
        from heavylib import retry

        def plain(x):
            return x

        wrapped = retry(plain)
        f = step(wrapped, layers=["arn"])
        """,
        "[1]",
    ),
    (
        "a step inside a function that uses another step",
        """
        @step
        def load(x):
            return [x]

        def make(other):
            @step
            def inner(x):
                return other(x), "inner"
            return inner

        f = make(load)
        """,
        "[1]",
    ),
    (
        "a name of a decorator that means something else later",
        """
        @step
        def f(x):
            return x

        step = 3
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
    if any(finding.rule == "module-twice" for finding in package.findings):
        return  # here the script and the module are two
    assert not [str(finding) for finding in package.findings], text
    assert result["there"] == result["here"], text
