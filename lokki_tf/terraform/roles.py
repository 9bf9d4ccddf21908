"""The roles of a pipeline as data: the same names and policies as Terraform's, with real ARNs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.model.resources import RoleResource

from . import iam
from .names import JOB_LOG_GROUP, LOG_GROUP
from .permissions import permissions_of
from .policies import own_policies
from .required import helper_statements, required_documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lokki_tf.config import Config

    from .account import Account
    from .permissions import Permissions
    from .plan import StackPlan

_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[\w-]+\.[^/]+/(?P<name>[^:@]+)")
_GIVEN_TRUST = ("lambda", "states", "ecs-tasks", "scheduler")


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of a pipeline.

    Args:
        made: The roles themselves.
        of_steps: ARNs by the names of steps.
        of_helpers: ARNs by the kinds of helper functions.
        of_state_machine: ARN of the state machine's role.
        of_containers: ARN of the role that starts jobs; empty without jobs.
    """

    made: tuple[RoleResource, ...]
    of_steps: Mapping[str, str]
    of_helpers: Mapping[str, str]
    of_state_machine: str
    of_containers: str


def roles_of(plan: StackPlan, config: Config, account: Account, bucket: str, image: str) -> Roles:
    """Return the roles of a pipeline.

    Roles that settings or steps name are included too, with the policies that they need.

    Args:
        plan: The pipeline, under its settings.
        config: Settings, as in ``lokki.toml``.
        account: The account and region.
        bucket: ARN of the pipeline's bucket.
        image: URI of the pipeline's image; empty without an image.
    """
    permissions = permissions_of(plan, config, account, bucket)
    in_vpc = bool(config.aws.vpc.id)
    made = _Made(permissions, config)
    for path, document in required_documents(plan, config, in_vpc=in_vpc, account=account).items():
        made.give(account.text(path), json.dumps(document))
    of_steps: dict[str, str] = {}
    for function in plan.functions:
        options = function.step.options
        logs = account.arn("logs", f"log-group:{LOG_GROUP}{function.name}")
        statements = permissions.of_step(function, logs, in_vpc=in_vpc)
        documents = [iam.document(statements), *own_policies(function.step, account)]
        trusted = iam.trust("lambda.amazonaws.com")
        name = permissions.role_name(f"{function.step.name}_role", separator="-")
        of_steps[function.step.name] = made.role(
            account.text(options.role), name, trusted, documents
        )
    of_helpers = {
        helper.kind: made.role(
            account.text(config.lambda_.role),
            permissions.role_name(f"{helper.kind}_role"),
            iam.trust("lambda.amazonaws.com"),
            [iam.document(helper_statements(permissions, helper))],
        )
        for helper in plan.helpers
    }
    of_containers = ""
    if plan.jobs:
        trusted = permissions.trust("ecs-tasks.amazonaws.com")
        logs_of_jobs = [
            account.arn("logs", f"log-group:{JOB_LOG_GROUP}{job.name}") for job in plan.jobs
        ]
        match = _ECR.match(image)
        repository = account.arn("ecr", f"repository/{match['name']}") if match else None
        starting = iam.document(permissions.of_containers(logs_of_jobs, repository))
        of_containers = made.role(None, permissions.role_name("jobs"), trusted, [starting])
        for job in plan.jobs:
            options = job.step.options
            documents = [iam.document(permissions.of_job(job)), *own_policies(job.step, account)]
            name = permissions.role_name(f"{job.step.name}_role", separator="-")
            of_steps[job.step.name] = made.role(
                account.text(options.role), name, trusted, documents
            )
    called = [*(one.name for one in plan.called), *(h.name for h in plan.helpers if h.placeholder)]
    arns = [account.arn("lambda", f"function:{name}") for name in called]
    of_state_machine = made.role(
        account.text(config.state_machine.role),
        permissions.role_name("state_machine_role"),
        permissions.trust("states.amazonaws.com"),
        [iam.document(permissions.of_state_machine(arns))],
    )
    return Roles(tuple(made.roles.values()), of_steps, of_helpers, of_state_machine, of_containers)


class _Made:
    """Collects roles.

    Args:
        permissions: The statements for the pipeline's roles.
        config: Settings, as in ``lokki.toml``.
    """

    def __init__(self, permissions: Permissions, config: Config) -> None:
        self.roles: dict[str, RoleResource] = {}
        self._account = permissions.account
        self._boundary = self._account.text(config.aws.permissions_boundary)

    def give(self, arn: str, document: str) -> None:
        """Add a role of the user, with the permissions that it needs."""
        services = [f"{name}.amazonaws.com" for name in _GIVEN_TRUST]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": services},
            "Action": "sts:AssumeRole",
        }
        path = _path(arn)
        role = RoleResource(path, iam.document([statement]), {"lokki": document}, given=True)
        self.roles[path] = role

    def role(self, given: str | None, name: str, trusted: str, documents: Sequence[str]) -> str:
        """Add a role, or use the user's role, and return its ARN."""
        if given is None:
            policies = {
                "lokki" if number == 0 else f"own-{number}": document
                for number, document in enumerate(documents)
            }
            path = f"/{name}"
            self.roles[path] = RoleResource(path, trusted, policies, self._boundary)
        else:
            path = _path(given)
        return f"arn:{self._account.partition}:iam::{self._account.number}:role{path}"


def _path(arn: str) -> str:
    return arn.partition(":role")[2]
