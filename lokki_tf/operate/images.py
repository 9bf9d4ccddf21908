"""A pipeline's container image, which must exist before the functions that use it are deployed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lokki_tf.config.image_names import repository_name
from lokki_tf.images import Repository, find_repository, publish
from lokki_tf.packaging.image.context import BASE_LOCK, FOLDER
from lokki_tf.terraform.repository import repository_stack

from .clients import client, is_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lokki_tf.config import Config
    from lokki_tf.images import Published
    from lokki_tf.images.progress import Progress
    from lokki_tf.packaging import ImageContext

    from .clients import Aws
    from .plans import Change
    from .stack import Stack


def publish_image(
    config: Config,
    context: ImageContext,
    on_progress: Callable[[Progress], None],
    *,
    region: str | None = None,
    pushing: bool = True,
) -> Published:
    """Build a stack's image and push it, unless it exists.

    Args:
        config: Settings, as in ``lokki.toml``.
        context: The image's build context; its repository must exist.
        on_progress: Receives the engine's progress.
        region: Instead of the settings' region.
        pushing: Whether the image is to be pushed.

    Raises:
        MissingToolError: If no container engine responds.
        ImageError: If the image cannot be built or pushed.
        AwsError: If ECR cannot be reached or refuses.
    """
    is_own = config.aws.image_repository is None
    if is_own and not pushing:
        # Neither ECR nor the repository's URL is needed.
        repository = Repository(repository_name(context.name), local=True)
    else:
        ecr = partial(client, config, "ecr")
        repository = find_repository(config.aws, context.name, ecr, region)
    if is_own and is_local(config):
        # A local AWS has no registry: it runs the images of the container engine.
        repository = replace(repository, local=True)
    return publish(context, repository, pushing=pushing, on_progress=on_progress)


def keep_base(outdir: Path, context: ImageContext) -> bool:
    """Write the base image's digest into the stack's folder, where synth reads it.

    Args:
        outdir: The output folder of synth.
        context: The image's build context.

    Returns:
        Whether the digest differs from the previous one.
    """
    file = outdir / "stacks" / context.name / FOLDER / BASE_LOCK
    lock = context.files.get(BASE_LOCK, b"")
    if not lock or (file.is_file() and file.read_bytes() == lock):
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(lock)
    return True


def repository_of(stack: Stack) -> Stack:
    """Return the stack with the repository of a stack's images, even if it is not written."""
    return replace(stack, folder=stack.folder.with_name(repository_stack(stack.name)))


def empty_repositories(aws: Aws, going: Iterable[Change]) -> None:
    """Delete the images of repositories that a plan destroys; they can be built again.

    Args:
        aws: The account.
        going: The plan's changes.
    """
    for change in going:
        if change.type == "aws_ecr_repository":
            _empty(aws, change.before["name"])


def _empty(aws: Aws, name: str) -> None:
    while True:
        found = aws.call("ecr", "list_images", repositoryName=name, maxResults=100)["imageIds"]
        if not found:
            return
        aws.call("ecr", "batch_delete_image", repositoryName=name, imageIds=found)
