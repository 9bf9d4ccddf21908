"""Pushing of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine import connect
from .failures import push_failure
from .progress import OnProgress, Progress, ignore_progress
from .registry import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .registry import Login


def push(
    uri: str,
    *,
    login: Login | None = None,
    on_progress: OnProgress = ignore_progress,
    client: Any = None,
) -> None:
    """Push an image that the engine has.

    Args:
        uri: The image, with the tag.
        login: User and password; by default those in the engine's configuration.
        on_progress: Called with each message about a layer.
        client: The engine; by default the result of :func:`connect`.

    Raises:
        MissingToolError: If no engine answers.
        ImageError: If it cannot be pushed.
    """
    for line in _lines(client or connect(), uri, login):
        if "error" in line:
            raise push_failure(uri, str(line["error"]))
        detail = line.get("progressDetail") or {}
        on_progress(
            Progress(
                str(line.get("status", "")),
                line.get("id", ""),
                detail.get("current", 0),
                detail.get("total", 0),
            )
        )


def _lines(client: Any, uri: str, login: Login | None) -> Iterator[dict[str, Any]]:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    repository, _, tag = uri.rpartition(":")
    if is_loopback(uri):
        # Docker uses plain HTTP for registries on loopback; podman only if it is requested.
        client.api.params = {"tlsVerify": "false"}
    try:
        yield from client.api.push(
            repository,
            tag=tag,
            auth_config=login.as_docker() if login else None,
            stream=True,
            decode=True,
        )
    except (DockerException, RequestException) as error:
        said = getattr(error, "explanation", None) or error
        raise push_failure(uri, str(said)) from error
    finally:
        client.api.params = {}
