"""Lambda functions, each with its own role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.asl.text import escaped
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws
from lokki_tf.terraform.plan import LOG_GROUP, folder_of, variables_of
from lokki_tf.terraform.resources import VARIABLE

from .roles import acting

if TYPE_CHECKING:
    from lokki_tf.terraform.plan import Function

    from .construct import PipelineConstruct


def add_function(
    pipeline: PipelineConstruct, function: Function
) -> aws.lambda_function.LambdaFunction:
    """Add a function with its code, log group, role and policies.

    Args:
        pipeline: The pipeline's construct.
        function: The function's plan.
    """
    step, options = function.step, function.step.options
    tags = pipeline.tags({"lokki:step": step.name, **options.tags})
    logs = pipeline.log_group(f"{step.name}_logs", f"{LOG_GROUP}{function.name}", tags)
    statements = pipeline.permissions.of_step(function, logs.arn, in_vpc=bool(pipeline.network))
    role = acting(
        pipeline,
        step.name,
        iam.trust("lambda.amazonaws.com"),
        [iam.document(statements), *(escaped(text) for text in options.policies)],
        tags,
        given=options.role,
        of="-",
    )
    if role.made:
        pipeline.roles[step.name] = role.made
    pipeline.role_arns[step.name] = role.arn
    variables = variables_of(step, pipeline.store)
    return aws.lambda_function.LambdaFunction(
        pipeline,
        pipeline.resource_id(step.name),
        function_name=function.name,
        description=escaped(_description(function)) or None,
        role=role.arn,
        **_code(pipeline, function),
        architectures=[options.architecture],
        memory_size=options.memory_size,
        timeout=options.timeout_seconds,
        ephemeral_storage={"size": options.ephemeral_storage},
        environment={"variables": {name: escaped(text) for name, text in variables.items()}},
        kms_key_arn=pipeline.permissions.key,
        tracing_config={"mode": "Active"},
        vpc_config=pipeline.network.config if pipeline.network else None,
        tags=tags,
        depends_on=[logs, *role.policies],
    )


def _code(pipeline: PipelineConstruct, function: Function) -> dict[str, Any]:
    """Return the arguments for the code: a zip in the bucket, or the pipeline's image."""
    step = function.step
    if step.in_image:
        context = pipeline.image_context
        return {
            "package_type": "Image",
            "image_uri": pipeline.image,
            # A tag that the user chose stays the same when the image changes.
            "source_code_hash": context.content_tag if context and context.given_tag else None,
            "image_config": {"command": [folder_of(step)]},
        }
    code = pipeline.upload(
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
        "layers": _layers_of(pipeline, function) or None,
    }


def _layers_of(pipeline: PipelineConstruct, function: Function) -> list[str]:
    """Return the ARNs of the layers; files of a later layer hide those of an earlier one."""
    declared = [pipeline.layers[function.packages]] if function.packages else []
    given = (_layer(pipeline, text) for text in function.step.options.layers)
    return [*(layer.arn for layer in declared), *given]


def _layer(pipeline: PipelineConstruct, text: str) -> str:
    """Return an ARN, or the reference to the variable in ``${var.NAME}``."""
    match = VARIABLE.fullmatch(text)
    return pipeline.variable(match[1], "ARN of a Lambda layer") if match else text


def _description(function: Function) -> str:
    """Return a description of at most 256 characters, Lambda's limit."""
    text = function.step.options.description or function.step.function.__doc__ or ""
    return text.strip().partition("\n")[0].strip()[:256]
