"""IAM policies of steps.

Source: IAM User Guide, "IAM JSON policy elements": a document is a JSON object with ``Version`` and
``Statement``; a role's inline policies have at most 10,240 characters. "IAM JSON policy elements:
Condition operators": ``StringEquals`` and its relatives compare ``*`` and ``?`` literally,
``StringLike`` and all ``Arn`` operators use them as wildcards.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding
from lokki_tf.model.terraform_refs import has_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

_EXAMPLE = 'write for example allow("s3:GetObject", "arn:aws:s3:::bucket/*")'
_ELEMENTS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_EXACT = re.compile(r"(For(All|Any)(Values|Value):)?String(Not)?Equals(IgnoreCase)?(IfExists)?")
_ESCAPED = re.compile(r"\$\{[*?$]\}")  # IAM's way to write the characters themselves


def check(definition: Definition) -> Iterator[Finding]:
    """Check each step's policy documents."""
    for step in definition.steps:
        for text in step.options.policies:
            problem = _problem(text)
            if not problem:
                for pattern in patterns_compared_literally(text):
                    yield Finding(
                        "policy-pattern",
                        f"a policy of step {step.name!r} has {pattern}: IAM compares that "
                        "literally",
                        step.place,
                        "write StringLike or ArnLike for a pattern, ${*} for the character itself",
                        severity="warning",
                    )
            else:
                yield Finding(
                    "policy",
                    f"a policy of step {step.name!r} {problem}: {text[:60]!r}",
                    step.place,
                    _EXAMPLE,
                    error=OptionError,
                )


def _problem(text: str) -> str | None:
    try:
        document = json.loads(text)
    except ValueError as error:
        return f"is not valid JSON ({error})"
    if not isinstance(document, dict) or "Statement" not in document:
        return "must have a Statement"
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            return "has a statement without Effect Allow or Deny"
        if not {"Action", "NotAction"} & set(statement):
            return "has a statement without Action"
        if not {"Resource", "NotResource"} & set(statement):
            return "has a statement without Resource"
        unknown = sorted(map(str, set(statement) - _ELEMENTS))
        if unknown:
            return f"has a statement with {unknown[0]}, which policies of roles do not have"
    try:
        has_tables(document)
    except OptionError as error:
        return f"has a reference that is not valid ({error.message})"
    return None


def patterns_compared_literally(value: Any) -> Iterator[str]:
    """Yield wildcards in operators that compare exactly, in all policies inside a value.

    Args:
        value: A policy document, or JSON of any kind that contains documents, as objects or as
            text.

    Yields:
        Operator, key and pattern, such as ``StringEquals aws:SourceArn 'arn:aws:s3:::*'``.
    """
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            if current.lstrip().startswith("{"):
                waiting.append(_parsed(current))
        elif isinstance(current, list):
            waiting += reversed(current)
        elif isinstance(current, dict):
            conditions = current.get("Condition")
            yield from _literal(conditions if isinstance(conditions, dict) else {})
            waiting += reversed(current.values())


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _literal(conditions: dict[str, Any]) -> Iterator[str]:
    for operator, keys in conditions.items():
        if not _EXACT.fullmatch(operator) or not isinstance(keys, dict):
            continue
        for key, values in keys.items():
            for one in values if isinstance(values, list) else [values]:
                if isinstance(one, str) and set("*?") & set(_ESCAPED.sub("", one)):
                    yield f"{operator} {key} {one!r}"
