"""uv: it resolves and installs for Lambda's platform, and its errors become those of lokki_tf."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import LokkiError, MissingToolError, OptionError
from lokki_tf.model.requirements import requirement_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.model import PackageSet, Step

_INSTALL = "pip install 'lokki-tf[terraform]' includes it"
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
# Source: AWS Lambda Developer Guide, "Lambda runtimes": Amazon Linux 2 (glibc 2.26) up to Python
# 3.11, Amazon Linux 2023 (glibc 2.34) from 3.12. Of uv's platforms, these are the newest that run
# there.
_ON_AMAZON_LINUX_2 = ("python3.9", "python3.10", "python3.11")
_REMEDIES: dict[str, tuple[type[LokkiError], str]] = {
    "[Hh]ash mismatch": (
        OptionError,
        "the registry's file differs from the locked one: find out why before you replace the "
        "lock with synth --upgrade",
    ),
    "network was disabled|[Ff]ailed to (fetch|download)|error sending request": (
        MissingToolError,
        "packages come from PyPI, or from the index in uv's settings (UV_INDEX for example; "
        "pip's settings are ignored): check that it can be reached",
    ),
    "usable wheels|wheels with a matching|wheels? for the current platform|[Bb]uilding source": (
        OptionError,
        "packages are not built, so a wheel for {platform} or a pure one is required: choose a "
        "version or a runtime that has one, build one and set UV_INDEX to its index, or use "
        "your own layer, layers=[…]",
    ),
    "": (
        OptionError,
        "change the requirements to compatible versions; if a lock of an earlier synth is the "
        "cause, synth --upgrade makes a new one",
    ),
}
"""Patterns of uv's output, each with an error and a remedy. The last one matches any output."""
_DECIDING = re.compile(
    "UV_.*(INDEX|FIND_LINKS|CONSTRAINT|OVERRIDE|EXCLUDE|RESOLUTION|PRERELEASE|CONFIG|TORCH)"
)
_MARKS = re.compile(r"^[\s×│╰├─▶]*(error:|cause:|Caused by:)?\s*")


def platform(packages: PackageSet) -> str:
    """Return uv's name of the platform for which a set is resolved."""
    libc = "manylinux2014" if packages.runtime in _ON_AMAZON_LINUX_2 else "manylinux_2_34"
    return f"{_MACHINES[packages.architecture]}-{libc}"


def find_uv() -> str:
    """Return the uv that is installed with lokki_tf, else the one on PATH, else raise an error."""
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise MissingToolError(
            "steps declare requirements, which uv resolves, but uv is missing", remedy=_INSTALL
        )
    return found


@dataclass(frozen=True, slots=True)
class Uv:
    """Runs uv for one set of packages.

    Its methods raise ``OptionError`` if the packages do not exist for Lambda, and
    ``MissingToolError`` if uv fails otherwise, without network for example.

    Args:
        executable: Path of uv.
        packages: The set.
        step: A step that declares it, for errors; uv reads its settings from the step's folder.
        who: Who declares it, for errors, if not only the step.
    """

    executable: str
    packages: PackageSet
    step: Step
    who: str = ""

    def resolve(self) -> str:
        """Return exact versions of the set and its dependencies, with hashes, as requirements."""
        lines = "".join(f"{line}\n" for line in self.packages.requirements)
        options = ("--generate-hashes", "--no-header", "--no-annotate", "-")
        found = self._run("compile", *options, standard_input=lines)
        return _with_given_hashes(found, self.packages.requirements)

    def install(self, lock: str, folder: Path) -> None:
        """Install the packages of a resolution into an empty folder."""
        options = ("--target", str(folder), "--no-deps", "--no-compile-bytecode", "-r", "-")
        self._run("install", *options, standard_input=lock)

    def _run(self, command: str, *options: str, standard_input: str) -> str:
        try:
            done = subprocess.run(
                [
                    *(self.executable, "pip", command, "--quiet", "--no-python-downloads"),
                    *("--python", sys.executable, "--no-build"),
                    *("--python-version", self.packages.runtime.removeprefix("python")),
                    *("--python-platform", platform(self.packages)),
                    *options,
                ],
                cwd=_folder(self.step),
                env={**os.environ, "NO_COLOR": "1"},
                input=standard_input,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            why = error.strerror or error
            raise MissingToolError(
                f"{self.executable} cannot run: {why}", remedy=_INSTALL
            ) from error
        if done.returncode:
            raise self._error(done.stderr)
        return done.stdout

    def _error(self, text: str) -> LokkiError:
        names = self.packages.asked
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        wanted = ", ".join(names[:5]) + more
        who = self.who or f"step {self.step.name!r} requires"
        message = f"{who} {wanted} for {self.packages.target}, and uv says: {_decisive(text)}"
        kind, remedy = next(v for pattern, v in _REMEDIES.items() if re.search(pattern, text))
        remedy = remedy.format(platform=platform(self.packages))
        return kind(message, place=self.step.place, remedy=remedy)


def _with_given_hashes(lock: str, requirements: Sequence[str]) -> str:
    """Return the lock with the hashes in requirements, which uv ignores when it resolves.

    The installation then refuses a file of the same name and version from elsewhere.
    """
    given: dict[str, set[str]] = {}
    for line in requirements:
        wanted, *hashes = line.split(" --hash=")
        given.setdefault(requirement_name(wanted), set()).update(hashes)
    entries = re.split(r"(?m)^(?=\S)", lock)
    for index, entry in enumerate(entries):
        head = entry.partition(" \\\n")[0]
        if known := given.get(requirement_name(head)):
            entries[index] = " \\\n    --hash=".join((head, *sorted(known))) + "\n"
    return "".join(entries)


def settings_key(step: Step) -> str:
    """Return a hash of the settings of uv that may change the resolution of a step's set."""
    folder = _folder(step)
    files = (file for each in (folder, *folder.parents) if (file := _settings_in(each)))
    variables = sorted(each for each in os.environ.items() if _DECIDING.match(each[0]))
    text = json.dumps([variables, next(files, "")])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _settings_in(folder: Path) -> str:
    with contextlib.suppress(OSError, UnicodeError):
        return (folder / "uv.toml").read_text(encoding="utf-8")
    with contextlib.suppress(OSError, UnicodeError, tomllib.TOMLDecodeError):
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return repr(project["tool"]["uv"]) if "uv" in project.get("tool", {}) else ""
    return ""


def _folder(step: Step) -> Path:
    """Return the folder from which uv searches settings upwards: that of the step's file."""
    file = Path(step.place.file)
    return file.absolute().parent if file.is_file() else Path.cwd()


def _decisive(text: str) -> str:
    """Return uv's error in one line, without layout and hints."""
    said = text.strip().partition("\nhint:")[0].partition("\n\n")[0]
    parts: list[str] = []
    for line in said.splitlines():
        mark = _MARKS.match(line)
        plain = _MARKS.sub("", line).strip()
        if parts and not (mark is not None and (mark[1] or "╰" in mark[0])):
            parts[-1] += f" {plain}"
        else:
            parts.append(plain)
    whole = ": ".join(part.removesuffix(":") for part in parts)
    whole = whole.removeprefix("No solution found when resolving dependencies: ")
    return whole if len(whole) <= 700 else f"{whole[:340]} … {whole[-340:]}"
