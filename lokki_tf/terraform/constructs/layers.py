"""Declared packages as Lambda layers, one for each set of packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.asl.text import escaped
from lokki_tf.packaging import layer_path
from lokki_tf.terraform.cdk import aws, core
from lokki_tf.terraform.files import LAYER
from lokki_tf.terraform.plan import layer_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.model import PackageSet
    from lokki_tf.packaging import Layer

    from .base import Base


def add_layers(
    base: Base, layers: Iterable[Layer]
) -> dict[PackageSet, aws.lambda_layer_version.LambdaLayerVersion]:
    """Add the layers, and their zips in the pipeline's bucket.

    A layer is replaced when its content's hash, which is in the key, changes. There is no
    ``source_code_hash``: the same packages, zipped on another computer, must not make a new layer.

    Args:
        base: What all resources share.
        layers: The layers' contents.
    """
    return {layer.packages: _add_layer(base, layer) for layer in layers}


def _add_layer(base: Base, layer: Layer) -> aws.lambda_layer_version.LambdaLayerVersion:
    packages = layer.packages
    code = base.upload(
        f"layer_{packages.key}_code",
        f"layers/{packages.key}-{layer.content[:32]}.zip",
        layer_path(packages, LAYER),
        layer.content,
    )
    return aws.lambda_layer_version.LambdaLayerVersion(
        base.scope,
        base.scope.resource_id(f"layer_{packages.key}"),
        layer_name=layer_name(base.plan.definition.name, packages),
        description=_description(packages),
        compatible_runtimes=[packages.runtime],
        compatible_architectures=[packages.architecture],
        s3_bucket=code.bucket,
        s3_key=code.key,
        skip_destroy=False,
        # The old layer is deleted after the functions use the new one.
        lifecycle=core.TerraformResourceLifecycle(create_before_destroy=True),
    )


def _description(packages: PackageSet) -> str:
    """Return a description of at most 256 characters, Lambda's limit."""
    text = ", ".join(packages.asked)
    return escaped(text if len(text) <= 256 else f"{text[:255]}…")
