"""Functions that no statement at the top of a module makes: nested ones and lambdas.

What such a function uses of the function around it travels with it: literals as constants
written above it, functions and classes as their source.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Iterator
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.model.cells import cell_label

from .. import findings
from ..source.files import Source, Statement
from ..source.modules import Module, module_of
from ..source.names import Names, Use
from ..source.origins import of_user
from ..source.values import MISSING, closure, described, is_step, literal, stuck
from ..source.walk import names_of
from .imports import import_value
from .inline_values import constant, refuse
from .pieces import Piece, function_text, lambda_text
from .tasks import Gathering, Site, Task


def carry_function(
    carrier: Gathering, function: types.FunctionType, name: str, place: Place
) -> Piece | None:
    """A function object as a piece that binds a name, or ``None`` with a finding.

    Args:
        carrier: Gathers what the function uses.
        function: The function itself: its decorators do not come along.
        name: The name under which it is wanted.
        place: Where it is wanted.
    """
    module = module_of(function)
    if module is None:
        carrier.find(findings.no_source(carrier.step, f"function {name!r}", place))
        return None
    module = carrier.adopt(module)
    found = _node_of(carrier, module, function, place)
    if found is None:
        return None
    source, node = found
    top = source.by_node.get(node)
    repeats = top is not None and carrier.judge.statement(module, top) is None
    if top is not None and repeats and not _kept(carrier, module, top):
        return _named(carrier, module, carrier.carry(module, top, module.end), node, name)
    return _Moved(carrier, module, source, node, function).piece(name)


def _node_of(
    carrier: Gathering, module: Module, function: types.FunctionType, place: Place
) -> tuple[Source, Any] | None:
    """The syntax tree that a function was made from."""
    code = function.__code__
    source, nodes = module.definition_at(code) or (None, [])
    if source is None or not nodes:
        changed = findings.source_changed(carrier.step, f"function {code.co_qualname!r}", place)
        carrier.find(changed)
        return None
    if len(nodes) > 1:
        nodes = [node for node in nodes if _covers(node, code)]
    if len(nodes) != 1:
        carrier.find(findings.ambiguous_lambda(carrier.step, place))
        return None
    return source, nodes[0]


def _covers(node: Any, code: types.CodeType) -> bool:
    """Whether the instructions of a function stand inside a node."""
    begin, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    if isinstance(node, ast.Lambda):  # an inner lambda's code is inside the outer one as well
        begin = (node.body.lineno, node.body.col_offset)
    inside = 0
    for line, last_line, column, last_column in code.co_positions():
        if None in (line, last_line, column, last_column) or (column, last_column) == (0, 0):
            continue
        if not (begin <= (line, column) and (last_line, last_column) <= end):
            return False
        inside += 1
    return inside > 0


def _kept(carrier: Gathering, module: Module, statement: Statement) -> bool:
    skip = carrier.judge.left_behind(module, statement)
    return any(decorator not in skip for decorator in statement.decorators)


def _named(carrier: Gathering, module: Module, piece: Piece, node: Any, name: str) -> Piece:
    """The piece, or one more that gives its function another name."""
    if node.name == name:
        return piece
    text = f"{name} = {node.name}\n"
    alias = Piece(module.name, (*piece.order, 9), text, binds=(name,))
    carrier.uses.setdefault(alias, {}).setdefault(node.name, set()).add(piece)
    return alias


class _Moved:
    """A function that is moved from inside something to the top of a file."""

    def __init__(
        self,
        carrier: Gathering,
        module: Module,
        source: Source,
        node: Any,
        function: types.FunctionType | type,
    ) -> None:
        self.carrier = carrier
        self.module = module
        self.source = source
        self.node = node
        self.function = function
        self.order = (_position(module, source, node), node.lineno, node.col_offset)
        self.place = Place(cell_label(source.filename, module.live), node.lineno)

    def piece(self, name: str) -> Piece:
        """The function's piece, bound to a name."""
        node, module = self.node, self.module
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        skip = frozenset(() if isinstance(node, ast.ClassDef) else decorators)
        names = names_of(node, skip=skip)
        defaults = self._defaults(names)
        own_name = name if isinstance(node, ast.Lambda) else node.name
        if isinstance(node, ast.Lambda):
            text = f"{name} = {lambda_text(self.source, node, defaults)}\n"
        else:
            text = function_text(module, self.source, node, skip=skip, defaults=defaults)
        piece = Piece(
            module.name,
            (*self.order, 1),
            text,
            "code" if isinstance(node, ast.Lambda) else "definition",
            (own_name,),
            postponed=module.postponed or self._annotated_locally(names),
            local=True,
        )
        if piece not in self.carrier.uses:
            self._follow(piece, names, skip)
        return piece if own_name == name else _named(self.carrier, module, piece, node, name)

    def _follow(self, piece: Piece, names: Names, skip: frozenset[ast.expr]) -> None:
        site = Site(piece, self.module, self.source)
        outer = self._outer()
        self.carrier.uses[piece] = {}
        for name, value in outer.items():
            if name in names.used():
                self._outer_value(site, name, value, names)
        for uses in (names.eager, names.lazy, names.annotation):
            for name in outer:
                uses.pop(name, None)
        end = self.module.end
        self.carrier.follow(Task(site, self.node, names, end, end, skip))

    def _outer(self) -> dict[str, Any]:
        if isinstance(self.function, types.FunctionType):
            return closure(self.function)
        found: dict[str, Any] = {}
        for member in vars(self.function).values():
            member = getattr(member, "__func__", member)
            if isinstance(member, types.FunctionType):
                found |= closure(member)
        found.pop("__class__", None)
        return found

    def _defaults(self, names: Names) -> dict[ast.expr, str]:
        """Default values as literals, where their expressions mean something else up there."""
        function = self.function
        if not isinstance(function, types.FunctionType):
            return {}
        written: dict[ast.expr, str] = {}
        kept: set[str] = set()
        dropped: set[str] = set()
        for expression, value in _default_values(self.node.args, function):
            used = names_of(expression).used()
            text = literal(value)
            if used and text is not None and not self._is_same(expression, value):
                written[expression] = text
                dropped |= used
            elif self._refused(expression, value, used):
                dropped |= used
            else:
                kept |= used
        for name in dropped - kept:
            names.eager.pop(name, None)
        return written

    def _refused(self, expression: ast.expr, value: Any, used: set[str]) -> bool:
        """Whether a default value cannot travel, which a finding says."""
        outer = sorted(name for name in used if self._is_local(name))
        name = ast.unparse(expression)
        obstacle = self.carrier.judge.value(name, value)
        if obstacle:
            what = f"{described(value)} as a default value"
            place = Place(self.place.file, expression.lineno)
            refuse(self.carrier, obstacle, name, what, place)
        elif outer:
            self._refuse(outer[0], value)
        else:
            return False
        return True

    def _is_same(self, expression: ast.expr, value: Any) -> bool:
        """Whether an expression is a name of the module that still has the value."""
        name = expression.id if isinstance(expression, ast.Name) else ""
        return self.module.live.get(name, MISSING) is value

    def _is_local(self, name: str) -> bool:
        return (
            name not in self.module.live
            and not self.module.binds(name)
            and not hasattr(builtins, name)
        )

    def _annotated_locally(self, names: Names) -> bool:
        local = [name for name in names.annotation if self._is_local(name)]
        for name in local:
            del names.annotation[name]
        return bool(local)

    def _outer_value(self, site: Site, name: str, value: Any, names: Names) -> None:
        """Carries a variable of the function around this one."""
        carrier = self.carrier
        use = names.lazy.get(name) or names.eager.get(name) or Use(self.node.lineno, {()})
        if is_step(value):
            value = value.__wrapped__
        text = literal(value) if value is not MISSING else None
        if text is not None:
            # Before every function that stood in this statement.
            piece = constant(self.module, name, text, self.order[0], local=True)
            carrier.link(site, name, piece)
        elif isinstance(value, types.FunctionType) and value is self.function:
            carrier.link(site, name, site.piece)
        elif stuck(value) or value is MISSING:
            self._refuse(name, value, use)
        elif isinstance(value, types.FunctionType) and of_user(value):
            self._outer_function(site, name, value, use)
        elif isinstance(value, type) and of_user(value):
            self._outer_class(site, name, value, use)
        elif not import_value(carrier, site, name, value, use):
            self._refuse(name, value, use)

    def _outer_function(
        self, site: Site, name: str, function: types.FunctionType, use: Use
    ) -> None:
        there = module_of(function)
        if there is not None and there.name != self.module.name:
            if not import_value(self.carrier, site, name, function, use):
                self._refuse(name, function, use)
            return
        piece = carry_function(self.carrier, function, name, self.place)
        if piece is not None:
            self.carrier.link(site, name, piece)

    def _outer_class(self, site: Site, name: str, value: type, use: Use) -> None:
        carrier, module = self.carrier, self.module
        if "<locals>" not in value.__qualname__:
            own_name = value.__name__
            if module.live.get(own_name) is value and own_name == name:
                carrier.need(site, module, name, module.end, use)
            elif module.live.get(own_name) is value:
                text = f"{name} = {own_name}\n"
                alias = Piece(module.name, (*self.order, 0), text, binds=(name,), local=True)
                carrier.link(site, name, alias)
                there = Site(alias, module, self.source)
                carrier.need(there, module, own_name, module.end, use)
            elif not import_value(carrier, site, name, value, use):
                self._refuse(name, value, use)
            return
        nodes = [
            node
            for node in ast.walk(self.source.tree)
            if isinstance(node, ast.ClassDef) and node.name == value.__name__
        ]
        if len(nodes) != 1:
            self._refuse(name, value, use)
            return
        piece = _Moved(carrier, module, self.source, nodes[0], value).piece(name)
        carrier.link(site, name, piece)

    def _refuse(self, name: str, value: Any, use: Use | None = None) -> None:
        what = "which is not set yet" if value is MISSING else described(value)
        line = use.line if use else self.node.lineno
        place = Place(self.place.file, line, name)
        self.carrier.find(findings.closed_over(self.carrier.step, name, what, place))


def _position(module: Module, source: Source, node: Any) -> int:
    """The position of the statement that a node stands in."""
    for statement in source.statements:
        if statement.node.lineno <= node.lineno <= (statement.node.end_lineno or 0):
            return module.position(statement)
    return module.end


def _default_values(
    args: ast.arguments, function: types.FunctionType
) -> Iterator[tuple[ast.expr, Any]]:
    """The default values of a function, with the expressions that gave them."""
    yield from zip(args.defaults, function.__defaults__ or (), strict=False)
    by_name = function.__kwdefaults__ or {}
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if default is not None and arg.arg in by_name:
            yield default, by_name[arg.arg]
