"""What a field's value must be, beyond its type: declared beside the field, in its metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_KEY = "rule"
ROLE = r"role/[\w+=,.@/-]+"
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """What values of a field there are.

    Args:
        expected: For the error.
        fits: Tells whether a value, of the field's type, is one, by whether it is true.
    """

    expected: str
    fits: Callable[[Any], object]


def rule_of(metadata: Mapping[str, Any]) -> Rule | None:
    """The rule in a field's metadata, if there is one."""
    return metadata.get(_KEY)


def whole(low: int, high: int) -> Mapping[str, Rule]:
    """A number between two, both included."""
    return _rule(f"a whole number from {low} to {high}", lambda value: low <= value <= high)


def arn(service: str, resource: str, example: str) -> Mapping[str, Rule]:
    """The ARN of a resource.

    Args:
        service: As in ``iam``.
        resource: A pattern of what follows the account.
        example: Of that, for the error.
    """
    pattern = re.compile(
        rf"arn:aws[a-z-]*:{service}:[a-z0-9-]*:(\d{{12}}|aws):{resource}", re.ASCII
    )
    place = "" if service == "iam" else "eu-west-1"
    shown = f"an ARN such as 'arn:aws:{service}:{place}:123456789012:{example}'"
    return _rule(shown, pattern.fullmatch)


def url() -> Mapping[str, Rule]:
    """The URL of a server."""
    pattern = re.compile(r"https?://[\w.\[\]:-]+/?", re.ASCII)
    return _rule("a URL such as 'http://localhost:4566'", pattern.fullmatch)


def runtime() -> Mapping[str, Rule]:
    """Lambda's name of a Python; which of them Lambda still has is told for each step."""
    pattern = re.compile(r"python3\.\d{1,2}", re.ASCII)
    return _rule("a runtime such as 'python3.13'", pattern.fullmatch)


def region() -> Mapping[str, Rule]:
    """The name of an AWS region."""
    return _rule("an AWS region such as 'eu-west-1'", REGION.fullmatch)


def zone() -> Mapping[str, Rule]:
    """The name of a time zone, if this machine knows any."""
    return _rule("a time zone such as 'Europe/Helsinki'", _is_zone)


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine and nowhere else.

    Args:
        url: As of :attr:`AwsConfig.endpoint`.
    """
    from ipaddress import ip_address  # not at the top: few settings have an endpoint
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
