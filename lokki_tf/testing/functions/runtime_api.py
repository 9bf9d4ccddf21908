"""A server for Lambda's Runtime API, from which the program of an image requests its events.

The stages for each event: ``offer`` makes the event available, the program requests it by GET
``invocation/next`` and posts a result or an error, ``said`` returns what was posted.
"""

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
    """A result or an error that a program has posted.

    Args:
        failed: Whether the program has posted an error.
        body: The JSON of the result or of the error.
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
        """The server's host and port, the value of ``AWS_LAMBDA_RUNTIME_API``."""
        return f"127.0.0.1:{self._server.server_port}"

    def offer(self, request_id: str, arn: str, deadline: float, body: bytes) -> None:
        """Make an event available to the program.

        Args:
            request_id: The id of the invocation.
            arn: The ARN of the function.
            deadline: The end of its time limit, in seconds since 1970.
            body: The event's JSON.
        """
        with self._changed:
            self._current, self._said = request_id, None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{uuid4().hex[:8]}-{uuid4().hex[:24]};Sampled=0",
        }
        self._events.put(_Event(headers, body))

    def asked(self, seconds: float) -> bool:
        """Wait until the program requests its first event or posts an error.

        Returns:
            Whether this happened within the given number of seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._asked or self._said is not None, seconds)

    def said(self, seconds: float) -> Said | None:
        """Wait for a result or an error, and return it, or None after a number of seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._said is not None, seconds)
            return self._said

    def close(self) -> None:
        """Stop the server."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> _Event | None:
        """Wait for an event; return None if the server was stopped."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()
        return self._events.get()

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        """Handle a POST request and return the HTTP status and the JSON response."""
        match = _ANSWER.match(path)
        with self._changed:
            if path == "init/error":
                self._said = Said(True, body)
            elif match is None:
                message = f"The Runtime API has no path {path}"
                return 404, {"errorType": "NotFound", "errorMessage": message}
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
        """Do nothing. The usual error is a connection closed by a program that was stopped."""


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

    def log_message(self, *_: object) -> None:
        """Do not log requests."""

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
