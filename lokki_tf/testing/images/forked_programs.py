"""The process that forks programs of images. It is run as a script and never imported.

A request is a JSON object with its length before it. One to start a program comes with the file
descriptor of the program's output, and is answered with the id of its process; one to ``reap`` a
process that has ended, with its exit status.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib.util
import io
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from types import ModuleType
from typing import Any


def _serve(channel: socket.socket, sdk: Any) -> None:
    running: set[int] = set()
    try:
        while True:
            head, fds, _, _ = socket.recv_fds(channel, 4, 1)
            if not head:
                return
            (length,) = struct.unpack(">I", head)
            request = json.loads(channel.recv(length, socket.MSG_WAITALL))
            if "reap" in request:
                pid = request["reap"]
                running.discard(pid)
                answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            else:
                answer = _fork(channel, request, fds[0], sdk)
                running.add(answer)
            channel.sendall(struct.pack(">q", answer))
    finally:
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _fork(channel: socket.socket, request: dict[str, Any], output: int, sdk: Any) -> int:
    pid = os.fork()
    if pid:
        os.close(output)
        with contextlib.suppress(OSError):  # the child has done it, or has ended
            os.setpgid(pid, pid)
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        channel.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        status = _run(request, sdk)
    finally:
        os._exit(status)


def _run(request: dict[str, Any], sdk: Any) -> int:
    """Run a program as a new interpreter would, and return its exit status."""
    script = os.path.join(request["folder"], request["arguments"][0])
    sys.stdout, sys.stderr = _stream(1, "surrogateescape"), _stream(2, "backslashreplace")
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]  # as at the start of Python
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = request["arguments"]
    sys.path.insert(0, os.path.dirname(script))
    sdk.offer([folder for folder, _, _ in os.walk(sys.path[0])])
    main = ModuleType("__main__")
    main.__dict__.update(__file__=script, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    status = _status_of(script, main)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for other threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _status_of(script: str, main: ModuleType) -> int:
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        trace = error.__traceback__
        own = error.with_traceback(trace.tb_next if trace else None)
        sys.excepthook(type(own), own, own.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _stream(fd: int, errors: str) -> io.TextIOWrapper:
    raw: Any = io.FileIO(fd, "w", closefd=False)  # without a buffer, as with PYTHONUNBUFFERED
    return io.TextIOWrapper(raw, "utf-8", errors, write_through=True)


def _sdk_preload() -> Any:
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(os.path.dirname(here), "functions", "sdk_preload.py")
    spec = importlib.util.spec_from_file_location("sdk_preload", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    del sys.path[0]  # this file's folder
    _sdk = _sdk_preload()
    _sdk.preload(sys.prefix, ("s3", "stepfunctions"))
    gc.collect()
    gc.freeze()  # so that garbage collection does not copy memory pages shared by the programs
    _serve(socket.socket(fileno=int(sys.argv[1])), _sdk)
