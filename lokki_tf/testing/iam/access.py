"""Decide on requests of the account's roles and of AWS services, and record the decisions."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple, Protocol

from lokki_tf.testing.iam.conditions import Context, texts
from lokki_tf.testing.iam.decisions import Decision, Right
from lokki_tf.testing.iam.policies import (
    Match,
    Policy,
    Principal,
    Request,
    Verdict,
    applies,
    evaluate,
)

_MOST_DECISIONS = 100_000
_MOST_KNOWN = 10_000
ROLE_ID = "AROALOCALAWS"
"""The first part of the user id of all sessions. In AWS it differs by role."""
TRUST = "trust"
"""The name of a role's trust policy in decisions."""


class Role(NamedTuple):
    """A role of the account.

    Args:
        arn: The role's ARN.
        policies: Its inline and attached policies.
        trust: Its trust policy.
        boundary: Its permissions boundary.
        tags: Its tags.
    """

    arn: str
    policies: tuple[Policy, ...]
    trust: Policy
    boundary: Policy | None = None
    tags: tuple[tuple[str, str], ...] = ()


class Directory(Protocol):
    """The account's roles and the policies of its resources."""

    def role(self, arn: str) -> Role | None:
        """Return the role with this ARN; ``None`` if it does not exist."""

    def roles(self) -> Iterable[Role]:
        """Return all roles."""

    def resource_policy(self, action: str, resource: str) -> Policy | None:
        """Return the policy of an action's resource; ``None`` if the resource has no policy."""

    def tags(self, resource: str) -> Mapping[str, str]:
        """Return the tags of a function or job definition."""


@dataclass(frozen=True)
class Session:
    """Credentials of a role.

    Args:
        principal: The role and the session.
        access_key: The access key.
        secret_key: The secret key.
        token: The session token.
    """

    principal: Principal
    access_key: str
    secret_key: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make SDKs use these credentials."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }


class AccessDenied(Exception):
    """A request was denied.

    Args:
        message: The message of AWS, with the missing statement.
        decision: The decision.
    """

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.message = message
        self.decision = decision


@dataclass(frozen=True)
class _Decided:
    """A decision.

    Args:
        decision: The decision.
        used: The permissions that it uses.
        lasts: Whether an equal request has the same decision, as long as no policy changes.
    """

    decision: Decision
    used: frozenset[Right]
    lasts: bool


_Context = Mapping[str, str | Sequence[str]]


class Access:
    """Decides on requests and records the decisions.

    Args:
        directory: The account's roles and policies.
        region: The region of requests that do not name one.
        enforced: Whether requests can be denied; if not, decisions are not recorded.
    """

    def __init__(self, directory: Directory, region: str, *, enforced: bool = True) -> None:
        self.enforced = enforced
        self._directory = directory
        self._region = region
        self._sessions: dict[tuple[str, str], Session] = {}
        self._by_key: dict[str, Session] = {}
        self._decisions: deque[Decision] = deque(maxlen=_MOST_DECISIONS)
        self._known: dict[tuple[object, ...], _Decided] = {}
        """Decisions by all that they depend on, since most requests repeat."""
        self._current: dict[tuple[object, ...], tuple[object, _Decided]] = {}
        """Decisions by their requests, with the revision of all policies before the evaluation."""
        self._revision = object()
        self._used: set[Right] = set()
        self._lock = Lock()

    def session(self, role: str, name: str) -> Session:
        """Return credentials of a role; the same for calls with equal arguments.

        Args:
            role: The ARN of the role.
            name: The name of the session.
        """
        with self._lock:
            key = (role, name)
            if key not in self._sessions:
                self._sessions[key] = made = _session(role, name)
                self._by_key[made.access_key] = made
            return self._sessions[key]

    def principal(self, access_key: str) -> Principal | None:
        """Return the principal with an access key; ``None`` if the key is not that of a session."""
        found = self._by_key.get(access_key)
        return found.principal if found else None

    def require(
        self,
        principal: Principal,
        action: str,
        resource: str | None,
        context: _Context | None = None,
        *,
        by_resource_alone: bool = False,
    ) -> None:
        """Decide on a request and record the decision.

        Args:
            principal: The principal that makes the request.
            action: The action, such as ``s3:GetObject``.
            resource: The resource as in ``policies.Request``.
            context: Values of condition keys, in addition to those that every request has.
            by_resource_alone: As in ``policies.evaluate``.

        Raises:
            AccessDenied: If the request is denied.
        """
        if self.enforced:
            given = (principal, action, resource, context or {}, by_resource_alone)
            self._record(self._decided(self._by_role, *given))

    def would_allow(self, principal: Principal, action: str, resource: str) -> bool:
        """Return whether a request would be allowed, without recording a decision."""
        return self._by_role(principal, action, resource, {}, False).decision.allowed

    def policies_changed(self) -> None:
        """Evaluate requests again, because roles, policies or tags may have changed."""
        self._revision = object()

    def _decided(
        self,
        decide: Callable[..., _Decided],
        principal: Principal,
        action: str,
        resource: str | None,
        context: _Context,
        by_resource_alone: bool,
    ) -> _Decided:
        """Return the decision on a request, which is not evaluated again before a change."""
        given = tuple((key, *texts(values)) for key, values in context.items())
        key = (principal, action, resource, given, by_resource_alone)
        revision = self._revision  # before the evaluation, during which policies may change
        known, decided = self._current.get(key, (None, None))
        if decided is None or known is not revision:
            decided = decide(principal, action, resource, context, by_resource_alone)
            if decided.lasts:
                _add(self._current, key, (revision, decided))
        return decided

    def _by_role(
        self,
        principal: Principal,
        action: str,
        resource: str | None,
        context: _Context,
        by_resource_alone: bool,
    ) -> _Decided:
        role = self._directory.role(principal.role)
        tags = self._directory.tags(resource or "*")
        own = {f"aws:ResourceTag/{name}": text for name, text in tags.items()}
        policy = self._directory.resource_policy(action, resource or "*")
        alone = by_resource_alone and policy is not None
        return self._evaluated(principal, action, resource, {**own, **context}, role, policy, alone)

    def _evaluated(
        self,
        principal: Principal,
        action: str,
        resource: str | None,
        context: _Context,
        role: Role | None,
        policy: Policy | None,
        by_resource_alone: bool,
    ) -> _Decided:
        """Evaluate a request, or return what an equal one has given.

        The policies are compared by their texts, so a change of one of them is always seen.
        """
        given = tuple((key, *texts(values)) for key, values in context.items())
        key = (principal, action, resource, given, role, policy, by_resource_alone)
        known = self._known.get(key)
        if known is not None:
            return known
        request = Request(principal, action, resource, self._context(principal, role, context))
        boundary = role.boundary if role else None
        identity = role.policies if role else ()
        verdict = evaluate(
            request,
            identity,
            boundary=boundary,
            resource=policy,
            by_resource_alone=by_resource_alone,
        )
        others = [one for one in (boundary, policy) if one is not None]
        lasts = not any(one.mentions_time for one in (*identity, *others))
        made = _described(request, verdict, lasts=lasts)
        if lasts:
            _add(self._known, key, made)
        return made

    def allows(self, principal: Principal, action: str, resource: str | None) -> bool:
        """Decide on a request for which AWS does not report denials, and record the decision."""
        try:
            self.require(principal, action, resource)
        except AccessDenied:
            return False
        return True

    def assume(self, role: str, service: str, context: Mapping[str, str] | None = None) -> None:
        """Decide whether a service may assume a role, and record the decision.

        Args:
            role: The ARN of the role.
            service: The service principal, such as ``lambda.amazonaws.com``.
            context: Values of condition keys, such as ``aws:SourceArn``.

        Raises:
            AccessDenied: If the role's trust policy does not allow it.
        """
        if not self.enforced:
            return
        given = (Principal(service=service), "sts:AssumeRole", role, context or {}, True)
        self._record(self._decided(self._by_trust, *given))

    def _by_trust(
        self, principal: Principal, action: str, role: str, context: _Context, alone: bool
    ) -> _Decided:
        found = self._directory.role(role)
        if found is None:
            request = Request(principal, action, role, self._context(principal, None, context))
            missing = Verdict(False, reason="because the role does not exist")
            return _described(request, missing, lasts=True)
        return self._evaluated(principal, action, role, context, None, found.trust, alone)

    def require_service(
        self, service: str, action: str, resource: str, context: Mapping[str, str]
    ) -> None:
        """Decide on a request that a service makes without a role, by the resource's policy.

        Args:
            service: The service principal, such as ``events.amazonaws.com``.
            action: The action, such as ``lambda:InvokeFunction``.
            resource: The ARN of the resource.
            context: Values of condition keys, such as ``aws:SourceArn``.

        Raises:
            AccessDenied: If the resource's policy does not allow it.
        """
        if not self.enforced:
            return
        given = (Principal(service=service), action, resource, context, True)
        self._record(self._decided(self._by_resource, *given))

    def _by_resource(
        self, principal: Principal, action: str, resource: str, context: _Context, alone: bool
    ) -> _Decided:
        policy = self._directory.resource_policy(action, resource)
        return self._evaluated(principal, action, resource, context, None, policy, alone)

    @property
    def decisions(self) -> list[Decision]:
        """The latest decisions, oldest first."""
        with self._lock:
            return list(self._decisions)

    def unused(self) -> list[Right]:
        """Return the permissions in the roles' policies that no decision used."""
        with self._lock:
            used = set(self._used)
        return [
            right
            for role in self._directory.roles()
            for policy in role.policies
            for position in range(len(policy.statements))
            for right in _rights(role.arn, Match(policy, position))
            if right not in used
        ]

    def forget(self) -> None:
        """Remove all sessions and decisions."""
        with self._lock:
            self._sessions.clear()
            self._by_key.clear()
            self._decisions.clear()
            self._known.clear()
            self._current.clear()
            self._used.clear()

    def _context(
        self,
        principal: Principal,
        role: Role | None,
        own: _Context,
    ) -> Context:
        now = datetime.now(UTC)
        known: dict[str, str] = {
            "aws:currenttime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:epochtime": str(int(now.timestamp())),
            # Requests on loopback count as encrypted.
            "aws:securetransport": "true",
            "aws:requestedregion": self._region,
        }
        if principal.role:
            known |= {
                "aws:principalaccount": principal.account,
                "aws:principalarn": principal.role,
                "aws:principaltype": "AssumedRole",
                "aws:sourceip": "127.0.0.1",
                "aws:userid": f"{ROLE_ID}:{principal.session.rpartition('/')[2]}",
                "aws:viaawsservice": "false",
            }
        for name, text in role.tags if role else ():
            known[f"aws:principaltag/{name.lower()}"] = text
        given = {key.lower(): texts(value) for key, value in own.items()}
        return {key: [text] for key, text in known.items()} | given

    def _record(self, decided: _Decided) -> None:
        decision = decided.decision
        with self._lock:
            self._decisions.append(decision)
            self._used |= decided.used
        if not decision.allowed:
            raise AccessDenied(decision.message, decision)


def _add(known: dict[tuple[object, ...], Any], key: tuple[object, ...], value: Any) -> None:
    if len(known) > _MOST_KNOWN:
        known.clear()
    known[key] = value


def _described(request: Request, verdict: Verdict, *, lasts: bool) -> _Decided:
    used: set[Right] = set()
    if verdict.allowed and request.principal.role:
        for match in verdict.matches:
            used.update(_used(request, match))
    decision = Decision(
        request.principal.role or request.principal.service,
        request.action,
        request.resource,
        verdict.allowed,
        tuple(f"{one.policy.name}.{_name(one)}" for one in verdict.matches),
        "" if verdict.allowed else _denial(request, verdict),
    )
    return _Decided(decision, frozenset(used), lasts)


def _session(role: str, name: str) -> Session:
    _, partition, _, _, account, path = role.split(":", 5)
    assumed = f"arn:{partition}:sts::{account}:assumed-role/{path.rpartition('/')[2]}/{name}"
    return Session(
        Principal(role, assumed),
        f"ASIA{secrets.token_hex(8).upper()}",
        secrets.token_hex(20),
        secrets.token_hex(32),
    )


def _name(match: Match) -> str:
    return str(match.statement.get("Sid") or match.position)


def _rights(role: str, match: Match) -> Iterable[Right]:
    statement = match.statement
    if statement.get("Effect") != "Allow":
        return
    actions = texts(statement.get("Action", statement.get("NotAction", [])))
    resources = texts(statement.get("Resource", statement.get("NotResource", [])))
    for action in actions:
        for resource in resources:
            yield Right(role, match.policy.name, _name(match), action, resource)


def _used(request: Request, match: Match) -> Iterable[Right]:
    """Yield the pairs of action and resource of a statement that allow a request."""
    alone = dict(match.statement)
    for right in _rights(request.principal.role, match):
        pair = {
            **alone,
            **({"Action": right.action} if "Action" in alone else {}),
            **({"Resource": right.resource} if "Resource" in alone else {}),
        }
        if applies(pair, request):
            yield right


def _denial(request: Request, verdict: Verdict) -> str:
    """Return the message of AWS, followed by the missing statement as JSON for a policy.

    Source of the message: IAM User Guide, "Troubleshoot access denied error messages".
    """
    who = request.principal.session or request.principal.service
    on = "" if request.resource in (None, "*") else f" on resource: {request.resource}"
    text = f"User: {who} is not authorized to perform: {request.action}{on} {verdict.reason}"
    if verdict.matches:
        match = verdict.matches[0]
        shown = json.dumps(dict(match.statement))
        return f"{text}. The statement that denies it, in policy {_policy(match)}: {shown}"
    if verdict.unfulfilled:
        condition = verdict.unfulfilled[0].statement.get("Condition", {})
        keys = {key.lower() for one in condition.values() for key in one}
        found = {key: value for key, value in request.context.items() if key in keys}
        return (
            f"{text}. The statement in policy {_policy(verdict.unfulfilled[0])} does not apply, "
            f"because its condition {json.dumps(condition)} does not hold; the request has "
            f"{json.dumps(found)}"
        )
    if request.principal.service:
        principal = {"Service": request.principal.service}
        missing: dict[str, Any] = {"Effect": "Allow", "Principal": principal}
        missing["Action"] = request.action
        return f"{text}. Missing in the trust policy of {request.resource}: {json.dumps(missing)}"
    missing = {"Effect": "Allow", "Action": request.action, "Resource": request.resource or "*"}
    return f"{text}. Missing in a policy of {request.principal.role}: {json.dumps(missing)}"


def _policy(match: Match) -> str:
    return f"{match.policy.name!r} ({_name(match)})"
