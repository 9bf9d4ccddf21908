"""Programs that are forks do what a new interpreter does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lokki_tf.testing.images.forking import Forks, can_fork
from lokki_tf.testing.images.processes import ENVIRONMENT

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="requires Linux")
SCRIPTS = {
    "result": "import sys; print('ö', sys.argv, __file__, __name__, sys.path[0])",
    "environment": "import os, time; print(sorted(os.environ), os.getcwd(), time.tzname)",
    "exit": "import sys; print('before'); sys.exit(7)",
    "exit-text": "import sys; sys.exit('wrong use')",
    "error": "def fail():\n    raise ValueError('on purpose')\n\nfail()",
    "syntax": "print(",
    "signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "interrupt": (  # a process that was started in the background may ignore it
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "os.kill(os.getpid(), signal.SIGINT)"
    ),
    "thread": (
        "import threading, time\n"
        "def late():\n    time.sleep(0.1)\n    print('late', NAME)\n"
        "NAME = 'known'\nthreading.Thread(target=late).start()"
    ),
    "at-exit": "import atexit; atexit.register(print, 'at exit'); print('first')",
    "main": (
        "import pickle, sys\nclass Own: pass\n"
        "print(type(pickle.loads(pickle.dumps(Own()))) is Own, 'boto3' in sys.modules)"
    ),
    "boto3": "import boto3; print(boto3.__version__, boto3.client.__module__)",
    "module": "import queue; print(queue.OWN)",
    "annotations": "def f(x: int): pass\nprint(f.__annotations__)",
    "child": "import subprocess; subprocess.run(['echo', 'of a child'], check=True)",
    "unbuffered": "import os; print('one'); os._exit(3)",
}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    """The process that forks."""
    forks = Forks(ENVIRONMENT)
    yield forks
    forks.close()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_fork_prints_and_ends_as_an_interpreter(name: str, forks: Forks, tmp_path: Path) -> None:
    """Output, traceback, exit status, modules and variables are the same."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[name])
    if name == "module":
        (tmp_path / "queue.py").write_text("OWN = 'its own module'")
    environment = {**ENVIRONMENT, "AWS_DEFAULT_REGION": "us-east-1", "TZ": "Asia/Tokyo"}
    expected = subprocess.run(
        [sys.executable, str(script), "a", "b"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert can_fork([sys.executable, str(script)], tmp_path, {})
    ours, theirs = os.pipe()
    started = forks.start([str(script), "a", "b"], tmp_path, environment, theirs)
    os.close(theirs)
    with open(ours, "rb") as output:
        printed = output.read()
    assert (printed.decode(), started.wait(60)) == (expected.stdout.decode(), expected.returncode)


def test_a_fork_that_still_runs_is_waited_for(forks: Forks, tmp_path: Path) -> None:
    """A wait ends with its time limit; the whole group of processes can be killed."""
    (tmp_path / "script.py").write_text("import time; time.sleep(60)")
    ours, theirs = os.pipe()
    started = forks.start(["script.py"], tmp_path, ENVIRONMENT, theirs)
    os.close(theirs)
    os.close(ours)
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(0.01)
    begun = time.monotonic()
    os.killpg(started.pid, 9)
    assert started.wait(60) == started.wait() == -9
    assert time.monotonic() - begun < 50


@pytest.mark.parametrize(
    ("arguments", "environment", "file"),
    [
        (["sh", "script.py"], {}, "a.py"),
        ([sys.executable, "-m", "http.server"], {}, "a.py"),
        ([sys.executable], {}, "a.py"),
        ([sys.executable, "script.py"], {"PYTHONHASHSEED": "1"}, "a.py"),
        ([sys.executable, "script.py"], {}, "packages/botocore/config.py"),
        ([sys.executable, "script.py"], {}, "six.py"),
    ],
)
def test_other_programs_have_an_interpreter_of_their_own(
    arguments: list[str], environment: dict[str, str], file: str, tmp_path: Path
) -> None:
    """Other programs, variables of the interpreter, and packages that replace those loaded."""
    (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / file).write_text("")
    assert not can_fork(arguments, tmp_path, environment)
