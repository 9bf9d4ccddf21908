"""The local AWS refuses requests that a web page could cause."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from lokki_tf.testing import LocalAws, LocalAwsError
from lokki_tf.testing.server_process import ServerProcess
from lokki_tf.testing.settings import ServerSettings


def answer(
    aws: LocalAws, method: str, path: str, body: str = "{}", **headers: str
) -> tuple[int, str]:
    """Send a request without a signature; return the status and the text."""
    address = urlsplit(aws.endpoint_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    try:
        connection.request(method, path, body.encode(), named)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/bucket/key", "/_local_aws/execute", "/", "/moto-api/reset"])
@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Origin": "https://evil.test"}, "Origin"),
        ({"Origin": "null"}, "Origin"),
        ({"Origin": "http://127.0.0.1:1"}, "Origin"),
        ({"Host": "evil.test"}, "Host"),
        ({"Host": "127.0.0.1.evil.test"}, "Host"),
        ({"Host": "10.0.0.1:80"}, "Host"),
        ({"Host": ""}, "Host"),
        ({"Sec_Fetch_Site": "cross-site"}, "Sec-Fetch-Site"),
        ({"Sec_Fetch_Site": "same-site"}, "Sec-Fetch-Site"),
    ],
)
def test_what_a_page_of_another_site_causes_is_refused(
    local_aws: LocalAws, path: str, headers: dict[str, str], named: str
) -> None:
    """Requests with another Origin or Host than loopback, or from other sites, are refused."""
    status, text = answer(local_aws, "POST", path, **headers)
    assert (status, named in text) == (403, True)


def test_names_of_this_machine_are_its_own(local_aws: LocalAws) -> None:
    """127.0.0.1, localhost and names below it, such as buckets', are hosts of this server."""
    port = urlsplit(local_aws.endpoint_url).port
    for host in ("127.0.0.1", "localhost", "bucket.s3.localhost", "[::1]"):
        status, text = answer(local_aws, "GET", "/none", Host=f"{host}:{port}")
        assert "refuses" not in text, (host, status)


@pytest.mark.parametrize("action", ["execute", "image", "reset", "iam_decisions", "run_schedule"])
@pytest.mark.parametrize("token", [None, "", "guessed"])
def test_the_servers_own_endpoints_require_its_token(
    local_aws: LocalAws, action: str, token: str | None
) -> None:
    """Without the token, the private endpoints refuse all requests."""
    headers = {} if token is None else {"X_Local_Aws_Token": token}
    status, text = answer(local_aws, "POST", f"/_local_aws/{action}", **headers)
    assert status == 403
    assert "token" in json.loads(text)["message"]


def test_motos_own_endpoints_require_the_token(local_aws: LocalAws) -> None:
    """moto's own endpoints, such as the one that deletes everything, require the token too."""
    local_aws.client("s3").create_bucket(Bucket="stays")
    assert answer(local_aws, "POST", "/moto-api/reset")[0] == 403
    names = {one["Name"] for one in local_aws.client("s3").list_buckets()["Buckets"]}
    assert "stays" in names


def test_each_server_has_a_token_of_its_own() -> None:
    """Each local AWS has a different token."""
    servers = [ServerProcess(ServerSettings()) for _ in range(2)]
    try:
        servers[0].ask("reset", {})
        servers[0].endpoint_url = servers[1].endpoint_url
        with pytest.raises(LocalAwsError, match="token"):
            servers[0].ask("reset", {})
    finally:
        for server in servers:
            server.close()
