"""Refuse requests that web pages of other sites send to the server.

A web page in a browser can send requests to local ports in two ways. Directly: the request then has
an ``Origin`` or ``Sec-Fetch-Site`` header that identifies another site. By a host name of the
page's domain that resolves to 127.0.0.1: the request then has that name as ``Host``. Source: WHATWG
Fetch, "Origin header"; W3C, "Fetch Metadata Request Headers".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_OWN_SITES = ("", "none", "same-origin")


def refuse_other_sites(application: Wsgi) -> Wsgi:
    """Wrap a WSGI application, so that requests of other sites' pages get status 403."""

    def check(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        problem = _problem(environ)
        if problem is None:
            return application(environ, start_response)
        body = f"The local AWS refused this request: {problem}.\n".encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]

    return check


def _problem(environ: dict[str, Any]) -> str | None:
    host = environ.get("HTTP_HOST", "")
    if not _is_loopback(host):
        return f"its Host must be a loopback address or localhost, got {host!r}"
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and urlsplit(origin).netloc != host:
        return f"its Origin must be this server, got {origin!r}"
    site = environ.get("HTTP_SEC_FETCH_SITE", "")
    if site not in _OWN_SITES:
        return f"it was sent by a page of another site (Sec-Fetch-Site: {site})"
    return None


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    # Browsers resolve subdomains of localhost to the loopback address only.
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
