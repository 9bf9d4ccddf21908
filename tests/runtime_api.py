"""Lambda's Runtime API, as the program in an image sees it."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class RuntimeApi:
    """Returns events, and stores the responses.

    Args:
        events: The number and the JSON of each event, in order.
        answers: The path, body and headers of each response.
        address: Host and port, the value of ``AWS_LAMBDA_RUNTIME_API``.
        status: The HTTP status for responses.
    """

    events: queue.Queue[Any] = field(default_factory=queue.Queue)
    answers: queue.Queue[tuple[str, Any, dict[str, str]]] = field(default_factory=queue.Queue)
    address: str = ""
    status: int = 202


@contextmanager
def runtime_api() -> Iterator[RuntimeApi]:
    """The API on loopback, while the context lasts."""
    found = RuntimeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number, event = found.events.get()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", f"request-{number}")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::function:f")
            self.send_header("Lambda-Runtime-Trace-Id", f"Root={number}")
            data = json.dumps(event).encode()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.answers.put((self.path, body, dict(self.headers)))
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *about: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.address = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
