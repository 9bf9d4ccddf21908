"""A pipeline's resources for a local account, without Terraform.

The same plan, zips, layers and image as in a synthesized folder; only Terraform's references are
replaced by ARNs, which are built from the names.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from lokki_tf.asl import filled
from lokki_tf.errors import OptionError
from lokki_tf.model import StepOptions
from lokki_tf.model.resources import (
    FunctionResource,
    ImageResource,
    JobResource,
    NoticeResource,
    Resources,
)
from lokki_tf.packaging.image.context import APP, ENTRY
from lokki_tf.runtime.names import STATE_MACHINE, STORE

from . import failure_notices, iam
from .checking import checked_plan
from .containers import container_properties
from .images import make_image
from .layers import build_layers
from .names import JOB_LOG_GROUP, prefix_of, queue_name
from .plan import folder_of, layer_name, variables_of
from .roles import roles_of
from .template_values import template_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config import Config
    from lokki_tf.packaging import ImageContext, LayerBuilder

    from .account import Account
    from .plan import Function, HasDefinition, Helper, Job, StackPlan

TERRAFORM_VARIABLE = re.compile(r"\$\{var\.([A-Za-z_][A-Za-z0-9_-]*)\}")
"""A Terraform variable instead of a layer's ARN."""


def resources_of(
    pipeline: HasDefinition,
    config: Config,
    account: Account,
    *,
    builder: LayerBuilder,
    variables: Mapping[str, str],
) -> Resources:
    """Return the resources of a pipeline.

    Args:
        pipeline: The pipeline.
        config: Settings, as in ``lokki.toml``.
        account: The account and region.
        builder: Makes the layers of declared packages.
        variables: Values of the Terraform variables that layers refer to.

    Raises:
        DefinitionError: If the pipeline has errors.
        OptionError: If a variable has no value.
        MissingToolError: If declared packages cannot be downloaded.
    """
    plan, settings = checked_plan(pipeline.definition, config), config.aws
    name = plan.definition.name
    layers = build_layers(plan, builder)
    bucket = account.text(config.aws.artifact_bucket) or account.bucket_name(name)
    prefix = prefix_of(name, config)
    made = make_image(name, plan.in_image, config, builder)
    image = "" if made is None else made.uri(account)
    roles = roles_of(plan, config, account, f"arn:{account.partition}:s3:::{bucket}", image)
    subnets = _subnets(config, account)
    values = template_values(plan.definition, plan.state_machine, config, account)
    return Resources(
        name,
        plan.definition.tags,
        filled(plan.state_machine.definition, values),
        bucket,
        {f"{prefix}{key}": data for key, data in plan.objects.items()},
        {layer_name(name, layer.packages): layer.zip.read_bytes() for layer in layers},
        (
            *(
                _function(
                    function,
                    plan,
                    variables,
                    roles.of_steps[function.step.name],
                    subnets,
                    values["store"],
                    account,
                )
                for function in plan.functions
            ),
            *(
                _helper(helper, plan, account, values["store"], roles.of_helpers[helper.kind])
                for helper in plan.helpers
            ),
        ),
        {
            queue_name(name, job.step.options.platform): job.step.options.platform
            for job in plan.jobs
            if not job.step.options.job_queue
        },
        tuple(
            _job(
                job,
                image,
                account,
                roles.of_steps[job.step.name],
                roles.of_containers,
                values["store"],
            )
            for job in plan.jobs
        ),
        roles.made,
        roles.of_state_machine,
        config.state_machine.log_level,
        config.state_machine.include_execution_data,
        config.state_machine.tracing,
        account.text(settings.kms_key),
        account.text(
            settings.artifact_bucket_kms_key if settings.artifact_bucket else settings.kms_key
        ),
        None if made is None else ImageResource(image, _app(made.context), ENTRY),
        _notices(plan, account),
    )


def _helper(
    helper: Helper, plan: StackPlan, account: Account, store: str, role: str
) -> FunctionResource:
    found, defaults = {STORE: store}, StepOptions()
    if helper.kind == "notices":
        found |= failure_notices.variables(
            plan, partial(failure_notices.called_arn, plan.definition, account), account.text
        )
    if helper.kind == "triggers":
        found[STATE_MACHINE] = account.arn("states", f"stateMachine:{plan.definition.name}")
    found |= helper.variables
    return FunctionResource(
        helper.name,
        helper.package.zip,
        (),
        (),
        (),
        defaults.python_runtime,
        defaults.architecture,
        helper.timeout,
        defaults.memory_size,
        defaults.ephemeral_storage,
        found,
        role,
        (),
    )


def _notices(plan: StackPlan, account: Account) -> NoticeResource | None:
    name = plan.definition.name
    pattern = failure_notices.event_pattern(account.arn("states", f"stateMachine:{name}"))
    rule, queue = failure_notices.rule_name(name), failure_notices.queue_name(name)
    policy = iam.queue_for([account.arn("events", f"rule/{rule}")], account.arn("sqs", queue))
    return next(
        (
            NoticeResource(rule, pattern, helper.name, queue, policy)
            for helper in plan.helpers
            if helper.kind == "notices"
        ),
        None,
    )


def _subnets(config: Config, account: Account) -> tuple[str, ...]:
    """Return the subnets of the functions; the subnets of a VPC are known only to Terraform."""
    vpc = config.aws.vpc
    given = tuple(map(account.text, vpc.subnets))
    return given or ((f"subnets-of-{account.text(vpc.id)}",) if vpc.id else ())


def _function(
    function: Function,
    plan: StackPlan,
    variables: Mapping[str, str],
    role: str,
    subnets: tuple[str, ...],
    store: str,
    account: Account,
) -> FunctionResource:
    step, options = function.step, function.step.options
    own = function.packages
    return FunctionResource(
        function.name,
        None if step.in_image else function.package.zip,
        () if own is None else (layer_name(plan.definition.name, own),),
        tuple(_layer(account.text(one), function, variables) for one in options.layers),
        (folder_of(step),) if step.in_image else (),
        options.python_runtime,
        options.architecture,
        options.call_seconds,
        options.memory_size,
        options.ephemeral_storage,
        variables_of(step, store, account.text),
        role,
        subnets,
    )


def _layer(text: str, function: Function, variables: Mapping[str, str]) -> str:
    match = TERRAFORM_VARIABLE.fullmatch(text)
    if match is None:
        return text
    if match[1] not in variables:
        raise OptionError(
            f"step {function.step.name!r} has a layer from the variable {match[1]!r}, which has "
            f"no value",
            place=function.step.place,
            remedy=f'pass variables={{"{match[1]}": "ARN of the layer"}}',
        )
    return variables[match[1]]


def _job(
    job: Job, image: str, account: Account, role: str, execution_role: str, store: str
) -> JobResource:
    options = job.step.options
    container = container_properties(
        job,
        image=image,
        role=role,
        execution_role=execution_role,
        region=account.region,
        variables=variables_of(job.step, store, account.text),
        log_group=f"{JOB_LOG_GROUP}{job.name}",
        public_address=True,
    )
    return JobResource(job.name, options.platform, container, options.timeout_seconds)


def _app(context: ImageContext) -> dict[str, bytes]:
    first = f"{APP}/"
    return {
        path.removeprefix(first): data
        for path, data in context.files.items()
        if path.startswith(first)
    }
