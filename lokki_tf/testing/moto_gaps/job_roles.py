"""Assume the roles of Batch jobs and check their permissions, which moto does not do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lokki_tf.testing.account import Account
from lokki_tf.testing.iam.access import AccessDenied
from lokki_tf.testing.images.programs import CannotStart
from lokki_tf.testing.jobs.orders import Order
from lokki_tf.testing.settings import ACCOUNT_ID

_SERVICE = "ecs-tasks.amazonaws.com"
_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.[^/]+/(?P<name>[^:@]+)")
_PULL_ACTIONS = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
_LOG_ACTIONS = ("CreateLogStream", "PutLogEvents")


def take_roles(account: Account, order: Order, stream: str) -> Mapping[str, str]:
    """Assume the roles of a job, as ECS does before it starts the container.

    Source: ECS Developer Guide, "Amazon ECS task execution IAM role" and "Amazon ECS task IAM
    role", also for the conditions in the trust policies.

    Args:
        account: The account.
        order: The job.
        stream: The log stream of the attempt.

    Returns:
        Environment variables with the credentials of the job role.

    Raises:
        CannotStart: If a role cannot be assumed, or the execution role lacks a permission.
    """
    if not account.access.enforced:
        return {}
    execution = order.definition.container.get("executionRoleArn")
    role = order.definition.container.get("jobRoleArn")
    if execution:
        _assume(account, order, execution)
        _start_container(account, order, execution, stream)
    if role:
        _assume(account, order, role)
    return account.credentials(role, order.id)


def _assume(account: Account, order: Order, role: str) -> None:
    region = order.arn.split(":")[3]
    source = {
        "aws:SourceAccount": ACCOUNT_ID,
        "aws:SourceArn": f"arn:aws:ecs:{region}:{ACCOUNT_ID}:task/{order.id}",
    }
    try:
        account.access.assume(role, _SERVICE, source)
    except AccessDenied as denied:
        raise CannotStart(
            f"ECS was unable to assume the role '{role}' that was provided for this task. Please "
            "verify that the role being passed has the proper trust relationship and permissions "
            f"and that your IAM user has permissions to pass this role. {denied.message}"
        ) from None


def _start_container(account: Account, order: Order, role: str, stream: str) -> None:
    """Check that the execution role may pull the image and write the log."""
    access = account.access
    principal = access.session(role, order.id).principal
    image = _ECR.match(order.image)
    try:
        if image is not None:
            access.require(principal, "ecr:GetAuthorizationToken", "*")
            registry = f"arn:aws:ecr:{image['region']}:{image['account']}"
            for action in _PULL_ACTIONS:
                repository = f"{registry}:repository/{image['name']}"
                access.require(principal, f"ecr:{action}", repository)
    except AccessDenied as denied:
        raise CannotStart(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
            f"AccessDeniedException: {denied.message}"
        ) from None
    region = order.arn.split(":")[3]
    log = f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{order.log_group}:log-stream:{stream}"
    try:
        for action in _LOG_ACTIONS:
            access.require(principal, f"logs:{action}", log)
    except AccessDenied as denied:
        raise CannotStart(
            "ResourceInitializationError: failed to validate logger args: create stream has been "
            "retried 1 times: failed to create Cloudwatch log stream: AccessDeniedException: "
            f"{denied.message}"
        ) from None
