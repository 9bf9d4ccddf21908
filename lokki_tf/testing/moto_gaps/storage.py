"""Gaps of S3: conditions in bucket policies, and objects that are absent to who may not list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from lokki_tf.testing.settings import role_of


def allow_by_bucket_policies() -> None:
    """Let no bucket policy forbid anything, as no IAM policy does here.

    Otherwise "deny unless the transport is secure" would deny everything.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self: Any, action: str, resource: str) -> PermissionResult:
        return PermissionResult.NEUTRAL

    setattr(FakeBucket, "get_permission", get_permission)  # noqa: B010


def deny_what_may_not_be_listed() -> None:
    """Answer 403 for an absent object to a role that may not list its bucket.

    Source: Amazon S3 API Reference, ``GetObject`` and ``HeadObject``, "Permissions": without
    ``s3:ListBucket`` the answer is 403 and not 404. Only roles of functions and state machines are
    known; tests and Terraform may list everything.
    """
    from moto.s3.exceptions import MissingKey, S3AccessDeniedError
    from moto.s3.responses import S3Response

    get_key, head_object = S3Response._get_key, S3Response.head_object

    def denying_get_key(self: Any) -> Any:
        try:
            return get_key(self)
        except MissingKey:
            if _is_unlisted(self.headers, self.bucket_name):
                raise S3AccessDeniedError from None
            raise

    def denying_head_object(self: Any, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
        answer = head_object(self, bucket_name, *args, **kwargs)
        absent = answer[0] == 404 and _is_unlisted(self.headers, bucket_name)
        return (403, *answer[1:]) if absent else answer

    setattr(S3Response, "_get_key", denying_get_key)  # noqa: B010
    setattr(S3Response, "head_object", denying_head_object)  # noqa: B010


def _is_unlisted(headers: Any, bucket: str) -> bool:
    """Whether a request comes from a role that may not list a bucket."""
    role = role_of(headers.get("x-amz-security-token", ""))
    if role is None:
        return False
    effects = [
        one["Effect"]
        for one in _statements(role)
        if any(fnmatchcase("s3:listbucket", action.lower()) for action in _listed(one, "Action"))
        and any(fnmatchcase(f"arn:aws:s3:::{bucket}", arn) for arn in _listed(one, "Resource"))
    ]
    return "Deny" in effects or "Allow" not in effects


def _statements(arn: str) -> Iterator[dict[str, Any]]:
    from moto.iam.models import iam_backends

    account = arn.split(":")[4]
    role = iam_backends[account]["aws"].get_role_by_arn(arn)
    versions = [one for policy in role.managed_policies.values() for one in policy.versions]
    managed = [one.document for one in versions if one.is_default]
    for document in (*role.policies.values(), *managed):
        found = json.loads(document)["Statement"]
        yield from found if isinstance(found, list) else [found]


def _listed(statement: dict[str, Any], key: str) -> list[str]:
    found = statement.get(key, [])
    return [found] if isinstance(found, str) else found
