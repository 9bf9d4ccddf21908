"""Imports of bundles in a bare Python: what fails, where, how long and how large."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked
import pytest

from lokki_tf import Pipeline
from lokki_tf.operate import import_check
from lokki_tf.operate.import_check import ImportResult, check_imports
from lokki_tf.packaging import package_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
Checked = dict[str, ImportResult]


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Callable[..., Checked]]:
    """Writes modules, imports ``steps_here`` and checks the imports of its ``pipe``."""
    before = set(sys.modules)
    sys.path.insert(0, str(tmp_path))

    def imported(source: str, **modules: str) -> Checked:
        for name, text in {"steps_here": source, **modules}.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        pipe: Pipeline = importlib.import_module("steps_here").pipe
        return {one.step: one for one in check_imports(package_steps(pipe.definition))}

    yield imported
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def one_step(body: str, *, options: str = "", head: str = "") -> str:
    """A pipeline of one step, ``f``, whose module begins with ``head``."""
    return f"""{head}
from lokki_tf import Pipeline, step

@step({options})
def f():
    return {body}

pipe = Pipeline("p", steps=[f()])
"""


def test_a_bundle_that_can_be_imported(imported: Any) -> None:
    """The result has the sizes of the bundle and how long the import of its modules took."""
    source = one_step("slow.VALUE", head="import slow")
    found = imported(source, slow="import time\ntime.sleep(0.05)\nVALUE = 1\n")["f"]
    assert (found.error, found.unchecked, found.place, found.connections) == (None, None, None, ())
    assert 50 <= found.milliseconds < 5_000
    assert 0 < found.zip_bytes < found.file_bytes


STYLES = {
    "calls": """
        from lokki_tf import Pipeline, step
        @step
        def load(): return 1
        @step
        def total(n): return n
        pipe = Pipeline("p", steps=[total(load())])
        """,
    "flow": """
        from lokki_tf import flow, step
        @step
        def load(): return [1]
        @step
        def total(n): return n
        @flow
        def pipe(): return load().map(total)
        """,
    "tasks": """
        from lokki_tf import DAG, task
        @task()
        def load(): return 1
        @task()
        def total(n): return n
        load >> total
        pipe = DAG("p")
        """,
    "routes": """
        from lokki_tf import MicroFunctions, ReturnUpdates
        pipe = MicroFunctions(beginner="load", name="p")
        @pipe.fn()
        def load(**kwargs): return ReturnUpdates("total", n=1)
        @pipe.fn(terminates=True)
        def total(*, n: int, **kwargs): return {"n": n}
        """,
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style(imported: Any, style: str) -> None:
    """Steps of all styles of writing a pipeline are imported."""
    found = imported(STYLES[style])
    assert found.keys() == {"load", "total"}
    assert [(one.error, one.unchecked) for one in found.values()] == [(None, None)] * 2


def test_a_failure_in_a_module_names_its_line(imported: Any, tmp_path: Path) -> None:
    """An error that a module raises only there has the user's file and line."""
    helper = "import os\n\nHOME = os.environ['HOME']\n"
    found = imported(one_step("helper.HOME", head="import helper"), helper=helper)["f"]
    assert found.error == "KeyError: 'HOME'"
    assert (found.place.file, found.place.line) == (str(tmp_path / "helper.py"), 3)


def test_a_failure_in_the_steps_own_module_names_its_line(imported: Any, tmp_path: Path) -> None:
    """The line is that of the user's file, though the bundle has only a part of it."""
    head = "import os\nUNUSED = 1\n\ndef home():\n    return os.environ['HOME']\n\nHOME = home()"
    found = imported(one_step("HOME", head=head))["f"]
    assert found.error == "KeyError: 'HOME'"
    assert (found.place.file, found.place.line) == (str(tmp_path / "steps_here.py"), 5)


def test_what_ends_the_process_is_a_failure(imported: Any) -> None:
    """A module that exits, by an exception or at once, is reported."""
    for statement, error in [
        ("sys.exit(3)", "SystemExit: 3"),
        ("os._exit(3)", "the import ended its process with exit code 3"),
    ]:
        helper = f"import os, sys\nif 'HOME' not in os.environ:\n    {statement}\nX = 1\n"
        found = imported(one_step("helper.X", head="import helper"), helper=helper)["f"]
        assert found.error == error
        del sys.modules["helper"], sys.modules["steps_here"]


def test_an_import_without_end_is_a_failure(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that takes too long is ended."""
    monkeypatch.setattr(import_check, "_SECONDS", 1)
    helper = "import os, time\nif 'HOME' not in os.environ:\n    time.sleep(60)\nX = 1\n"
    found = imported(one_step("helper.X", head="import helper"), helper=helper)["f"]
    assert found.error == "the import has not ended after 1 s"
    assert found.milliseconds is None


CONNECTING = """
import os, socket
if "HOME" not in os.environ:
    {statement}
X = 1
"""


@pytest.mark.parametrize(
    ("statement", "target"),
    [
        ("socket.create_connection(('127.0.0.1', 9), 1)", "127.0.0.1:9"),
        ("socket.getaddrinfo('lokki.invalid', 443)", "lokki.invalid:443"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))", "127.0.0.1:9"),
    ],
)
def test_a_connection_at_import_is_refused(
    imported: Any, tmp_path: Path, statement: str, target: str
) -> None:
    """A connection is a failure with its line, and one that the module does without is listed."""
    source = one_step("helper.X", head="import helper")
    found = imported(source, helper=CONNECTING.format(statement=statement))["f"]
    assert found.error == f"OSError: a connection to {target} is opened at import"
    assert (found.place.file, found.place.line) == (str(tmp_path / "helper.py"), 4)
    del sys.modules["helper"], sys.modules["steps_here"]
    caught = f"try:\n        {statement}\n    except OSError:\n        pass"
    found = imported(source, helper=CONNECTING.format(statement=caught))["f"]
    assert (found.error, found.connections) == (None, (target,))
    assert found.place.line == 5


def test_only_declared_packages_are_there(imported: Any) -> None:
    """An installed package is found if the step declares it, or what depends on it."""
    head = "import importlib\npydantic_core = importlib.import_module('pydantic' + '_core')"
    head += "\nfrom importlib.metadata import version\nVERSION = version('pydantic' + '-core')"
    found = imported(one_step("pydantic_core, VERSION", head=head))["f"]
    assert found.error == "ModuleNotFoundError: No module named 'pydantic_core'"
    for options in (
        "requirements=['pydantic']",
        "layers=['arn:aws:lambda:eu-west-1:123456789012:layer:x:1']",
    ):
        del sys.modules["steps_here"]
        found = imported(one_step("pydantic_core, VERSION", head=head, options=options))["f"]
        assert (found.error, found.unchecked) == (None, None)


def test_a_declared_package_that_is_not_installed(imported: Any) -> None:
    """Without a package that is declared, an import is not checked, and it does not fail."""
    helper = "import sys\nif 'pytest' not in sys.modules:\n    import not_installed_here\nX = 1\n"
    options = "requirements=['not-installed-here==1', 'pydantic']"
    source = one_step("helper.X", head="import helper", options=options)
    found = imported(source, helper=helper)["f"]
    assert found.unchecked == "cannot be checked: not-installed-here is not installed here"
    assert (found.error, found.milliseconds) == (None, None)
    assert found.zip_bytes > 0


def test_the_environment_is_lambdas(imported: Any) -> None:
    """Variables are those of Lambda and of the step, not those of this computer."""
    head = """
import os
EXPECTED = {"A": "b", "AWS_LAMBDA_FUNCTION_NAME": "f", "TZ": ":UTC"}
LEFT = ""
if "PYTEST_CURRENT_TEST" not in os.environ:
    found = {name: os.environ.get(name) for name in EXPECTED}
    assert found == EXPECTED, found
    assert os.environ["LAMBDA_TASK_ROOT"] == os.getcwd()
    assert "HOME" not in os.environ
    LEFT = 1
"""
    found = imported(one_step("EXPECTED, LEFT", head=head, options="env_variables={'A': 'b'}"))
    assert found["f"].error is None


def test_secrets_are_not_fetched(imported: Any) -> None:
    """The import has a text for each secret, and no connection."""
    head = "import os\nKNOWN = os.environ.get('TOKEN', '')\n"
    found = imported(one_step("KNOWN", head=head, options="secrets={'TOKEN': 'prod/token'}"))
    assert (found["f"].error, found["f"].connections) == (None, ())


SCRIPT = """
import os
from lokki_tf import Pipeline, main, step

def home():
    return os.environ.get("MISSING") or "".join({argument})

HOME = home()

@step
def load():
    return 1

@step
def use(n):
    return HOME

pipe = Pipeline("p", steps=[use(load())])
if __name__ == "__main__":
    main(pipe)
"""


def checked(
    tmp_path: Path, text: str, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The end of ``check --import`` in a script."""
    script = tmp_path / "script.py"
    script.write_text(text)
    return forked.run(
        [str(script), "check", "--import", *options],
        cwd=tmp_path,
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("argument", "code", "expected"),
    [
        ('"text"', 0, ["load   ok", "use    ok"]),
        ('os.environ["HOME"]', 1, ["load   ok", "use    failed", "KeyError: 'HOME'", ".py:6"]),
    ],
)
def test_the_command(tmp_path: Path, argument: str, code: int, expected: list[str]) -> None:
    """The table has a line for each step, and the exit code is 1 if one fails."""
    done = checked(tmp_path, SCRIPT.format(argument=argument), HOME="/home")
    assert done.returncode == code, done.stderr
    summary, heading, *_ = done.stdout.splitlines()
    assert summary.startswith("p: 0 errors")
    assert heading.split() == ["step", "import", "ms", "files", "zip", "error"]
    for text in expected:
        assert text in done.stdout


def test_nothing_is_imported_of_a_pipeline_with_errors(tmp_path: Path) -> None:
    """Errors come first: the command says so and exits with 1."""
    text = SCRIPT.format(argument='"text"').replace("import os\n", "import os, pydantic\n")
    done = checked(tmp_path, text.replace("return HOME", "return pydantic.VERSION"))
    assert done.returncode == 1
    assert "nothing is imported until the errors are corrected" in done.stderr
    assert "ms" not in done.stdout


def test_explain_and_import_exclude_each_other(tmp_path: Path) -> None:
    """``--explain`` shows one step's files and imports nothing, so both are wrong use."""
    done = checked(tmp_path, SCRIPT.format(argument='"text"'), "--explain", "use")
    assert done.returncode == 2
    assert "--explain cannot be combined with --import" in done.stderr
