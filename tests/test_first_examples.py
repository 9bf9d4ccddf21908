"""The first example of each style on its page, as a newcomer tries it: script and notebook."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import forked
import nbformat
import pytest
from nbclient import NotebookClient
from pages import Page

ROOT = Path(__file__).parents[1]
BLOCKS = [
    block.code
    for name in ("README.md", *(f"docs/how-to/{one}.md" for one in ("chains", "arrows", "routes")))
    for block in Page(ROOT / name).blocks
    if block.language == "python" and "main(" in block.code
]
STYLES = {
    "Pipeline(": ([], 49.5),
    "@flow(": (["--limit", "5", "--currency", "SEK"], 115.0),
    "DAG(": ([], {"load": [2000, "2000 rows"]}),
    "Flow(": ([], {"name": "Ann", "orders": ["an order of Ann"], "visits": 3}),
    "MicroFunctions(": (["--choice", "c"], {"milk": True}),
}
"""A word of each block, with arguments of ``run`` and its result."""


def block(style: str) -> str:
    """The first example of a style."""
    return next(one for one in BLOCKS if style in one)


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return forked.run(
        ["pipeline.py", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("style", STYLES)
def test_an_example_runs_as_a_script(tmp_path: Path, style: str) -> None:
    """The block as it is runs, has no findings, and its Terraform is written."""
    (tmp_path / "pipeline.py").write_text(block(style), encoding="utf-8")
    args, result = STYLES[style]
    done = run(tmp_path, "run", "--json", *args)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) in (result, *_of_one(result))
    assert "0 errors, 0 warnings" in run(tmp_path, "check").stdout
    done = run(tmp_path, "synth")
    assert done.stderr.endswith("  terraform init && terraform apply\n")


def _of_one(result: Any) -> list[Any]:
    """The result alone, where it is that of the only last step."""
    return list(result.values()) if isinstance(result, dict) and len(result) == 1 else []


def test_the_examples_run_in_a_notebook(tmp_path: Path) -> None:
    """Each block as a cell says what to write instead of ``main``, and that gives its result."""
    cells = []
    for style, (args, result) in STYLES.items():
        cells.append(block(style))
        name = re.findall(r"main\((\w+)\)", block(style))[-1]
        given = dict(zip((one.strip("-") for one in args[::2]), args[1::2], strict=True))
        values = {key: int(text) if text.isdecimal() else text for key, text in given.items()}
        cells.append(f"import json\njson.loads(json.dumps({name}.local_run({values!r}).result))")
        cells.append(f"print({name}.check())")
        assert result
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with client.setup_kernel(env={**os.environ, "PYTHONPATH": path}):
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
    texts = [
        "".join(one.get("text", "") or one["data"]["text/plain"] for one in cell.outputs)
        for cell in notebook.cells
    ]
    for number, (_, result) in enumerate(STYLES.values()):
        written, ran, checked = texts[3 * number : 3 * number + 3]
        assert "local_run()" in written
        assert eval(ran) in (result, *_of_one(result))
        assert checked == "no findings\n"
