"""Roles that steps name.

Source: IAM identifiers: ``arn:partition:iam::account:role/path/name``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def check(definition: Definition) -> Iterator[Finding]:
    """Check the role of each step with the user's own role."""
    for step in definition.steps:
        role = step.options.role
        if isinstance(role, str) and not _ROLE.fullmatch(role):
            yield Finding(
                "role",
                f"step {step.name!r} has role={role!r}, which must be the ARN of a role",
                step.place,
                'write role="arn:aws:iam::123456789012:role/runs-steps"',
                error=OptionError,
            )
