"""Answer requests of browsers with the page, and pass all others on."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from lokki_tf.errors import LokkiError
from lokki_tf.testing.page.account_data import ROWS, AccountData

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_TEMPLATE = Path(__file__).with_name("template.html")
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')
_VIEWS = ("machine", "execution", "report", "function", "log", "bucket")


def with_page(application: Wsgi, endpoint: str, region: str) -> Wsgi:
    """Wrap a WSGI application, so that browsers get a page at ``/``.

    Requests of SDKs to ``/`` are signed, and do not accept HTML.

    Args:
        application: The application for all other requests.
        endpoint: The server's URL, from which reports are read.
        region: The region that the page shows.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_browser(environ):
            return application(environ, start_response)
        status, text, policy = page(endpoint, region, environ.get("QUERY_STRING", ""))
        body = text.encode()
        start_response(status, [*_headers(policy), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


def _is_browser(environ: dict[str, Any]) -> bool:
    return (
        environ.get("PATH_INFO") in ("", "/")
        and environ.get("REQUEST_METHOD") in ("GET", "HEAD")
        and "HTTP_AUTHORIZATION" not in environ
        and "X-Amz-" not in environ.get("QUERY_STRING", "")
        and "text/html" in environ.get("HTTP_ACCEPT", "")
    )


def page(endpoint: str, region: str, query: str) -> tuple[str, str, str]:
    """Return the status, the HTML and the content security policy of a page.

    Args:
        endpoint: The server's URL.
        region: The region that the page shows.
        query: The query of the URL: empty for the first page, or the kind and the name of a
            resource.
    """
    given = {key: values[-1] for key, values in parse_qs(query).items()}
    data, problem = AccountData(region), ""
    view = next((each for each in _VIEWS if each in given), "overview")
    if view == "report":
        found: Any = data.execution(given["report"])
        if found is not None:
            try:
                return "200 OK", *_report(endpoint, region, given["report"])
            except LokkiError as error:
                found, problem = None, error.message
    elif view == "overview":
        found = data.overview()
    elif view == "bucket":
        found = data.bucket(given["bucket"], given.get("after", ""))
    else:
        found = getattr(data, view)(given[view])
    status = "200 OK" if found is not None else "404 Not Found"
    template, digest = _page()
    text = template.render(
        view=view,
        item=found,
        name=given.get(view, ""),
        problem=problem,
        region=region,
        rows=ROWS,
    )
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return status, text, policy


def _report(endpoint: str, region: str, arn: str) -> tuple[str, str]:
    """Return the report of an execution, which contains its own content security policy."""
    # Imported here: it takes time, and is the only part of the server that reads what steps wrote.
    from lokki_tf.operate.by_arn import report_by_arn

    html = report_by_arn(endpoint, region, arn)
    found = _POLICY.search(html)
    assert found is not None
    return html, unescape(found[1])


@cache
def _page() -> tuple[Any, str]:
    """Return the template, and the hash of its style sheet for the content security policy."""
    from jinja2 import Environment, StrictUndefined

    text = _TEMPLATE.read_text(encoding="utf-8")
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["link"] = lambda name, view: f"/?{urlencode({view: name})}"
    environment.filters["seconds"] = _seconds
    environment.filters["bytes"] = _bytes
    return environment.from_string(text), digest


def _headers(policy: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", f"{policy}; frame-ancestors 'none'"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ]


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    minutes, seconds = divmod(value, 60)
    return f"{minutes:.0f} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"


def _bytes(value: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
