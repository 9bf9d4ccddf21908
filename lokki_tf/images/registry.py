"""Check whether a registry has an image, with the registries' own HTTP API.

podman's API has no such request. Without an answer the image is pushed, which is at worst
unnecessary.

Source: OCI Distribution Specification, "Pulling manifests"; Docker's "Token Authentication".
"""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

from lokki_tf.config import is_loopback as is_own_machine

_HUB = "registry-1.docker.io"
_KINDS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT = 20
_FOUND, _REFUSED, _NOT_FOUND = 200, 401, 404


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for a registry.

    Args:
        user: Name of the user.
        password: Password or token.
    """

    user: str
    password: str = field(repr=False)

    def as_docker(self) -> dict[str, str]:
        """Return the credentials in the form of Docker's SDK."""
        return {"username": self.user, "password": self.password}


def has_image(uri: str, login: Login | None = None) -> bool | None:
    """Return whether a registry has an image; ``None`` if it does not answer.

    Args:
        uri: The image, with the tag.
        login: User and password.
    """
    return {_FOUND: True, _NOT_FOUND: False}.get(_manifest(uri, login)[0])


def digest_of(uri: str, login: Login | None = None) -> str | None:
    """Return the digest that an image's tag has at the moment; ``None`` if no registry says it.

    Source: OCI Distribution Specification, "Checking if content exists in the registry".

    Args:
        uri: The image; its tag is ``latest`` unless given.
        login: User and password.
    """
    tagged = uri if ":" in uri.rpartition("/")[2] else f"{uri}:latest"
    status, headers = _manifest(tagged, login)
    digest = str(headers.get("Docker-Content-Digest", "")) if status == _FOUND else ""
    return digest if digest.startswith("sha256:") else None


def _manifest(uri: str, login: Login | None) -> tuple[int, Any]:
    """Return the status and headers of the request for a manifest; 0 without an answer."""
    registry, name, tag = split(uri)
    scheme = "http" if is_loopback(uri) else "https"
    address = f"{scheme}://{registry}/v2/{name}/manifests/{tag}"
    headers = {"Accept": _KINDS, **_basic(login)}
    try:
        status, answered = _ask("HEAD", address, headers)
        if status == _REFUSED:
            token = _token(answered.get("WWW-Authenticate", ""), login)
            status, answered = _ask("HEAD", address, {"Accept": _KINDS, "Authorization": token})
    except (OSError, HTTPException, ValueError):
        return 0, {}
    return status, answered


def split(uri: str) -> tuple[str, str, str]:
    """Split a URI into registry, name and tag; the default registry is Docker Hub."""
    whole, _, tag = uri.rpartition(":")
    registry, slash, name = whole.partition("/")
    if not slash or not ({".", ":"} & set(registry) or registry == "localhost"):
        return _HUB, whole if slash else f"library/{whole}", tag
    return registry, name, tag


def is_loopback(uri: str) -> bool:
    """Return whether an image's registry runs on this computer, where plain HTTP is used."""
    return is_own_machine(f"http://{split(uri)[0]}")


def _ask(method: str, address: str, headers: dict[str, str]) -> tuple[int, Any]:
    request = urllib.request.Request(address, headers=headers, method=method)
    direct = [urllib.request.ProxyHandler({})] if address.startswith("http:") else []
    try:
        with urllib.request.build_opener(*direct).open(request, timeout=_TIMEOUT) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def _basic(login: Login | None) -> dict[str, str]:
    if login is None:
        return {}
    text = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def _token(challenge: str, login: Login | None) -> str:
    """Request a token from the server that a registry's challenge names.

    Returns:
        The value of the ``Authorization`` header.

    Raises:
        ValueError: If the challenge is of another kind.
        OSError: If the server denies the request.
    """
    parameters = dict(_PARAMETER.findall(challenge))
    realm = parameters.pop("realm", "")
    if not challenge.lower().startswith("bearer ") or not realm.startswith(("https:", "http:")):
        raise ValueError(challenge)
    request = urllib.request.Request(f"{realm}?{urlencode(parameters)}", headers=_basic(login))
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        answer = json.loads(response.read())
    return f"Bearer {answer.get('token') or answer['access_token']}"
