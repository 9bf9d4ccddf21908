"""Requests that the server refuses from every client: those that web pages can cause.

A page that a browser shows may send requests to ports of this machine: directly, then they carry an
``Origin`` or ``Sec-Fetch-Site`` of the page, or under a host name of its own that resolves to
127.0.0.1, then their ``Host`` is that name. Source: WHATWG Fetch, "Origin header"; W3C, "Fetch
Metadata Request Headers".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_OWN_SITES = ("", "none", "same-origin")


def same_machine(application: Wsgi) -> Wsgi:
    """Refuse requests to another host's name, and those that a page of another site causes."""

    def check(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        problem = _problem(environ)
        if problem is None:
            return application(environ, start_response)
        body = f"The local AWS refuses this request: {problem}.\n".encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]

    return check


def _problem(environ: dict[str, Any]) -> str | None:
    host = environ.get("HTTP_HOST", "")
    if not _is_loopback(host):
        return f"its Host must name this machine, got {host!r}"
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and urlsplit(origin).netloc != host:
        return f"its Origin must be this server, got {origin!r}"
    site = environ.get("HTTP_SEC_FETCH_SITE", "")
    if site not in _OWN_SITES:
        return f"it comes from a page of another site (Sec-Fetch-Site: {site})"
    return None


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    # Browsers resolve names below localhost to this machine, and to no other.
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
