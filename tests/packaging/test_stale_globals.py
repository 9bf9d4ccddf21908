"""Values that are not any more what their statements make of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.packaging import package_steps

SETTINGS = """
TABLE = {"a": 1}
LEVEL = 1
PLUGINS = {}
CACHE = {}
RATES = [1]
RATES.append(2)


def setup(level):
    global LEVEL
    LEVEL = level


def plugin(function):
    PLUGINS[function.__name__] = function
    return function


def level():
    return LEVEL


def cached(key):
    CACHE[key] = True
    return CACHE
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A module of settings of the user's."""
    (tmp_path / "outside_settings.py").write_text(SETTINGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("outside_settings")
    return importlib.reload(module)


def warned(function: Any) -> list[str]:
    """The names that check warns of."""
    found = Pipeline("p", steps=[step(function)()]).check()
    assert {one.severity for one in found} <= {"warning"}
    return sorted(one.message.split("'")[3] for one in found if one.rule == "capture-changed")


def test_what_others_have_changed_is_a_warning(outside) -> None:
    """A value that was set, filled or registered by code that stays here is a warning."""
    conf = outside
    conf.TABLE.update(b=2)
    conf.setup(7)
    conf.plugin(len)

    def uses():
        return conf.TABLE, conf.level(), conf.PLUGINS

    assert warned(uses) == ["LEVEL", "PLUGINS", "TABLE"]


def test_what_carried_code_changes_is_its_own(outside) -> None:
    """A cache filled by the step's code and a value built by statements cause no warning."""
    conf = outside
    conf.cached("here")

    def uses():
        return conf.cached("there"), conf.RATES, conf.TABLE

    assert warned(uses) == []


def test_what_a_star_brings_may_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements that change a name of `from x import *` are kept after an import of the name."""
    (tmp_path / "starred_conf.py").write_text("FEATURES = ['a']\nSHARE = 0.5\n")
    (tmp_path / "starred_use.py").write_text(
        "from starred_conf import *\nFEATURES += ['b']\nSHARE = SHARE * 2\n\n\n"
        "def used():\n    return FEATURES, SHARE\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    used = importlib.import_module("starred_use").used
    assert warned(used) == []
    pipeline = Pipeline("p", steps=[step(used)()])
    (package,) = package_steps(pipeline.definition).values()
    names: dict[str, Any] = {}
    code = package.files["lambda_function.py"].decode().partition("def lambda_handler")[0]
    for name in ("starred_conf", "starred_use"):
        monkeypatch.delitem(sys.modules, name)
    exec(code.replace("import lokki_runtime", ""), names)
    assert names["used"]() == pipeline.local_run().result
