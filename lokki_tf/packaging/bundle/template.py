"""Templates: the code around a step's function in its Lambda.

``"{{PUT_FUNCTION_HERE}}"``, a string on a line of its own, stands for the function and all
that it needs; ``"{{PUT_FUNCTION_NAME_HERE}}"`` for the expression that gives the function.
"""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lokki_tf.errors import Place, TemplateError
from lokki_tf.model import Finding

from .. import findings
from ..extract.cut import Layout
from ..extract.render import POSTPONED
from ..source.walk import names_of

FUNCTION = "{{PUT_FUNCTION_HERE}}"
NAME = "{{PUT_FUNCTION_NAME_HERE}}"
_FOLDER = "lambda_template"
_DEFAULT = f"{_FOLDER}/handler.py"
_FUNCTION = re.compile(r"""(?m)^([ \t]*)(["'])\{\{PUT_FUNCTION_HERE\}\}\2[ \t]*(#.*)?$""")
_NAME = re.compile(r"""(["'])\{\{PUT_FUNCTION_NAME_HERE\}\}\1""")
_ON_ITS_OWN = f'write "{FUNCTION}", with its quotes, on a line of its own at the left margin'


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the file that it comes from.

    Args:
        text: Its text.
        file: Its path, for messages.
    """

    text: str
    file: str


def read_template(path: str) -> Template:
    """A template of the user's.

    Args:
        path: Path of a Python file.

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
    """The template that comes with lokki_tf.

    Raises:
        TemplateError: If it is not there.
    """
    return Template(shipped("handler.py"), _DEFAULT)


def shipped(name: str) -> str:
    """The text of a template that comes with lokki_tf.

    Args:
        name: Its file's.

    Raises:
        TemplateError: If it is not there.
    """
    package, path = files("lokki_tf"), f"{_FOLDER}/{name}"
    # In a wheel the template lies in the package, in a checkout beside it.
    places: list[Traversable] = [package / path]
    if isinstance(package, Path):
        places.append(package.parent / path)
    for place in places:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise TemplateError(f"the template {path} is not there", remedy="install lokki-tf again")


def fill(template: Template, layout: Layout) -> tuple[str, list[Finding]]:
    """The template with a step's function in it, and what is wrong with that.

    Args:
        template: The template.
        layout: The function.
    """
    found = _placeholders(template)
    if found:
        return "", found
    text = _NAME.sub(lambda _: layout.name, template.text)
    text = _FUNCTION.sub(lambda _: _set_apart(layout.source.rstrip("\n")), text, count=1)
    text = text.rstrip("\n") + "\n"
    wrong = _syntax(template, text)
    if layout.postponed and not wrong:
        text = _postponed(text)
    return text, wrong


def _set_apart(source: str) -> str:
    """The source with one more blank line above where it begins with a definition."""
    is_definition = re.match(r"(#.*\n)*(@|def |async |class )", source)
    return f"\n{source}" if is_definition else source


def _placeholders(template: Template) -> list[Finding]:
    place = _FUNCTION.search(template.text)
    if place is None or place.group(1):
        line = template.text[: place.start()].count("\n") + 1 if place else 1
        what = "is indented" if place else "is not in it"
        message = f"the template {template.file} cannot be filled: {FUNCTION} {what}"
        return [findings.template(message, Place(template.file, line), _ON_ITS_OWN)]
    if _NAME.search(template.text) is None:
        message = f"the template {template.file} cannot be filled: {NAME} is not in it"
        remedy = f'call the function as "{NAME}"(…), with the quotes'
        return [findings.template(message, Place(template.file, 1), remedy)]
    return []


def _syntax(template: Template, text: str) -> list[Finding]:
    try:
        # Only parsed, never run: the template may need what is in Lambda alone.
        compile(text, template.file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        message = f"the template {template.file}, filled, is no Python: {error.args[0]}"
        line = _line_in(template, text, getattr(error, "lineno", None) or 1)
        remedy = "correct the template; it must be a Python file with its placeholders"
        return [findings.template(message, Place(template.file, line), remedy)]
    return []


def _line_in(template: Template, text: str, line: int) -> int:
    """The line of the template that a line of the filled text comes from."""
    place = _FUNCTION.search(template.text)
    first = template.text[: place.start()].count("\n") + 1 if place else 1
    if line <= first:
        return line
    added = text.rstrip("\n").count("\n") - template.text.rstrip("\n").count("\n")
    return max(first, line - added)


@cache
def own_names(template: Template) -> frozenset[str]:
    """The names that a template uses itself, in its functions as well."""
    try:
        tree = ast.parse(template.text)
    except SyntaxError:
        return frozenset()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound = set(names_of(*tree.body).binds)
    return frozenset((names | bound) - set(dir(builtins)))


def _postponed(text: str) -> str:
    """The text with annotations postponed: the import must stand before all others."""
    lines = [line for line in text.splitlines(keepends=True) if line != POSTPONED]
    body = ast.parse("".join(lines)).body
    first = body[0] if body else None
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    after = first.end_lineno if first and is_docstring else 0
    gap = "" if after == 0 else "\n"
    return "".join((*lines[:after], gap, POSTPONED, "\n" if not after else "", *lines[after:]))
