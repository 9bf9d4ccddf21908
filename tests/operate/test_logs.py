"""Which lines of a log are the runtime's, and which are what a step has printed."""

from __future__ import annotations

import json

from lokki_tf.operate.logs import _Stream

REQUEST = "6bc28136-1c4f-4b8e-9d0a-0123456789ab"


def read(*lines: str) -> list[tuple[str, str | None]]:
    """The texts that are told of a log stream, with the runs that they belong to."""
    stream = _Stream("total")
    found = [
        line
        for number, text in enumerate(lines)
        for line in stream.read({"message": f"{text}\n", "timestamp": number})
    ]
    return [(line.text, line.run) for line in [*found, *stream.settled()]]


def test_what_a_step_prints_is_its_own() -> None:
    """Lines that look like Lambda's or the runtime's, and are not, are told, in their run."""
    own = json.dumps({"event": "step_start", "node": "total", "run": "monday"})
    odd = json.dumps({"event": "clicked", "node": "a", "run": "other"})
    lines = (
        "INIT_START Runtime Version: python:3.13.v1",
        "printed while it is imported",
        f"START RequestId: {REQUEST} Version: $LATEST",
        own,
        odd,
        "START RequestId: of my own protocol",
        f"END RequestId: {REQUEST}",
        f"REPORT RequestId: {REQUEST} Duration: 1 ms",
    )
    assert read(*lines) == [
        ("printed while it is imported", "monday"),
        (own, "monday"),
        (odd, "monday"),
        ("START RequestId: of my own protocol", "monday"),
    ]
