"""The runtime of a bundle in the oldest Python that Lambda offers."""

from __future__ import annotations

import ast
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from lokki_tf.model.options import RUNTIMES
from lokki_tf.packaging.bundle.runtime_files import all_files, stub_files

OLDEST = RUNTIMES[0].removeprefix("python")
FILES = {**all_files(), **stub_files(state_manager=True)}
PYTHON = next(chain(Path.home().glob(f".pyenv/versions/{OLDEST}.*/bin/python"), [None]))
RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import lokki_tf
from lokki_runtime import handler, conditions, jobs, log, maps, routed, routes, store
from lokki_runtime.envelope import unpack

def function(*values, **named):
    return [*values, named]

making = {"make": "dict", "keys": {"value": ["a"]}, "items": {"0": {"value": 1}}}
event = {"node": "n", "run": "r", "store": "s3://b", "inline": 100, "log_level": "ERROR",
         "args": {"0": making}, "kwargs": {"b": {"make": "tuple", "items": {}}}}
print(json.dumps(unpack(handler.run(lambda value, b: [value, b == ()], event), None)))
print(json.dumps(handler.run(function, {**event, "place": ["i/0", "i/1"], "kwargs": {}})))
"""


@pytest.mark.parametrize("path", FILES)
def test_the_runtime_has_the_syntax_of_the_oldest_python(path: str) -> None:
    """Every file can be parsed by the oldest Python and calls nothing with newer parameters."""
    tree = ast.parse(FILES[path], feature_version=tuple(map(int, OLDEST.split("."))))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    newer = {("zip", "strict"), ("dataclass", "slots"), ("dataclass", "kw_only")}
    assert not [
        f"{path}:{call.lineno}"
        for call in calls
        for keyword in call.keywords
        if (getattr(call.func, "id", None), keyword.arg) in newer
    ]


@pytest.mark.skipif(PYTHON is None, reason=f"no Python {OLDEST} is installed by pyenv")
def test_the_runtime_runs_in_the_oldest_python(tmp_path: Path) -> None:
    """All modules can be imported, and a call, alone and in a batch, gives its envelope."""
    for path, data in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    done = subprocess.run(
        [str(PYTHON), "-I", "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        '[{"a": 1}, true]',
        '{"batch": [{"value": [{"a": 1}, {}]}, {"value": [{"a": 1}, {}]}]}',
    ]
