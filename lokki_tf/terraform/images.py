"""A pipeline's container image: the steps that run in it, and its build context."""

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
    """Return the build context of a pipeline's image; ``None`` if no step runs in one.

    Args:
        name: The pipeline's name in AWS.
        packages: All steps, after their settings, with their code.
        config: Settings, as in ``lokki.toml``.
        builder: Resolves the packages that steps declare, with the locks in the stack's folder.
        tag: Instead of the settings' tag.
        base_digest: Returns the present digest of the base image, instead of the one that is kept.

    Raises:
        OptionError: If the steps cannot share an image.
        ConfigError: If the settings contain a missing Dockerfile or an invalid tag.
        MissingToolError: If declared packages cannot be downloaded.
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
    """Return the build context that synth would write for a pipeline, without its Terraform.

    Args:
        definition: The pipeline.
        config: Settings, as in ``lokki.toml``.
        outdir: The output folder, whose locks are used.
        early: Returns the findings about the pipeline itself.
        template_file: A Lambda template instead of the default one.
        tag: Instead of the settings' tag.
        on_packages: Called with each set of packages before it is downloaded.
        base_digest: Returns the present digest of the base image, instead of the one that is kept.

    Raises:
        ConfigError: If no step runs in an image.
        DefinitionError: If the pipeline has errors.
        MissingToolError: If declared packages cannot be downloaded.
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
            remedy='write package_type = "image" under [lambda] in lokki.toml',
        )
    return made
