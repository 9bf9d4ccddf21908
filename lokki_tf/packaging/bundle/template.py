"""Templates: the code around a step's function in its Lambda.

``"{{PUT_FUNCTION_HERE}}"``, a string on its own line, is replaced by the function and all code that
it needs; ``"{{PUT_FUNCTION_NAME_HERE}}"`` by the expression for the function.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lokki_tf.errors import Place, TemplateError
from lokki_tf.model import Finding
from lokki_tf.source.index import index
from lokki_tf.source.modules import RUNTIME
from lokki_tf.source.origins import IN_LAMBDA

from ..dependencies.third_party import Import
from ..extract.cut import Layout
from ..extract.pieces import POSTPONED
from ..findings import finding

FUNCTION = "{{PUT_FUNCTION_HERE}}"
NAME = "{{PUT_FUNCTION_NAME_HERE}}"
_FOLDER = "lambda_template"
_HANDLER = "lambda_handler"
_FUNCTION = re.compile(r"""(?m)^([ \t]*)(["'])\{\{PUT_FUNCTION_HERE\}\}\2[ \t]*(#.*)?$""")
_NAME = re.compile(r"""(["'])\{\{PUT_FUNCTION_NAME_HERE\}\}\1""")


@dataclass(frozen=True, slots=True)
class Template:
    """A template's text, and its file, for messages."""

    text: str
    file: str


def read_template(path: str) -> Template:
    """Return the user's template.

    Raises:
        TemplateError: If it cannot be read.
    """
    try:
        return Template(Path(path).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeError) as error:
        raise TemplateError(
            f"the template {path} cannot be read: {error}",
            remedy="give template_file= the path of a Python file",
        ) from error


@cache
def default_template() -> Template:
    """Return lokki_tf's own template."""
    return Template(shipped("handler.py"), f"{_FOLDER}/handler.py")


def shipped(name: str) -> str:
    """Return the text of one of lokki_tf's own templates.

    Raises:
        TemplateError: If it does not exist.
    """
    package, path = files("lokki_tf"), f"{_FOLDER}/{name}"
    # In a wheel the template is in the package, in a checkout next to it.
    candidates: list[Traversable] = [package / path]
    if isinstance(package, Path):
        candidates.append(package.parent / path)
    for file in candidates:
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise TemplateError(f"the template {path} does not exist", remedy="install lokki-tf again")


def fill(template: Template, layout: Layout) -> tuple[str, list[Finding]]:
    """Return the template with a step's function, and findings about it."""

    def wrong(what: str, line: int, remedy: str) -> tuple[str, list[Finding]]:
        what, place = f"the template {template.file}{what}", Place(template.file, line)
        return "", [finding("template", "", place, what=what, remedy=remedy)]

    found = _FUNCTION.search(template.text)
    first = template.text[: found.start()].count("\n") + 1 if found else 1
    if found is None or found.group(1):
        what = "is indented" if found else "is not in it"
        remedy = f'write "{FUNCTION}", with its quotes, on its own line at the left margin'
        return wrong(f" cannot be filled: {FUNCTION} {what}", first, remedy)
    if _NAME.search(template.text) is None:
        remedy = f'call the function as "{NAME}"(…), with the quotes'
        return wrong(f" cannot be filled: {NAME} is not in it", 1, remedy)
    source = layout.source.rstrip("\n")
    if re.match(r"(#.*\n)*(@|def |async |class )", source):
        source = f"\n{source}"  # one more blank line above a definition
    text = _NAME.sub(lambda _: layout.name, template.text)
    text = _FUNCTION.sub(lambda _: source, text, count=1).rstrip("\n") + "\n"
    try:
        # Only compiled, never run: the template may need modules that only Lambda has.
        compile(text, template.file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        if line > first:
            added = text.rstrip("\n").count("\n") - template.text.rstrip("\n").count("\n")
            line = max(first, line - added)
        remedy = "correct the template; it must be a Python file with its placeholders"
        return text, wrong(f", filled, is not valid Python: {error.args[0]}", line, remedy)[1]
    return _postponed(text) if layout.postponed else text, []


def with_secrets(text: str, sources: Mapping[str, str]) -> str:
    """Return a handler's source that fetches secrets before its first import, and again later.

    Args:
        text: The filled template.
        sources: Sources of secrets by the names of environment variables.
    """
    lines, first = text.rstrip("\n").split("\n"), 0
    for node in ast.parse(text).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not is_future and not (is_docstring and not first):
            break
        first = node.end_lineno or 0
    module = f"{RUNTIME}.secrets"
    before = [f"import {module}", "", f"{module}.load({dict(sorted(sources.items()))!r})"]
    after = ["", f"{_HANDLER} = {module}.fresh({_HANDLER})", ""]
    return "\n".join((*lines[:first], *before, *lines[first:], *after))


def with_client(text: bytes) -> bytes:
    """Return a handler's source that makes the S3 client while Lambda initializes the function.

    Args:
        text: The filled template.
    """
    module = f"{RUNTIME}.early"
    return text + f"\nimport {module}\n\n{module}.connect()\n".encode()


@cache
def own_names(template: Template) -> frozenset[str]:
    """Return the names that a template uses itself, also in its functions."""
    try:
        tree = ast.parse(template.text)
    except SyntaxError:
        return frozenset()
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return frozenset((names | set(index(*tree.body).binds)) - set(dir(builtins)))


@cache
def packages_of(template: Template) -> tuple[Import, ...]:
    """Return the packages that a template imports when it is imported itself."""
    found = []
    for statement in ast.parse(template.text).body:
        optional = isinstance(statement, ast.Try)
        for node in ast.walk(statement) if optional else (statement,):
            place = Place(template.file, getattr(node, "lineno", 1))
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                package = name.partition(".")[0]
                if package not in sys.stdlib_module_names | IN_LAMBDA | {RUNTIME}:
                    found.append(Import(package, name, place, optional))
    return tuple(found)


def _postponed(text: str) -> str:
    """Return the text with postponed annotations: their import must be the first statement."""
    lines = [line for line in text.splitlines(keepends=True) if line != POSTPONED]
    body = ast.parse("".join(lines)).body
    first = body[0] if body else None
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    after = (first.end_lineno or 0) if first and is_docstring else 0
    around = ("\n", POSTPONED) if after else (POSTPONED, "\n")
    return "".join((*lines[:after], *around, *lines[after:]))
