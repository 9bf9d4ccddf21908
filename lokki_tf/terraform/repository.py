"""The Terraform of the repository to which a pipeline's images are pushed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .cdk import new_app
from .files import write_files
from .scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config import Config


def repository_stack(pipeline: str) -> str:
    """Return the name of the stack, and of its folder in ``stacks``."""
    return f"{pipeline}-images"


def synth_repository(
    pipeline: str,
    outdir: Path,
    *,
    config: Config,
    region: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Path | None:
    """Write ``<outdir>/stacks/<name>-images``, unless images are pushed to the user's own registry.

    Args:
        pipeline: The pipeline's name in AWS.
        outdir: The output folder.
        config: Settings, as in ``lokki.toml``.
        region: AWS region; by default that of the settings or the environment.
        tags: The pipeline's tags.

    Returns:
        The stack's folder, or ``None`` if ``image_repository`` names another repository.

    Raises:
        MissingToolError: If the CDK library or Node is missing.
        OutputError: If the folder cannot be written.
    """
    if config.aws.image_repository is not None:
        return None
    from .constructs.repository import ImageRepositoryStack

    with scratch_folder() as scratch:
        app = new_app(scratch)
        name = repository_stack(pipeline)
        ImageRepositoryStack(app, name, pipeline, region=region, tags=tags, config=config)
        app.synth()
        made = {
            str(path.relative_to(scratch)): path
            for path in sorted(Path(scratch, "stacks", name).rglob("*"))
            if path.is_file()
        }
        write_files(outdir.absolute(), made)
    return outdir.absolute() / "stacks" / name
