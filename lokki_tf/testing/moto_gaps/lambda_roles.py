"""Check the roles of Lambda functions. moto accepts any role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lokki_tf.testing.account import Account
from lokki_tf.testing.iam.access import AccessDenied
from lokki_tf.testing.state_machines.services import ServiceError

SERVICE = "lambda.amazonaws.com"
UNTRUSTED = "The role defined for the function cannot be assumed by Lambda."
NETWORK_ACTIONS = (
    "CreateNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "DeleteNetworkInterface",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
)
"""The actions of EC2 that a function's role must allow if the function is in a VPC.

Source: Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC".
"""


def check_roles(account: Account) -> None:
    """Refuse to create functions with roles that Lambda cannot assume or that lack permissions."""
    from moto.awslambda.exceptions import InvalidParameterValueException
    from moto.awslambda.models import LambdaBackend

    create, update = LambdaBackend.create_function, LambdaBackend.update_function_configuration

    def check(role: str, name: str, spec: Mapping[str, Any]) -> None:
        try:
            account.access.assume(role, SERVICE)
        except AccessDenied as denied:
            raise InvalidParameterValueException(f"{UNTRUSTED} {denied.message}") from None
        if not (spec.get("VpcConfig") or {}).get("SubnetIds") or not account.access.enforced:
            return
        principal = account.access.session(role, name).principal
        for action in NETWORK_ACTIONS:
            try:
                account.access.require(principal, f"ec2:{action}", "*")
            except AccessDenied as denied:
                raise InvalidParameterValueException(
                    "The provided execution role does not have permissions to call "
                    f"{action} on EC2. {denied.message}"
                ) from None

    def create_function(self: Any, spec: dict[str, Any]) -> Any:
        check(spec["Role"], spec["FunctionName"], spec)
        return create(self, spec)

    def update_function_configuration(
        self: Any, function_name: str, qualifier: str, body: dict[str, Any]
    ) -> Any:
        found = self.get_function(function_name, qualifier)
        check(body.get("Role") or found.role, found.function_name, body)
        return update(self, function_name, qualifier, body)

    setattr(LambdaBackend, "create_function", create_function)  # noqa: B010
    setattr(LambdaBackend, "update_function_configuration", update_function_configuration)  # noqa: B010


def take_role(account: Account, found: Any) -> None:
    """Assume a function's role, as Lambda does before it runs the function.

    Args:
        account: The account.
        found: Moto's function.

    Raises:
        ServiceError: If Lambda cannot assume the role, or the role may not use the key that
            encrypts the function's environment variables.
    """
    access = account.access
    if not access.enforced:
        return
    try:
        access.assume(found.role, SERVICE)
    except AccessDenied as denied:
        message = f"{UNTRUSTED} {denied.message}"
        raise ServiceError("AccessDeniedException", message, status=403) from None
    principal = access.session(found.role, found.function_name).principal
    if (found.tracing_config or {}).get("Mode") == "Active":
        # Lambda runs the function even if its traces cannot be sent.
        for action in ("xray:PutTraceSegments", "xray:PutTelemetryRecords"):
            access.allows(principal, action, "*")
    if not found.kms_key_arn or not found.environment_vars:
        return
    context = {"kms:EncryptionContext:aws:lambda:FunctionArn": found.function_arn}
    try:
        access.require(principal, "kms:Decrypt", found.kms_key_arn, context, by_resource_alone=True)
    except AccessDenied as denied:
        raise ServiceError(
            "KMSAccessDeniedException",
            "Lambda was unable to decrypt the environment variables because KMS access was denied. "
            f"Please check the function's KMS key settings. KMS Exception: {denied.message}",
            status=502,
        ) from None
