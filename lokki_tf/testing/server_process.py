"""The server of a local AWS, seen from the process that starts it."""

from __future__ import annotations

import http.client
import importlib.metadata
import importlib.util
import json
import os
import secrets
import subprocess
import sys
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from lokki_tf.errors import MissingToolError
from lokki_tf.testing.control import PREFIX, TOKEN_HEADER
from lokki_tf.testing.errors import LocalAwsError, missing_packages
from lokki_tf.testing.settings import ServerSettings, load_clients, settings_to

_NEEDED = ("moto", "boto3", "flask", "flask_cors", "werkzeug")


MOTO = ((5, 2), (5, 3))
"""The oldest version of moto that works, and the first that has not been tried."""


class ServerProcess:
    """A running server.

    Args:
        settings: how it behaves.

    Raises:
        MissingToolError: if moto is not installed, or in a version that does not fit.
        LocalAwsError: if it does not start.
    """

    def __init__(self, settings: ServerSettings) -> None:
        for name in _NEEDED:
            if importlib.util.find_spec(name) is None:
                raise missing_packages(ImportError(name=name))
        _require_moto()
        self._token = secrets.token_urlsafe(32)
        own = settings_to(replace(settings, token=self._token))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lokki_tf.testing.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **own, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
            # The terminal's Ctrl-C is for the process that uses the server, and then closes it.
            process_group=0 if os.name == "posix" else None,
        )
        assert self._process.stdout is not None
        try:
            load_clients(settings.region)  # while the server starts
            self.endpoint_url = self._process.stdout.readline().strip()
        except BaseException:  # Ctrl-C
            self._process.kill()
            self._process.wait()
            raise
        if not self.endpoint_url:
            raise LocalAwsError("The server of the local AWS did not start; see its output above.")

    def ask(self, action: str, request: dict[str, Any], timeout: float = 60.0) -> Any:
        """Ask what is no API of AWS.

        Raises:
            LocalAwsError: if the server refuses.
        """
        address = urlsplit(self.endpoint_url)
        connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=timeout
        )
        try:
            body, headers = json.dumps(request).encode(), {TOKEN_HEADER: self._token}
            connection.request("POST", PREFIX + action, body, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise LocalAwsError(f"{answer['error']}: {answer['message']}")
        return answer

    def close(self) -> None:
        """End the server and all that runs in it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)  # containers take their time to go
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _require_moto() -> None:
    installed = importlib.metadata.version("moto")
    oldest, first_untried = MOTO
    if not oldest <= tuple(map(int, installed.split(".")[:2])) < first_untried:
        bounds = [".".join(map(str, bound)) for bound in MOTO]
        raise MissingToolError(
            f"moto {installed} is installed, and a local AWS needs moto {bounds[0]} or later, "
            f"before {bounds[1]}.",
            remedy="Install it with: pip install 'lokki-tf[testing]'",
        )
