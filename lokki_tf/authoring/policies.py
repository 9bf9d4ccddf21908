"""Policies of steps: what users write becomes policy documents as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import TerraformRef, TextOrRef
from lokki_tf.model.terraform_refs import as_tables
from lokki_tf.tracebacks import ends_at_caller

from .places import calling_place

if TYPE_CHECKING:
    from lokki_tf.errors import Place

# Sources: IAM User Guide, "IAM JSON policy elements: Action"; AWS General Reference, "ARNs".
_ACTION = re.compile(r"[a-z][a-z0-9-]*:[A-Za-z0-9*?]+")
_ARN = re.compile(r"arn:[^:\s]*:[^:\s]+:[^:\s]*:[^:\s]*:\S+")
_ALLOWS = 'allow("dynamodb:PutItem", TerraformRef("aws_dynamodb_table.rows.arn"))'


@ends_at_caller
def allow(
    actions: str | Sequence[str],
    resources: TextOrRef | Sequence[TextOrRef],
    conditions: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return a statement for ``policies=`` that allows actions on resources.

    Args:
        actions: Actions such as ``dynamodb:PutItem``, with ``*`` and ``?`` as wildcards.
        resources: ARNs, patterns of ARNs, references to ARNs, or ``*``.
        conditions: Conditions of IAM: ``{"StringEquals": {"aws:SourceVpc": "vpc-1"}}``.

    Raises:
        OptionError: If an argument does not have this form.
    """
    place = calling_place()
    listed = [actions] if isinstance(actions, str) else actions
    given = [resources] if isinstance(resources, str | TerraformRef) else resources
    for name, value in (("actions", listed), ("resources", given)):
        if not isinstance(value, Sequence) or not value:
            raise OptionError(
                f"allow({name}={value!r}): {name} must be a text or a list of texts",
                place=place,
                remedy=f"write for example {_ALLOWS}",
            )
    for action in listed:
        if not isinstance(action, str) or not _ACTION.fullmatch(action):
            raise OptionError(
                f"allow({action!r}, …): an action must have the form service:Name",
                place=place,
                remedy=f"write for example {_ALLOWS}",
            )
    for resource in given:
        text = isinstance(resource, str) and (resource == "*" or _ARN.fullmatch(resource))
        if not text and not isinstance(resource, TerraformRef):
            raise OptionError(
                f"allow(…, {resource!r}): a resource must be an ARN, a TerraformRef or '*'",
                place=place,
                remedy='write for example "arn:aws:s3:::bucket/*"',
            )
    if conditions is not None and (
        not isinstance(conditions, Mapping)
        or not all(isinstance(one, Mapping) for one in conditions.values())
    ):
        raise OptionError(
            f"allow(…, conditions={conditions!r}): conditions must be dicts by operator",
            place=place,
            remedy='write for example {"StringEquals": {"aws:SourceVpc": "vpc-1"}}',
        )
    statement = {"Effect": "Allow", "Action": list(listed), "Resource": list(given)}
    return {**statement, "Condition": conditions} if conditions else statement


def policy_documents(given: Any, place: Place) -> tuple[str, ...]:
    """Return ``policies=`` as JSON; references are tables, as :func:`as_tables` makes them.

    Args:
        given: A list of statements and documents as dicts, and of documents as JSON.
        place: Source location.

    Raises:
        OptionError: If it is something else.
    """
    remedy = f"write policies=[{_ALLOWS}]"
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise OptionError(f"policies must be a list, got {given!r}", place=place, remedy=remedy)
    found: list[str] = []
    for one in given:
        if isinstance(one, str):
            found += [one] * bool(one.strip())  # an empty policy grants nothing
        elif isinstance(one, Mapping):
            found.append(_document(one, place))
        else:
            message = f"policies must contain dicts or JSON, got {one!r}"
            raise OptionError(message, place=place, remedy=remedy)
    return tuple(found)


def _document(given: Mapping[str, Any], place: Place) -> str:
    """Return a document as JSON; a single statement becomes a document."""
    document = dict(given) if "Statement" in given else {"Statement": [given]}
    try:
        return json.dumps(as_tables({"Version": "2012-10-17", **document}))
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"policies contains what JSON cannot represent: {error}",
            place=place,
            remedy="write texts, lists and dicts",
        ) from None
