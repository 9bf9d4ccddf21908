"""Evaluate the conditions in statements of IAM policies.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators", "Creating a condition with
multiple keys or values" and "Multivalued context keys".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

Context = Mapping[str, Sequence[str]]
"""The condition keys of a request in lower case, with their values."""

_ARN_PARTS = 6
_VARIABLE = re.compile(r"\$\{(?P<key>[^},]+)(?:,\s*'(?P<default>[^']*)')?\}")
# ``${*}`` and ``${?}`` stand for the characters themselves and not for wildcards.
_LITERALS = {"*": "\ue000", "?": "\ue001", "$": "$"}


class UnknownOperatorError(ValueError):
    """A condition has an operator that IAM does not have."""


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    known = {"*": ".*", "?": ".", "\ue000": r"\*", "\ue001": r"\?"}
    return re.compile("".join(known.get(one) or re.escape(one) for one in pattern), re.DOTALL)


def like(pattern: str, text: str) -> bool:
    """Return whether a text matches a pattern with ``*`` and ``?``."""
    return _expression(pattern).fullmatch(text) is not None


def arn_like(pattern: str, arn: str) -> bool:
    """Return whether each of the six parts of an ARN matches that of a pattern."""
    patterns = pattern.split(":", _ARN_PARTS - 1)
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(patterns) != _ARN_PARTS or len(parts) != _ARN_PARTS:
        return pattern == "*"
    return all(like(*pair) for pair in zip(patterns, parts, strict=True))


def filled(text: str, context: Context) -> str | None:
    """Return a policy's text with its variables replaced; ``None`` if one has no value.

    Source: IAM User Guide, "IAM policy elements: Variables and tags".
    """
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        key = match["key"].strip()
        if key in _LITERALS:
            return _LITERALS[key]
        found = context.get(key.lower(), ())
        if len(found) == 1:
            return found[0]
        if match["default"] is not None:
            return str(match["default"])
        missing = True
        return ""

    result = _VARIABLE.sub(value, text)
    return None if missing else result


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(wanted: str, address: str) -> bool:
    return ip_address(address) in ip_network(wanted, strict=False)


def _equal(wanted: str, found: str) -> bool:
    return found == wanted


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": _equal,
    "stringequalsignorecase": lambda wanted, found: found.lower() == wanted.lower(),
    "stringlike": like,
    "arnequals": arn_like,
    "arnlike": arn_like,
    "binaryequals": _equal,
    "bool": lambda wanted, found: found.lower() == wanted.lower(),
    "ipaddress": _in_network,
    "numericequals": lambda wanted, found: float(found) == float(wanted),
    "numericlessthan": lambda wanted, found: float(found) < float(wanted),
    "numericlessthanequals": lambda wanted, found: float(found) <= float(wanted),
    "numericgreaterthan": lambda wanted, found: float(found) > float(wanted),
    "numericgreaterthanequals": lambda wanted, found: float(found) >= float(wanted),
    "dateequals": lambda wanted, found: _moment(found) == _moment(wanted),
    "datelessthan": lambda wanted, found: _moment(found) < _moment(wanted),
    "datelessthanequals": lambda wanted, found: _moment(found) <= _moment(wanted),
    "dategreaterthan": lambda wanted, found: _moment(found) > _moment(wanted),
    "dategreaterthanequals": lambda wanted, found: _moment(found) >= _moment(wanted),
}
_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
}


def texts(value: Any) -> list[str]:
    """Return the values of an element of a policy as a list, also if it is a single value."""
    listed = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in listed]


def holds(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Return whether all conditions of a statement hold.

    Args:
        condition: By operator and condition key, one value or a list.
        context: The request's condition keys.

    Raises:
        UnknownOperatorError: If an operator does not exist in IAM.
    """
    return all(
        _holds(operator, key, texts(values), context)
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def _holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    name = operator.lower()
    prefix, _, name = name.rpartition(":")
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    found = list(context.get(key.lower(), ()))
    if name == "null":
        return (not found) in (text.lower() == "true" for text in wanted)
    negated = name in _NEGATED
    test = _TESTS.get(_NEGATED.get(name, name))
    if test is None or prefix not in ("", "forallvalues", "foranyvalue"):
        raise UnknownOperatorError(f"IAM has no condition operator {operator!r}")
    if not found:
        # A missing key fulfils negated operators and ForAllValues.
        return if_exists or (prefix == "forallvalues") or (negated and prefix != "foranyvalue")
    values = [text for text in (filled(one, context) for one in wanted) if text is not None]

    def matches(one: str) -> bool:
        return any(_tested(test, value, one) for value in values) != negated

    # A negated operator must hold for all values of the request, other operators for one value.
    every = prefix == "forallvalues" or (negated and not prefix)
    return all(map(matches, found)) if every else any(map(matches, found))


def _tested(test: Callable[[str, str], bool], wanted: str, found: str) -> bool:
    try:
        return test(wanted, found)
    except ValueError:  # a value of the wrong type, such as text instead of a number
        return False
