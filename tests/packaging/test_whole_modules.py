"""Modules of the user's are deployed whole, so that importing them has its effects in Lambda."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import pytest

from lokki_tf.packaging import cut, package

CASES = [
    (
        "a module that is imported in the body of a step, no attribute named",
        """
        import log
        @step
        def f(x):
            import tracing
            return log.LINES
        # file: log.py
        LINES = []
        # file: tracing.py
        import log
        log.LINES.append("traced")
        """,
        "[1]",
    ),
    (
        "the name of a module, and nothing else of it",
        """
        import conf, pkg.deep
        @step
        def f():
            return conf.__name__, pkg.deep.__name__, conf.__file__.endswith("conf.py")
        # file: conf.py
        X = 1
        # file: pkg/__init__.py
        # file: pkg/deep.py
        """,
        "[]",
    ),
    (
        "single dispatch that another module extends",
        """
        from a import show
        import b
        @step
        def f(x):
            return show(x), show("text")
        # file: a.py
        from functools import singledispatch
        @singledispatch
        def show(x):
            return "any"
        # file: b.py
        from a import show
        @show.register
        def _(x: int):
            return "int"
        """,
        "[1]",
    ),
    (
        "single dispatch of the script's own, extended at its top",
        """
        from functools import singledispatch
        @singledispatch
        def show(x):
            return "any"
        @show.register(int)
        def _show_int(x):
            return "int"
        @step
        def f(x):
            return show(x)
        """,
        "[1]",
    ),
    (
        "subclasses in a module that is imported for its effect",
        """
        from base import Base
        import plugins
        @step
        def f():
            return sorted(kind.__name__ for kind in Base.__subclasses__())
        # file: base.py
        class Base: pass
        # file: plugins.py
        from base import Base
        class A(Base): pass
        class B(Base): pass
        """,
        "[]",
    ),
    (
        "subclasses in the script itself that nothing names",
        """
        class Base:
            kinds = []
            def __init_subclass__(cls):
                Base.kinds.append(cls.__name__)
        class One(Base): pass
        class Two(Base): pass
        @step
        def f():
            return Base.kinds, [kind.__name__ for kind in Base.__subclasses__()]
        """,
        "[]",
    ),
    (
        "subclasses in the script of a class of another module",
        """
        from base import Base
        class Mine(Base): pass
        @step
        def f():
            return [kind.__name__ for kind in Base.__subclasses__()]
        # file: base.py
        class Base: pass
        """,
        "[]",
    ),
    (
        "a registry that decorators of other modules fill",
        """
        from registry import TABLE
        import handlers.first, handlers.second
        @step
        def f(x):
            return sorted(TABLE), TABLE["double"](x)
        # file: registry.py
        TABLE = {}
        def register(name):
            def keep(function):
                TABLE[name] = function
                return function
            return keep
        # file: handlers/__init__.py
        # file: handlers/first.py
        from registry import register
        @register("double")
        def double(x): return 2 * x
        # file: handlers/second.py
        from registry import register
        @register("triple")
        def triple(x): return 3 * x
        """,
        "[4]",
    ),
    (
        "a registry of another module that the script itself fills",
        """
        from registry import TABLE, register
        @register("mine")
        def mine(x): return x - 1
        @step
        def f(x):
            return TABLE["mine"](x)
        # file: registry.py
        TABLE = {}
        def register(name):
            def keep(function):
                TABLE[name] = function
                return function
            return keep
        """,
        "[4]",
    ),
    (
        "a step that another step's registry has",
        """
        from registry import TABLE, register
        @step
        @register
        def g(x): return x * 10
        @step
        def f(x):
            return TABLE["g"](x)
        # file: registry.py
        TABLE = {}
        def register(function):
            TABLE[function.__name__] = function
            return function
        """,
        "[4]",
    ),
    (
        "an accessor that a helper module registers",
        """
        import accessor, frames
        @step
        def f(x):
            return frames.Frame(x).stats
        # file: frames.py
        class Frame:
            def __init__(self, data): self.data = data
        def register_accessor(name):
            def keep(kind):
                setattr(Frame, name, property(lambda frame: kind(frame).total()))
                return kind
            return keep
        # file: accessor.py
        import frames
        @frames.register_accessor("stats")
        class Stats:
            def __init__(self, frame): self.frame = frame
            def total(self): return sum(self.frame.data)
        """,
        "[[1, 2]]",
    ),
    (
        "the environment, set and unset at the top of the script",
        """
        import os
        os.environ.update({"LOKKI_A": "1"}, LOKKI_B="2")
        os.environ["LOKKI_C"] = "3"
        os.environ.pop("LOKKI_B")
        os.environ.setdefault("LOKKI_D", "4")
        @step
        def f():
            return [os.environ.get(f"LOKKI_{n}") for n in "ABCD"]
        """,
        "[]",
    ),
    (
        "settings of Python's modules",
        """
        from decimal import Decimal, getcontext
        import csv, mimetypes, sys, locale
        getcontext().prec = 5
        csv.field_size_limit(777777)
        previous = sys.setrecursionlimit(1234)
        mimetypes.add_type("text/x-lokki", ".lokki")
        @step
        def f():
            guessed = mimetypes.guess_type("a.lokki")[0]
            return str(Decimal(1) / 3), csv.field_size_limit(), sys.getrecursionlimit(), guessed
        """,
        "[]",
    ),
    (
        "a configuration of logging",
        """
        import logging, logging.config
        logging.config.dictConfig({
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"()": "fmt.Plain"}},
            "loggers": {"app.x": {"level": "DEBUG"}},
        })
        logging.getLogger("app.y").setLevel(33)
        @step
        def f():
            return logging.getLogger("app.x").level, logging.getLogger("app.y").level
        # file: fmt.py
        import logging
        class Plain(logging.Formatter): pass
        """,
        "[]",
    ),
    (
        "a call of the user's that sets something up, here and in another module",
        """
        import state
        from state import prepare
        def setup():
            state.VALUES["own"] = 1
        setup()
        prepare("theirs")
        state.LEVEL = 9
        state.VALUES["item"] = 3
        @step
        def f():
            return state.VALUES, state.LEVEL
        # file: state.py
        VALUES = {}
        LEVEL = 0
        def prepare(name):
            VALUES[name] = 2
        """,
        "[]",
    ),
    (
        "a monkeypatch in a module that is imported for its effect",
        """
        import patch, target
        @step
        def f():
            return target.answer()
        # file: target.py
        def answer(): return 1
        # file: patch.py
        import target
        def better(): return 42
        target.answer = better
        """,
        "[]",
    ),
    (
        "a package whose __init__ imports all names and has a module __getattr__",
        """
        import pkg
        from pkg import shown
        @step
        def f():
            return shown(), pkg.LAZY, pkg.direct()
        # file: pkg/__init__.py
        from .impl import *
        def __getattr__(name):
            if name == "LAZY":
                return "lazy"
            raise AttributeError(name)
        # file: pkg/impl.py
        __all__ = ["shown", "direct"]
        def shown(): return "shown"
        def direct(): return "direct"
        """,
        "[]",
    ),
    (
        "an __init__ that reads its globals",
        """
        import pkg
        @step
        def f():
            return pkg.NAMES
        # file: pkg/__init__.py
        from . import one, two
        NAMES = sorted(name for name in globals() if not name.startswith("_"))
        # file: pkg/one.py
        # file: pkg/two.py
        """,
        "[]",
    ),
    (
        "conditional imports, imports that are tried, imports inside functions",
        """
        import helper
        @step
        def f():
            return helper.NAME, helper.late(), helper.CHOSEN
        # file: helper.py
        import sys
        try:
            import not_there_at_all as engine
        except ImportError:
            import fallback as engine
        if sys.version_info > (3, 0):
            from new import CHOSEN
        else:
            from old import CHOSEN
        NAME = engine.__name__
        def late():
            from lately import VALUE
            return VALUE
        # file: fallback.py
        # file: new.py
        CHOSEN = "new"
        # file: old.py
        CHOSEN = "old"
        # file: lately.py
        VALUE = "late"
        """,
        "[]",
    ),
    (
        "a cycle of modules",
        """
        import left
        @step
        def f():
            return left.left(), left.right.right()
        # file: left.py
        import right
        def left(): return "left" + right.NAME
        # file: right.py
        import left
        NAME = "right"
        def right(): return left.left()[0]
        """,
        "[]",
    ),
    (
        "a module that imports the script back: one module, one class",
        """
        import other
        class Order:
            made = 0
        @step
        def f():
            order = other.make()
            return type(order) is Order, Order.made, type(order).__name__
        # file: other.py
        def make():
            from pipeline import Order
            Order.made += 1
            return Order()
        """,
        "[]",
    ),
    (
        "a module that makes a pipeline at import",
        """
        import flows
        @step
        def f(x):
            return flows.LIMIT + flows.double(x)
        # file: flows.py
        from lokki_tf import DAG, Pipeline, main, step, task
        LIMIT = 5
        @step
        def double(x): return 2 * x
        @step(memory_size=1024)
        def show(x): return str(x)
        @task()
        def a(): return 1
        @task()
        def b(x): return x
        a >> b
        dag = DAG("d")
        pipe = Pipeline("p", steps=[show(double(3)).after(double(4))])
        if __name__ == "__main__":
            main(pipe)
        """,
        "[1]",
    ),
    (
        "a submodule that only other code has imported here",
        """
        import pkg
        import pkg.sub as _
        from helper import there
        @step
        def f():
            return there()
        # file: helper.py
        import pkg
        def there(): return pkg.sub.VALUE
        # file: pkg/__init__.py
        # file: pkg/sub.py
        VALUE = 3
        """,
        "[]",
    ),
    (
        "a file that a module reads at import, beside it",
        """
        import tables
        @step
        def f():
            return tables.PRICES, tables.names()
        # file: tables.py
        import json
        from pathlib import Path
        HERE = Path(__file__).parent
        PRICES = json.loads((HERE / "data" / "prices.json").read_text())
        with open(HERE / "names.txt") as file:
            NAMES = file.read().split()
        def names(): return NAMES
        # file: data/prices.json
        {"a": 1}
        # file: names.txt
        x y
        """,
        "[]",
    ),
    (
        "files beside the code that functions read",
        """
        import tables
        from pathlib import Path
        HERE = Path(__file__).parent
        @step
        def f():
            return tables.prices(), (HERE / "own.txt").read_text(), tables.packaged.text()
        # file: tables.py
        import json, os
        import packaged
        def prices():
            with open(os.path.join(os.path.dirname(__file__), "prices.json")) as file:
                return json.load(file)
        # file: packaged/__init__.py
        from importlib.resources import files
        def text(): return files(__package__).joinpath("words.txt").read_text()
        # file: packaged/words.txt
        words
        # file: prices.json
        {"a": 1}
        # file: own.txt
        own
        """,
        "[]",
    ),
    (
        "modules that are declared",
        """
        from importlib import import_module
        @step(modules=["plugins"])
        def f(name):
            return import_module("plugins." + name).VALUE
        # file: plugins/__init__.py
        # file: plugins/one.py
        from common import VALUE
        # file: plugins/two.py
        VALUE = 2
        # file: common.py
        VALUE = 1
        """,
        "['one']",
    ),
    (
        "modules that a pattern names",
        """
        from importlib import import_module
        @step(include=["plugins/*.py"])
        def f(name):
            return import_module("plugins." + name).VALUE
        # file: plugins/one.py
        from common import VALUE
        # file: common.py
        VALUE = 1
        """,
        "['one']",
    ),
    (
        "the step's own module, whole",
        """
        FOUND = []
        def note(function):
            FOUND.append(function.__name__)
            return function
        @note
        def helper(): return 1
        @step(code="module")
        def f():
            return globals()["FOUND"], sorted(n for n in globals() if n.startswith("hel"))
        """,
        "[]",
    ),
    (
        "a step whose name the template uses",
        """
        @step
        def event(x): return x + 1
        f = event
        """,
        "[1]",
    ),
    (
        "a helper whose name the template or the runtime uses",
        """
        def context(x): return x + 1
        def lokki_runtime(x): return context(x)
        def lambda_handler(x): return lokki_runtime(x)
        @step
        def f(x): return lambda_handler(x)
        """,
        "[1]",
    ),
    (
        "a class that a metaclass of another module registers",
        """
        import meta
        class Thing(metaclass=meta.Meta): pass
        @step
        def f(): return meta.SEEN
        # file: meta.py
        SEEN = []
        class Meta(type):
            def __init__(cls, *args):
                SEEN.append(cls.__name__)
        """,
        "[]",
    ),
    (
        "the value of a call that changes what is outside is assigned",
        """
        import os, registry
        os.environ["LOKKI_KEY"] = "v"
        _key = os.environ.pop("LOKKI_KEY")
        _added = registry.add("a")
        @step
        def f(): return registry.ITEMS, os.environ.get("LOKKI_KEY")
        # file: registry.py
        ITEMS = []
        def add(one):
            ITEMS.append(one)
            return len(ITEMS)
        """,
        "[]",
    ),
    (
        "a step that is made inside a function, over anything",
        """
        def make(n):
            thing = object()
            lock = (x for x in "abc")
            counts = []
            @step
            def f(x=thing):
                counts.append(x)
                return n, x is thing, list(lock), len(counts), helper()
            return f
        n = 1
        def helper():
            return n
        f = make(3)
        """,
        "[]",
    ),
    (
        "a variable of the function around it that a step changes",
        """
        def make():
            count = 0
            @step
            def f():
                nonlocal count
                count += 1
                return count
            return f
        f = make()
        """,
        "[]",
    ),
    (
        "lambdas that a comprehension makes",
        """
        fs = [step(lambda x: x * i, name=f"s{i}") for i in range(3)]
        gs = [step(lambda x, i=i: x * i, name=f"t{i}") for i in range(3)]
        f = gs[1]
        """,
        "[2]",
    ),
    (
        "steps that a loop makes",
        """
        made = []
        for i in range(3):
            def body(x, i=i): return x * i
            made.append(step(body, name=f"t{i}"))
        f = made[2]
        """,
        "[2]",
    ),
    (
        "effects in loops and blocks",
        """
        import registry
        for name in ("a", "b"):
            registry.add(name)
        try:
            registry.add("c")
        finally:
            registry.add("d")
        if registry.ITEMS:
            registry.add("e")
        @step
        def f(): return registry.ITEMS
        # file: registry.py
        ITEMS = []
        def add(one): ITEMS.append(one)
        """,
        "[]",
    ),
    (
        "calls that change something, anywhere in a statement",
        """
        import functools, registry
        if (count := registry.add("walrus")) and registry.add("if"):
            pass
        assert registry.add("assert")
        registry.ITEMS and registry.add("and")
        registry.add("then") if count else None
        for one in registry.taken():
            pass
        with registry.active():
            pass
        partial = functools.partial(registry.add, "partial")
        added = partial()
        cached = registry.cached("cached")
        client = registry.Client("constructor")
        def other(one=registry.add("default")): pass
        class Options:
            registry.add("class body")
        @step
        def f(): return registry.ITEMS
        # file: registry.py
        import contextlib, functools
        ITEMS = []
        def add(one):
            ITEMS.append(one)
            return True
        def taken():
            ITEMS.append("taken")
            return ()
        @contextlib.contextmanager
        def active():
            ITEMS.append("with")
            yield
        @functools.cache
        def cached(one):
            return add(one)
        class Client:
            def __init__(self, name): add(name)
        """,
        "[]",
    ),
    (
        "imports for their effect in blocks and by import_module",
        """
        import contextlib, importlib
        import registry
        with contextlib.suppress(ImportError):
            import first
        try:
            import second
        except ImportError:
            pass
        third = importlib.import_module("third")
        @step
        def f(): return registry.ITEMS
        # file: registry.py
        ITEMS = []
        # file: first.py
        import registry
        registry.ITEMS.append(1)
        # file: second.py
        import registry
        registry.ITEMS.append(2)
        # file: third.py
        import registry
        registry.ITEMS.append(3)
        """,
        "[]",
    ),
    (
        "a registration of single dispatch whose value is assigned",
        """
        from shown import show
        show_int = show.register(int, lambda x: "int")
        @step
        def f(): return show(1)
        # file: shown.py
        from functools import singledispatch
        @singledispatch
        def show(x): return "any"
        """,
        "[]",
    ),
    (
        "calls in expressions whose values are not used",
        """
        SEEN = []
        [SEEN.append(i) for i in range(2)]
        SEEN and SEEN.append("and")
        SEEN.append("then") if SEEN else SEEN.append("else")
        (SEEN.append("first"), SEEN.append("second"))
        @step
        def f(): return SEEN
        """,
        "[]",
    ),
    (
        "the value of a call that changes a list or an iterator is assigned",
        """
        LINES = ["head", "a", "b"]
        HEAD, LAST = LINES.pop(0), LINES.pop()
        numbers = iter(range(10))
        for number in numbers:
            if number == 2:
                break
        pairs = list(zip("ab", numbers))
        @step
        def f(): return LINES, next(numbers)
        """,
        "[]",
    ),
    (
        "text that is printed into a buffer",
        """
        import contextlib, io
        BUFFER = io.StringIO()
        with contextlib.redirect_stdout(BUFFER):
            print("here")
        @step
        def f(): return BUFFER.getvalue()
        """,
        "[]",
    ),
    (
        "numbers that are drawn from a random generator at import",
        """
        import random
        random.seed(1)
        own = random.Random(2)
        first, second = own.random(), random.random()
        @step
        def f(): return own.random(), random.random()
        """,
        "[]",
    ),
    (
        "functions that change their arguments, and methods that change their object",
        """
        import fill
        from fill import Counter
        SEEN, MORE = [], {}
        def add(seen, one): fill.append(seen, one); return one
        class Twice(Counter):
            def twice(self): return self.take() + self.take()
        count = Twice()
        _first = add(SEEN, 1)
        _second = fill.append(one=2, seen=SEEN)
        _third = fill.put(MORE["x"] if MORE else MORE)
        _fourth = count.twice()
        @step
        def f(): return SEEN, count.n
        # file: fill.py
        def append(seen, one): seen.append(one); return one
        def put(more): more["x"] = {}
        class Counter:
            n = 0
            def take(self):
                self.n += 1
                return self.n
        """,
        "[]",
    ),
    (
        "classes that a configuration of logging names, in a constant",
        """
        import logging.config
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False,
                                   "handlers": {"own": {"class": "handlers.Own"}}})
        CONF = {"version": 1, "disable_existing_loggers": False,
                "handlers": {"more": {"class": "more.More"}},
                "loggers": {"handled": {"handlers": ["more"]}}}
        logging.config.dictConfig(CONF)
        @step
        def f(): return [type(one).__name__ for one in logging.getLogger("handled").handlers]
        # file: handlers.py
        import logging
        class Own(logging.Handler): pass
        # file: more.py
        import logging
        class More(logging.Handler): pass
        """,
        "[]",
    ),
]


@pytest.mark.parametrize("claim", [claim for claim, _, _ in CASES])
@pytest.mark.parametrize("main", [False, True], ids=["module", "script"])
def test_it_gives_there_what_it_gives_here(results, claim, main):
    """Each of these gives in a bare Python, from its zip, what it gives in this one."""
    result = results[claim][main]
    package = result["package"]
    files = {k: v.decode() for k, v in package.files.items() if "lokki_runtime/" not in k}
    text = "\n".join(f"--- {name}\n{content}" for name, content in files.items())
    errors = [str(finding) for finding in package.findings if finding.severity == "error"]
    assert not errors, text
    if any(finding.rule == "module-twice" for finding in package.findings):
        return  # here the script and the module are two
    assert result["there"] == result["here"].replace("'__main__'", "'pipeline'"), text


def test_a_step_with_resolved_options_is_taken_by_its_name(bench):
    """A step that is made inside a function is found in its module when settings change it."""
    text = (
        "def make():\n    count = 0\n    @step\n    def f():\n        nonlocal count\n"
        "        count += 1\n        return count\n    return f\nf = make()\n"
    )
    with bench.loaded(bench.write(text)) as names:
        made = package(cut(replace(names["f"].step)))
    assert b"from pipeline import f\n" in made.files["lambda_function.py"]


def test_a_module_in_a_zip_is_deployed_as_a_file(bench, monkeypatch):
    """A module that Python imports from a zip is a file of the step's zip."""
    folder = bench.write("import zipped\n@step\ndef f():\n    return zipped.X\n")
    with zipfile.ZipFile(folder / "lib.zip", "w") as archive:
        archive.writestr("zipped.py", "X = 4\n")
    monkeypatch.syspath_prepend(str(folder / "lib.zip"))
    with bench.loaded(folder) as names:
        made = package(cut(names["f"].step))
    assert not made.findings
    assert made.files["zipped.py"] == b"X = 4\n"
