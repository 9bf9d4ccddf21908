"""Rules for the values of settings, declared in the metadata of their fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lokki_tf.errors import ConfigError

_KEY = "rule"
ROLE = r"role/[\w+=,.@/-]+"
# Source: AWS General Reference, "AWS service endpoints": the area, perhaps the partition, the
# direction and a digit; eusc-de-east-1 is of the European Sovereign Cloud.
_AREAS = ("af", "ap", "ca", "cn", "eu", "il", "me", "mx", "sa", "us", "us-gov")
_DIRECTIONS = (
    *("central", "north", "northeast", "northwest", "south", "southeast", "southwest"),
    *("east", "west"),
)
REGION = re.compile(
    rf"({'|'.join(_AREAS)}|(us|eu)-iso[a-z]?|eusc-[a-z]{{2}})-({'|'.join(_DIRECTIONS)})-[1-9]",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The values that a field allows.

    Args:
        expected: Description of allowed values, for the error message.
        fits: Returns a true value if a value of the field's type is allowed.
    """

    expected: str
    fits: Callable[[Any], object]


def rule_of(metadata: Mapping[str, Any]) -> Rule | None:
    """Return the rule in a field's metadata, if any."""
    return metadata.get(_KEY)


def whole(low: int, high: int) -> Mapping[str, Rule]:
    """Allow whole numbers from ``low`` to ``high``."""
    return _rule(f"a whole number from {low} to {high}", lambda value: low <= value <= high)


def one_of(numbers: Iterable[int]) -> Mapping[str, Rule]:
    """Allow some whole numbers alone."""
    allowed = tuple(numbers)
    return _rule(f"one of {', '.join(map(str, allowed))}", allowed.__contains__)


def arn(service: str, resource: str, example: str) -> Mapping[str, Rule]:
    """Allow the ARN of a resource.

    Args:
        service: The service, as in ``iam``.
        resource: Regular expression for the part after the account.
        example: An example of that part, for the error message.
    """
    pattern = re.compile(
        rf"arn:aws[a-z-]*:{service}:[a-z0-9-]*:(\d{{12}}|aws):{resource}", re.ASCII
    )
    place = "" if service == "iam" else "eu-west-1"
    shown = f"an ARN such as 'arn:aws:{service}:{place}:123456789012:{example}'"
    return _rule(shown, pattern.fullmatch)


def url() -> Mapping[str, Rule]:
    """Allow the URL of a server."""
    pattern = re.compile(r"https?://[\w.\[\]:-]+/?", re.ASCII)
    return _rule("a URL such as 'http://localhost:4566'", pattern.fullmatch)


def runtime() -> Mapping[str, Rule]:
    """Allow names of Python runtimes; whether Lambda supports one is checked for each step."""
    pattern = re.compile(r"python3\.\d{1,2}", re.ASCII)
    return _rule("a runtime such as 'python3.13'", pattern.fullmatch)


def region() -> Mapping[str, Rule]:
    """Allow names of AWS regions."""
    return _rule("an AWS region such as 'eu-west-1'", REGION.fullmatch)


def refuse_region(name: str) -> None:
    """Refuse what cannot be the name of an AWS region.

    Args:
        name: The region's name, from an option or the environment.

    Raises:
        ConfigError: If AWS has no region of such a name.
    """
    if REGION.fullmatch(name):
        return
    from difflib import get_close_matches

    known = [f"{area}-{way}-{n}" for n in (1, 2, 3) for area in _AREAS for way in _DIRECTIONS]
    near = get_close_matches(name.lower(), known, 1)
    raise ConfigError(
        f"{name!r} is not an AWS region",
        remedy=f"did you mean {near[0]!r}?"
        if near
        else 'write it as AWS does, "eu-west-1" for example',
    )


def zone() -> Mapping[str, Rule]:
    """Allow names of time zones; any name where this computer has no time zone data."""
    return _rule("a time zone such as 'Europe/Helsinki'", _is_zone)


def is_loopback(url: str) -> bool:
    """Return whether a URL refers to this computer.

    Args:
        url: A URL as in :attr:`AwsConfig.endpoint`.
    """
    from ipaddress import ip_address  # imported here because few settings have an endpoint
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _rule(expected: str, fits: Callable[[Any], object]) -> Mapping[str, Rule]:
    return MappingProxyType({_KEY: Rule(expected, fits)})


def _is_zone(value: str) -> bool:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        return not available_timezones()
    return True
