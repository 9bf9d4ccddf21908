"""The program of the worker processes. It is run by ``python -I -S`` and never imported.

The stages:

1. The first process is the *fork server*. It loads the modules that most functions need, and forks
   a worker process on request. This takes 1 to 2 ms; starting an interpreter takes 20 ms.
2. A worker process imports the handler of one function.
3. The worker handles one event at a time as Lambda's Python runtime does: with the same context
   object, JSON format and error names. Its stdout and stderr are the function's log.

``workers.py`` exchanges messages with the workers through sockets, one at a time. The first message
to a worker has the JSON of its settings. All others have an event, and the JSON of the function
where it differs from that of the message before. An answer consists of whether it is an error, its
length and its JSON.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import io
import json
import logging
import os
import signal
import socket
import struct
import sys
import time
import traceback
from typing import Any

Handler = Any
Failure = dict[str, Any]

_HEAD = struct.Struct(">36sdII")
"""The id of the request, its deadline, and the lengths of the two parts of the message."""
_ANSWER = struct.Struct(">?I")


def _receive(channel: socket.socket) -> tuple[str, float, bytes, bytes]:
    message, length = bytearray(), _HEAD.size
    while len(message) < length:
        part = channel.recv(1 << 20)
        if not part:
            raise EOFError
        message += part
        if len(message) >= _HEAD.size:
            length = _HEAD.size + sum(_HEAD.unpack_from(message)[2:])
    request_id, deadline, first, _ = _HEAD.unpack_from(message)
    second = _HEAD.size + first
    parts = bytes(message[_HEAD.size : second]), bytes(message[second:])
    return request_id.decode(), deadline, *parts


def _send(channel: socket.socket, failed: bool, body: bytes) -> None:
    channel.sendall(_ANSWER.pack(failed, len(body)) + body)


# The fork server


def _serve_forks(channel: socket.socket, sdk: Any, files: Any) -> None:
    children: set[int] = set()
    try:
        while True:
            message, fds, _, _ = socket.recv_fds(channel, 64, 2)
            if not message:
                return
            if message.startswith(b"fork"):
                pid = _fork(channel, fds, sdk, files)
                children.add(pid)
                channel.sendall(struct.pack(">q", pid))
            else:
                pid = int(message.split()[1])
                children.discard(pid)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                channel.sendall(struct.pack(">q", status))
    finally:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _fork(channel: socket.socket, fds: list[int], sdk: Any, files: Any) -> int:
    pid = os.fork()
    if pid:
        for fd in fds:
            os.close(fd)
        return pid
    channel.close()
    control, log = fds
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    try:
        _serve(socket.socket(fileno=control), sdk, files)
    except EOFError:
        os._exit(0)
    except SystemExit as end:
        _flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
    except BaseException:
        traceback.print_exc()
    os._exit(1)


# A worker


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, request_id: str, deadline: float, function: dict[str, Any]) -> None:
        self.aws_request_id = request_id
        self.function_name = function["name"]
        self.function_version = function["version"]
        self.invoked_function_arn = function["arn"]
        self.memory_limit_in_mb = str(function["memory_size"])
        self.log_group_name = function["log_group"]
        self.log_stream_name = function["log_stream"]
        self.identity = None
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until the function's time limit, in milliseconds."""
        return max(0, int((self._deadline - time.time()) * 1000))


class _LogHandler(logging.Handler):
    request_id = ""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        stamp = f"{moment}.{int(record.msecs):03d}Z"
        return f"[{record.levelname}]\t{stamp}\t{self.request_id}\t{text}"

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def _serve(control: socket.socket, sdk: Any, files: Any) -> None:
    setup = json.loads(_receive(control)[2])
    os.environ.clear()
    os.environ.update(setup["environment"])
    time.tzset()
    os.chdir(setup["code"])
    sys.path[:0] = setup["path"]
    sdk.offer(setup["path"][:-1])
    temporary: dict[str, str] = {}  # a folder for each function that this process runs
    folder = os.path.join(os.path.dirname(setup["code"]), f"tmp-{os.getpid()}-")
    files.enter(f"{folder}0", setup["path"])
    sys.argv = [""]
    log = _LogHandler()
    logging.getLogger().addHandler(log)
    handler, failure = _load(setup["handler"])
    _flush()
    _send(control, failure is not None, json.dumps(failure).encode())
    function: dict[str, Any] = {}
    while True:
        request_id, deadline, described, event = _receive(control)
        if described:
            function = json.loads(described)
            os.environ.update(function["environment"])
        log.request_id = request_id
        own = temporary.setdefault(function["name"], f"{folder}{len(temporary)}")
        files.enter(own, setup["path"])
        context = LambdaContext(request_id, deadline, function)
        failed, body = _answer(handler, event, context, setup["ascii"])
        _flush()
        os.write(1, f"\0{request_id}\0".encode())
        _send(control, failed, body)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _load(name: str) -> tuple[Handler, Failure | None]:
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        return None, _described(f"Bad handler '{name}': {error}", "Runtime.MalformedHandlerName")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
        return getattr(module, function_name), None
    except ImportError as error:
        traceback.print_exc()
        message = f"Unable to import module '{module_name}': {error}"
        return None, _described(message, "Runtime.ImportModuleError")
    except SyntaxError as error:
        traceback.print_exc()
        message = f"Syntax error in module '{module_name}': {error}"
        return None, _described(message, "Runtime.UserCodeSyntaxError")
    except AttributeError as error:
        if getattr(error, "obj", None) is sys.modules.get(module_name):
            message = f"Handler '{function_name}' missing on module '{module_name}'"
            return None, _described(message, "Runtime.HandlerNotFound")
        return None, _failure(error)
    except Exception as error:
        return None, _failure(error)


def _answer(
    handler: Handler, event: bytes, context: LambdaContext, ascii_only: bool
) -> tuple[bool, bytes]:
    request_id = context.aws_request_id
    try:
        result = handler(json.loads(event), context)
    except Exception as error:
        return True, json.dumps({**_failure(error), "requestId": request_id}).encode()
    if isinstance(result, bytes):  # which Lambda's runtime returns as they are, observed
        return False, result
    try:
        text = json.dumps(result, default=_decimal, ensure_ascii=ascii_only)
        return False, text.encode()
    except Exception as error:
        message = f"Unable to marshal response: {error}"
        described = _described(message, "Runtime.MarshalError")
        return True, json.dumps({**described, "requestId": request_id}).encode()


def _decimal(value: Any) -> float | int:
    # Decimal is the only type outside of JSON that Lambda's runtime serializes.
    if type(value).__name__ == "Decimal" and type(value).__module__ == "decimal":
        return float(value) if value % 1 else int(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _described(message: str, kind: str) -> Failure:
    print(f"[ERROR] {kind}: {message}", file=sys.stderr)
    return {"errorMessage": message, "errorType": kind, "stackTrace": []}


def _failure(error: BaseException) -> Failure:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.dirname(frame.filename) != os.path.dirname(__file__)
        and not frame.filename.startswith("<frozen")
        and not frame.filename.startswith(os.path.dirname(importlib.__file__))
    ]
    stack = traceback.format_list(frames)
    kind = type(error).__name__
    print(f"[ERROR] {kind}: {error}\nTraceback (most recent call last):", file=sys.stderr)
    print("".join(stack).rstrip(), file=sys.stderr)
    return {"errorMessage": str(error), "errorType": kind, "stackTrace": stack}


def _text_stream(fd: int) -> io.TextIOWrapper:
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", write_through=True)


def _load_sibling(name: str) -> Any:
    """Import a module from this file's folder, which is not in ``sys.path``."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.stdout, sys.stderr = _text_stream(1), _text_stream(2)
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    files = _load_sibling("sandbox_files")
    files.install()  # before other modules import the replaced functions
    sdk = _load_sibling("sdk_preload")
    sdk.preload(sys.argv[2])
    compiled = _load_sibling("compiled")
    compiled.keep_in(os.path.join(os.path.dirname(sys.argv[2]), "compiled"))
    gc.collect()
    gc.freeze()  # so that garbage collection does not copy memory pages shared by the workers
    _serve_forks(socket.socket(fileno=int(sys.argv[1])), sdk, files)
