"""Files beside a stack's Terraform, which refers to them by relative paths."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .plan import Plan

MACHINE = "statemachine.json"
FOLDERS = ("lambdas", "literals")


def stack_files(plan: Plan, machine_text: str) -> dict[str, bytes]:
    """All files of a pipeline, by path in the stack's folder.

    Each step's folder shows its source as it stands in the zip, for reading; what is
    deployed is the zip.
    """
    files = {MACHINE: machine_text.encode(), **plan.objects}
    for function in plan.functions:
        folder = f"lambdas/{function.step.name}"
        files[f"{folder}/code.zip"] = function.package.zip
        for path, data in function.package.files.items():
            if not path.startswith("lokki_runtime/"):
                files[f"{folder}/{path}"] = data
    return files


def write_stack_files(folder: Path, plan: Plan, machine_text: str) -> None:
    """Writes a pipeline's files and takes away those of steps that are gone.

    Args:
        folder: The stack's folder, or one in it.
        plan: The pipeline.
        machine_text: The state machine's template.

    Raises:
        OutputError: If the folder cannot be written.
    """
    write_files(folder, stack_files(plan, machine_text), owned=FOLDERS)


def write_files(folder: Path, files: Mapping[str, bytes], owned: tuple[str, ...] = ()) -> None:
    """Writes files beside their places and renames them, so that none is ever half there.

    Args:
        folder: Where.
        files: By relative path.
        owned: Folders in which nothing else is left.

    Raises:
        OutputError: If the folder cannot be written.
    """
    try:
        for path, data in files.items():
            _write(folder / path, data)
        wanted = {folder / path for path in files}
        for name in owned:
            for found in _below(folder / name):
                if found not in wanted:
                    found.unlink()
            _remove_empty(folder / name)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror or error}",
            remedy="choose a folder that you may write into",
        ) from error


def _write(path: Path, data: bytes) -> None:
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _below(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path)
