"""Functions that are made inside others, moved to the top of a file.

What such a function uses of the function around it is carried too: literals as constants above it,
functions and classes of the module by their names. Where that is not enough, the step is made
again in Lambda by running its module (:mod:`.root`).
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Iterator, Mapping
from typing import Any, cast

from .. import findings
from ..source.files import Definition, Source
from ..source.modules import Module
from ..source.names import Names, Use
from ..source.survey import survey
from ..source.text import Edit, edited, offset, reach, span, whole_lines
from ..source.values import MISSING, closure, is_step, literal, stuck
from ..source.walk import names_of
from .carry import Carrier
from .imports import import_value
from .inline_values import constant
from .pieces import Piece, made_absolute
from .tasks import Site, Task


def moved(
    carrier: Carrier, module: Module, function: types.FunctionType, name: str = ""
) -> Piece | None:
    """Carry a function object as a piece at the top of its module.

    Args:
        carrier: Gathers what the function uses.
        module: The module that it was made in.
        function: The function; its decorators are left out.
        name: The name of a lambda.

    Returns:
        The piece, or ``None`` if only running the code around the function makes it.
    """
    found = module.definition_at(function.__code__)
    if found is None or len(found[1]) != 1:
        return None
    source, node = found[0], cast("ast.FunctionDef", found[1][0])
    if any(isinstance(one, ast.Nonlocal) for one in ast.walk(node)):
        return None
    outer = {
        name: value.__wrapped__ if is_step(value) else value
        for name, value in closure(function).items()
        if value is not function and getattr(value, "__wrapped__", None) is not function
    }
    decorators = frozenset(getattr(node, "decorator_list", ()))
    names = names_of(node, skip=decorators)
    defaults = _defaults(module, function, node.args, names)
    constants = _constants(module, outer)
    if defaults is None or constants is None:
        return None
    line = next((s for s in source.statements if _is_in(node, s.node)), None)
    order = (module.position(line) if line else module.end, node.lineno, node.col_offset)
    text = _text(module, source, node, name, decorators, defaults)
    local = [n for n in names.annotation if _is_local(module, n)]
    for uses in (names.eager, names.lazy, names.annotation):
        for one in (*outer, *local, getattr(node, "name", name)):
            uses.pop(one, None)
    piece = Piece(
        module.name,
        (*order, 1),
        text,
        "definition" if isinstance(node, Definition) else "code",
        (getattr(node, "name", name),),
        postponed=module.postponed or bool(local),
    )
    site = Site(piece, module, source)
    known = {n: v.__name__ for n, v in outer.items() if isinstance(v, types.ModuleType)}
    carrier.surveys[piece] = survey(source, [node], module.package, decorators, known)
    carrier.follow(Task(site, node, names, module.end, module.end, decorators))
    for one, literal_text in constants.items():
        carrier.link(site, one, constant(module, one, literal_text, order[0]))
    for one, value in outer.items():
        if one not in constants and not _carry_outer(carrier, site, one, value):
            return None
    return piece


def _is_in(node: ast.AST, statement: ast.stmt) -> bool:
    line: int = getattr(node, "lineno", 0)
    return statement.lineno <= line <= (statement.end_lineno or 0)


def _constants(module: Module, outer: Mapping[str, Any]) -> dict[str, str] | None:
    """Outer variables that are literals; ``None`` if the module means something else by one."""
    found: dict[str, str] = {}
    for name, value in outer.items():
        text = literal(value) if value is not MISSING else None
        known = module.live.get(name, value)
        if known is not value and not is_step(known):
            return None
        if text is not None:
            found[name] = text
    return found


def _carry_outer(carrier: Carrier, site: Site, name: str, value: Any) -> bool:
    """Carry a function, class or module that the function around it knows under a name."""
    module = site.module
    if stuck(value):
        place = carrier.place(site, Use(site.piece.order[1], {()}), name)
        carrier.find(findings.stuck_here(carrier.step, name, stuck(value), place))
        return True
    own = getattr(value, "__name__", "")
    known = module.live.get(own)
    if known is value or getattr(known, "__wrapped__", None) is value:
        if own != name:
            alias = constant(module, name, own, module.end)
            carrier.link(site, name, alias)
            site = Site(alias, module, site.source)
        carrier.need(site, module, own, module.end, Use(1, {()}))
        return True
    if isinstance(value, types.FunctionType) and value.__globals__ is module.live:
        piece = moved(carrier, module, value, name)
        if piece is not None and name in piece.binds:
            carrier.link(site, name, piece)
            return True
        return False
    return import_value(carrier, site, name, value, Use(1, {()}))


def _defaults(
    module: Module, function: types.FunctionType, args: ast.arguments, names: Names
) -> dict[ast.expr, str] | None:
    """Default values as literals, where their expressions mean something else at the top."""
    written: dict[ast.expr, str] = {}
    for expression, value in _default_values(args, function):
        used = names_of(expression).used()
        if not used or (
            isinstance(expression, ast.Name) and module.live.get(expression.id, MISSING) is value
        ):
            continue
        text = literal(value)
        if text is None:
            return None
        written[expression] = text
        for name in used:
            names.eager.pop(name, None)
    return written


def _default_values(
    args: ast.arguments, function: types.FunctionType
) -> Iterator[tuple[ast.expr, Any]]:
    yield from zip(args.defaults, function.__defaults__ or (), strict=False)
    by_name = function.__kwdefaults__ or {}
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if default is not None and arg.arg in by_name:
            yield default, by_name[arg.arg]


def _is_local(module: Module, name: str) -> bool:
    return name not in module.live and not module.binds(name) and not hasattr(builtins, name)


def _text(
    module: Module,
    source: Source,
    node: Any,
    name: str,
    decorators: frozenset[ast.expr],
    defaults: Mapping[ast.expr, str],
) -> str:
    """The function at the left margin, without its decorators."""
    edits = [Edit(*span(source, default), text) for default, text in defaults.items()]
    if isinstance(node, ast.Lambda):
        text = edited(source, *span(source, node), edits)
        return f"{name} = ({text})\n" if "\n" in text else f"{name} = {text}\n"
    imports = (one for one in ast.walk(node) if isinstance(one, ast.ImportFrom))
    edits += [*made_absolute(module, source, imports)]
    edits += [whole_lines(source, decorator) for decorator in decorators]
    start, end = reach(source, node)
    margin = node.col_offset
    first = source.text.count("\n", 0, start) + 1
    for line in range(first, (node.end_lineno or first) + 1):
        text = source.lines[line - 1]
        if line not in source.string_lines and not text[:margin].strip():
            at = offset(source, line, 0)
            edits.append(Edit(at, at + min(margin, len(text) - 1)))
    return edited(source, start, end, edits).rstrip() + "\n"
