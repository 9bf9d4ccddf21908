"""A bench on which small modules are cut, carried to an empty folder and run there."""

from __future__ import annotations

import decimal
import importlib
import json
import linecache
import os
import runpy
import shutil
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lokki_tf
from lokki_tf.packaging import Cut, Package, cut, package
from lokki_tf.runtime.call import call

RUNTIME = """
from . import call

def run(function, event, context=None):
    return call.call(function, event["args"], {})
"""
HEAVYLIB = """
import functools


def spread(xs):
    return max(xs)

def retry(function):
    @functools.wraps(function)
    def again(*args):
        return [function(*args), function(*args)]
    return again
"""
RUNNER = """
import json, os, sys
for line in sys.stdin:
    folder, args = json.loads(line)
    read, write = os.pipe()
    if os.fork() == 0:
        sys.path[:0] = [folder]
        os.chdir(folder)
        try:
            import lambda_function
            found = repr(lambda_function.lambda_handler({"args": eval(args)}, None))
            loaded = sorted(sys.modules)
        except BaseException as error:
            found, loaded = f"{type(error).__name__}: {error}", []
        os.write(write, json.dumps([found, loaded]).encode())
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        print(answer.read(), flush=True)
    os.wait()
"""
HERE = """
import importlib, json, os, pathlib, sys, types, warnings
import lokki_tf.packaging as packaging
from lokki_tf.runtime.call import call
warnings.simplefilter("ignore")

def load(folder, home, main):
    sys.path.insert(0, folder)
    os.chdir(folder)
    if not main:
        return vars(importlib.import_module(home))
    script = sys.modules["__main__"] = types.ModuleType("__main__")
    script.__file__ = f"{folder}/{home}.py"
    exec(compile(pathlib.Path(script.__file__).read_text(), script.__file__, "exec"), vars(script))
    return vars(script)

def answer(folder, home, main, target):
    try:
        function = load(folder, home, main)["f"].step.function
    except Exception as error:
        return {"unfit": f"{type(error).__name__}: {error}"}
    packed = packaging.package(packaging.cut(function.__globals__["f"].step))
    for name, content in packed.files.items():
        path = pathlib.Path(target, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        here = repr(call(function, [], {}))
    except Exception as error:
        return {"unfit": f"{type(error).__name__}: {error}"}
    findings = [(one.severity, one.rule, str(one)) for one in packed.findings]
    return {"here": here, "findings": findings}

for line in sys.stdin:
    read, write = os.pipe()
    if os.fork() == 0:
        sys.dont_write_bytecode = True
        try:
            found = answer(*json.loads(line))
        except BaseException:
            import traceback
            found = {"crash": traceback.format_exc()}
        with open(write, "w") as file:
            json.dump(found, file)
        os._exit(0)
    os.close(write)
    with open(read) as file:
        print(file.read(), flush=True)
    os.wait()
"""


def split_files(text: str) -> dict[str, str]:
    """``# file: name`` lines part a text into files; the first is ``pipeline.py``."""
    files: dict[str, list[str]] = {}
    current = files.setdefault("pipeline.py", [])
    for line in textwrap.dedent(text).lstrip("\n").splitlines(keepends=True):
        if line.startswith("# file: "):
            current = files.setdefault(line.removeprefix("# file: ").strip(), [])
        else:
            current.append(line)
    return {name: "".join(lines) for name, lines in files.items()}


class Bench:
    """Writes modules, imports and cuts them, and runs what was packed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def write(self, text: str) -> Path:
        """A new folder with the files of a text."""
        self.count += 1
        folder = self.folder / f"m{self.count}"
        for name, content in split_files(text).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".py") and "lokki_tf" not in content and name == "pipeline.py":
                content = _with_step(content)
            path.write_text(content, encoding="utf-8")
        return folder

    @contextmanager
    def loaded(self, folder: Path, *, main: bool = False) -> Iterator[Mapping[str, Any]]:
        """The names of ``pipeline.py``, imported or run as a script."""
        before, main_before = set(sys.modules), sys.modules["__main__"]
        settings = sys.getrecursionlimit(), decimal.getcontext().copy(), dict(os.environ)
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        try:
            if main:
                names = runpy.run_path(str(folder / "pipeline.py"), run_name="__main__")
                script = types.ModuleType("__main__")
                vars(script).update(names)
                sys.modules["__main__"] = script
            else:
                names = vars(importlib.import_module("pipeline"))
            yield names
        finally:  # what modules set must not reach other tests
            sys.setrecursionlimit(settings[0])
            decimal.setcontext(settings[1])
            os.environ.clear()
            os.environ.update(settings[2])
            sys.modules["__main__"] = main_before
            sys.path.remove(str(folder))
            for name in set(sys.modules) - before:
                if str(folder) in str(getattr(sys.modules[name], "__file__", "")) or str(
                    folder
                ) in str(getattr(sys.modules[name], "__path__", "")):
                    del sys.modules[name]

    def cut(self, text: str, step: str = "f", *, main: bool = False) -> Cut:
        """One step, cut out of a text."""
        with self.loaded(self.write(text), main=main) as names:
            return cut(names[step].step)

    def cuts(self, text: str, *steps: str, main: bool = False) -> list[Cut]:
        """Several steps, cut out of one text."""
        with self.loaded(self.write(text), main=main) as names:
            return [cut(names[step].step) for step in steps]

    def receive(self, one: Cut, *others: Cut) -> Cut:
        """A cut that gets values of other steps."""
        for other in others:
            one.receive(other.classes, other.defining, other.data if other.classes else None)
        return one

    def unpack(self, packed: Package) -> Path:
        """A new folder with the files of a package and a runtime that only calls."""
        self.count += 1
        folder = self.folder / f"z{self.count}"
        for name, content in packed.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "lokki_runtime" / "__init__.py").write_text(RUNTIME)
        (folder / "heavylib.py").write_text(HEAVYLIB)
        return folder

    def run(self, calls: Sequence[tuple[Path, str]]) -> list[tuple[str, set[str]]]:
        """What handlers answer in a fresh, bare Python each, and what they imported.

        Args:
            calls: Folders and the arguments, as source of a list.
        """
        lines = "".join(json.dumps((str(folder), args)) + "\n" for folder, args in calls)
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", RUNNER],
            input=lines,
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        return [(found, set(loaded)) for found, loaded in answers]

    def travel(self, cases: Sequence[Any]) -> dict[str, dict[str, Any]]:
        """Each case here, and there: as a module and as a script.

        Args:
            cases: (claim, text, arguments) each.
        """
        results: dict[str, dict[str, Any]] = {}
        calls = []
        for claim, text, args in cases:
            folder = self.write(text)
            result = results[claim] = {}
            for main in (False, True):
                with self.loaded(folder, main=main) as names:
                    one = cut(names["f"].step)
                    packed = package(one)
                    args_here = eval(args)
                    with chdir(
                        folder
                    ):  # as in Lambda, where the working directory is the zip's folder
                        result[main] = {"here": _answer(names["f"].step.function, args_here)}
                result[main] |= {"cut": one, "package": packed}
                calls.append((result[main], self.unpack(packed), args))
        answers = self.run([(folder, args) for _, folder, args in calls])
        for (result, _, _), (found, loaded) in zip(calls, answers, strict=True):
            result |= {"there": found, "loaded": loaded}
        return results


@dataclass(frozen=True)
class Compared:
    """What a step gives here and from its zip.

    Args:
        here: Its result here.
        there: Its result in a bare Python.
        findings: Severity, rule and text of each finding.
        text: The files of the zip.
    """

    here: str
    there: str
    findings: list[tuple[str, str, str]]
    text: str


class Worlds:
    """Two processes that start a new one for each step: one with lokki_tf, one bare."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        root = str(Path(lokki_tf.__file__).parents[1])
        self.local = self._start("-c", f"import sys; sys.path.insert(0, {root!r})\n{HERE}")
        self.bare = self._start("-B", "-I", "-S", "-c", RUNNER)

    def _start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        """End both processes."""
        for process in (self.local, self.bare):
            process.communicate(timeout=60)

    def compare(self, files: Mapping[str, str], home: str, main: bool) -> Compared | None:
        """Run the step ``f`` of a module in both; return ``None`` if that fails here.

        Args:
            files: The files of the user, by path.
            home: The module of the step.
            main: Whether it runs as a script.
        """
        user, target = self.folder / "user", self.folder / "zip"
        try:
            for name, text in files.items():
                path = user / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            local = _ask(self.local, str(user), home, main, str(target))
            if "unfit" in local:
                return None
            assert "crash" not in local, local["crash"]
            (target / "lokki_runtime" / "__init__.py").write_text(RUNTIME)
            there, _ = _ask(self.bare, str(target), "[]")
            texts = (
                f"# zip: {path.relative_to(target)}\n{path.read_text()}"
                for path in sorted(target.rglob("*.py"))
                if "lokki_" not in str(path.relative_to(target).parent)
            )
            here = local["here"].replace("'__main__'", repr(home))
            return Compared(here, there, local["findings"], "\n".join(texts))
        finally:
            shutil.rmtree(user, ignore_errors=True)
            shutil.rmtree(target, ignore_errors=True)


def _ask(process: subprocess.Popen[str], *question: Any) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _answer(function: Any, args: Any) -> str:
    try:
        return repr(call(function, args, {}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _with_step(content: str) -> str:
    future, line = "from __future__ import annotations\n", "from lokki_tf import step\n"
    if future in content:
        return content.replace(future, future + line, 1)
    return line + content


@pytest.fixture(scope="session", autouse=True)
def _others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """``heavylib``, a third-party package, in the form in which pip installs it."""
    folder = tmp_path_factory.mktemp("others") / "site-packages"
    (folder / "heavylib").mkdir(parents=True)
    (folder / "heavylib" / "__init__.py").write_text(HEAVYLIB)
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench for all tests."""
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Both worlds for all tests."""
    both = Worlds(tmp_path_factory.mktemp("worlds"))
    yield both
    both.close()


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, bench: Bench) -> Any:
    """The results of the ``CASES`` of a test module, run locally and from zips."""
    return bench.travel(request.module.CASES)


@pytest.fixture
def cells() -> Iterator[Any]:
    """Runs notebook cells as IPython does: one namespace, each cell known to linecache."""
    names: dict[str, Any] = {"__name__": "__main__", "In": [""]}
    known: list[str] = []

    def run(text: str) -> dict[str, Any]:
        source = textwrap.dedent(text).lstrip("\n")
        number = len(names["In"])
        filename = f"<ipython-input-{number}-{abs(hash(source)):012x}>"
        lines = source.splitlines(keepends=True)
        linecache.cache[filename] = (len(source), None, lines, filename)
        known.append(filename)
        names["In"].append(source)
        exec(compile(source, filename, "exec"), names)
        return names

    exec("from lokki_tf import step", names)
    yield run
    for filename in known:
        linecache.cache.pop(filename, None)
