"""Writes a pipeline's Terraform into a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OutputError

from .files import FOLDERS, write_files
from .lazy import prepare

if TYPE_CHECKING:
    from .construct import HasDefinition


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What synth wrote.

    Args:
        folder: The stack's folder.
        functions: How many Lambda functions there are.
    """

    folder: Path
    functions: int


def synth(
    pipeline: HasDefinition, outdir: Path, *, region: str | None = None, **options: Any
) -> Synthesized:
    """Writes ``<outdir>/stacks/<name>``: Terraform JSON and all that it refers to.

    Everything is made in a folder beside and renamed into place when it is whole. What
    Terraform itself keeps there, its state above all, is left alone.

    Args:
        pipeline: The pipeline.
        outdir: The output folder.
        region: AWS region; the environment's unless given.
        options: Further arguments of :class:`PipelineStack`.

    Raises:
        DefinitionError: If the pipeline has errors; nothing is written then.
        MissingToolError: If CDKTF or Node is missing.
        OutputError: If the folder cannot be written.
    """
    prepare()
    from cdktf import App

    from .stack import PipelineStack

    outdir = outdir.absolute()
    _require_writable(outdir)
    name = pipeline.definition.name
    # Made elsewhere, so that a run of synth that fails leaves the folder as it was.
    scratch = Path(tempfile.mkdtemp(prefix="lokki_tf-"))
    try:
        app = App(outdir=str(scratch))
        stack = PipelineStack(app, name, pipeline, region=region, **options)
        app.synth()
        made = {
            str(path.relative_to(scratch)): path.read_bytes()
            for path in sorted(scratch.rglob("*"))
            if path.is_file()
        }
        functions = len(stack.functions)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    folder = Path("stacks", name)
    write_files(outdir, made, owned=tuple(str(folder / name) for name in FOLDERS))
    return Synthesized(outdir / folder, functions)


def _require_writable(folder: Path) -> None:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OutputError(
            f"{folder} cannot be written: {existing} is no folder that you may write into",
            remedy="choose another with --output, or give yourself the right to write",
        )
