"""What a step's code uses of this computer and process, and decorators that it runs without."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import functools
import getpass
import importlib.util
import locale
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime
from os import getcwd
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import lokki_tf
from lokki_tf import DAG, MicroFunctions, Pipeline, flow, step, task
from lokki_tf.checks.code import check_code
from lokki_tf.model import Finding


def findings(function: Callable[..., Any], **options: Any) -> list[Finding]:
    """What the rules find in a step of one function."""
    return check_code(Pipeline("p", steps=[step(**options)(function)()]).definition)


def zoned() -> object:
    return datetime.now(UTC), datetime.now(tz=UTC), datetime.fromtimestamp(0, UTC)


def zoned_elsewhere() -> object:
    return time.strftime("%H", time.gmtime()), datetime.now(UTC).astimezone(UTC)


def now() -> object:
    return datetime.now()


def now_by_module() -> object:
    return dt.datetime.now()


def imported_inside() -> object:
    from datetime import datetime as moment

    return moment.today()


def today() -> object:
    return date.today()


def local_time() -> object:
    return time.localtime()


def local_text() -> object:
    return time.strftime("%H")


def local_zone() -> object:
    return datetime.now(UTC).astimezone()


def from_stamp() -> object:
    return datetime.fromtimestamp(0)


def sets_locale() -> None:
    locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")


def asks_locale() -> object:
    return locale.setlocale(locale.LC_ALL)


def reads_locale() -> object:
    return locale.localeconv()


def folder() -> object:
    return getcwd()


def folder_by_path() -> object:
    return Path.cwd() / "data"


def home() -> object:
    return Path.home()


def expanded() -> object:
    return Path("~/data").expanduser()


def user() -> object:
    return getpass.getuser()


def host() -> object:
    return socket.gethostname()


def processors() -> object:
    return os.cpu_count()


def arguments() -> object:
    return sys.argv[1:]


def asks() -> object:
    return input("name: ")


def seeds() -> None:
    random.seed(1)


def own_generator() -> object:
    return random.Random(1).random()


def changes_folder() -> None:
    os.chdir("/tmp")


def deepens() -> None:
    sys.setrecursionlimit(10_000)


def rounds() -> None:
    decimal.setcontext(decimal.Context(prec=4))


def handles_signals() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def starts_thread() -> None:
    threading.Thread(target=print).start()
    print(", ".join(["a"]))


def waits_for_thread() -> None:
    one = threading.Thread(target=print)
    one.start()
    one.join()


def leaves_pool() -> None:
    ThreadPoolExecutor().submit(print)


def closes_pool() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(print)


def processes() -> None:
    with multiprocessing.Pool(2):
        pass


def pool_of_processes() -> None:
    with ProcessPoolExecutor():
        pass


def runs_program() -> None:
    subprocess.run(["git", "status"], check=True)


def runs_shell() -> None:
    os.system("git status")


def runs_python() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def runs_own() -> None:
    subprocess.run(["./bin/convert"], check=True)


def finds_program() -> object:
    return shutil.which("git")


def finds_package() -> object:
    return importlib.util.find_spec("pandas")


def finds_module() -> object:
    return importlib.util.find_spec("json")


def hashes() -> object:
    return hash("text")


class Key:
    """Has a hash of its own, which only its dicts use."""

    def __hash__(self) -> int:
        return hash(("a", 1))

    def folder(self) -> str:
        return os.getcwd()


def makes_key() -> object:
    return {Key(): 1}


def through_a_helper() -> object:
    return folder()


def name_of_its_own() -> object:
    hash = datetime = len  # noqa: A001
    return hash(""), datetime("")


def leads_nowhere(**kwargs: Any) -> Any:
    return {"folder": os.getcwd()}


class Proxy:
    """Refuses every question, as proxies do outside of a request."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


proxy = Proxy()
lazy = ModuleType("lazy")
lazy.__getattr__ = Proxy().__getattr__  # type: ignore[method-assign]


def refused() -> object:
    return proxy.now(), lazy.now(), proxy, os.getcwd()


def user_number() -> object:
    return os.getuid()


def owner() -> object:
    return Path("data").owner()


def entry() -> object:
    import pwd

    return pwd.getpwuid(0)


def window() -> None:
    import tkinter

    tkinter.Tk().mainloop()


def screen() -> None:
    from curses import wrapper

    wrapper(print)


def leaves() -> None:
    os._exit(1)


async def leaves_task() -> None:
    task = asyncio.create_task(asyncio.sleep(1))
    task.add_done_callback(print)
    await asyncio.sleep(0)


async def leaves_task_of_loop() -> None:
    asyncio.get_running_loop().create_task(asyncio.sleep(1))


async def waits_for_task() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task


async def waits_for_tasks() -> None:
    await asyncio.gather(asyncio.create_task(asyncio.sleep(0)))


async def waits_for_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))


CASES: list[tuple[Callable[..., Any], list[str]]] = [
    (zoned, []), (zoned_elsewhere, []), (now, ["time-zone"]), (now_by_module, ["time-zone"]),
    (imported_inside, ["time-zone"]), (today, ["time-zone"]), (local_time, ["time-zone"]),
    (local_text, ["time-zone"]), (local_zone, ["time-zone"]), (from_stamp, ["time-zone"]),
    (sets_locale, ["locale"]), (asks_locale, []), (reads_locale, ["locale"]),
    (folder, ["computer"]), (folder_by_path, ["computer"]), (home, ["computer"]),
    (expanded, ["computer"]), (user, ["computer"]), (host, ["computer"]),
    (processors, ["computer"]),
    (arguments, ["computer"]), (asks, ["computer"]), (seeds, ["process-state"]),
    (own_generator, []), (changes_folder, ["process-state"]), (deepens, ["process-state"]),
    (rounds, ["process-state"]),
    (handles_signals, ["signals"]), (starts_thread, ["left-running"]), (waits_for_thread, []),
    (leaves_pool, ["left-running"]), (closes_pool, []), (processes, ["multiprocessing"]),
    (pool_of_processes, ["multiprocessing"]), (runs_program, ["program"]),
    (finds_program, ["program"]), (finds_package, ["installed"]), (finds_module, []),
    (runs_shell, ["program"]), (runs_python, []), (runs_own, []), (hashes, ["hash"]),
    (makes_key, ["computer"]), (refused, ["computer"]), (through_a_helper, ["computer"]),
    (name_of_its_own, []), (user_number, ["computer"]), (owner, ["computer"]),
    (entry, ["computer"]),
    (window, ["computer"]), (screen, ["computer"]), (leaves, ["exit"]),
    (leaves_task, ["left-running"]), (leaves_task_of_loop, ["left-running"]),
    (waits_for_task, []), (waits_for_tasks, []), (waits_for_group, []),
]  # fmt: skip


@pytest.mark.parametrize(("function", "rules"), CASES, ids=[one.__name__ for one, _ in CASES])
def test_uses_of_the_machine_are_warnings(function: Any, rules: list[str]) -> None:
    """Code whose result depends on this computer or process has one warning, at its own line."""
    found = findings(function)
    assert [one.rule for one in found] == rules
    for one in found:
        assert one.severity == "warning"
        assert one.place is not None
        assert one.place.file == __file__
        assert one.remedy
    if found and function not in (through_a_helper, makes_key):
        first = function.__code__.co_firstlineno
        assert first < found[0].place.line <= first + 3  # type: ignore[union-attr]


def test_settings_that_make_them_equal_silence_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """TZ of step and process, a job's container or an own image needs no warning."""
    (found,) = findings(now, env_variables={"TZ": "Europe/Berlin"})
    assert "TZ is in effect in AWS and with executor=" in found.message
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert findings(now, env_variables={"TZ": "Europe/Berlin"}) == []
    assert findings(processes, job_type="batch") == []
    assert findings(starts_thread, job_type="batch") == []
    assert findings(runs_program, package="image") == []
    assert findings(finds_package, requirements=["pandas"]) == []


def test_findings_are_those_of_check_and_synth(tmp_path: Path) -> None:
    """``check`` lists them, in routed pipelines and for tasks too, and ``synth`` returns them."""
    pipe = Pipeline("p", steps=[step(now)()])
    assert [one.rule for one in pipe.check()] == ["time-zone"]
    assert [one.rule for one in pipe.synth(tmp_path).findings] == ["time-zone"]
    routed = MicroFunctions(beginner="leads_nowhere", name="r")
    routed.fn(terminates=True)(leads_nowhere)
    assert "computer" in [one.rule for one in routed.check()]
    assert [one.rule for one in DAG("d", tasks=[task()(hashes)]).check()] == ["hash"]


def timed(function: Any) -> Any:
    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return around


def registered(function: Any) -> Any:
    return function


@timed
@step
def wrapped() -> int:
    return 1


@timed
@step(memory_size=256)
def wrapped_with_options() -> int:
    return 1


@timed
@lokki_tf.step
def wrapped_by_module() -> int:
    return 1


@step
@timed
def inside() -> int:
    return 1


@registered
@step
def noted() -> int:
    return 1


@pytest.mark.parametrize("call", [wrapped, wrapped_with_options, wrapped_by_module])
def test_a_decorator_above_step_is_a_warning(call: Any) -> None:
    """A decorator above ``@step`` has no effect; the warning says where it belongs."""
    (found,) = check_code(Pipeline("p", steps=[call()]).definition)
    assert (found.rule, found.severity) == ("decorator", "warning")
    assert found.message.startswith("decorator @timed is above @")
    assert f"step {call.__name__!r} runs without it" in found.message
    assert (found.remedy or "").startswith("write it below @")


def test_a_decorator_in_its_place_is_none() -> None:
    """Below ``@step`` it is part of the step; one that gives back the step has had its effect."""
    assert check_code(Pipeline("p", steps=[inside(), noted()]).definition) == []


def test_decorators_of_other_styles() -> None:
    """The decorator of a routed pipeline is known as well, and a flow's steps are looked at."""
    routed = MicroFunctions(beginner="first", name="r")

    @timed
    @routed.fn(terminates=True)
    def first(**kwargs: Any) -> Any:
        return {"done": True}

    assert [one.rule for one in check_code(routed.definition)] == ["decorator"]

    @flow
    def chain() -> Any:
        return wrapped()

    assert [one.rule for one in check_code(chain.definition)] == ["decorator"]


MATCH = """
from lokki_tf import Pipeline, step

@step(python_runtime="python3.9")
def matches(x=1):
    match x:
        case 1:
            return 2

pipe = Pipeline("p", steps=[matches()])
"""
MODULES = """
from lokki_tf import Pipeline, step

@step(python_runtime={runtime!r}{more})
def reads():
    {code}

pipe = Pipeline("p", steps=[reads()])
"""


def of_source(tmp_path: Path, source: str) -> list[Finding]:
    file = tmp_path / "written.py"
    file.write_text(source)
    names: dict[str, Any] = {"__name__": "written"}
    exec(compile(source, str(file), "exec"), names)
    return check_code(names["pipe"].definition)


def test_syntax_that_the_runtime_lacks_is_an_error(tmp_path: Path) -> None:
    """Statements that came with a later Python than the step's are an error."""
    (found,) = of_source(tmp_path, MATCH)
    assert (found.rule, found.severity) == ("python-version", "error")
    assert "step 'matches' is not valid in Python 3.9: Pattern matching" in found.message
    assert of_source(tmp_path, MATCH.replace("3.9", "3.10")) == []


@pytest.mark.parametrize(
    ("runtime", "code", "more", "count"),
    [
        ("python3.13", "import imp; return imp.__name__", "", 1),
        ("python3.11", "import imp; return imp.__name__", "", 0),
        ("python3.13", "import cgi; return cgi.escape", ", requirements=['standard-cgi==3']", 0),
        ("python3.10", "import tomllib; return tomllib.loads('')", "", 1),
        ("python3.11", "import tomllib; return tomllib.loads('')", "", 0),
    ],
)
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python has no such modules either")
def test_modules_that_the_runtime_lacks_are_warnings(
    tmp_path: Path, runtime: str, code: str, more: str, count: int
) -> None:
    """A module that Python has here and not in the step's runtime is a warning, unless declared."""
    found = of_source(tmp_path, MODULES.format(runtime=runtime, code=code, more=more))
    assert [one.rule for one in found] == ["python-version"] * count


@pytest.mark.parametrize(
    "asks", ["sys.version_info", "sys.version", "platform.python_version()", "sys.platform"]
)
@pytest.mark.parametrize("same", [True, False])
def test_asking_for_the_version_of_python_is_a_warning_where_it_differs(
    tmp_path: Path, asks: str, same: bool
) -> None:
    """A step that depends on the version may do something else in a runtime of another."""
    minor = sys.version_info.minor + (not same)
    code = f"import sys, platform; return str({asks})"
    found = of_source(tmp_path, MODULES.format(runtime=f"python3.{minor}", code=code, more=""))
    expected = [] if same or asks == "sys.platform" else ["python-version"]
    assert [one.rule for one in found if one.rule == "python-version"] == expected


def test_versions_that_differ_from_the_declared_are_warnings() -> None:
    """A pinned package that is installed here in another version is a warning with both."""
    from importlib.metadata import version

    here = version("pytest")
    (found,) = findings(zoned, requirements=["pytest==1.2.3"])
    assert found.rule == "version-differs"
    assert f"declares pytest==1.2.3, and {here} is installed locally" in found.message
    equal = [f"pytest=={here}", f"pytest=={here}.0", "pytest>=1", "no-such-package==1"]
    for line in equal:
        assert findings(zoned, requirements=[line]) == []
