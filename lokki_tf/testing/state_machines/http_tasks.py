"""Run tasks of the integration ``http:invoke``, with endpoints on this computer only.

Source: Step Functions Developer Guide, "Call HTTPS APIs in Step Functions workflows".
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode, urlsplit

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.frame import StateRun, authorize
from lokki_tf.testing.state_machines.values import Json, dump, load

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SECONDS = 60
_URL_ENCODED = "application/x-www-form-urlencoded"


def call_endpoint(run: StateRun, arguments: Mapping[str, Json]) -> Json:
    """Call an HTTP endpoint of this computer. Authentication is not sent.

    Raises:
        StateFailure: If the endpoint is not on this computer, or responds with an error.
    """
    url, method = arguments.get("ApiEndpoint"), arguments.get("Method")
    if not isinstance(url, str) or not isinstance(method, str):
        raise StateFailure(RUNTIME, "A task of http:invoke must have an ApiEndpoint and a Method")
    context = {"states:HTTPEndpoint": url, "states:HTTPMethod": method}
    machine = run.frame.execution.state_machine_arn
    authorize(run, "states:InvokeHTTPEndpoint", machine, context)
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK:
        message = (
            f"The local AWS calls endpoints of this computer only, got {url}: "
            'set a response with LocalAws.mock("http:invoke", …)'
        )
        raise StateFailure("States.Http.Socket", message)
    query = "&".join(filter(None, (parts.query, _query(arguments.get("QueryParameters")))))
    headers, body = _body(arguments)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_SECONDS)
    target = (parts.path or "/") + (f"?{query}" if query else "")
    run.note(
        "request",
        {
            "protocol": parts.scheme,
            "method": method,
            "url": f"{parts.scheme}://{parts.netloc}{target}",
            "headers": _shown(headers.items()),
            **({} if body is None else {"body": body.decode("utf-8", "replace")}),
        },
    )
    try:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except OSError as error:
        raise StateFailure("States.Http.Socket", f"{error}") from None
    finally:
        connection.close()
    run.note(
        "response",
        {
            "protocol": parts.scheme,
            "statusCode": str(response.status),
            "statusMessage": response.reason,
            "headers": _shown(response.getheaders()),
            "body": text,
        },
    )
    if not 200 <= response.status < 300:
        raise StateFailure(f"States.Http.StatusCode.{response.status}", text)
    found: dict[str, list[str]] = {}
    for name, value in response.getheaders():
        found.setdefault(name, []).append(value)
    return {
        "Headers": found,
        "ResponseBody": _parsed(text, response.getheader("Content-Type", "")),
        "StatusCode": response.status,
        "StatusText": response.reason,
    }


def _shown(headers: Iterable[tuple[str, str]]) -> str:
    """Return headers as ``TestState`` shows them."""
    return f"[{', '.join(f'{name}: {value}' for name, value in headers)}]"


def _query(parameters: Json) -> str:
    return urlencode(parameters or {}, doseq=True)


def _body(arguments: Mapping[str, Json]) -> tuple[dict[str, str], bytes | None]:
    """Return the headers and the body of a request."""
    headers = {str(name): str(value) for name, value in arguments.get("Headers", {}).items()}
    body = arguments.get("RequestBody")
    if body is None:
        return headers, None
    given = {name.lower(): value for name, value in headers.items()}
    if arguments.get("Transform", {}).get("RequestBodyEncoding") == "URL_ENCODED":
        headers.setdefault("Content-Type", _URL_ENCODED)
        return headers, urlencode(body, doseq=True).encode()
    if "content-type" not in given:
        headers["Content-Type"] = "application/json"
    return headers, (body if isinstance(body, str) else dump(body)).encode()


def _parsed(text: str, kind: str) -> Json:
    if "json" in kind:
        try:
            return load(text)
        except ValueError:
            return text
    return text
