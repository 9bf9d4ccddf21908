"""A pipeline's container image: the steps that run in it, and its build context."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.checks import check_definition
from lokki_tf.config.image_names import EcrHost, image_repository
from lokki_tf.errors import ConfigError
from lokki_tf.model import raise_errors
from lokki_tf.packaging import LayerBuilder, image_context, package_steps
from lokki_tf.packaging.image.context import APP, ENTRY, FOLDER

from .settings import with_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lokki_tf.config import Config
    from lokki_tf.model import Definition, PackageSet, Step
    from lokki_tf.packaging import ImageContext, Package

    from .account import Account


@dataclass(frozen=True, slots=True)
class Image:
    """The build context of an image and its repository.

    Args:
        context: The build context.
        repository: The registry and the name, or only the name, in the account's own registry.
    """

    context: ImageContext
    repository: str

    @property
    def is_own(self) -> bool:
        """Whether it is in the account's own registry, so that the name has no registry part."""
        return "/" not in self.repository

    @property
    def files(self) -> Mapping[str, bytes]:
        """The build context's files, by path in the stack's folder, and the image's record."""
        uri = f"{self.repository}:{self.context.tag}"
        about = {"uri": uri, "app": f"{FOLDER}/{APP}", "entry": ENTRY}
        files = {f"{FOLDER}/{path}": data for path, data in self.context.files.items()}
        return {**files, "image.json": (json.dumps(about, indent=2) + "\n").encode()}

    def uri(self, account: Account) -> str:
        """Return the image's URI.

        Args:
            account: The pipeline's account and region.
        """
        registry = f"{account.number}.dkr.ecr.{account.region}.{account.domain}/"
        return f"{registry if self.is_own else ''}{self.repository}:{self.context.tag}"

    def repository_arn(self, account: Account) -> str | None:
        """Return the ARN of the repository, if it is in ECR.

        Args:
            account: The pipeline's account and region.
        """
        if self.is_own:
            return account.arn("ecr", f"repository/{self.repository}")
        host, _, name = self.repository.partition("/")
        own = EcrHost.of(host)
        if own is None:
            return None
        return f"arn:{account.partition}:ecr:{own.region}:{own.account}:repository/{name}"


def make_image(
    name: str,
    packages: Mapping[Step, Package],
    config: Config,
    builder: LayerBuilder,
    tag: str | None = None,
    base_digest: Callable[[str], str] | None = None,
) -> Image | None:
    """Return a pipeline's image; ``None`` if no step runs in one.

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
    context = image_context(
        name,
        chosen,
        base_image=config.image.base,
        dockerfile=config.image.dockerfile,
        tag=tag or config.lambda_.image_tag,
        builder=builder,
        base_digest=base_digest,
    )
    return Image(context, image_repository(config.aws.image_repository, name))


def image_of(
    definition: Definition,
    config: Config,
    outdir: Path,
    *,
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
    found = [finding for one in packages.values() for finding in one.findings]
    raise_errors([*check_definition(definition), *found])
    folder = outdir.absolute() / "stacks" / settled.name
    builder = LayerBuilder(locks=folder, on_packages=on_packages)
    made = make_image(settled.name, packages, config, builder, tag, base_digest)
    if made is None:
        raise ConfigError(
            f"no step of {settled.name!r} runs in a container image",
            remedy='write package = "image" under [lambda] in lokki.toml',
        )
    return made.context
