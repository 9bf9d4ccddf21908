"""The command ``local-aws``: serve until Ctrl-C."""

from __future__ import annotations

import signal
import socket
import sys
from threading import Event

from lokki_tf.testing.errors import LocalAwsError
from lokki_tf.testing.local_aws import LocalAws

PORT = 4566
"""The port by default, which LocalStack uses as well, so that tools know it."""
_PORTS = range(PORT, PORT + 100)
_SETTINGS = """
# For the commands of a pipeline, write into lokki.toml beside it:
#
# [aws]
# endpoint = "{url}"
# region = "{region}"
#
# and then: python pipeline.py deploy
# in a browser: {url}
{more}# running until Ctrl-C"""


def serve(region: str, port: int | None, persist: str | None) -> None:
    """Start a local AWS, print how it is used, and wait for SIGINT or SIGTERM.

    The environment is written to stdout, so that a shell can read it, all else to stderr.

    Args:
        region: The region.
        port: The port; None for 4566 or the next one that is free.
        persist: The folder that keeps the state; None for none.

    Raises:
        LocalAwsError: If the port or the folder cannot be used.
    """
    chosen = _free_port() if port is None else port
    if chosen != PORT and port is None:
        print(f"# port {PORT} is used by another program, so this is {chosen}", file=sys.stderr)
    ended = Event()
    with LocalAws(region, port=chosen, persist=persist) as aws:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        for name, value in aws.environment.items():
            print(f"export {name}={value}")
        sys.stdout.flush()
        more = f"# the state is kept in {persist}\n" if persist else ""
        text = _SETTINGS.format(url=aws.endpoint_url, region=region, more=more)
        print(text, file=sys.stderr, flush=True)
        ended.wait()


def _free_port() -> int:
    for port in _PORTS:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise LocalAwsError(
        f"no port from {_PORTS[0]} to {_PORTS[-1]} is free", remedy="choose one with --port"
    )
