"""IAM policies that a step brings.

Source: IAM User Guide, "IAM JSON policy elements": a document is a JSON object with
``Version`` and ``Statement``; an inline policy has at most 10,240 characters a role.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

_EXAMPLE = (
    'write json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
    '"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket/*"]}]})'
)


def check(definition: Definition) -> Iterator[Finding]:
    """Each step's policy documents."""
    for step in definition.steps:
        for text in step.options.policies:
            problem = _problem(text)
            if problem:
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
        return f"is no JSON ({error})"
    if not isinstance(document, dict) or "Statement" not in document:
        return "is no policy document, it has no Statement"
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            return "has a statement without Effect Allow or Deny"
        if not {"Action", "NotAction"} & set(statement):
            return "has a statement without Action"
        if not {"Resource", "NotResource"} & set(statement):
            return "has a statement without Resource"
    return None
