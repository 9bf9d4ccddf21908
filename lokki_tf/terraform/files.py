"""Files beside a stack's Terraform, which refers to them by relative paths."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import OutputError
from lokki_tf.packaging import LOCK_FILE, layer_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lokki_tf.model import PackageSet
    from lokki_tf.packaging import Layer

    from .plan import Plan

MACHINE = "statemachine.json"
LAYER = "layer.zip"
STEPS = "steps.json"
FOLDERS = ("lambdas", "helpers", "layers", "literals", "permissions", "image", "image.json", STEPS)


def stack_files(
    plan: Plan, machine_text: str, layers: Iterable[Layer] = ()
) -> dict[str, bytes | Path]:
    """All files of a pipeline, by path in the stack's folder.

    Each step's folder shows its source as it stands in the zip, for reading; what is
    deployed is the zip.
    """
    files: dict[str, bytes | Path] = {MACHINE: machine_text.encode(), **plan.objects}
    layers = list(layers)
    files[STEPS] = _fingerprints(plan, {layer.packages: layer.lock for layer in layers})
    for layer in layers:
        files[layer_path(layer.packages, LAYER)] = layer.zip
        files[layer_path(layer.packages, LOCK_FILE)] = layer.lock.encode()
    for helper in plan.helpers:
        files[f"{helper.folder}.zip"] = helper.package.zip
    for function in plan.functions:
        if function.step.in_image:
            continue
        folder = f"lambdas/{function.step.name}"
        files[f"{folder}/code.zip"] = function.package.zip
        for path, data in function.package.files.items():
            if not path.startswith("lokki_runtime/") and path not in function.package.data:
                files[f"{folder}/{path}"] = data
    return files


def _fingerprints(plan: Plan, locks: Mapping[PackageSet, str]) -> bytes:
    """The hashes by which the next synth shows what has changed, as JSON by step."""
    found = {}
    layers = {one.step: one.packages for one in plan.functions if one.packages is not None}
    for step, package in {one.step: one.package for one in plan.parts}.items():
        hashes = package.fingerprint._asdict()
        lock = locks.get(layers[step]) if step in layers else None
        if lock is not None:
            hashes["packages"] = hashlib.sha256(lock.encode()).hexdigest()
        found[step.name] = {name: text[:16] for name, text in hashes.items()}
    return (json.dumps(found, indent=2, sort_keys=True) + "\n").encode()


def changed_steps(before: bytes | None, after: bytes) -> dict[str, str]:
    """What has changed of each step between two synths.

    Args:
        before: The ``steps.json`` of the earlier one, ``None`` if there was none.
        after: The later one.

    Returns:
        By step: ``new``, ``removed``, or which of ``code``, ``packages`` and ``environment``.
    """
    try:
        old = json.loads(before) if before is not None else None
    except ValueError:
        old = None
    new = json.loads(after)
    if not isinstance(old, dict):
        return {}
    found = dict.fromkeys((name for name in old if name not in new), "removed")
    for name, hashes in new.items():
        known = old.get(name)
        if known is None:
            found[name] = "new"
        elif known != hashes:
            found[name] = ", ".join(part for part in hashes if hashes[part] != known.get(part))
    return dict(sorted(found.items()))


def write_stack_files(
    folder: Path,
    plan: Plan,
    machine_text: str,
    layers: Iterable[Layer] = (),
    more: Mapping[str, bytes] | None = None,
) -> None:
    """Writes a pipeline's files and takes away those of steps that are gone.

    Args:
        folder: The stack's folder, or one in it.
        plan: The pipeline.
        machine_text: The state machine's template.
        layers: Of what its steps declare.
        more: Further files, by path.

    Raises:
        OutputError: If the folder cannot be written.
    """
    files = {**stack_files(plan, machine_text, layers), **(more or {})}
    write_files(folder, files, owned=FOLDERS)


def write_files(
    folder: Path, files: Mapping[str, bytes | Path], owned: tuple[str, ...] = ()
) -> None:
    """Writes files beside their places and renames them, so that none is ever half there.

    Args:
        folder: Where.
        files: By relative path: what they hold, or where a copy of them stands.
        owned: Folders in which nothing else is left, and files that go where none is given.

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


def _write(path: Path, data: bytes | Path) -> None:
    if path.exists() and _same(path, data):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if isinstance(data, Path):
            shutil.copyfile(data, beside)
        else:
            beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _same(path: Path, data: bytes | Path) -> bool:
    if isinstance(data, Path):
        return filecmp.cmp(path, data, shallow=False)
    return path.read_bytes() == data


def _below(folder: Path) -> Iterator[Path]:
    yield from (path for path in [folder, *sorted(folder.rglob("*"))] if path.is_file())


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path)
