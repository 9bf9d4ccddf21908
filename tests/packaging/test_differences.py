"""What may be different in Lambda is a finding, with the line and what to do about it."""

from __future__ import annotations

import pytest

from lokki_tf.packaging import cut, explain, package

CASES = [
    (
        "imports that only the running program computes",
        """
        import importlib, pkgutil, plugins
        @step
        def f(name):
            importlib.import_module("plugins." + name)
            __import__(name)
            return [found.name for found in pkgutil.iter_modules(plugins.__path__)]
        # file: plugins/__init__.py
        """,
        [
            "import-computed:5 importlib.import_module('plugins.' + name)",
            "import-computed:6 __import__(name)",
            "import-computed:7 pkgutil.iter_modules(…)",
        ],
    ),
    (
        "environment variables that nothing sets, read at import, in the step, in a helper",
        """
        import os
        from os import environ, getenv
        import conf
        KEY = "BY_NAME"
        URL = os.environ["DB_URL"] if "DB_URL" in os.environ else ""
        @step(env_variables={"SET": "1"})
        def f():
            home = os.path.expandvars("$LOCATION/x")
            return URL, conf.level(), getenv("DEBUG"), environ.get(KEY), environ["SET"], home
        # file: conf.py
        import os
        os.environ["OWN"] = "1"
        ZONE = os.getenv("ZONE_NAME")
        def level(): return os.environ.get("LEVEL"), os.environ["OWN"], os.environ["AWS_REGION"]
        def unreached(): return os.environ["NEVER"]
        """,
        [
            "variable-unset:10 'BY_NAME'",
            "variable-unset:10 'DEBUG'",
            "variable-unset:3 'ZONE_NAME'",
            "variable-unset:4 'LEVEL'",
            "variable-unset:6 'DB_URL'",
            "variable-unset:9 'LOCATION'",
        ],
    ),
    (
        "environment variables whose names are computed",
        """
        import os
        OWN = {name: text for name, text in os.environ.items() if name.startswith("OWN_")}
        @step
        def f(name):
            return OWN, os.environ[name.upper()], os.getenv("OWN_" + name), {**os.environ}
        """,
        [
            "variable-unset:3 by os.environ.items(), and",
            "variable-unset:6 by os.environ[name.upper()], and",
            "variable-unset:6 by os.getenv('OWN_' + name), and",
        ],
    ),
    (
        "environment variables whose names are computed, some of which are set",
        """
        import os
        @step(env_variables={"A": "1"})
        def f(name):
            return os.environ[name]
        """,
        [],
    ),
    (
        "secrets, which are set in AWS: in the step, and at import, where they are never renewed",
        """
        import os
        import conf
        TOKEN = os.environ["TOKEN"] if "TOKEN" in os.environ else ""
        @step(secrets={"TOKEN": "a", "LATE": "b", "THERE": "c"})
        def f(name):
            return TOKEN, os.environ["LATE"], os.environ[name], conf.THERE
        # file: conf.py
        import os
        THERE = os.getenv("THERE")
        """,
        ["secret-early:2 'THERE'", "secret-early:4 'TOKEN'"],
    ),
    (
        "a configuration of logging that has no effect in Lambda",
        """
        import logging
        logging.basicConfig(level=logging.INFO)
        @step
        def f():
            return 1
        """,
        ["logging-config:3 logging.basicConfig"],
    ),
    (
        "one that has",
        """
        import logging
        logging.basicConfig(level=logging.INFO, force=True)
        @step
        def f():
            return 1
        """,
        [],
    ),
    (
        "a folder that the step lists and does not include",
        """
        from pathlib import Path
        @step
        def f():
            return sorted((Path(__file__).parent / "data").iterdir())
        # file: data/a.txt
        """,
        ["capture-file:5 /data', which is missing or different in Lambda"],
    ),
    (
        "a package whose presence decides",
        """
        import importlib.util
        FAST = importlib.util.find_spec("heavylib") is not None
        @step
        def f():
            return FAST
        """,
        ["package-missing:3 runs without 'heavylib'"],
    ),
    (
        "metadata of a distribution that Lambda does not have",
        """
        from importlib.metadata import version
        VERSION = version("pytest")
        @step
        def f():
            return VERSION
        """,
        ["distribution-missing:3 'pytest'"],
    ),
    (
        "statements that need what the step goes without",
        """
        import heavylib
        from charts import draw
        def setup():
            heavylib.spread([1])
        setup()
        heavylib.spread([2])
        heavylib.set_option = 3
        @heavylib.retry
        def serve(): return 1
        @step
        def f():
            return 1
        # file: charts.py
        import heavylib, state
        state.SEEN.append(1)
        def draw(): return heavylib
        # file: state.py
        SEEN = []
        """,
        [
            "code-left-out:3 'from charts import draw'",
            "code-left-out:6 'setup()'",
            "code-left-out:7 'heavylib.spread([2])'",
        ],
    ),
    (
        "an optional package, and one that a function imports which the step does not reach",
        """
        import helper
        @step
        def f(xs):
            return helper.total(xs)
        # file: helper.py
        try:
            import heavylib
        except ImportError:
            heavylib = None
        def total(xs): return sum(xs)
        def plot(xs):
            import heavylib.plot
        """,
        ["package-missing:2 runs without 'heavylib'"],
    ),
    (
        "a package that a function imports which the step reaches",
        """
        import helper
        @step
        def f(xs):
            return helper.total(xs)
        # file: helper.py
        def total(xs): return spread(xs)
        def spread(xs):
            import heavylib
            return heavylib.spread(xs)
        """,
        ["package-missing:3 imports 'heavylib'"],
    ),
    (
        "a package of which one module needs more, re-exported beside the step",
        """
        from pkg.steps import f
        # file: pkg/__init__.py
        from .steps import f
        from .heavy import g
        # file: pkg/steps.py
        from lokki_tf import step
        from .util import K
        @step
        def f(): return K
        # file: pkg/util.py
        K = 4
        # file: pkg/heavy.py
        import heavylib
        from lokki_tf import step
        @step(requirements=["heavylib"])
        def g(): return heavylib.spread([1])
        """,
        [],
    ),
    (
        "a module that connects at import",
        """
        import db
        @step
        def f():
            return db.__name__
        # file: db.py
        import sqlite3
        CONNECTION = sqlite3.connect(":memory:")
        """,
        ["import-connects:2 sqlite3.connect(…)"],
    ),
    (
        "files that a module reads at import, where no zip has them",
        """
        import conf
        @step
        def f():
            return conf.NAME
        # file: conf.py
        import os, socket
        NAME = open("/etc/hostname").read()
        SEEN = open(max(["/etc/hostname"])).read()
        HOST = socket.gethostname()
        """,
        [
            "import-reads:2 reads /etc/hostname",
            "import-reads:3 open(…)",
            "import-reads:4 gethostname(…)",
        ],
    ),
    (
        "modules that are declared and are not there",
        """
        @step(modules=["nowhere"])
        def f():
            return 1
        """,
        ["modules:2 'nowhere'"],
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_it_is_a_finding(bench, text, expected):
    """Each of these is found, at its line, and nothing else is."""
    with bench.loaded(bench.write(text)) as names:
        found = package(cut(names["f"].step)).findings
    lines = sorted(f"{one.rule}:{one.place.line} {one.message}" for one in found)
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        where, _, words = start.partition(" ")
        assert line.startswith(f"{where} "), (line, start)
        assert words in line, (line, start)
    assert all(one.remedy for one in found)


def test_the_script_that_is_imported_as_well_is_found(bench):
    """A module that ran as a script and is imported under its own name is two here."""
    text = (
        "import other\nclass A: pass\n@step\ndef f():\n    return other.made() is A\n"
        "# file: other.py\ndef made():\n    import pipeline\n    return pipeline.A\n"
    )
    one = bench.cut(text, main=True)
    assert [finding.rule for finding in one.findings] == ["module-twice"]
    assert not bench.cut(text).findings


def test_own_metadata_comes_along(bench):
    """The version of a project that is installed as editable is the same in the zip."""
    text = (
        "from importlib.metadata import version\n@step\ndef f():\n    return version('lokki-tf')\n"
    )
    with bench.loaded(bench.write(text)) as names:
        made = package(cut(names["f"].step))
        here = repr(names["f"].step.function())
    assert not made.findings
    assert bench.run([(bench.unpack(made), "[]")])[0][0] == here


TREE = """
import helpers
from base import Base
import plugins
@step(env_variables={"A": "1"})
def f():
    import os
    return helpers.rows(), os.environ["A"], Base
# file: helpers.py
import inner
def rows(): return inner.ROWS
def plot():
    import heavylib
# file: inner.py
ROWS = [1]
# file: base.py
class Base: pass
# file: plugins.py
from base import Base
class Plugin(Base): pass
"""


def test_every_file_is_explained(bench):
    """The explanation lists each file of the zip, who imports it and at which line."""
    with bench.loaded(bench.write(TREE)) as names:
        one = cut(names["f"].step)
        found = explain(one)
        made = package(one)
    why = {file.path: file.why.rpartition("/")[2] for file in found.files}
    assert why["helpers.py"] == "pipeline.py, line 2"
    assert why["inner.py"] == "helpers.py, line 1"
    assert why["plugins.py"] == "pipeline.py, line 4"
    listed = {path.partition("/")[0] for path in why}
    assert {path.partition("/")[0] for path in made.files} == listed
    assert found.unreached[0].endswith("helpers.py, line 4, in plot")
    assert found.variables == (("A", "set by env_variables= or the settings"),)
    assert found.form.startswith("its function and what it needs are in lambda_function.py")
    assert "helpers.py" in str(found)
    assert found.fingerprint == made.fingerprint


def keys(bench, text, variable="1", monkeypatch=None):
    """The keys under which results of a step are kept."""
    from lokki_tf import Pipeline
    from lokki_tf.local.cache import value_digest
    from lokki_tf.packaging import state_keys

    with bench.loaded(bench.write(text)) as names:
        pipeline = Pipeline("p", [names["f"]()])
        secrets = {one: one.options.secrets for one in pipeline.definition.steps}
        [key] = state_keys(pipeline.definition, value_digest, secrets).values()
    return key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Plugin(Base): pass", "class Other(Base): pass"),
        ("ROWS = [1]", "ROWS = [2]"),
        ('{"A": "1"}', '{"A": "2"}'),
        ("import inner\n", "import inner  # changed\n"),
    ],
    ids=["a subclass", "a module of a module", "a declared variable", "a module"],
)
def test_whatever_changes_a_result_changes_its_key(bench, old, new):
    """Kept results are not used after a change anywhere in what the step includes."""
    assert old in TREE
    assert keys(bench, TREE) == keys(bench, TREE)
    assert keys(bench, TREE) != keys(bench, TREE.replace(old, new))


def test_a_variable_that_is_read_changes_the_key(bench, monkeypatch):
    """So does the value of an environment variable that is read at import."""
    text = "import os\nURL = os.getenv('DB_URL')\n@step\ndef f():\n    return URL\n"
    monkeypatch.setenv("DB_URL", "one")
    first = keys(bench, text)
    monkeypatch.setenv("DB_URL", "two")
    assert keys(bench, text) != first


def test_the_value_of_a_secret_is_not_in_the_key(bench, monkeypatch):
    """The key is stored, so it depends on the secret's name and not on its value."""
    text = "import os\n@step(secrets={'T': 'a'})\ndef f():\n    return os.environ['T']\n"
    monkeypatch.setenv("T", "one")
    first = keys(bench, text)
    monkeypatch.setenv("T", "two")
    assert keys(bench, text) == first
    assert keys(bench, text.replace("'a'", "'b'")) != first
