"""The runtime that goes into each zip: ``lokki_tf/runtime`` as the package ``lokki_runtime``.

Its docstrings and comments stay here, since every cold start would load them.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from ..source.modules import RUNTIME

_HEADER = "# lokki_tf's runtime; the commented source is lokki_tf/runtime.\n"


# Files that only some functions need: steps with a condition, of routed pipelines, jobs, and
# functions of lokki_tf's own.
OF_CONDITIONS = frozenset({"conditions.py"})
OF_ROUTES = frozenset({"routes.py", "routed.py"})
OF_JOBS = frozenset({"jobs.py"})
OF_HELPERS = frozenset({"failures.py", "job_errors.py", "notices.py"})


def runtime_files(
    *, condition: bool = False, routed: bool = False, job: bool = False
) -> Mapping[str, bytes]:
    """The files of the runtime that a step needs, by their paths in a zip.

    Args:
        condition: Whether the step has a condition.
        routed: Whether it returns which step comes next.
        job: Whether it runs as a job of Batch.
    """
    kinds = ((condition, OF_CONDITIONS), (routed, OF_ROUTES), (job, OF_JOBS))
    left = {*OF_HELPERS, *(name for wanted, names in kinds if not wanted for name in names)}
    files = all_files().items()
    return {path: data for path, data in files if path.rpartition("/")[2] not in left}


@cache
def all_files() -> Mapping[str, bytes]:
    """All files of the runtime, by their paths in a zip."""
    return MappingProxyType(
        {
            f"{RUNTIME}/{file.name}": _text(file).encode()
            for file in sorted((files("lokki_tf") / "runtime").iterdir(), key=lambda f: f.name)
            if file.name.endswith(".py")
        }
    )


def _text(file: Traversable) -> str:
    text = bare(file.read_text(encoding="utf-8"))
    return _HEADER + text if file.name == "__init__.py" else text


def bare(source: str) -> str:
    """Python source without docstrings and comments.

    Args:
        source: The source of a module.
    """
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
    for node in ast.walk(ast.parse(source)):
        for first, last, replacement in _docstring(node):
            lines[first - 1 : last] = [replacement] + [""] * (last - first)
    return "".join(line for line in lines if line.strip())


def _docstring(node: ast.AST) -> list[tuple[int, int, str]]:
    """First and last line of a node's docstring, and what must stand there instead."""
    if (
        not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        or ast.get_docstring(node, clean=False) is None
    ):
        return []
    text = node.body[0]
    alone = len(node.body) == 1 and not isinstance(node, ast.Module)
    instead = " " * text.col_offset + "...\n" if alone else ""
    return [(text.lineno, text.end_lineno or text.lineno, instead)]
