"""Synthesis: a pipeline's Terraform is written into a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.config import Config
from lokki_tf.errors import OutputError
from lokki_tf.model.wording import count, quoted
from lokki_tf.packaging import LayerBuilder
from lokki_tf.terraform_cli import typed_program

from .cdk import construct_id, new_app
from .files import (
    FOLDERS,
    LOCK,
    MANIFEST,
    STEPS,
    TERRAFORM,
    changed_steps,
    manifest,
    write_files,
)
from .repository import synth_repository
from .required import FOLDER as PERMISSIONS
from .scratch import scratch_folder
from .triggers import others_buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lokki_tf.model import Finding, PackageSet
    from lokki_tf.packaging import ImageContext

    from .content import Content
    from .plan import HasDefinition


@dataclass(frozen=True, slots=True, repr=False)
class Synthesized:
    """The result of synth, which is shown with what to do next.

    Args:
        folder: The stack's folder.
        functions: How many Lambda functions there are.
        layers: How many layers of declared packages they have.
        jobs: How many steps run in AWS Batch.
        images: The folder of the stack with the repository of the pipeline's images, which is
            applied first; ``None`` if no step runs in an image, or they are pushed elsewhere.
        image: The build context of the pipeline's image, if any step runs in one.
        permissions: Files with the policies that the user's own roles need.
        changes: Changes since the last synth, by step: ``code``, for example.
        findings: Warnings about the code.
        others_buckets: Buckets of triggers that the stack does not create.
    """

    folder: Path
    functions: int
    layers: int = 0
    jobs: int = 0
    images: Path | None = None
    image: ImageContext | None = None
    permissions: tuple[Path, ...] = ()
    changes: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    others_buckets: tuple[str, ...] = ()

    @property
    def contents(self) -> str:
        """What the stack contains: ``2 functions, one state machine``."""
        numbers = {"function": self.functions, "job": self.jobs, "layer": self.layers}
        counted = [count(number, what) for what, number in numbers.items() if number]
        return ", ".join((*counted, "one state machine"))

    def next_commands(self, images: str) -> list[str]:
        """Return the commands that deploy the folder, in order.

        Args:
            images: The command that builds and pushes the pipeline's image.
        """
        terraform = typed_program()
        folder = "" if self.images is None else f" -chdir={quoted(self.images)}"
        return [
            *([f"{terraform}{folder} init && {terraform}{folder} apply"] if folder else []),
            *([images] if self.image is not None else []),
            f"cd {quoted(self.folder)}",
            f"{terraform} init && {terraform} apply",
        ]

    def __repr__(self) -> str:
        commands = "\n  ".join(("Next:", *self.next_commands('main(pipe, ["images"])')))
        return f"{self.folder.name}: {self.contents}\n{commands}\nor: pipe.deploy()"


def synth(
    pipeline: HasDefinition,
    outdir: Path,
    *,
    region: str | None = None,
    upgrade: bool = False,
    on_packages: Callable[[PackageSet], None] | None = None,
    config: Config | None = None,
    **options: Any,
) -> Synthesized:
    """Write ``<outdir>/stacks/<name>``: Terraform JSON and all files to which it refers.

    All files are written into a temporary folder first. ``cdk.tf.json`` is removed before anything
    else changes and written last. Terraform's own files, its state for example, are kept.

    Args:
        pipeline: The pipeline.
        outdir: The output folder.
        region: AWS region; by default the environment's.
        upgrade: Whether newer versions of declared packages are resolved.
        on_packages: Called with each set of packages before it is downloaded.
        config: Settings; by default the default settings. Their stage, if any, is part of the name.
        options: Further arguments of :class:`PipelineStack`.

    Raises:
        DefinitionError: If the pipeline has errors; nothing is written then.
        MissingToolError: If the CDK library, Node or uv is missing, or packages cannot be
            downloaded.
        OutputError: If the folder cannot be written.
    """
    outdir = outdir.absolute()
    _require_writable(outdir)
    config = config or Config()
    name = config.name_of(pipeline.definition.name)
    folder = outdir / "stacks" / name
    builder = LayerBuilder(locks=folder, upgrade=upgrade, on_packages=on_packages)
    # Written elsewhere first, so that a failed synth leaves the folder unchanged.
    with scratch_folder() as scratch:
        content = _stack_in(
            scratch, name, pipeline, region=region, layer_builder=builder, config=config, **options
        )
        before = _steps_in(folder)
        _replace_output(outdir, name, scratch)
    images = _images_stack(content, outdir, region)
    return _summary(content, folder, before, images)


def _stack_in(scratch: Path, name: str, pipeline: HasDefinition, **options: Any) -> Content:
    """Write a stack's Terraform and files into a scratch folder, and return the stack's content."""
    from .constructs.stack import PipelineStack

    app = new_app(scratch)
    stack = PipelineStack(app, construct_id(name), pipeline, **options)
    app.synth()
    return stack.pipeline.content


def _replace_output(outdir: Path, name: str, scratch: Path) -> None:
    """Replace the stack's files in the output folder by those in a scratch folder."""
    folder = Path("stacks", name)
    made: dict[str, Path] = {
        _renamed(path.relative_to(scratch), name): path
        for path in sorted(scratch.rglob("*"))
        if path.is_file() and path.name != LOCK
    }
    own = {
        str(Path(path).relative_to(folder)): data
        for path, data in made.items()
        if Path(path).is_relative_to(folder)
    }
    write_files(
        outdir,
        {**made, str(folder / MANIFEST): manifest(own)},
        owned=tuple(str(folder / name) for name in FOLDERS),
        terraform=outdir / folder / TERRAFORM,
    )


def _images_stack(content: Content, outdir: Path, region: str | None) -> Path | None:
    """Write the stack with the repository of the pipeline's images, if it has any."""
    if content.image is None:
        return None
    definition = content.plan.definition
    return synth_repository(
        definition.name, outdir, config=content.config, region=region, tags=definition.tags
    )


def _summary(
    content: Content, folder: Path, before: bytes | None, images: Path | None
) -> Synthesized:
    plan = content.plan
    return Synthesized(
        folder,
        len(plan.functions),
        len(plan.layers),
        len(plan.jobs),
        images,
        content.image.context if content.image else None,
        tuple(sorted((folder / PERMISSIONS).glob("*.json"))),
        changed_steps(before, (folder / STEPS).read_bytes()),
        plan.findings,
        tuple(others_buckets(plan.definition, content.config)),
    )


def _steps_in(folder: Path) -> bytes | None:
    """Return the record of the steps of the last synth, if there was one."""
    known = folder / STEPS
    return known.read_bytes() if known.is_file() else None


def _renamed(path: Path, name: str) -> str:
    """Return a path of the output, in the folder that has the pipeline's name."""
    return str(Path("stacks", name, *path.parts[2:]) if path.parts[0] == "stacks" else path)


def _require_writable(folder: Path) -> None:
    existing = folder
    try:
        while not existing.exists():
            existing = existing.parent
    except OSError as error:  # the name is too long, for example
        raise OutputError(
            f"{folder} cannot be written: {error.strerror}", remedy="choose another with --output"
        ) from error
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OutputError(
            f"{folder} cannot be written: {existing} must be a folder in which you may write",
            remedy="choose another folder with --output, or change the permissions",
        )
