"""Objects in S3: requests and bodies that fail at first."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import botocore.endpoint
import botocore.retries.bucket
import pytest
from botocore.awsrequest import AWSResponse

from lokki_tf.runtime import store

if TYPE_CHECKING:
    from collections.abc import Iterator

ERRORS = {
    500: b"<Error><Code>InternalError</Code></Error>",
    503: b"<Error><Code>SlowDown</Code></Error>",
}


class Body(BytesIO):
    """A body as botocore reads it."""

    def stream(self, *_: Any) -> Iterator[bytes]:
        yield self.read()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, dict[str, str], bytes]]:
    """The answers that S3 is to give, in order; waiting between attempts takes no time."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION"):
        monkeypatch.setenv(f"AWS_{name}", "us-east-1")
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
    monkeypatch.setattr(botocore.retries.bucket.TokenBucket, "acquire", lambda *_, **__: True)
    store.client.cache_clear()
    left: list[tuple[int, dict[str, str], bytes]] = []

    def answer(**_: Any) -> AWSResponse:
        status, headers, data = left.pop(0)
        return AWSResponse("https://s3", status, headers, Body(data))

    store.client().meta.events.register("before-send.s3", answer)
    yield left  # type: ignore[misc]  # a fixture
    store.client.cache_clear()


@pytest.mark.parametrize("status", ERRORS)
def test_errors_of_s3_pass(answers: list[Any], status: int) -> None:
    """A result is stored although S3 answers nine times that it cannot."""
    answers += [(status, {}, ERRORS[status])] * 9 + [(200, {"ETag": '"x"'}, b"")]
    assert store.write("s3://bucket/key", b"data") == "s3://bucket/key"
    assert not answers


def test_other_errors_are_not_repeated(answers: list[Any]) -> None:
    """What S3 refuses is an error at once."""
    answers += [(403, {}, b"<Error><Code>AccessDenied</Code></Error>")] * 2
    with pytest.raises(Exception, match="AccessDenied"):
        store.write("s3://bucket/key", b"data")
    assert len(answers) == 1


def test_a_body_that_ends_early_is_read_again(answers: list[Any]) -> None:
    """A connection that breaks while an object is read does not fail the step."""
    headers = {"Content-Length": "4"}
    answers += [(200, headers, b"da"), (200, headers, b"data")]
    assert store.read("s3://bucket/key") == b"data"
    answers += [(200, headers, b"da")] * 3
    with pytest.raises(Exception, match="2 read, but total bytes expected is 4"):
        store.read("s3://bucket/key")
    assert not answers
