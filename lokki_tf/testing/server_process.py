"""Start the server process, send requests to its private endpoints, and stop it."""

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
from lokki_tf.testing.settings import FAILED, ServerSettings, load_clients, settings_to

_NEEDED = ("moto", "boto3", "flask", "flask_cors", "werkzeug")


MOTO = ((5, 2), (5, 3))
"""The oldest supported version of moto, and the first version that was not tested."""


class ServerProcess:
    """A running server process.

    Args:
        settings: The server's settings.

    Raises:
        MissingToolError: If moto is not installed, or its version is not supported.
        LocalAwsError: If the server does not start.
    """

    def __init__(self, settings: ServerSettings) -> None:
        for name in _NEEDED:
            if importlib.util.find_spec(name) is None:
                raise missing_packages(ImportError(name=name))
        require_moto()
        self._token = secrets.token_urlsafe(32)
        own = settings_to(replace(settings, token=self._token))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lokki_tf.testing.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **own, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
            # Ctrl-C in the terminal must reach the parent process only, which stops the server.
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
        if self.endpoint_url.startswith(FAILED):
            self._process.wait()
            problem, remedy = json.loads(self.endpoint_url.removeprefix(FAILED))
            raise LocalAwsError(problem, remedy=remedy)
        if not self.endpoint_url:
            raise LocalAwsError(
                "the server of the local AWS did not start", remedy="see its output above"
            )

    def ask(self, action: str, request: dict[str, Any], timeout: float = 60.0) -> Any:
        """Send a request to a private endpoint of the server.

        Args:
            action: The endpoint's name, such as ``execute``.
            request: The JSON body.
            timeout: The longest time to wait for the response, in seconds.

        Raises:
            LocalAwsError: If the server responds with an error.
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
        """Stop the server and everything that runs in it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)  # stopping containers takes several seconds
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def require_moto() -> None:
    """Raise an error if the installed version of moto is not supported.

    Raises:
        MissingToolError: If it is not.
    """
    installed = importlib.metadata.version("moto")
    oldest, first_untried = MOTO
    if not oldest <= tuple(map(int, installed.split(".")[:2])) < first_untried:
        bounds = [".".join(map(str, bound)) for bound in MOTO]
        raise MissingToolError(
            f"moto must be at least {bounds[0]} and before {bounds[1]}, got {installed}",
            remedy="pip install 'lokki-tf[testing]'",
        )
