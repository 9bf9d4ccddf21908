"""The page of the local AWS in the browser."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from urllib.parse import urlencode, urlsplit

import pytest

from lokki_tf.testing import LocalAws

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
MARKUP = "<script>alert(1)</script>"
Get = Callable[..., tuple[int, str, Mapping[str, str]]]


@pytest.fixture
def get(local_aws: LocalAws) -> Get:
    """Request the page, and return status, text and headers."""

    def request(
        headers: Mapping[str, str] = BROWSER, **query: str
    ) -> tuple[int, str, dict[str, str]]:
        address = urlsplit(local_aws.endpoint_url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        try:
            connection.request("GET", f"/?{urlencode(query)}", headers=dict(headers))
            response = connection.getresponse()
            return response.status, response.read().decode(), dict(response.getheaders())
        finally:
            connection.close()

    return request


@pytest.fixture
def filled(local_aws: LocalAws, zip_of: Callable[..., bytes]) -> str:
    """Create a function, a state machine with an execution, and a bucket; return the ARN."""
    source = f"def f(event, context):\n    print({MARKUP!r})\n    return event\n"
    local_aws.create_function("shown", zip_of(source), "handler.f", environment={"KEY": "hidden"})
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:us-east-1:123456789012:function:shown".replace(
            ":states:", ":lambda:"
        ),
        "End": True,
    }
    local_aws.create_state_machine("shown", {"StartAt": "T", "States": {"T": task}})
    local_aws.client("s3").create_bucket(Bucket="shown")
    for number in range(205):
        local_aws.client("s3").put_object(Bucket="shown", Key=f"{number:03} {MARKUP}", Body=b"x")
    return local_aws.execute("shown", {"text": MARKUP}, name="run-1").arn


def test_views(get: Get, filled: str) -> None:
    """Each view shows its resource, escaped, with a policy that allows no script."""
    views = {
        "": ({}, ["shown", "run-1", "SUCCEEDED", "/aws/lambda/shown"]),
        "machine": ({"machine": "shown"}, ["StartAt", "run-1"]),
        "execution": ({"execution": filled}, ["TaskStateEntered", "--run run-1", "&lt;script"]),
        "function": ({"function": "shown"}, ["handler.f", "KEY"]),
        "log": ({"log": "/aws/lambda/shown"}, ["&lt;script", "REPORT"]),
        "bucket": ({"bucket": "shown"}, ["000 &lt;script", "The next objects"]),
        "more": ({"bucket": "shown", "after": f"199 {MARKUP}"}, ["204 &lt;script"]),
    }
    for query, texts in views.values():
        status, page, headers = get(**query)
        assert status == 200
        for text in texts:
            assert text in page
        assert "<script" not in page
        assert "hidden" not in page
        assert "style=" not in page
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha")
        assert "http-equiv" not in page


@pytest.mark.parametrize("view", ["machine", "execution", "function", "log", "bucket"])
def test_what_does_not_exist(get: Get, view: str) -> None:
    """A name that does not exist is a page with status 404, which shows the name escaped."""
    status, page, _ = get(**{view: MARKUP})
    assert status == 404
    assert MARKUP not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_pages_of_other_sites_cannot_read_it(get: Get, headers: dict[str, str]) -> None:
    """Requests with a foreign host or origin get status 403."""
    status, page, _ = get({**BROWSER, **headers})
    assert status == 403
    assert "Local AWS" not in page


def test_clients_get_no_page(get: Get, local_aws: LocalAws) -> None:
    """Requests of SDKs to the same path are answered by the service."""
    assert "Buckets" in local_aws.client("s3").list_buckets()
    _, page, _ = get({"Accept": "*/*"})
    assert "<html" not in page
