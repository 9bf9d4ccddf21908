"""Values that no statement at the top of a module makes, or whose statements must not run again.

Literals are inlined. A function or class is used under the name that its module has for it, or
imported from the module that defines it; a function that is made inside another one is moved to the
top. If none of these is possible, a finding is recorded.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from lokki_tf.errors import Place
from lokki_tf.source.computer_reads import is_file
from lokki_tf.source.files import Definition, Source
from lokki_tf.source.index import index
from lokki_tf.source.modules import Module, Statement, defined
from lokki_tf.source.names import Code, Fact, Use
from lokki_tf.source.values import MISSING, closure, described, home, is_step, literal, stuck

from .collected import Collected
from .pieces import Piece, made_absolute
from .portability import Obstacle

_NOTEBOOKS_OWN = re.compile(r"_{1,3}|In|Out|_i{1,3}|_i?\d+|_[iods]h|get_ipython")
"""Names of IPython's history: the last results, all inputs."""


def capture(
    carrier: Collected,
    by: Piece,
    name: str,
    use: Use,
    making: Sequence[Statement] = (),
    why: Obstacle | None = None,
) -> None:
    """Carry the value of a name that no statement makes, or instead of its statements."""
    module, place = by.module, Place(by.file, use.line, name)
    value, own = module.namespace.get(name, MISSING), getattr(builtins, name, MISSING)
    replaced = value is MISSING or getattr(value, "__wrapped__", None) is own
    if not making and own is not MISSING and replaced and not _of_notebook(own):
        return  # a builtin, or a notebook's replacement
    why, guarded = why or carrier.portability.value(name, value), module.guarded(name)
    text = literal(value) if why is None or (making and why.kind != "secret") else None
    function = value if isinstance(value, types.FunctionType) else None
    mine = function is not None and function.__globals__ is module.namespace
    what = "a name" if value is MISSING else described(value)
    own_of_notebook = _of_notebook(own) or (
        _NOTEBOOKS_OWN.fullmatch(name) and "In" in module.namespace
    )
    if not making and (_of_notebook(value) or own_of_notebook):
        carrier.find("notebook", place, name=name)
    elif text is not None:
        carrier.link(by, by.constant(name, text, making[0].at if making else -1))
    elif why is not None and not (making and mine):
        refuse(carrier, why, name, described(value), place)
    elif value is MISSING and guarded is None:
        carrier.find("undefined", place, name=name)
    elif value is MISSING or not same(carrier, by, name, value, use):
        if function is not None:
            carrier.include_own(place)
        else:
            kind = "guarded" if guarded else "unmade"
            carrier.find(kind, place, name=name, what=what, line=guarded)


def _of_notebook(value: Any) -> bool:
    """Return whether a value is a part of IPython: ``display``, ``get_ipython``, ``exit``."""
    return home(value).partition(".")[0] in ("IPython", "ipykernel")


def refuse(carrier: Collected, why: Obstacle, name: str, what: str, place: Place) -> None:
    """Record why a value cannot be deployed."""
    what = why.what if why.name == name else what
    if why.name not in (name, ""):
        what = f"{what} that comes from {why.name!r}, {why.what}"
    kind = "read_file" if why.kind == "read" and is_file(why.what) else why.kind
    carrier.find(kind, place, name=name, what=what, how=why.what)


# --- values under another name ----------------------------------------------------------------


def same(carrier: Collected, by: Piece, name: str, value: Any, use: Use) -> bool:
    """Carry a value under another name of its module, or import it; return whether it can be."""
    known = _known_as(carrier, by, name, value, under_another=True)
    return known or _import_value(carrier, by, name, value, use.line)


def _known_as(
    carrier: Collected, by: Piece, name: str, value: Any, under_another: bool = False
) -> bool:
    """Carry a value that the module has under a name too; return whether it has."""
    module, namespace = by.module, by.module.namespace
    known = [own for own, one in namespace.items() if one is value and own != name]
    other = known[0] if known else getattr(value, "__name__", "")
    defined, code = module.definitions.get(other), getattr(value, "__code__", None)
    found = module.definition_at(code) if code is not None and defined is not None else None
    is_same = (
        namespace.get(other) is value or getattr(namespace.get(other), "__wrapped__", None) is value
    )
    defined_so = found is not None and defined is not None and defined.node in found[1]
    if (under_another and other == name) or not (is_same or defined_so):
        return False
    if other != name:
        alias = by.constant(name, other, module.end)
        carrier.link(by, alias)
        by = alias
    carrier.need(by, other, module.end, Use(1, {()}))
    return True


def _import_value(carrier: Collected, by: Piece, name: str, value: Any, line: int) -> bool:
    """Import a value from the module where it is defined, if that module has it."""
    source, own_name = home(value), getattr(value, "__name__", "")
    if isinstance(value, types.ModuleType):
        own_name = ""
    else:
        mine = source in ("", "__main__", by.module.name, by.module.namespace.get("__name__"))
        offered = getattr(sys.modules.get(source), own_name, MISSING) if own_name else MISSING
        if mine or offered is not value:
            return False
    carrier.link(by, by.imported(source, own_name, name))
    names = (own_name,) if own_name else ()
    carrier.bring(Fact("import", source, line, names=names), by)
    return True


# --- functions that are made inside others --------------------------------------------------


def carry_as(carrier: Collected, by: Piece, name: str, value: Any) -> bool:
    """Carry a function, class or module under a name; return whether it can be."""
    module = by.module
    if stuck(value):
        place = Place(by.file, by.order[-1], name)
        carrier.find("stuck", place, name=name, what=stuck(value))
        return True
    if _known_as(carrier, by, name, value):
        return True
    if isinstance(value, types.FunctionType) and value.__globals__ is module.namespace:
        piece = moved(carrier, module, value, name)
        if piece is None:
            return False
        [own] = piece.binds
        others = (one for one in carrier.uses if own in one.binds and one != piece)
        if own != name and (module.binds(own) or next(others, None)):
            return False  # another object has the function's own name
        if own != name:
            alias = by.constant(name, own, module.end + 1)
            carrier.link(by, alias)
            by = alias
        carrier.link(by, piece)
        return True
    return _import_value(carrier, by, name, value, 1)


def moved(
    carrier: Collected, module: Module, function: types.FunctionType, name: str
) -> Piece | None:
    """Carry a function that is made inside another one, as a piece at the top of its module.

    Values of the enclosing function that it uses are carried too: literals as constants above it,
    functions and classes of the module by their names.

    Returns:
        The piece, or ``None`` if only running the enclosing code can make the function.
    """
    found = defined(function)
    if found is None:
        return None
    source, node = found.source, cast("ast.FunctionDef", found.node)
    if any(isinstance(one, ast.Nonlocal) for one in ast.walk(node)):
        return None
    outer = {
        one: value.__wrapped__ if is_step(value) else value
        for one, value in closure(function).items()
        if value is not function and getattr(value, "__wrapped__", None) is not function
    }
    decorators = frozenset(getattr(node, "decorator_list", ()))
    modules = {n: v.__name__ for n, v in outer.items() if isinstance(v, types.ModuleType)}
    context = module.context._replace(aliases={**module.context.aliases, **modules})
    code = index(node, skip=decorators, context=context)
    defaults = _defaults(module, function, node.args, code)
    known = ((value, module.namespace.get(one, value)) for one, value in outer.items())
    if defaults is None or any(now is not value and not is_step(now) for value, now in known):
        return None  # a name has another meaning in the module
    name = getattr(node, "name", name)
    known_names = {*module.namespace, *vars(builtins)}
    local = [one for one in code.annotation if one not in known_names and not module.binds(one)]
    for uses in (code.eager, code.lazy, code.annotation):
        for one in (*outer, *local, name):
            uses.pop(one, None)
    around = next((s.at for s in module.statements if _is_in(node, s, source)), module.end)
    piece = Piece(
        module,
        source,
        (around, node.lineno, node.col_offset, node.lineno),
        _text(module, source, node, name, decorators, defaults),
        (name,),
        "definition" if isinstance(node, Definition) else "code",
        postponed=module.postponed or bool(local),
        code=code,
        evaluated=() if module.postponed or local else tuple(code.annotation),
    )
    carrier.follow(piece, module.end, module.end)
    for one, value in outer.items():
        text = literal(value) if value is not MISSING else None
        if text is not None:
            carrier.link(piece, piece.constant(one, text, around))
        elif not carry_as(carrier, piece, one, value):
            return None
    return piece


def _is_in(node: ast.FunctionDef, statement: Statement, source: Source) -> bool:
    first, last = statement.node.lineno, statement.node.end_lineno or 0
    return statement.source is source and first <= node.lineno <= last


def _defaults(
    module: Module, function: types.FunctionType, args: ast.arguments, code: Code
) -> dict[ast.expr, str] | None:
    """Return default values as literals, if their expressions have another meaning at the top."""
    written: dict[ast.expr, str] = {}
    for expression, value in _default_values(args, function):
        used = index(expression).used()
        own = (
            isinstance(expression, ast.Name)
            and module.namespace.get(expression.id, MISSING) is value
        )
        if used and not own:
            text = literal(value)
            if text is None:
                return None
            written[expression] = text
            for name in used:
                code.eager.pop(name, None)
    return written


def _default_values(
    args: ast.arguments, function: types.FunctionType
) -> Iterator[tuple[ast.expr, Any]]:
    yield from zip(args.defaults, function.__defaults__ or (), strict=False)
    by_name = function.__kwdefaults__ or {}
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if default is not None and arg.arg in by_name:
            yield default, by_name[arg.arg]


def _text(
    module: Module,
    source: Source,
    node: Any,
    name: str,
    decorators: frozenset[ast.expr],
    defaults: Mapping[ast.expr, str],
) -> str:
    """Return the function at the left margin, without its decorators."""
    edits = [(*source.span(default), text) for default, text in defaults.items()]
    if isinstance(node, ast.Lambda):
        text = source.edited(*source.span(node), edits)
        return f"{name} = ({text})\n" if "\n" in text else f"{name} = {text}\n"
    edits += [*made_absolute(module, source, node), *source.without(decorators)]
    edits += source.unindented(node)
    return source.edited(*source.reach(node), edits).rstrip() + "\n"
