"""Policy documents of steps, with values in the place of references to Terraform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lokki_tf.model.terraform_refs import from_tables, has_tables

if TYPE_CHECKING:
    from lokki_tf.model import Step

    from .account import Account


def own_policies(step: Step, account: Account) -> list[str]:
    """Return the policy documents of a step as JSON, with values of references.

    Args:
        step: The step.
        account: Has the values.
    """
    return [_with_values(one, account) for one in step.options.policies]


def _with_values(document: str, account: Account) -> str:
    """Return a document with values of references; without them it is unchanged."""
    parsed = json.loads(document)
    return json.dumps(from_tables(parsed, account.refs)) if has_tables(parsed) else document
