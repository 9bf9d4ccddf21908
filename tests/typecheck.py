"""Check with mypy and basedpyright what users see of the types.

Of ``tests/typing``, the lines with the comment ``error`` must be errors in both, and no others. The
examples and the Python code of all pages must have none.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from pages import TEMPLATE, Page, pages

ROOT = Path(__file__).parents[1]
TYPING = ROOT / "tests/typing"
SIBLINGS = (ROOT / "examples/flights", ROOT / "examples/review")
"""Folders of examples with several modules."""

Location = tuple[Path, int]


def write_scripts(folder: Path) -> None:
    """Write the scripts of all pages, and the files in their blocks, under names of their own.

    Args:
        folder: Where the files are written.
    """
    for page in pages():
        files = {name: code for name, code in page.files().items() if name.endswith(".py")}
        files[page.script_name] = page.script()
        modules = [Path(name).with_suffix("").as_posix().removeprefix("src/") for name in files]
        for name, code in zip(modules, files.values(), strict=True):
            if TEMPLATE in code or not code.strip():
                continue
            for other in modules:
                dotted = other.replace("/", ".")
                code = re.sub(
                    rf"\b(from|import) {re.escape(dotted)}\b", rf"\1 {_module(page, other)}", code
                )
            (folder / f"{_module(page, name)}.py").write_text(
                code.replace("…", "..."), encoding="utf-8"
            )


def _module(page: Page, name: str) -> str:
    return f"page_{page.slug}_{name.replace('/', '_')}"


def expected(files: list[Path]) -> set[Location]:
    """Return the lines that must be errors."""
    return {
        (file, number)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith("  # error")
    }


def mypy(files: list[Path], blocks: Path) -> dict[Location, str]:
    """Return mypy's errors by file and line."""
    folders = (blocks, TYPING, *SIBLINGS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--no-pretty",
         "--show-absolute-path", "--hide-error-context", *map(str, files)],
        cwd=ROOT, env={**os.environ, "MYPYPATH": os.pathsep.join(map(str, folders))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout + done.stderr)
    found = re.findall(r"^(/.*?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return {(Path(file), int(line)): text for file, line, text in found}


def basedpyright(files: list[Path], blocks: Path) -> dict[Location, str]:
    """Return basedpyright's errors by file and line."""
    config = {
        "include": [str(one) for one in files],
        "extraPaths": [str(one) for one in (TYPING, ROOT, *SIBLINGS)],
        "typeCheckingMode": "standard", "pythonVersion": "3.11", "reportMissingModuleSource": False,
    }  # fmt: skip
    (blocks / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error", "--pythonpath",
         sys.executable, "--project", str(blocks)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    if report["summary"]["filesAnalyzed"] < len(files):
        raise RuntimeError(done.stdout + done.stderr)
    return {
        (Path(one["file"]), one["range"]["start"]["line"] + 1): one["message"]
        for one in report["generalDiagnostics"]
    }


def mismatches() -> list[str]:
    """Return where errors are missing, and where there are others, by checker."""
    with tempfile.TemporaryDirectory() as name:
        blocks = Path(name).resolve()
        write_scripts(blocks)
        typing = sorted(TYPING.glob("*.py"))
        files = [*typing, *sorted(blocks.glob("*.py")), *sorted(ROOT.glob("examples/*/*.py"))]
        marked, wrong = expected(typing), []
        for checker in (mypy, basedpyright):
            found = checker(files, blocks)
            wrong += [
                f"{checker.__name__}: {file}:{line}: {found.get((file, line), 'no error')}"
                for file, line in sorted(marked ^ set(found))
            ]
    return wrong


if __name__ == "__main__":
    sys.exit("\n".join(mismatches()) or 0)
