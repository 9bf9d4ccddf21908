"""Rules for the values of settings."""

from __future__ import annotations

import re

from lokki_tf.errors import ConfigError
from lokki_tf.model.declarations import Rule

ROLE = r"role/[\w+=,.@/-]+"
# Source: botocore's partitions.json, of 1.44: the last of each area and direction.
_LAST_REGIONS = (
    *("af-south-1", "ap-east-2", "ap-northeast-3", "ap-south-2", "ap-southeast-7", "ca-central-1"),
    *("ca-west-1", "cn-north-1", "cn-northwest-1", "eu-central-2", "eu-north-1", "eu-south-2"),
    *("eu-west-3", "il-central-1", "me-central-1", "me-south-1", "me-west-1", "mx-central-1"),
    *("sa-east-1", "sa-west-1", "us-east-2", "us-west-2", "us-gov-east-1", "us-gov-west-1"),
    *("us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "us-isof-east-1"),
    *("us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1"),
)
_LAST = {name[:-2]: int(name[-1]) for name in _LAST_REGIONS}
# A region that is newer than this list has the next number, or another direction.
_NEW = re.compile(
    rf"({'|'.join(sorted({name.partition('-')[0] for name in _LAST}))}|us-gov)-"
    "(central|(north|south)?(east|west)|north|south)-1",
    re.ASCII,
)


def arn(service: str, resource: str, example: str) -> Rule:
    """Allow the ARN of a resource.

    Args:
        service: The service, as in ``iam``.
        resource: Regular expression for the part after the account.
        example: An example of that part, for the error message.
    """
    pattern = re.compile(
        rf"arn:aws[a-z-]*:{service}:[a-z0-9-]*:(\d{{12}}|aws):{resource}", re.ASCII
    )
    region = "" if service == "iam" else "eu-west-1"
    shown = f"an ARN such as 'arn:aws:{service}:{region}:123456789012:{example}'"
    return Rule(shown, pattern.fullmatch)


def url() -> Rule:
    """Allow the URL of a server."""
    pattern = re.compile(r"https?://[\w.\[\]:-]+/?", re.ASCII)
    return Rule("a URL such as 'http://localhost:4566'", pattern.fullmatch)


def runtime() -> Rule:
    """Allow names of Python runtimes; whether Lambda supports one is checked for each step."""
    pattern = re.compile(r"python3\.\d{1,2}", re.ASCII)
    return Rule("a runtime such as 'python3.13'", pattern.fullmatch)


def region() -> Rule:
    """Allow names of AWS regions."""
    return Rule("an AWS region such as 'eu-west-1'", _is_region, _region_meant)


def _is_region(name: str) -> bool:
    area, _, number = name.rpartition("-")
    is_number = len(number) == 1 and number in "123456789"
    known = is_number and 0 < int(number) <= _LAST.get(area, -1) + 1
    return known or _NEW.fullmatch(name) is not None


def _region_meant(name: str) -> str | None:
    from difflib import get_close_matches

    known = [f"{area}-{n}" for n in range(1, 10) for area in _LAST if n <= _LAST[area]]
    near = get_close_matches(name.lower(), known, 1)
    return f"did you mean {near[0]!r}?" if near else None


def refuse_region(name: str, source: str = "") -> None:
    """Refuse what is not the name of an AWS region.

    Args:
        name: The region's name, from an option or the environment.
        source: What it is from, for the message.

    Raises:
        ConfigError: If AWS has no region of such a name.
    """
    if not _is_region(name):
        remedy = _region_meant(name) or 'write it as AWS does, "eu-west-1" for example'
        raise ConfigError(f"{source}{name!r} is not an AWS region", remedy=remedy)


def zone() -> Rule:
    """Allow names of time zones; any name where this computer has no time zone data."""
    return Rule("a time zone such as 'Europe/Helsinki'", _is_zone)


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


def _is_zone(value: str) -> bool:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        return not available_timezones()
    return True
