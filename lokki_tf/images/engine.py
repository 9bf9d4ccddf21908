"""The container engine: any program that implements Docker's API."""

from __future__ import annotations

import os
from typing import Any

from lokki_tf.errors import MissingToolError

_TIMEOUT = 3600
"""Seconds without output until a call fails: installing large packages may take minutes."""


def connect(timeout: float = _TIMEOUT) -> Any:
    """Connect to the engine in ``DOCKER_HOST``, or to the computer's own.

    Args:
        timeout: Seconds without output until a call fails.

    Returns:
        The client of Docker's SDK.

    Raises:
        MissingToolError: If the SDK is not installed, or no engine answers.
    """
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        raise MissingToolError(
            "images are built with Docker's SDK, and the package docker is not installed",
            remedy="pip install 'lokki-tf[docker]'",
        ) from None
    try:
        client = docker.from_env(timeout=timeout)
        client.ping()
    except (DockerException, OSError, ValueError) as error:
        where = os.environ.get("DOCKER_HOST")
        raise MissingToolError(
            f"no container engine answers at {where or 'its usual socket'}: {error}",
            remedy="start Docker, or podman's service, and check that you may access its socket; "
            "set DOCKER_HOST for an engine elsewhere (`docker context ls` shows where)",
        ) from error
    return client
