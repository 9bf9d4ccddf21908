"""The main function of the server process: ``python -m lokki_tf.testing.server``.

The stages: open a port, build the WSGI application, start to serve, print the server's URL, load
the most used services. The process ends when its standard input is closed, which happens at the
latest when the parent process ends.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

from lokki_tf.testing.account import Account
from lokki_tf.testing.errors import LocalAwsError
from lokki_tf.testing.moto_gaps.access_control import MotoDirectory, may_change_policies
from lokki_tf.testing.persistence.folder import StateFolder
from lokki_tf.testing.persistence.saver import Saver
from lokki_tf.testing.settings import ACCESS_KEY, FAILED, settings_from
from lokki_tf.testing.state_machines.archive import Archive


def main() -> None:
    """Serve until standard input is closed."""
    gc.disable()  # nothing that is loaded becomes garbage, but each collection looks at all of it
    os.environ.update({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": "local"})
    os.environ.pop("AWS_PROFILE", None)
    settings = settings_from()
    os.environ.pop("LOCAL_AWS_TOKEN", None)  # functions and jobs must not inherit it
    try:
        server = _server(settings.port)
        folder = StateFolder(Path(settings.persist)) if settings.persist else None
        archive = None if folder is None else Archive(folder.children)
        endpoint = f"http://127.0.0.1:{server.port}"
        account = Account(endpoint, settings, MotoDirectory(), archive)
        application, moto = _build(account)
        _application.append(application)
        Thread(target=server.serve_forever, daemon=True).start()
        saver = None
        if folder is not None:
            saver = Saver(account, folder, lambda service: _load_service(moto, service))
            saver.restore()
            saver.start()
    except LocalAwsError as error:
        _fail(error)
    try:
        os.write(sys.stdout.fileno(), f"{account.endpoint}\n".encode())
    except BrokenPipeError:  # the parent process was interrupted
        os._exit(1)
    _load_services(moto)
    gc.freeze()
    gc.enable()
    sys.stdin.read()
    account.close()
    if saver is not None:
        saver.close()
    os._exit(0)  # ends the threads of executions that may still run


def _server(port: int) -> Any:
    """Return a server on a port that no other program uses.

    Raises:
        LocalAwsError: If another program uses the port.
    """
    from werkzeug.serving import make_server

    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise LocalAwsError(
            f"port {port} of 127.0.0.1 cannot be used: {error.strerror}",
            remedy="choose another one",
        ) from None
    return make_server(
        "127.0.0.1",
        listening.getsockname()[1],
        _late_application,
        threaded=True,
        request_handler=_request_handler(),
        fd=listening.detach(),
    )


def _fail(error: LocalAwsError) -> NoReturn:
    """Send an error to the parent process, and end."""
    text = json.dumps([error.message, error.remedy])
    os.write(sys.stdout.fileno(), f"{FAILED}{text}\n".encode())
    os._exit(1)


_application: list[Any] = []
_LOADED_EARLY = ("iam", "s3", "lambda", "stepfunctions")


def _late_application(environ: dict[str, Any], start_response: Any) -> Any:
    # The port is known only after the server was created, and the application needs the port.
    return _application[0](environ, start_response)


def _build(account: Account) -> tuple[Any, Any]:
    """Return the whole application, and moto's application inside it."""
    from moto import backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from lokki_tf.testing.control import Control
    from lokki_tf.testing.faults import guarded
    from lokki_tf.testing.moto_gaps import LATE_GAPS, close_gaps
    from lokki_tf.testing.origins import refuse_other_sites
    from lokki_tf.testing.page.application import with_page
    from lokki_tf.testing.turns import in_turn

    close_gaps(account)
    # Without this, moto lists the folder of its services for every request.
    services = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: services

    def create_app(service: Any) -> Any:
        if service in LATE_GAPS:
            LATE_GAPS[service](account)
        return create_backend_app(service)

    application = DomainDispatcherApplication(create_app)
    inner = _counting(account, guarded(in_turn(application)))
    outer = with_page(Control(account, inner), account.endpoint, account.settings.region)
    return refuse_other_sites(outer), application


def _counting(account: Account, application: Any) -> Any:
    """Wrap a WSGI application, so that each request is followed by what depends on changes."""

    def count(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return application(environ, start_response)
        finally:
            account.changes += 1
            if may_change_policies(environ):
                account.access.policies_changed()

    return count


def _load_services(moto: Any) -> None:
    """Load the services that most pipelines use, while the parent process compiles a pipeline."""
    for service in _LOADED_EARLY:
        _load_service(moto, service)


def _load_service(moto: Any, service: str) -> None:
    """Load a service, with its gaps closed, before the first request to it."""
    with moto.lock:
        if service not in moto.app_instances:
            moto.app_instances[service] = moto.create_app(service)


def _request_handler() -> type:
    from moto.moto_server import werkzeug_app
    from werkzeug.serving import WSGIRequestHandler

    # moto has its own handler since 5.2.5; earlier versions use that of werkzeug.
    handler: Any = getattr(werkzeug_app, "MotoRequestHandler", WSGIRequestHandler)

    class QuietRequestHandler(handler):  # type: ignore[misc]
        """Does not log requests, because Terraform makes hundreds."""

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Do nothing."""

    return QuietRequestHandler


if __name__ == "__main__":
    main()
