"""Requests to moto take turns."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest

from lokki_tf.testing.turns import in_turn


def signed(service: str, path: str = "/", target: str | None = None) -> dict[str, Any]:
    """A request as a client of AWS signs it."""
    scope = f"AWS4-HMAC-SHA256 Credential=local/20240115/us-east-1/{service}/aws4_request"
    return {"HTTP_AUTHORIZATION": scope, "PATH_INFO": path, "HTTP_X_AMZ_TARGET": target}


FUNCTIONS = "/2015-03-31/functions"
CALL = signed("lambda", f"{FUNCTIONS}/load/invocations")
EVENT = signed("events", target="AWSEvents.PutEvents")
LINE = signed("logs", target="Logs_20140328.PutLogEvents")


@pytest.mark.parametrize(
    ("requests", "at_once"),
    [
        ([signed("iam"), signed("iam")], False),
        ([signed("iam"), signed("s3")], True),
        ([signed("lambda", FUNCTIONS), signed("lambda", f"{FUNCTIONS}/load")], False),
        ([CALL, CALL], True),
        ([CALL, signed("lambda", FUNCTIONS)], True),
        ([EVENT, EVENT], True),
        ([LINE, LINE], True),
    ],
)
def test_requests_to_a_service_take_turns(requests: list[dict[str, Any]], at_once: bool) -> None:
    """Two to the same one do not meet, two to others do, nor do those wait that may run code."""
    meeting = threading.Barrier(2)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            meeting.wait(20 if at_once else 0.3)
        except threading.BrokenBarrierError:
            return [b"alone"]
        return [b"met"]

    serve = in_turn(application)
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda request: serve({**request}, None), requests))
    assert said == [[b"met"] if at_once else [b"alone"]] * 2


def test_a_client_that_stops_sending_blocks_no_other() -> None:
    """A turn begins when the whole request has arrived, with any length or with chunks."""
    sent = threading.Event()

    class Slow(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert sent.wait(20)
            return super().read(size)

    serve = in_turn(lambda environ, start_response: [environ["wsgi.input"].read()])
    for framing in ({"CONTENT_LENGTH": "4"}, {"wsgi.input_terminated": True}):
        sent.clear()
        slow = {**signed("s3"), **framing, "wsgi.input": Slow(b"slow")}
        other = {**signed("s3"), **framing, "wsgi.input": BytesIO(b"next")}
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(serve, slow, None)
            assert serve(other, None) == [b"next"]
            sent.set()
            assert waiting.result() == [b"slow"]
