"""Secrets as environment variables: fetched before the user's code is imported, and again later.

Only steps with ``secrets=`` have this module in their zips. Local runs use it as well. Sources are
described in :mod:`.secret_sources`.
"""

from __future__ import annotations

import os
import time

from .secret_sources import PARAMETERS, parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

SECONDS = 300
"""How long values are used; the first call of the handler after that fetches them again."""
_fetched: dict[str, str] = {}  # the sources of variables that were fetched, and not set already
_until = [0.0]


class SecretError(Exception):
    """A secret cannot be used. No text of this error contains a value."""


def load(sources: Mapping[str, str]) -> None:
    """Set the variables that the process does not have yet.

    Args:
        sources: Sources by the names of environment variables.

    Raises:
        SecretError: If one cannot be used.
    """
    _fetched.update((name, one) for name, one in sources.items() if name not in os.environ)
    _set()


def fresh(handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a handler that fetches values again before a call, if they have expired.

    Args:
        handler: The handler of the step.
    """

    def lambda_handler(event: Any, context: Any) -> Any:
        if time.time() >= _until[0]:
            _set()
        return handler(event, context)

    return lambda_handler


def _set() -> None:
    os.environ.update(values(_fetched, client) if _fetched else {})
    _until[0] = time.time() + SECONDS


def client(service: str, region: str | None) -> Any:
    """Return a client of boto3.

    Args:
        service: The service's name in boto3.
        region: The region, if it is not that of the process.
    """
    import boto3  # not at the top: all variables may be set already

    return boto3.client(service, region_name=region)


def values(
    sources: Mapping[str, str], client_of: Callable[[str, str | None], Any]
) -> dict[str, str]:
    """Fetch values, each secret once.

    Args:
        sources: Sources by the names of environment variables.
        client_of: Returns a client for a service and a region; ``None`` for the usual one.

    Returns:
        Values by the names of environment variables.

    Raises:
        SecretError: If one cannot be used.
    """
    texts: dict[tuple[str, str], str] = {}
    found = {}
    for name, source in sources.items():
        service, own, key = parts(source)
        what = f"the secret {source!r} of the environment variable {name}"
        if (service, own) not in texts:
            try:
                fetched = _text(service, own, client_of)
            except Exception as error:
                raise SecretError(
                    f"{what} cannot be read: {type(error).__name__}: {error}"
                ) from error
            if fetched is None:
                raise SecretError(f"{what} is binary, and must be text")
            texts[service, own] = fetched
        text = texts[service, own]
        found[name] = text if key is None else _member(text, key, what)
        if "\0" in found[name]:
            raise SecretError(f"{what} contains a null character, which no variable can")
    return found


def _text(service: str, name: str, client_of: Callable[[str, str | None], Any]) -> str | None:
    if service == PARAMETERS:
        answer = client_of(service, None).get_parameter(Name=name, WithDecryption=True)
        parameter: str = answer["Parameter"]["Value"]
        return parameter
    region = name.split(":")[3] if name.startswith("arn:") else None
    answer = client_of(service, region).get_secret_value(SecretId=name)
    text: str | None = answer.get("SecretString")
    return text


def _member(text: str, key: str, what: str) -> str:
    """Return one value of a JSON object: a string as it is, others as JSON."""
    import json

    try:
        whole = json.loads(text)
    except ValueError:
        whole = None  # the error is raised below: this one contains the text
    if not isinstance(whole, dict):
        raise SecretError(f"{what} is not a JSON object, so it has no key {key!r}")
    if key not in whole:
        raise SecretError(f"{what} is a JSON object without the key {key!r}")
    value = whole[key]
    return value if isinstance(value, str) else json.dumps(value)
