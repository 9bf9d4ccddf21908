"""Event patterns of EventBridge rules: their form, and whether an event matches one.

Source: Amazon EventBridge User Guide, "Comparison operators for use in event patterns" and "Amazon
EventBridge event patterns".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from .terraform_refs import TerraformRef

LONGEST_PATTERN = 2_048
"""Characters of an event pattern. Source: EventBridge User Guide, "Amazon EventBridge quotas"."""
_OR = "$or"
_OF_TEXT = ("prefix", "suffix", "wildcard", "equals-ignore-case")
_OPERATORS = (*_OF_TEXT, "anything-but", "exists", "numeric", "cidr")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    "=": lambda value, limit: value == limit,
    ">=": lambda value, limit: value >= limit,
    ">": lambda value, limit: value > limit,
}


def problem_with(pattern: object) -> str | None:
    """Return what is wrong with an event pattern, or ``None``.

    Args:
        pattern: The pattern.
    """
    if not isinstance(pattern, Mapping) or not pattern:
        return f"must be a dict with at least one field, got {pattern!r}"
    try:
        text = json.dumps(_plain(pattern), separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        return f"must be JSON: {error}"
    if len(text) > LONGEST_PATTERN:
        return f"has {len(text):,} characters; EventBridge allows {LONGEST_PATTERN:,}"
    return next(_problems(pattern, ""), None)


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Return whether an event matches a pattern.

    Args:
        pattern: A valid pattern.
        event: The event, as JSON.
    """
    if isinstance(event, list):  # EventBridge compares the elements of an array one by one
        return any(matches(pattern, one) for one in event)
    if not isinstance(event, Mapping):
        event = {}
    for name, wanted in pattern.items():
        if name == _OR:
            if not any(matches(one, event) for one in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not matches(wanted, event.get(name, {})):
                return False
        elif not any(_fits(one, event, name) for one in wanted):
            return False
    return True


def wildcard(text: str) -> str:
    """Return a text for a wildcard pattern that matches exactly this text.

    Args:
        text: Any text.
    """
    return re.sub(r"([*\\])", r"\\\1", text)


def _plain(value: Any) -> Any:
    """Return a value with dicts, lists and texts in place of mappings, sequences and references."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value.expression if isinstance(value, TerraformRef) else value


def _problems(pattern: Mapping[str, Any], where: str) -> Iterator[str]:
    for name, wanted in pattern.items():
        path = f"{where}.{name}" if where else str(name)
        if name == _OR:
            if not isinstance(wanted, list | tuple) or len(wanted) < 2:
                yield f"has {path}, which must be a list of at least two patterns"
            else:
                for one in wanted:
                    if isinstance(one, Mapping):
                        yield from _problems(one, where)
                    else:
                        yield f"has {one!r} in {path}, which must be a pattern"
        elif isinstance(wanted, Mapping):
            if not wanted:
                yield f"has an empty dict for {path}"
            yield from _problems(wanted, path)
        elif not isinstance(wanted, list | tuple) or not wanted:
            yield f"has {wanted!r} for {path}, which must be a list of values, or a dict"
        else:
            for one in wanted:
                problem = _problem_with_value(one)
                if problem:
                    yield f"has {one!r} for {path}: {problem}"


def _problem_with_value(value: Any) -> str | None:
    if value is None or isinstance(value, str | int | float | TerraformRef):
        return None
    if not isinstance(value, Mapping) or len(value) != 1:
        return "a value is a text, a number, true, false, null or one comparison"
    ((operator, operand),) = value.items()
    if operator not in _OPERATORS:
        return f"the comparisons are {', '.join(_OPERATORS)}"
    if operator == "exists":
        return None if isinstance(operand, bool) else "exists must be true or false"
    if operator == "numeric":
        return _problem_with_numeric(operand)
    if operator == "cidr":
        return None if _is_network(operand) else "cidr must be a network such as 10.0.0.0/24"
    if operator == "anything-but":
        return _problem_with_exclusion(operand)
    return _problem_with_text(operator, operand)


def _problem_with_text(operator: str, operand: Any) -> str | None:
    if operator in ("prefix", "suffix") and isinstance(operand, Mapping):
        inner = operand.get("equals-ignore-case")
        return None if len(operand) == 1 and isinstance(inner, str) else f"{operator} must be text"
    if not isinstance(operand, str):
        return f"{operator} must be a text"
    if operator == "wildcard" and "**" in operand.replace("\\\\", "").replace("\\*", ""):
        return "wildcard must not have two * in sequence"
    return None


def _problem_with_exclusion(operand: Any) -> str | None:
    if isinstance(operand, Mapping):
        ((operator, inner),) = operand.items() if len(operand) == 1 else [("", None)]
        texts = inner if isinstance(inner, list | tuple) else [inner]
        if operator not in _OF_TEXT or not texts or not all(isinstance(t, str) for t in texts):
            return f"anything-but may contain {', '.join(_OF_TEXT)} with texts"
        return None
    values = operand if isinstance(operand, list | tuple) else [operand]
    if values and all(isinstance(one, str | int | float) for one in values):
        return None
    return "anything-but must be a text, a number, or a list of them"


def _problem_with_numeric(operand: Any) -> str | None:
    pairs = list(operand) if isinstance(operand, list | tuple) else []
    signs, limits = pairs[::2], pairs[1::2]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in limits)
    if pairs and len(signs) == len(limits) <= 2 and numbers and {*signs} <= {*_COMPARISONS}:
        return None
    return 'numeric must be one or two comparisons, for example [">", 0, "<=", 5]'


def _is_network(text: Any) -> bool:
    try:
        return isinstance(text, str) and bool(ip_network(text, strict=False))
    except ValueError:
        return False


def _fits(wanted: Any, event: Mapping[str, Any], name: str) -> bool:
    """Return whether a field has a value, or one for which a comparison is true."""
    if isinstance(wanted, Mapping) and "exists" in wanted:
        leaf = name in event and not isinstance(event[name], Mapping)
        return leaf is wanted["exists"]
    if name not in event:
        return False
    found = event[name]
    values = found if isinstance(found, list) else [found]
    return any(_fits_value(wanted, one) for one in values)


def _fits_value(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, TerraformRef):
        return False  # nothing is known to have its value
    if not isinstance(wanted, Mapping):
        # EventBridge compares texts: 300 and 300.0 are different, and so are 1 and true.
        return not isinstance(value, Mapping) and json.dumps(wanted) == json.dumps(value)
    ((operator, operand),) = wanted.items()
    if operator == "anything-but":
        return not isinstance(value, Mapping) and not _is_excluded(operand, value)
    if operator == "numeric":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        pairs = zip(operand[::2], operand[1::2], strict=True)
        return all(_COMPARISONS[sign](value, limit) for sign, limit in pairs)
    if operator == "cidr":
        try:
            return ip_address(value) in ip_network(operand, strict=False)
        except ValueError:
            return False
    return isinstance(value, str) and _fits_text(operator, operand, value)


def _is_excluded(operand: Any, value: Any) -> bool:
    if isinstance(operand, Mapping):
        ((operator, inner),) = operand.items()
        texts = inner if isinstance(inner, list | tuple) else [inner]
        return isinstance(value, str) and any(_fits_text(operator, one, value) for one in texts)
    values = operand if isinstance(operand, list | tuple) else [operand]
    return any(_fits_value(one, value) for one in values)


def _fits_text(operator: str, operand: Any, value: str) -> bool:
    if isinstance(operand, Mapping):
        operand, value = operand["equals-ignore-case"].lower(), value.lower()
    if operator == "prefix":
        return value.startswith(operand)
    if operator == "suffix":
        return value.endswith(operand)
    if operator == "equals-ignore-case":
        return bool(value.lower() == operand.lower())
    parts = re.findall(r"\\[*\\]|.", operand, re.DOTALL)
    pattern = "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts)
    return re.fullmatch(pattern, value, re.DOTALL) is not None
