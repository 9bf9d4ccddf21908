"""The server's private endpoints for ``LocalAws``: execute, register an image, reset and others.

The requests have the path ``/_local_aws/<action>``, a JSON body and a secret token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from lokki_tf.testing.images.registry import ImageFolder
from lokki_tf.testing.settings import ACCOUNT_ID

if TYPE_CHECKING:
    from lokki_tf.testing.account import Account

PREFIX = "/_local_aws/"
MOTO_PREFIX = "/moto-api"
"""The path of moto's own endpoints, such as the one that deletes all resources."""
TOKEN_HEADER = "X-Local-Aws-Token"
StartResponse = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Control:
    """A WSGI application that answers private requests and passes all others to moto.

    Args:
        account: The account.
        moto: The WSGI application for all other requests.
    """

    def __init__(self, account: Account, moto: Wsgi) -> None:
        self._account = account
        self._moto = moto

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        own = path.startswith(PREFIX)
        if own or path.startswith(MOTO_PREFIX):
            given = environ.get(f"HTTP_{TOKEN_HEADER.upper().replace('-', '_')}", "")
            if not compare_digest(given.encode(), self._account.settings.token.encode()):
                message = f"The header {TOKEN_HEADER} must contain the server's token."
                return _answer(
                    start_response, "403 Forbidden", {"error": "Forbidden", "message": message}
                )
        if not own:
            return self._moto(environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        request = json.loads(environ["wsgi.input"].read(length) or b"{}")
        actions = {
            "execute": self._execute,
            "image": self._image,
            "reset": self._reset,
            "iam_decisions": self._decisions,
            "unused_rights": self._unused,
            "run_schedule": self._run_schedule,
            "mock": self._mock,
            "mocked": self._mocked,
            "unmock": self._unmock,
        }
        try:
            status, answer = "200 OK", actions[path.removeprefix(PREFIX)](request)
        except Exception as error:
            kind = getattr(error, "error_type", type(error).__name__)
            message = getattr(error, "message", str(error))
            status, answer = "400 Bad Request", {"error": kind, "message": message}
        return _answer(start_response, status, answer)

    def _execute(self, request: dict[str, Any]) -> dict[str, Any]:
        from moto.stepfunctions.models import stepfunctions_backends

        from lokki_tf.testing.moto_gaps.state_machine_api import describe

        region = self._account.settings.region
        arn = request["state_machine"]
        if arn.startswith("arn:"):
            region = arn.split(":")[3]
        else:
            arn = f"arn:aws:states:{region}:{ACCOUNT_ID}:stateMachine:{arn}"
        backend: Any = stepfunctions_backends[ACCOUNT_ID][region]
        run = backend.start_execution(arn, request.get("name"), request["input"])
        deadline = monotonic() + request["timeout"]
        run.done.wait(request["timeout"])
        # settled is set after failure notifications were sent.
        run.settled.wait(max(0.0, deadline - monotonic()))
        return {**describe(run), "history": run.history.events}

    def _image(self, request: dict[str, Any]) -> dict[str, Any]:
        folder = ImageFolder(request["uri"], Path(request["app"]), request["entry"])
        self._account.launcher.registry.add(folder)
        self._account.runner.clear()  # warm processes may run an earlier version of the folder
        return {}

    def _reset(self, request: dict[str, Any]) -> dict[str, Any]:
        from moto.core.base_backend import BackendDict

        BackendDict.reset()
        self._account.runner.clear()
        self._account.forget()
        return {}

    def _decisions(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        return [vars(one) for one in self._account.access.decisions]

    def _unused(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        return [vars(one) for one in self._account.access.unused()]

    def _mock(self, request: dict[str, Any]) -> dict[str, Any]:
        self._account.mocks.add(request["resource"], request["responses"], request["state"])
        return {}

    def _unmock(self, request: dict[str, Any]) -> dict[str, Any]:
        self._account.mocks.clear(request["resource"])
        return {}

    def _mocked(self, request: dict[str, Any]) -> list[Any]:
        return self._account.mocks.requests(request["resource"])

    def _run_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        from lokki_tf.testing.moto_gaps.schedules import run_schedule

        given = (request["name"], request["group"], request["at"])
        return {"arn": run_schedule(self._account, *given)}


def _answer(start_response: StartResponse, status: str, answer: Any) -> Iterable[bytes]:
    body = json.dumps(answer, default=lambda moment: moment.timestamp()).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
