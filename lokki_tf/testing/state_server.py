"""Stores Terraform's states for the commands of a local AWS.

With its state in a file, Terraform writes all of it after each change of a resource, which takes
most of its time where there are hundreds. A server gets the state every 20 seconds and at the end.

Source: Terraform's documentation, backend ``http``; Terraform, ``StateHook`` in
internal/backend/local/hook_state.go.
"""

from __future__ import annotations

import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any


class StateServer:
    """A server on loopback, which starts when the first configuration needs it."""

    def __init__(self) -> None:
        self._server: ThreadingTCPServer | None = None
        self._paths: dict[Path, str] = {}

    def backend(self, file: Path) -> dict[str, Any]:
        """Return the configuration of a backend.

        Args:
            file: Where the state is stored.
        """
        if self._server is None:
            self._server = self._start()
        # Other programs on the computer must neither read nor replace a state.
        path = self._paths.setdefault(file, f"/{secrets.token_urlsafe(32)}")
        return {"http": {"address": f"http://127.0.0.1:{self._server.server_address[1]}{path}"}}

    def _start(self) -> ThreadingTCPServer:
        server = ThreadingTCPServer(("127.0.0.1", 0), _handler(self._paths))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _handler(paths: dict[Path, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads and writes the files of the paths that are in use."""

        def do_GET(self) -> None:
            file = self._file()
            if file is not None:
                stored = file.read_bytes() if file.exists() else b""
                self._answer(HTTPStatus.OK if stored else HTTPStatus.NO_CONTENT, stored)

        def do_POST(self) -> None:
            file = self._file()
            if file is not None:
                beside = file.with_suffix(".unfinished")  # a state is the old one or the new one
                beside.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
                beside.replace(file)
                self._answer(HTTPStatus.OK)

        def _file(self) -> Path | None:
            known = (file for file, path in paths.items() if path == self.path.partition("?")[0])
            file = next(known, None)
            if file is None:
                self._answer(HTTPStatus.FORBIDDEN)
            return file

        def _answer(self, status: HTTPStatus, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
