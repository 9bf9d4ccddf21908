"""Docstrings describe exactly the arguments that there are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "lokki_tf"
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def described(docstring: str) -> dict[str, str] | None:
    """Return the descriptions of a section ``Args`` by name, or ``None`` if there is none."""
    match = re.search(r"^Args:\n((?: .*\n?|\n)+)", docstring, re.MULTILINE)
    if match is None:
        return None
    found: dict[str, str] = {}
    name = ""
    for line in match[1].splitlines():
        if new := re.match(r" {4}(\*{0,2}\w+): ?(.*)", line):
            name, found[new[1].lstrip("*")] = new[1].lstrip("*"), new[2]
        elif line.strip():
            found[name] += f" {line.strip()}"
    return found


def taken(node: Documented) -> list[str]:
    """Return the names of a function's arguments, or of those with which a class is called."""
    if isinstance(node, ast.ClassDef):
        made = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        made = [one for one in made if one.name in ("__init__", "__new__")]
        return taken(made[0]) if made else [*_fields(node)]
    args = node.args
    names = [one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    names += [one.arg for one in (args.vararg, args.kwarg) if one is not None]
    return [one for one in names if one not in ("self", "cls") and not one.startswith("_")]


def _more(node: Documented) -> str | None:
    """Return the name of the ``**`` argument."""
    if isinstance(node, ast.ClassDef):
        return next(
            (_more(one) for one in node.body if getattr(one, "name", "") == "__init__"), None
        )
    return node.args.kwarg.arg if node.args.kwarg else None


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            elsewhere = re.search(r"ClassVar|init=False|= \w*option\(", ast.unparse(one))
            if not one.target.id.startswith("_") and not elsewhere:
                yield one.target.id


def faults(source: str) -> Iterator[str]:
    """Yield what is wrong in the sections ``Args`` of a module."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Documented):
            continue
        found = described(ast.get_docstring(node) or "")
        if found is None:
            continue
        names, by_name = taken(node), _more(node)
        if by_name in names and found.keys() - names:  # their names are described, one by one
            names = [*(found.keys() - names), *(name for name in names if name != by_name)]
        where = f"{node.name}, line {node.lineno}"
        # Options are declared with their documentation: lokki_tf/model/options.py.
        elsewhere = isinstance(node, ast.ClassDef) and (
            node.bases or "option(" in ast.unparse(node)
        )
        if missing := [name for name in names if name not in found]:
            yield f"{where}: {', '.join(missing)} is not described"
        if not elsewhere and (unknown := [name for name in found if name not in names]):
            yield f"{where}: {', '.join(unknown)} is described and not an argument"
        for name, text in found.items():
            if len(re.findall(r"\w+", text)) < 2 or text.rstrip()[-1] not in ".:;)`…":
                yield f"{where}: the description of {name} is incomplete: {text!r}"


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_arguments_are_described(file: Path) -> None:
    """A section ``Args`` names exactly the arguments, and describes each in a sentence."""
    assert [*faults(file.read_text(encoding="utf-8"))] == []
