"""Import of every bundle as at a cold start in Lambda, without network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import Place
from lokki_tf.local.processes import usable_cpus
from lokki_tf.model.requirements import requirement_name
from lokki_tf.model.terraform_refs import shown
from lokki_tf.packaging import HANDLER_FILE, HANDLER_NAME, main_module
from lokki_tf.packaging.dependencies.third_party import distributions, provided
from lokki_tf.source.origins import IN_LAMBDA, find_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lokki_tf.model import Step
    from lokki_tf.packaging import Package

_PROGRAM = Path(__file__).with_name("bare_import.py")
_SECONDS = 120  # Lambda allows 10 s, then repeats the import within the first call's time limit
_RUNTIME = ("lokki_runtime/", "lokki_tf/")


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of importing a step's bundle.

    Args:
        step: The step's name.
        file_bytes: Size of the bundle's files.
        zip_bytes: Size of the zip.
        milliseconds: Duration of the import, without the start of the interpreter; ``None`` if it
            did not end.
        error: The error, ``None`` if the import succeeded.
        place: The user's line that failed or that opens a connection, if it is known.
        unchecked: Why the import could not be checked, ``None`` if it was checked.
        connections: Addresses to which the import tried to connect; the check refuses connections.
    """

    step: str
    file_bytes: int
    zip_bytes: int
    milliseconds: float | None = None
    error: str | None = None
    place: Place | None = None
    unchecked: str | None = None
    connections: tuple[str, ...] = ()


def check_imports(
    packages: Mapping[Step, Package], *, max_workers: int | None = None
) -> tuple[ImportResult, ...]:
    """Import the bundle of each step in its own Python process.

    The process finds Python's standard library, the bundle, and those installed packages that
    the step declares, with their dependencies, or that Lambda's runtimes
    include. A step with ``layers=``, whose contents are not known here, finds all installed
    packages.

    Args:
        packages: The bundles.
        max_workers: How many are imported at the same time; by default the number of cores.

    Returns:
        The results, in the order of the steps.
    """
    workers = max_workers or usable_cpus()
    with TemporaryDirectory() as root, ThreadPoolExecutor(workers) as pool:
        folders = [Path(root).resolve() / str(number) for number in range(len(packages))]
        return tuple(pool.map(_check, packages.keys(), packages.values(), folders))


def _check(step: Step, package: Package, folder: Path) -> ImportResult:
    bundle, answer = folder / "bundle", folder / "answer.json"
    for path, data in package.files.items():
        (bundle / path).parent.mkdir(parents=True, exist_ok=True)
        (bundle / path).write_bytes(data)
    sizes = (step.name, sum(map(len, package.files.values())), len(package.zip))
    others = _site_folders() if step.options.layers else [_linked(provided(step), folder)]
    program = [sys.executable, "-I", "-S", "-B", str(_PROGRAM)]
    try:
        done = subprocess.run(
            [*program, str(bundle), str(answer), *map(str, others)],
            cwd=bundle,
            env=_variables(step, bundle),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ImportResult(*sizes, error=f"the import has not ended after {_SECONDS} s")
    if not answer.exists():
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        ended = f"the import ended its process with exit code {done.returncode}"
        return ImportResult(*sizes, error=f"{ended}: {said}" if said else ended)
    found = json.loads(answer.read_text(encoding="utf-8"))
    absent = _absent(step, found["missed"]) if found["error"] else []
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        reason = f"cannot be checked: {', '.join(absent)} {verb} not installed here"
        return ImportResult(*sizes, unchecked=reason)
    connections = found["connections"]
    frames = found["frames"] or (connections[0][1] if connections else [])
    return ImportResult(
        *sizes,
        milliseconds=found["seconds"] * 1000,
        error=found["error"],
        place=_users_place(step, package, frames),
        connections=tuple(dict.fromkeys(target for target, _ in connections)),
    )


def _absent(step: Step, missed: Iterable[str]) -> list[str]:
    """Return distributions that exist in Lambda and not here, if the import missed any module."""
    missing = set(missed)
    if not missing:
        return []
    declared = [requirement_name(one) for one in step.options.requirements]
    lambdas = [distributions(name)[0] for name in sorted(IN_LAMBDA & missing)]
    return [name for name in dict.fromkeys((*declared, *lambdas)) if not _is_installed(name)]


def _linked(names: Iterable[str], folder: Path) -> Path:
    """Make a folder of links to the files of those distributions that are installed."""
    packages = folder / "packages"
    packages.mkdir()
    for name in filter(_is_installed, names):
        distribution = metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
        for top in tops:
            link, target = packages / top, Path(str(distribution.locate_file(top)))
            if target.exists() and not link.exists():
                link.symlink_to(target.resolve())
    return packages


def _site_folders() -> list[Path]:
    """Return the folders of installed packages of the running Python."""
    names = {"site-packages", "dist-packages"}
    return [Path(path) for path in sys.path if names & set(Path(path).parts)]


def _variables(step: Step, bundle: Path) -> dict[str, str]:
    """Return the environment of a Lambda function, or of a job, with the step's variables."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    common = {"LANG": "en_US.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": ":UTC"}
    # Secrets that have a value are not fetched.
    variables = {name: shown(text) for name, text in step.options.env_variables.items()}
    own = {**variables, **dict.fromkeys(step.options.secrets, "secret")}
    if step.is_job:
        return {**common, "AWS_DEFAULT_REGION": region, **own}
    return {
        **common,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{step.options.python_runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(step.options.memory_size),
        "AWS_LAMBDA_FUNCTION_NAME": step.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": str(bundle),
        "_HANDLER": HANDLER_NAME,
        **own,
    }


def _users_place(step: Step, package: Package, frames: Sequence[Any]) -> Place | None:
    """Return the innermost of a bundle's lines that is from the user's code."""
    for path, line in reversed(frames):
        if not path.startswith(_RUNTIME) and path in package.files:
            place = _in_source(step, path, package.files[path], line)
            if place is not None:
                return place
    return step.place if frames else None


def _in_source(step: Step, path: str, data: bytes, line: int) -> Place | None:
    """Return the line in the user's file from which a line of a bundle's file was taken."""
    source = _source_file(step, path)
    if source is None:
        return None
    try:
        written = source.read_bytes()
    except OSError:
        return None
    if written == data:
        return Place(str(source), line)
    lines = data.decode().splitlines()
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    same = [
        number
        for number, one in enumerate(written.decode(errors="replace").splitlines(), 1)
        if one.strip() == text
    ]
    return Place(str(source), same[0]) if text and len(same) == 1 else None


def _source_file(step: Step, path: str) -> Path | None:
    if path == HANDLER_FILE:
        return Path(step.place.file) if step.place else None
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    module = sys.modules.get("__main__" if name == main_module() else name)
    spec = find_spec(name) if module is None else None
    file = getattr(module, "__file__", None) or (spec.origin if spec else None)
    return Path(file) if file else None


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
