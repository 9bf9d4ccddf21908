"""uv, run to resolve and install for Lambda's platform, and its errors as those of lokki_tf."""

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

_INSTALL = "pip install 'lokki-tf[terraform]' brings one along"
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
# Source: AWS Lambda Developer Guide, "Lambda runtimes": Amazon Linux 2 (glibc 2.26) up to
# Python 3.11, Amazon Linux 2023 (glibc 2.34) from 3.12. Of the platforms that uv knows, these
# are the newest that run there.
_ON_AMAZON_LINUX_2 = ("python3.9", "python3.10", "python3.11")
_REMEDIES: dict[str, tuple[type[LokkiError], str]] = {
    "[Hh]ash mismatch": (
        OptionError,
        "the registry's file is not the one that was locked: find out why before you give the "
        "lock up with synth --upgrade",
    ),
    "network was disabled|[Ff]ailed to (fetch|download)|error sending request": (
        MissingToolError,
        "packages come from PyPI, or from where uv's settings say (UV_INDEX for example; it reads "
        "none of pip's): see that it can be reached",
    ),
    "usable wheels|wheels with a matching|wheels? for the current platform|[Bb]uilding source": (
        OptionError,
        "nothing is built here, so Lambda needs a wheel for {platform}, or a pure one: choose a "
        "version or a runtime that has one, build one and name the index where you put it in "
        "UV_INDEX, or bring a layer of yours, layers=[…]",
    ),
    "": (
        OptionError,
        "change the requirements so that there are versions that suit each other; where a lock of "
        "an earlier synth is to blame, synth --upgrade makes a new one",
    ),
}
"""For what uv may say: an error, and what to do. The last is for all else."""
_DECIDING = re.compile(
    "UV_.*(INDEX|FIND_LINKS|CONSTRAINT|OVERRIDE|EXCLUDE|RESOLUTION|PRERELEASE|CONFIG|TORCH)"
)
_MARKS = re.compile(r"^[\s×│╰├─▶]*(error:|cause:|Caused by:)?\s*")


def platform(packages: PackageSet) -> str:
    """The platform for which a set is resolved, as uv calls it."""
    libc = "manylinux2014" if packages.runtime in _ON_AMAZON_LINUX_2 else "manylinux_2_34"
    return f"{_MACHINES[packages.architecture]}-{libc}"


def find_uv() -> str:
    """The uv that was installed beside lokki_tf, else the one on PATH, else an error."""
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise MissingToolError(
            "steps declare requirements, which uv resolves, and there is no uv", remedy=_INSTALL
        )
    return found


@dataclass(frozen=True, slots=True)
class Uv:
    """uv at work for one set of packages.

    Its methods raise ``OptionError`` if there are no such packages for Lambda, and
    ``MissingToolError`` if uv fails otherwise, without network for example.

    Args:
        executable: Path of uv.
        packages: The set.
        step: A step that declares it, for errors; uv reads its settings from the step's folder.
        who: Who declares it, for errors, where that is not the step alone.
    """

    executable: str
    packages: PackageSet
    step: Step
    who: str = ""

    def resolve(self) -> str:
        """Exact versions of all that the set needs, with hashes, as lines of requirements."""
        lines = "".join(f"{line}\n" for line in self.packages.requirements)
        options = ("--generate-hashes", "--no-header", "--no-annotate", "-")
        found = self._run("compile", *options, standard_input=lines)
        return _with_given_hashes(found, self.packages.requirements)

    def install(self, lock: str, folder: Path) -> None:
        """Put the packages of a resolution into an empty folder."""
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
    """The lock with the hashes that requirements give, which uv ignores as it resolves.

    Installing then refuses a file of the same name and version from elsewhere.
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
    """A hash of those settings of uv that may change what a step's set is resolved to."""
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
    """Where uv looks for settings, upwards to the first file: the folder of the step's file."""
    file = Path(step.place.file)
    return file.absolute().parent if file.is_file() else Path.cwd()


def _decisive(text: str) -> str:
    """What uv says, without what it adds for the screen and its hints, in one line."""
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
