"""State of the process that one step writes and another reads, which steps in AWS do not share."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import Pipeline
from lokki_tf.checks.code import check_code

FOUND = {
    "globals": (
        """
        SEEN, TOTAL = [], 0
        def first():
            global TOTAL
            TOTAL = 1
            SEEN.append(1)
        def second(): return SEEN, total()
        def total(): return TOTAL
        """,
        ["TOTAL", "SEEN"],
    ),
    "a global that only a step makes": (
        """
        def first():
            global MADE
            MADE = 1
        def second(): return MADE
        """,
        ["MADE"],
    ),
    "attributes of a class, a module and an object": (
        """
        import shared_settings
        class Config: mode = "a"
        class Options: pass
        options = Options()
        def first():
            Config.mode = "x"
            shared_settings.debug = True
            setattr(options, "level", 2)
        def second(): return Config.mode, shared_settings.debug, options.level
        """,
        ["Config.mode", "shared_settings.debug", "options.level"],
    ),
    "an attribute by way of methods": (
        """
        class Settings:
            count = 0
            def __init__(self): self.on, self.rows = False, {}
            def enable(self): self.on = True
            def keep(self, row): self.rows[row] = 1
            @classmethod
            def add(cls): cls.count += 1
            @property
            def state(self): return self.on, Settings.count, self.rows
        settings = Settings()
        def first():
            settings.enable()
            settings.keep(1)
            Settings.add()
        def second(): return settings.state
        """,
        ["Settings.on", "Settings.rows", "Settings.count"],
    ),
    "a container of another module, by two names": (
        """
        import shared_settings
        from shared_settings import TABLE
        def first(): TABLE["a"] = 1
        def second(): return shared_settings.TABLE
        """,
        ["TABLE"],
    ),
    "what a cache keeps": (
        """
        from functools import cache, lru_cache
        @cache
        def rows(): return []
        @lru_cache(maxsize=1)
        def options(): return {}
        def first():
            rows().append(1)
            found = options()
            found["mode"] = "x"
        def second(): return rows(), options()
        """,
        ["rows()", "options()"],
    ),
    "variables of the environment": (
        """
        import os
        from os import environ
        def first():
            os.environ["MODE_OF_TEST"] = "x"
            os.environ.setdefault("LEVEL_OF_TEST", "x")
        def second(): return environ["MODE_OF_TEST"], os.getenv("LEVEL_OF_TEST")
        """,
        ["os.environ['MODE_OF_TEST']", "os.environ['LEVEL_OF_TEST']"],
    ),
    "a counter": (
        """
        import itertools
        numbers = itertools.count()
        def first(): return next(numbers)
        def second(): return list(numbers)
        """,
        ["numbers"],
    ),
}
NOT_FOUND = {
    "a client that a helper keeps": """
        _client, _cache = None, {}
        class Pool:
            made = None
            @classmethod
            def get(cls):
                cls.made = cls.made or object()
                return cls.made
        def client():
            global _client
            _client = _client or object()
            _cache["client"] = _client
            return _client
        def first(): return client(), Pool.get()
        def second(): return client(), Pool.get(), _cache
        """,
    "a client that each step makes": """
        _client = None
        def first():
            global _client
            if _client is None: _client = object()
            return _client
        def second():
            global _client
            if _client is None: _client = object()
            return _client
        """,
    "what a cache of both keeps": """
        from functools import cache
        @cache
        def rows(): return []
        def first(): return rows()
        def second(): return rows()
        """,
    "objects and names of a step's own": """
        SEEN = []
        class Row:
            def __init__(self): self.value = []
            def add(self): self.value.append(1)
        def first():
            SEEN = []
            SEEN.append(1)
            row = Row()
            row.add()
            row.value = 2
            return SEEN
        def second(): return SEEN, Row().value
        """,
    "a variable that the reader declares": """
        import os
        def first(): os.environ["DECLARED"] = "x"
        def second(): return os.environ["DECLARED"]
        """,
    "what both only write": """
        SEEN = []
        def first(): SEEN.append(1)
        def second(): SEEN.append(2)
        """,
}


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shared_settings.py").write_text("debug = False\nTABLE = {}\n")

    def check(text: str) -> list[Any]:
        (tmp_path / "shared_steps.py").write_text(textwrap.dedent(text))
        module = importlib.import_module("shared_steps")
        from lokki_tf import step

        declared = {"DECLARED": "1"}
        steps = [step(module.first)(), step(env_variables=declared)(module.second)()]
        return check_code(Pipeline("p", steps=steps).definition)

    yield check
    for name in ("shared_steps", "shared_settings"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("case", FOUND)
def test_state_that_steps_share_here_is_a_warning(case: str, checked: Any) -> None:
    """What one step writes and another reads through the process is a warning at the write."""
    text, names = FOUND[case]
    found = checked(text)
    assert [(one.rule, one.severity) for one in found] == [("shared-state", "warning")] * len(names)
    assert {one.place.name for one in found} == set(names)
    for one in found:
        assert one.message.startswith(f"step 'first' writes {one.place.name!r} and step 'second'")
        last = one.place.name.rpartition(".")[2].partition("(")[0].partition("[")[0]
        assert last in textwrap.dedent(text).splitlines()[one.place.line - 1] or "found" in text


@pytest.mark.parametrize("case", NOT_FOUND)
def test_state_of_each_step_is_none(case: str, checked: Any) -> None:
    """A client or a cache that each Lambda fills for itself, and a step's own names, are not."""
    assert checked(NOT_FOUND[case]) == []
