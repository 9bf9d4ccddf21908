"""Runs Python programs in forked processes, which share the imports that most of them need.

A new Python needs 0.3 to 0.8 s of processor time until a command begins, a forked one 0.05 s. What
is different in a forked process: options of the interpreter, variables that it reads at its start,
and modules that are imported already. Tests of these start Python itself.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import multiprocessing.process
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WARM = (
    "boto3", "click", "rich.console", "rich.table", "rich.progress", "lokki_tf.cli",
    "lokki_tf.local.engine", "lokki_tf.operate.execution", "lokki_tf.terraform.synth",
    "lokki_tf.testing",
)  # fmt: skip
"""Modules that most programs need."""
_CALLERS = __file__, runpy.__file__
_MOST = 1 << 20  # bytes of a request


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: int | None = None,
    text: str = "",
    timeout: float = 450,
) -> subprocess.CompletedProcess[str]:
    """Run a program as ``subprocess.run([sys.executable, *argv], …)`` does.

    Args:
        argv: A script, or ``-m`` and a module, and its arguments.
        cwd: The working directory.
        env: All environment variables; by default those of this process.
        stdin: A file descriptor from which it reads.
        text: What it reads, if ``stdin`` is not given.
        timeout: The longest time that it may take, in seconds.

    Returns:
        The exit code and what was printed, as text.

    Raises:
        subprocess.TimeoutExpired: If it takes longer; it has ended then.
    """
    request = {"argv": [*argv], "cwd": str(cwd), "env": dict(os.environ if env is None else env)}
    message = json.dumps(request).encode()
    with (
        tempfile.TemporaryFile() as read,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        read.write(text.encode())
        read.seek(0)
        given = read.fileno() if stdin is None else stdin
        reply, theirs = os.pipe()
        try:
            socket.send_fds(_server()[0], [message], [given, out.fileno(), err.fileno(), theirs])
        finally:
            os.close(theirs)
        with open(reply, encoding="utf-8") as lines:
            process = int(lines.readline())
            late = not select.select([lines], [], [], timeout)[0]
            if late:
                os.kill(process, signal.SIGKILL)
            code = int(lines.readline())
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode().replace("\r\n", "\n"))
    if late:
        raise subprocess.TimeoutExpired([*argv], timeout, *printed)
    return subprocess.CompletedProcess([sys.executable, *argv], code, *printed)


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the process that forks, which ends with this one, and return how to reach it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST)
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    theirs.close()
    return ours, process


def _serve(requests: socket.socket) -> None:
    """Fork a process for each request, until the other end is closed."""
    warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, _MOST, 4)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _run_and_wait(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def warm_up() -> None:
    """Import what most programs need; collections of garbage would copy it in each of them."""
    gc.disable()
    for name in WARM:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def _run_and_wait(request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    *streams, reply = descriptors
    process = os.fork()
    if process == 0:
        os.close(reply)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(request["cwd"])
        end_with(lambda: run_program(request["argv"], request["env"]))
    for descriptor in streams:
        os.close(descriptor)
    os.write(reply, f"{process}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.write(reply, f"{code}\n".encode())
    os._exit(0)


def run_program(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a program in this forked process, in which nothing else runs afterwards.

    Args:
        argv: A script, or ``-m`` and a module, and its arguments.
        env: All environment variables.
    """
    use_environment(env)
    sys.orig_argv = [sys.executable, *argv]
    if argv[0] == "-m":
        sys.path.insert(0, os.getcwd())
        sys.argv = [*argv[1:]]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = [*argv]
    script = Path(argv[0]).absolute()
    sys.path.insert(0, str(script.resolve().parent))
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__ = str(script)
    exec(compile(script.read_bytes(), script, "exec"), vars(main))


def use_environment(env: Mapping[str, str]) -> None:
    """Take over environment variables, as Python does when it starts.

    Args:
        env: All of them.
    """
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    given = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    others = [one for one in sys.path[1:] if one not in own]
    sys.path = [*map(os.path.abspath, given), *others]
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    # Where spawned processes begin. Type stubs lack it.
    multiprocessing.process.ORIGINAL_DIR = os.getcwd()  # type: ignore[attr-defined]
    buffered = not env.get("PYTHONUNBUFFERED")
    encoding, _, errors = env.get("PYTHONIOENCODING", "").partition(":")
    for number, name, handling in ((0, "stdin", ""), (1, "stdout", ""), (2, "stderr", "backslash")):
        stream = open(  # noqa: SIM115  # open until the process ends
            number,
            "r" if number == 0 else "w",
            encoding=encoding or "utf-8",
            errors=f"{handling}replace" if handling else errors or "strict",
            closefd=False,
        )
        if number:
            line = number == 2 or os.isatty(number)
            stream.reconfigure(line_buffering=line, write_through=not buffered)
        setattr(sys, name, stream)


def end_with(program: Any) -> None:
    """Call a program, and end this process as Python ends after a script.

    Args:
        program: Has no arguments; raises what ends it.
    """
    status = 0
    try:
        program()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if status and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        inside = error.__traceback__
        while inside is not None and inside.tb_frame.f_code.co_filename in _CALLERS:
            inside = inside.tb_next
        sys.excepthook(type(error), error.with_traceback(inside), inside)
        status = 1
    finally:
        try:
            # As Python does at its end: wait for threads. Type stubs lack it.
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
