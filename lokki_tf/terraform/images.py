"""A pipeline's container image: which steps run in it, and what it is built from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import ConfigError
from lokki_tf.model import raise_errors
from lokki_tf.packaging import LayerBuilder, image_context, package_steps

from .settings import with_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Finding, PackageSet, Step
    from lokki_tf.packaging import ImageContext, Package


def make_image(
    name: str,
    packages: Mapping[Step, Package],
    config: Config,
    builder: LayerBuilder,
    tag: str | None = None,
    base_digest: Callable[[str], str] | None = None,
) -> ImageContext | None:
    """What a pipeline's image is built from; ``None`` if no step runs in one.

    Args:
        name: The pipeline's name in AWS.
        packages: All steps, after their settings, with their code.
        config: Settings.
        builder: Resolves what steps declare, and knows the stack's folder with its locks.
        tag: Instead of the settings' tag.
        base_digest: Returns the present digest of the base image, instead of the one that is kept.

    Raises:
        OptionError: If the steps cannot share an image.
        ConfigError: If the settings name a Dockerfile that is not there, or a tag that is none.
        MissingToolError: If packages are declared and cannot be reached.
    """
    chosen = {step: one for step, one in packages.items() if step.in_image}
    if not chosen:
        return None
    return image_context(
        name,
        chosen,
        base_image=config.image.base,
        dockerfile=config.image.dockerfile,
        tag=tag or config.lambda_.image_tag,
        builder=builder,
        base_digest=base_digest,
    )


def image_of(
    definition: Definition,
    config: Config,
    outdir: Path,
    *,
    early: Callable[[], list[Finding]] = list,
    template_file: str | Path | None = None,
    tag: str | None = None,
    on_packages: Callable[[PackageSet], None] | None = None,
    base_digest: Callable[[str], str] | None = None,
) -> ImageContext:
    """The context that synth would write for a pipeline, without its Terraform.

    Args:
        definition: The pipeline.
        config: Settings.
        outdir: The output folder, whose locks are held to.
        early: Gives what is wrong with the pipeline itself.
        template_file: A Lambda template instead of the default one.
        tag: Instead of the settings' tag.
        on_packages: Told of each set of packages that has to be fetched.
        base_digest: Returns the present digest of the base image, instead of the one that is kept.

    Raises:
        ConfigError: If no step runs in an image.
        DefinitionError: If the pipeline has errors.
        MissingToolError: If packages are declared and cannot be reached.
    """
    settled = with_settings(definition, config)
    packages = package_steps(settled, template_file)
    raise_errors([*early(), *(found for one in packages.values() for found in one.findings)])
    folder = outdir.absolute() / "stacks" / settled.name
    builder = LayerBuilder(locks=folder, on_packages=on_packages)
    made = make_image(settled.name, packages, config, builder, tag, base_digest)
    if made is None:
        raise ConfigError(
            f"no step of {settled.name!r} runs in a container image",
            remedy='write package_type = "image" into [lambda] of lokki.toml',
        )
    return made
