"""Files in a stack's folder, to which its Terraform refers by relative paths."""

from __future__ import annotations

import contextlib
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

    from .plan import StackPlan

MACHINE = "statemachine.json"
LAYER = "layer.zip"
STEPS = "steps.json"
TERRAFORM = "cdk.tf.json"
MANIFEST = "files.json"
LOCK = ".synth.lock"
FOLDERS = ("lambdas", "helpers", "layers", "literals", "permissions", "image", "image.json", STEPS)


def stack_files(
    plan: StackPlan, machine_text: str, layers: Iterable[Layer] = ()
) -> dict[str, bytes | Path]:
    """Return all files of a pipeline, by path in the stack's folder.

    Each step's folder contains the files of its zip, for reading; the zip is deployed.
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


def _fingerprints(plan: StackPlan, locks: Mapping[PackageSet, str]) -> bytes:
    """Return hashes by step, as JSON: the next synth compares them to list changes."""
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
    """Return the changes of each step between two synths.

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


def manifest(files: Mapping[str, Path]) -> bytes:
    """Return the SHA-256 of each file as JSON, with which ``deploy`` verifies the folder.

    Args:
        files: Paths of the contents, by path in the stack's folder.
    """
    found = {path: sha256_of(data) for path, data in sorted(files.items())}
    return (json.dumps(found, indent=2) + "\n").encode()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_files(
    folder: Path,
    files: Mapping[str, bytes | Path],
    owned: tuple[str, ...] = (),
    terraform: Path | None = None,
) -> None:
    """Write files under temporary names and rename them, so that each is complete or absent.

    A stack's Terraform is removed before the first change and written last: the result of an
    interrupted run cannot be applied. Otherwise Terraform would upload an old zip under a new hash,
    and every later plan would be empty.

    Args:
        folder: The folder to write into.
        files: By relative path: contents, or the path of a file to copy.
        owned: Folders and files of which only those in ``files`` are kept.
        terraform: The Terraform of the stack to which the files belong; a lock beside it lets
            one process at a time write them.

    Raises:
        OutputError: If the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # only the user may read literals
        with _alone(terraform):
            wanted = {folder / path: data for path, data in files.items()}
            stale = [path for name in owned for path in _below(folder / name) if path not in wanted]
            changed = {path: data for path, data in wanted.items() if not _same(path, data)}
            if terraform is not None and (changed or stale):
                terraform.unlink(missing_ok=True)
                if terraform in wanted:
                    changed[terraform] = changed.pop(terraform, wanted[terraform])
            for path in stale:
                path.unlink()
            for name in owned:
                _remove_empty(folder / name)
            for path, data in changed.items():
                replace_file(path, data)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror or error}",
            remedy="choose a folder in which you may write",
        ) from error


@contextlib.contextmanager
def _alone(terraform: Path | None) -> Iterator[None]:
    """Wait until no other process writes the files of a stack."""
    if terraform is None:
        yield
        return
    from filelock import FileLock

    terraform.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(terraform.with_name(LOCK)):
        yield


def replace_file(path: Path, data: bytes | Path) -> None:
    """Write a file beside and rename it, so that it is either the old or the new one.

    Args:
        path: The file; its folder is made if it is missing.
        data: Its contents, or a file to copy.

    Raises:
        OSError: If it cannot be written.
    """
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
    if not path.is_file():
        return False
    if isinstance(data, Path):
        return filecmp.cmp(path, data, shallow=False)
    return path.read_bytes() == data


def _below(folder: Path) -> Iterator[Path]:
    yield from (path for path in [folder, *sorted(folder.rglob("*"))] if path.is_file())


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path)
