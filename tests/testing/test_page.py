"""The page of the local AWS in the browser."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from browser import browser
from html_pages import Page

from lokki_tf import Pipeline, step
from lokki_tf.testing import LocalAws

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
MARKUP = "<script>alert(1)</script>"
Get = Callable[..., tuple[int, str, Mapping[str, str]]]


class Marker:
    """Creates a folder when its pickle is loaded."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.makedirs, (self.folder,)


@step
def load(folder: str) -> str:
    print("printed")
    return folder


@step
def mark(folder: str) -> Marker:
    return Marker(folder)


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
        "execution": ({"execution": filled}, ["TaskStateEntered", "/?report=arn", "&lt;script"]),
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


def test_report_of_a_state_machine_by_hand(get: Get, local_aws: LocalAws) -> None:
    """It has the states, what was caught, each visit with input and output, and the events.

    States inside of others belong to the outermost one.
    """
    inner = {"StartAt": "X", "States": {"X": {"Type": "Fail", "Error": "Inner", "Cause": "bad"}}}
    catch = [{"ErrorEquals": ["Inner"], "ResultPath": "$.e", "Next": "Count"}]
    less = {"Variable": "$.n", "NumericLessThan": 2, "Next": "Both"}
    states = {
        "Both": {"Type": "Parallel", "Branches": [inner], "Catch": catch, "End": True},
        "Count": {
            "Type": "Pass",
            "Parameters": {"n.$": "States.MathAdd($.n, 1)"},
            "Next": "Again",
        },
        "Again": {"Type": "Choice", "Choices": [less], "Default": "Refused"},
        "Refused": {"Type": "Fail", "Error": MARKUP, "Cause": "it is"},
    }
    local_aws.create_state_machine("by-hand", {"StartAt": "Both", "States": states})
    status, page, headers = get(report=local_aws.execute("by-hand", {"n": 0}).arn)
    assert status == 200
    report = Page(page)
    report.refuse_what_acts()
    report.links_exist()
    for text in ("Both2 visits: 2 failed, caught", "failed, caught", "raises Inner ?", "it is"):
        assert text in report.text.replace("\n", ""), text
    visits = [one for one in report.ids if one.startswith("step-")]
    assert len(visits) == len(("Both", "Count", "Again", "Both", "Count", "Again", "Refused"))
    assert "FailStateEntered" in report.text
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha")


def test_report_of_a_pipeline_without_its_code(
    get: Get, local_aws: LocalAws, tmp_path: Path
) -> None:
    """It has steps, values, logs and cost; pickles are not loaded, since they can run code."""
    made = tmp_path / "made"
    arn = local_aws.run(Pipeline("paged", steps=[mark(load(str(made)))])).arn
    status, page, _ = get(report=arn)
    assert status == 200
    text = Page(page).text.replace("\n", "")
    for part in ("result of load", "printed", "billed by Lambda", "not loaded: a pickle"):
        assert part in text, part
    assert not made.exists()


@pytest.mark.browser
def test_the_report_in_a_browser(local_aws: LocalAws) -> None:
    """A link of the execution leads to its report, which is drawn and shows no error."""
    states = {"Drawn": {"Type": "Pass", "End": True}}
    arn = local_aws.create_state_machine("drawn", {"StartAt": "Drawn", "States": states})
    query = urlencode({"execution": local_aws.execute(arn).arn})
    with browser() as tab:
        tab.visit(f"{local_aws.endpoint_url}/?{query}")
        address = tab.value("document.querySelector('a[href*=report]').href")
        tab.visit(address)
        assert tab.value("document.title") == "drawn: succeeded"
        assert tab.value("document.querySelector('svg').getBoundingClientRect().height") > 50
        assert tab.value("getComputedStyle(document.querySelector('.badge')).borderRadius") != "0px"
        problems = [one["params"] for one in tab.events if one["method"] == "Log.entryAdded"]
        assert problems == []


@pytest.mark.parametrize("view", ["machine", "execution", "report", "function", "log", "bucket"])
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
