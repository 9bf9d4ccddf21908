"""Lambda's Runtime API, with which the program of an image asks for events and answers them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Condition, Thread
from typing import Any
from uuid import uuid4

_ROOT = "/2018-06-01/runtime/"
_ANSWER = re.compile(r"invocation/(?P<id>[^/]+)/(?P<kind>response|error)$")


@dataclass(frozen=True)
class Said:
    """What a program posted.

    Args:
        failed: whether it is the description of an error.
        body: the result, or that description.
    """

    failed: bool
    body: bytes


@dataclass(frozen=True)
class _Event:
    headers: Mapping[str, str]
    body: bytes


class RuntimeApi:
    """The API of one execution environment, which handles one event at a time."""

    def __init__(self) -> None:
        self._events: SimpleQueue[_Event | None] = SimpleQueue()
        self._changed = Condition()
        self._asked = False
        self._current = ""
        self._said: Said | None = None
        self._server = _Server(self)
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port, for ``AWS_LAMBDA_RUNTIME_API``."""
        return f"127.0.0.1:{self._server.server_port}"

    def offer(self, header: Mapping[str, Any], body: bytes) -> None:
        """Let the program have an event.

        Args:
            header: with ``request_id``, ``arn`` and ``deadline``, in seconds.
            body: the event.
        """
        with self._changed:
            self._current, self._said = header["request_id"], None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": header["request_id"],
            "Lambda-Runtime-Deadline-Ms": str(int(header["deadline"] * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": header["arn"],
            "Lambda-Runtime-Trace-Id": f"Root=1-{uuid4().hex[:8]}-{uuid4().hex[:24]};Sampled=0",
        }
        self._events.put(_Event(headers, body))

    def asked(self, seconds: float) -> bool:
        """Return whether the program has asked for its first event, or failed before, in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._asked or self._said is not None, seconds)

    def said(self, seconds: float) -> Said | None:
        """Return what the program has posted, or None after that time."""
        with self._changed:
            self._changed.wait_for(lambda: self._said is not None, seconds)
            return self._said

    def close(self) -> None:
        """Serve no longer."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> _Event | None:
        """Wait for an event; None if there will be none."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()
        return self._events.get()

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        """Take what was posted, and return the status and the answer."""
        match = _ANSWER.match(path)
        with self._changed:
            if path == "init/error":
                self._said = Said(True, body)
            elif match is None:
                return 404, {"errorType": "NotFound", "errorMessage": f"There is no {path}"}
            elif match["id"] != self._current:
                return 400, {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}
            else:
                self._current = ""
                self._said = Said(match["kind"] == "error", body)
            self._changed.notify_all()
        return 202, {"status": "OK"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a program that was ended has closed its connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path != f"{_ROOT}invocation/next":
            self._answer(404, {}, b"{}")
            return
        event = self.server.api.next_event()
        if event is None:
            self.close_connection = True
        else:
            self._answer(200, event.headers, event.body)

    def do_POST(self) -> None:
        body = self._body()
        status, answer = self.server.api.take(self.path.removeprefix(_ROOT), body)
        self._answer(status, {}, json.dumps(answer).encode())

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Requests are not logged."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return body

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        known = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in {**known, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
