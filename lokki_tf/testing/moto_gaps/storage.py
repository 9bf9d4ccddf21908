"""Gap: moto enforces bucket policies, and takes every condition in them for not fulfilled."""

from __future__ import annotations

from typing import Any


def allow_by_bucket_policies() -> None:
    """Let no bucket policy forbid anything, as no IAM policy does here.

    Otherwise "deny unless the transport is secure" would deny everything.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self: Any, action: str, resource: str) -> PermissionResult:
        return PermissionResult.NEUTRAL

    setattr(FakeBucket, "get_permission", get_permission)  # noqa: B010
