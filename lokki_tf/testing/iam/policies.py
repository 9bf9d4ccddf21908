"""Evaluate IAM policies for one request.

The stages of ``evaluate``: look for a statement that denies the request, then for statements that
allow it in the role's policies and in the resource's policy, then apply the permissions boundary.

Sources: IAM User Guide, "Policy evaluation logic for requests within a single account", "IAM JSON
policy elements" and "Permissions boundaries"; KMS Developer Guide, "Key policies".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from lokki_tf.testing.iam.conditions import Context, filled, holds, like, texts

Statement = Mapping[str, Any]
TIME_KEYS = ("aws:currenttime", "aws:epochtime")
"""The condition keys that differ between requests that are equal in all else."""


class Policy(NamedTuple):
    """A policy document with its name and type.

    Args:
        name: The policy's name, such as ``lokki``.
        text: The document as JSON.
        kind: ``identity``, ``boundary`` or ``resource``.
    """

    name: str
    text: str
    kind: str = "identity"

    @property
    def statements(self) -> Sequence[Statement]:
        """The statements of the document."""
        return _statements(self.text)

    @property
    def mentions_time(self) -> bool:
        """Whether the document may have a condition on the time of the request."""
        return _mentions_time(self.text)


class Principal(NamedTuple):
    """The principal that makes a request: a session of a role, or an AWS service.

    Args:
        role: The ARN of the role; empty for a service.
        session: The ARN of the role's session; empty for a service.
        service: The service principal, such as ``lambda.amazonaws.com``; empty for a role.
    """

    role: str = ""
    session: str = ""
    service: str = ""

    @property
    def account(self) -> str:
        """The account number of the role."""
        return self.role.split(":")[4] if self.role else ""


@dataclass(frozen=True)
class Request:
    """A request for one action on one resource.

    Args:
        principal: The principal that makes the request.
        action: The action, such as ``s3:GetObject``.
        resource: The resource's ARN; ``*`` for actions without resources; ``None`` if the local AWS
            cannot derive the resource from the request. Then the resources of statements are not
            compared.
        context: The condition keys in lower case, with their values.
    """

    principal: Principal
    action: str
    resource: str | None
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    """A statement that applies to a request.

    Args:
        policy: The policy that contains the statement.
        position: The statement's position in the policy, from 0.
    """

    policy: Policy
    position: int

    @property
    def statement(self) -> Statement:
        """The statement."""
        return self.policy.statements[self.position]


@dataclass(frozen=True)
class Verdict:
    """The result of evaluating policies for a request.

    Args:
        allowed: Whether the request is allowed.
        matches: The statements that decide.
        reason: The reason of a denial in the wording of AWS; empty if the request is allowed.
        unfulfilled: The statements that would allow the request if their conditions held.
    """

    allowed: bool
    matches: tuple[Match, ...] = ()
    reason: str = ""
    unfulfilled: tuple[Match, ...] = ()


@lru_cache(maxsize=2048)
def _statements(text: str) -> Sequence[Statement]:
    found = json.loads(text).get("Statement", [])
    return tuple(found) if isinstance(found, list) else (found,)


@lru_cache(maxsize=2048)
def _mentions_time(text: str) -> bool:
    # Condition keys have no case, and the escapes of the document differ from those of json.
    plain = json.dumps(json.loads(text)).lower()
    return any(key in plain for key in TIME_KEYS)


def evaluate(
    request: Request,
    identity: Iterable[Policy],
    *,
    boundary: Policy | None = None,
    resource: Policy | None = None,
    by_resource_alone: bool = False,
) -> Verdict:
    """Decide on a request within one account.

    Args:
        request: The request.
        identity: The policies of the role.
        boundary: The permissions boundary of the role.
        resource: The policy of the resource.
        by_resource_alone: Whether the resource's policy must allow the request or delegate the
            decision to the account's policies, as for KMS keys and trust policies.
    """
    identity = tuple(identity)
    groups = [("an identity-based policy", identity)]
    if boundary is not None:
        groups.append(("a permissions boundary", (boundary,)))
    if resource is not None:
        groups.append(("a resource-based policy", (resource,)))
    for kind, policies in groups:
        denying = _matches(policies, request, "Deny")
        if denying:
            return Verdict(False, denying, f"with an explicit deny in {kind}")
    allowing = _matches(identity, request, "Allow")
    by_resource = _by_resource(request, resource)
    if by_resource_alone and not by_resource:
        if resource is None or not _delegates(request, resource):
            return _denied("resource", request, (resource,) if resource else ())
    elif by_resource and (boundary is None or _by_session(request, by_resource)):
        return Verdict(True, by_resource)
    if not allowing and not by_resource:
        return _denied("identity", request, identity)
    if boundary is not None:
        bounded = _matches((boundary,), request, "Allow")
        if not bounded:
            return _denied("boundary", request, (boundary,))
        return Verdict(True, (*(allowing or by_resource), *bounded))
    return Verdict(True, allowing)


def applies(statement: Statement, request: Request, *, conditions: bool = True) -> bool:
    """Return whether a statement applies to a request.

    Args:
        statement: The statement.
        request: The request.
        conditions: Whether the statement's conditions must hold.
    """
    return (
        _names_action(statement, request.action)
        and _names_resource(statement, request)
        and _names_principal(statement, request.principal)
        and (not conditions or holds(statement.get("Condition", {}), request.context))
    )


def covers(pattern: str, resource: str) -> bool:
    """Return whether a pattern in the element ``Resource`` matches a resource.

    A ``*`` at the end of a part of an ARN also matches colons, another ``*`` does not. Source: IAM
    User Guide, "IAM JSON policy elements: Resource".
    """
    if pattern == "*":
        return True
    patterns, parts = pattern.split(":"), resource.split(":")
    return _covers(patterns, parts)


def _covers(patterns: Sequence[str], parts: Sequence[str]) -> bool:
    if not patterns or not parts:
        return not patterns and not parts
    if like(patterns[0], parts[0]) and _covers(patterns[1:], parts[1:]):
        return True
    if not patterns[0].endswith("*"):
        return False
    return any(
        like(patterns[0], ":".join(parts[:count])) and _covers(patterns[1:], parts[count:])
        for count in range(2, len(parts) + 1)
    )


def _matches(policies: Iterable[Policy], request: Request, effect: str) -> tuple[Match, ...]:
    return tuple(
        Match(policy, position)
        for policy in policies
        for position, statement in enumerate(policy.statements)
        if statement.get("Effect") == effect and applies(statement, request)
    )


def _denied(kind: str, request: Request, policies: Iterable[Policy]) -> Verdict:
    named = {
        "identity": "identity-based policy",
        "boundary": "permissions boundary",
        "resource": "resource-based policy",
    }[kind]
    unfulfilled = tuple(
        Match(policy, position)
        for policy in policies
        for position, statement in enumerate(policy.statements)
        if statement.get("Effect") == "Allow" and applies(statement, request, conditions=False)
    )
    reason = f"because no {named} allows the {request.action} action"
    return Verdict(False, (), reason, unfulfilled)


def _by_resource(request: Request, policy: Policy | None) -> tuple[Match, ...]:
    """Return the statements of the resource's policy that allow the request to the principal."""
    if policy is None:
        return ()
    return tuple(
        match
        for match in _matches((policy,), request, "Allow")
        if not _is_account(match.statement, request.principal)
    )


def _delegates(request: Request, policy: Policy) -> bool:
    """Return whether the resource's policy delegates the decision to the account's policies."""
    return any(
        _is_account(match.statement, request.principal)
        for match in _matches((policy,), request, "Allow")
    )


def _by_session(request: Request, matches: Iterable[Match]) -> bool:
    """Return whether a statement names the session, so that the boundary does not apply.

    Source: IAM User Guide, "Permissions boundaries", the section about resource-based policies.
    """
    named = [_principals(match.statement.get("Principal"), "AWS") for match in matches]
    return any(request.principal.session in names for names in named)


def _is_account(statement: Statement, principal: Principal) -> bool:
    named = _principals(statement.get("Principal"), "AWS")
    return bool(principal.role) and not any(
        one in ("*", principal.role, principal.session) for one in named
    )


def _names_action(statement: Statement, action: str) -> bool:
    if "NotAction" in statement:
        return not _any_action(statement["NotAction"], action)
    return _any_action(statement.get("Action", []), action)


def _any_action(patterns: Any, action: str) -> bool:
    return any(like(pattern.lower(), action.lower()) for pattern in texts(patterns))


def _names_resource(statement: Statement, request: Request) -> bool:
    if "NotResource" in statement:
        unknown = statement.get("Effect") == "Deny"
        return not _any_resource(statement["NotResource"], request, unknown=unknown)
    if "Resource" not in statement:  # a resource-based policy without this element
        return True
    # If the resource is unknown, a denial applies only if it names all resources.
    unknown = statement.get("Effect") == "Allow" or "*" in texts(statement["Resource"])
    return _any_resource(statement["Resource"], request, unknown=unknown)


def _any_resource(patterns: Any, request: Request, *, unknown: bool) -> bool:
    if request.resource is None:
        return unknown
    resource = request.resource
    known = (filled(pattern, request.context) for pattern in texts(patterns))
    return any(pattern is not None and covers(pattern, resource) for pattern in known)


def _names_principal(statement: Statement, principal: Principal) -> bool:
    if "NotPrincipal" in statement:
        return not _is_named(statement["NotPrincipal"], principal)
    if "Principal" not in statement:  # an identity-based policy
        return True
    return _is_named(statement["Principal"], principal)


def _is_named(element: Any, principal: Principal) -> bool:
    if element == "*":
        return True
    if principal.service:
        return principal.service in _principals(element, "Service")
    account = principal.account
    known = {"*", principal.role, principal.session, account}
    partition = principal.role.split(":")[1] if principal.role else "aws"
    known.add(f"arn:{partition}:iam::{account}:root")
    return any(name in known for name in _principals(element, "AWS"))


def _principals(element: Any, kind: str) -> list[str]:
    if isinstance(element, Mapping):
        return texts(element.get(kind, []))
    return texts(element) if element else []
