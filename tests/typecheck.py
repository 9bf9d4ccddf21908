"""Check with mypy and basedpyright what users see of the types.

Of ``tests/typing``, the lines with the comment ``error`` must be errors in both, and no others. The
examples and the README's Python code must have none.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TYPING = ROOT / "tests/typing"
SIBLINGS = (ROOT / "examples/flights", ROOT / "examples/review")
"""Folders of examples with several modules."""
NAMES = "readme_names"
"""The module of ``tests/typing`` with names that fragments of the README use."""

Location = tuple[Path, int]


def readme_blocks(readme: str) -> dict[int, str]:
    """Return the Python code of the README by line; that of zips and templates is left out."""
    blocks = {}
    for block in re.finditer(r"```python\n(.*?)```", readme, re.DOTALL):
        if "lokki_runtime" not in block[1]:
            blocks[readme.count("\n", 0, block.start(1)) + 1] = block[1]
    return blocks


def write_blocks(folder: Path) -> None:
    """Write each block to a file of its own, on the README's lines.

    Args:
        folder: Where the files are written.
    """
    for line, code in readme_blocks((ROOT / "README.md").read_text(encoding="utf-8")).items():
        is_fragment = "main(" not in code
        first = f"from {NAMES} import *  # noqa: F403\n" if is_fragment else "\n"
        padded = first + "\n" * (line - 2) + code.replace("…", "...")
        if is_fragment and "import step" not in code:
            padded = padded.replace("\n", "\nfrom lokki_tf import step\n", 1).replace(
                "\n\n", "\n", 1
            )
        (folder / f"readme_{line}.py").write_text(padded, encoding="utf-8")


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
        write_blocks(blocks)
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
