"""Required permissions of the user's own roles: a policy for each role, as a file to attach.

Account and partition are in the role's ARN, the region is in the settings. Where these are not
known, the policy contains :data:`ACCOUNT` and :data:`REGION`, which the user has to replace, as
well as references to Terraform.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.model.names import unique

from . import triggers
from .account import Account
from .failure_notices import called_arn, called_steps, queue_name
from .names import LOG_GROUP, helper_name
from .permissions import permissions_of
from .policies import own_policies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Step, TextOrRef

    from .iam import Statement
    from .permissions import Permissions
    from .plan import Helper, StackPlan

ACCOUNT, REGION = "ACCOUNT", "REGION"
FOLDER = "permissions"


def required_policies(plan: StackPlan, config: Config, *, in_vpc: bool = False) -> dict[str, bytes]:
    """Return policies for the roles that settings and steps name, as files of the stack's folder.

    Args:
        plan: The pipeline, under its settings.
        config: Settings, as in ``lokki.toml``.
        in_vpc: Whether functions are in a VPC.
    """
    files: dict[str, bytes] = {}
    for role, document in required_documents(plan, config, in_vpc=in_vpc).items():
        last = role.rpartition("/")[2] if isinstance(role, str) else role.address
        name = unique(last, {path[len(FOLDER) + 1 : -5] for path in files}, 64)
        files[f"{FOLDER}/{name}.json"] = (json.dumps(document, indent=2) + "\n").encode()
    return files


def required_documents(
    plan: StackPlan, config: Config, *, in_vpc: bool, account: Account | None = None
) -> dict[TextOrRef, dict[str, Any]]:
    """Return policy documents that the roles of settings and steps need, by the roles' ARNs.

    Args:
        plan: The pipeline, under its settings.
        config: Settings, as in ``lokki.toml``.
        in_vpc: Whether functions are in a VPC.
        account: The account and region; by default the role's account and the settings' region.
    """
    wanted: dict[TextOrRef, list[Statement]] = {}
    for role, statement in _wanted(plan, config, in_vpc, account):
        wanted.setdefault(role, []).append(statement)
    return {
        role: {"Version": "2012-10-17", "Statement": _together(statements)}
        for role, statements in wanted.items()
    }


def _wanted(
    plan: StackPlan, config: Config, in_vpc: bool, account: Account | None
) -> Iterator[tuple[TextOrRef, Statement]]:
    """Yield each of the user's roles with each statement that it needs."""
    for function in plan.functions:
        role = function.step.options.role
        if role:
            permissions = _permissions(plan, config, role, account)
            logs = permissions.account.arn("logs", f"log-group:{LOG_GROUP}{function.name}")
            needed = permissions.of_step(function, logs, in_vpc=in_vpc)
            yield from ((role, one) for one in (*needed, *_own(function.step, permissions.account)))
    if config.lambda_.role:
        for helper in plan.helpers:
            for statement in _of_helper(plan, config, config.lambda_.role, helper, account):
                yield config.lambda_.role, statement
    for job in plan.jobs:
        role = job.step.options.role
        if role:
            permissions = _permissions(plan, config, role, account)
            needed = [*permissions.of_job(job), *_own(job.step, permissions.account)]
            yield from ((role, one) for one in needed)
    if config.state_machine.role:
        permissions = _permissions(plan, config, config.state_machine.role, account)
        called = [one.name for one in plan.called]
        called += [one.name for one in plan.helpers if one.placeholder]
        arns = [permissions.account.arn("lambda", f"function:{name}") for name in called]
        for statement in permissions.of_state_machine(arns):
            yield config.state_machine.role, statement
    if config.schedule.role and has_schedules(plan.definition):
        permissions = _permissions(plan, config, config.schedule.role, account)
        for statement in schedule_statements(permissions):
            yield config.schedule.role, statement


def _of_helper(
    plan: StackPlan, config: Config, role: TextOrRef, helper: Helper, account: Account | None
) -> list[Statement]:
    permissions = _permissions(plan, config, role, account)
    return helper_statements(permissions, helper)


def helper_statements(permissions: Permissions, helper: Helper) -> list[Statement]:
    """Return the statements for a helper function, with ARNs that are built from names.

    Args:
        permissions: The statements for the pipeline's roles.
        helper: The function.
    """
    account, definition = permissions.account, permissions.plan.definition
    logs = account.arn("logs", f"log-group:{LOG_GROUP}{helper.name}")
    named = triggers.queue_name if helper.kind == "triggers" else queue_name
    queue = account.arn("sqs", named(definition.name))
    called = [called_arn(definition, account, step) for step in called_steps(definition)]
    return permissions.of_helper(helper.kind, logs, called, queue)


def _arn(role: TextOrRef) -> str:
    return role if isinstance(role, str) else f"arn:aws:iam::{ACCOUNT}:role/"


def has_schedules(definition: Definition) -> bool:
    """Return whether a pipeline has schedules.

    Args:
        definition: The pipeline.
    """
    return bool(definition.schedule or triggers.scheduled_triggers(definition))


def schedule_statements(permissions: Permissions) -> list[Statement]:
    """Return the statements for the role of schedules, with ARNs that are built from names.

    Args:
        permissions: The statements for the pipeline's roles.
    """
    account, name = permissions.account, permissions.plan.definition.name
    function = account.arn("lambda", f"function:{helper_name(name, 'triggers')}")
    queue = account.arn("sqs", triggers.queue_name(name))
    return permissions.of_schedules(permissions.state_machine_arn, function, queue)


def _own(step: Step, account: Account) -> Iterator[Statement]:
    """Return the statements of a step's own policies."""
    for text in own_policies(step, account):
        own: Any = json.loads(text)["Statement"]
        yield from own if isinstance(own, list) else [own]


def _permissions(
    plan: StackPlan, config: Config, role: TextOrRef, account: Account | None
) -> Permissions:
    if account is None:
        _, partition, _, _, number, _ = _arn(role).split(":", 5)
        domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        account = Account(number, config.aws.region or REGION, partition, domain)
    bucket = account.text(config.aws.artifact_bucket) or account.bucket_name(plan.definition.name)
    return permissions_of(plan, config, account, f"arn:{account.partition}:s3:::{bucket}")


def _together(statements: list[Statement]) -> list[Statement]:
    """Merge statements that differ only in their resources; each result has its own id."""
    alike: dict[str, Statement] = {}
    for statement in statements:
        resources = statement.get("Resource", [])
        resources = [resources] if isinstance(resources, str) else list(resources)
        rest = {key: value for key, value in statement.items() if key != "Resource"}
        one = alike.setdefault(json.dumps(rest), {**rest, "Resource": []})
        one["Resource"] += [resource for resource in resources if resource not in one["Resource"]]
    taken: set[str] = set()
    for one in alike.values():
        if not one["Resource"]:
            del one["Resource"]  # such a statement has NotResource instead
        if "Sid" in one:
            one["Sid"] = _free(one["Sid"], taken)
            taken.add(one["Sid"])
    return list(alike.values())


def _free(sid: str, taken: set[str]) -> str:
    """Return an unused id, of letters and digits only."""
    candidate, number = sid, 1
    while candidate in taken:
        number += 1
        candidate = f"{sid}{number}"
    return candidate
