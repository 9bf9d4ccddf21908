"""Add AWS managed policies to moto one by one. moto can only load all of them per account."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

_OWNER = ":iam::aws:policy/"


def know_managed_policies() -> None:
    """Replace moto's methods that take a policy's ARN, to add the policy at its first use."""
    from moto.iam.models import IAMBackend

    for name in ("attach_role_policy", "attach_user_policy", "attach_group_policy", "get_policy"):
        setattr(IAMBackend, name, _knowing(getattr(IAMBackend, name)))


def _knowing(method: Any) -> Any:
    def call(self: Any, policy_arn: str, *rest: Any, **more: Any) -> Any:
        if _OWNER in policy_arn and policy_arn not in self.managed_policies:
            _add(self, policy_arn)
        return method(self, policy_arn, *rest, **more)

    return call


def _add(backend: Any, arn: str) -> None:
    from moto.iam.models import AWSManagedPolicy

    name = arn.rpartition("/")[2]
    data = _all_policies().get(name)
    if data is not None:
        policy = AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, data)
        if policy.arn == arn:  # policies are found by name, but the ARN also contains a path
            backend.aws_managed_policies.append(policy)
            backend.managed_policies[arn] = policy


@lru_cache(maxsize=1)
def _all_policies() -> dict[str, dict[str, Any]]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    found: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    return found
