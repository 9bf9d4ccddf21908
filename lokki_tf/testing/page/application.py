"""Answer requests of browsers with the page, and pass all others on."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from lokki_tf.testing.page.account_data import ROWS, AccountData

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_TEMPLATE = Path(__file__).with_name("template.html")
_VIEWS = ("machine", "execution", "function", "log", "bucket")


def with_page(application: Wsgi, region: str) -> Wsgi:
    """Wrap a WSGI application, so that browsers get a page at ``/``.

    Requests of SDKs to ``/`` are signed, and do not accept HTML.

    Args:
        application: The application for all other requests.
        region: The region that the page shows.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_browser(environ):
            return application(environ, start_response)
        status, text = page(region, environ.get("QUERY_STRING", ""))
        body = text.encode()
        start_response(status, [*_headers(), ("Content-Length", str(len(body)))])
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


def page(region: str, query: str) -> tuple[str, str]:
    """Return the status and the HTML of a page.

    Args:
        region: The region that the page shows.
        query: The query of the URL: empty for the first page, or the kind and the name of a
            resource.
    """
    given = {key: values[-1] for key, values in parse_qs(query).items()}
    data = AccountData(region)
    view = next((each for each in _VIEWS if each in given), "overview")
    if view == "overview":
        found: Any = data.overview()
    elif view == "bucket":
        found = data.bucket(given["bucket"], given.get("after", ""))
    else:
        found = getattr(data, view)(given[view])
    status = "200 OK" if found is not None else "404 Not Found"
    template, _ = _page()
    return status, template.render(
        view=view, item=found, name=given.get(view, ""), region=region, rows=ROWS
    )


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


def _headers() -> list[tuple[str, str]]:
    policy = (
        f"default-src 'none'; style-src 'sha256-{_page()[1]}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
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
