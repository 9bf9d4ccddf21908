"""Lambda functions, each with its own role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lokki_tf.asl.text import escaped
from lokki_tf.model import PackageSet, TextOrRef
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws
from lokki_tf.terraform.names import LOG_GROUP
from lokki_tf.terraform.plan import folder_of, variables_of
from lokki_tf.terraform.resources import TERRAFORM_VARIABLE

from .roles import ServiceRole, add_role

if TYPE_CHECKING:
    from lokki_tf.terraform.images import Image
    from lokki_tf.terraform.plan import Function

    from .base import Base


Functions = dict[str, tuple[aws.lambda_function.LambdaFunction, ServiceRole]]
"""Functions with their roles, by the steps' names."""
Layers = Mapping[PackageSet, aws.lambda_layer_version.LambdaLayerVersion]


def add_functions(base: Base, layers: Layers, image: Image | None) -> Functions:
    """Add a function for each step that runs in Lambda: with code, log group, role and policies.

    Args:
        base: What all resources share.
        layers: The layers of declared packages.
        image: The image of the functions that run in one.
    """
    return {one.step.name: _add_function(base, one, layers, image) for one in base.plan.functions}


def _add_function(
    base: Base, function: Function, layers: Layers, image: Image | None
) -> tuple[aws.lambda_function.LambdaFunction, ServiceRole]:
    step, options = function.step, function.step.options
    tags = base.scope.tags({"lokki:step": step.name, **options.tags})
    logs = base.log_group(f"{step.name}_logs", f"{LOG_GROUP}{function.name}", tags)
    statements = base.permissions.of_step(function, logs.arn, in_vpc=bool(base.network))
    role = add_role(
        base,
        step.name,
        iam.trust("lambda.amazonaws.com"),
        [iam.document(statements), *base.own_policies(step)],
        tags,
        given=options.role,
        separator="-",
    )
    variables = variables_of(step, base.store, base.text)
    made = aws.lambda_function.LambdaFunction(
        base.scope,
        base.scope.resource_id(step.name),
        function_name=function.name,
        description=escaped(_description(function)) or None,
        role=role.arn,
        **_code(base, function, layers, image),
        architectures=[options.architecture],
        memory_size=options.memory_size,
        timeout=options.call_seconds,
        ephemeral_storage={"size": options.ephemeral_storage},
        environment={"variables": variables},
        kms_key_arn=base.permissions.key,
        tracing_config={"mode": "Active"},
        publish=base.publishes,
        vpc_config=base.network.config if base.network else None,
        tags=tags,
        depends_on=[logs, *role.policies],
    )
    return made, role


def _code(base: Base, function: Function, layers: Layers, image: Image | None) -> dict[str, Any]:
    """Return the arguments for the code: a zip in the bucket, or the pipeline's image."""
    step = function.step
    if step.in_image:
        assert image is not None
        context = image.context
        return {
            "package_type": "Image",
            "image_uri": image.uri(base.account),
            # A tag that the user chose stays the same when the image changes.
            "source_code_hash": context.content_tag if context.given_tag else None,
            "image_config": {"command": [folder_of(step)]},
        }
    code = base.upload(
        f"{step.name}_code",
        f"code/{step.name}.zip",
        f"lambdas/{step.name}/code.zip",
        function.package.content_hash,
        {"lokki:step": step.name, **step.options.tags},
    )
    return {
        "s3_bucket": code.bucket,
        "s3_key": code.key,
        "source_code_hash": function.package.content_hash,
        "handler": "lambda_function.lambda_handler",
        "runtime": step.options.python_runtime,
        "layers": _layers_of(base, function, layers) or None,
    }


def _layers_of(base: Base, function: Function, layers: Layers) -> list[str]:
    """Return the ARNs of the layers; files of a later layer hide those of an earlier one."""
    declared = [layers[function.packages]] if function.packages else []
    given = (_layer(base, text) for text in function.step.options.layers)
    return [*(layer.arn for layer in declared), *given]


def _layer(base: Base, text: TextOrRef) -> str:
    """Return the ARN of a layer; for ``${var.NAME}``, a reference to that Terraform variable."""
    if not isinstance(text, str):
        return base.text(text)
    match = TERRAFORM_VARIABLE.fullmatch(text)
    return base.scope.variable(match[1], "ARN of a Lambda layer") if match else text


def _description(function: Function) -> str:
    """Return a description of at most 256 characters, Lambda's limit."""
    text = function.step.options.description or function.step.function.__doc__ or ""
    return text.strip().partition("\n")[0].strip()[:256]
