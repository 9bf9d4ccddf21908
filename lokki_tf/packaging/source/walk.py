"""One walk over a syntax tree, for the names in it.

While walking, every mention of a name is noted with its scope; which scope a name belongs
to is known only when all of them were seen, so mentions are resolved at the end.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .machine_reads import is_file, reads_machine
from .names import Chain, Names, When, is_type_checking, root_of
from .scopes import Kind, Mention, Scope, resolve


def names_of(*nodes: ast.AST, skip: Iterable[ast.expr] = ()) -> Names:
    """The names in code that stands at the top of a module.

    Args:
        nodes: Statements or expressions, in order.
        skip: Decorators to leave out.
    """
    walk = _Walk(skip)
    for node in nodes:
        walk.visit(node)
    return walk.resolved()


class _Walk(ast.NodeVisitor):
    def __init__(self, skip: Iterable[ast.expr]) -> None:
        self.skip = {id(node) for node in skip}
        self.scope = self.module = Scope("module", None)
        self.when: When = "eager"
        self.count = 0
        self.mentions: list[Mention] = []
        self.found = Names()

    def resolved(self) -> Names:
        """The names, once everything was visited."""
        self.found.binds = dict.fromkeys(self.module.bound)
        resolve(self.found, self.mentions)
        return self.found

    # --- helpers --------------------------------------------------------------------

    def _mention(
        self, node: ast.expr, name: str, chain: Chain = (), how: str = "", call: bool = False
    ) -> None:
        self.count += 1
        call = call and self.when == "eager"
        self.mentions.append(
            Mention(self.scope, name, chain, node.lineno, self.count, self.when, how, call)
        )

    def _bind(self, name: str, line: int, scope: Scope | None = None) -> None:
        scope = scope or self.scope
        self.count += 1
        if name in scope.globals:
            self.mentions.append(Mention(scope, name, (), line, self.count, self.when, "="))
        elif name not in scope.nonlocals:
            scope.bound.setdefault(name, self.count)

    @contextmanager
    def _inside(self, kind: Kind) -> Iterator[None]:
        outer, self.scope = self.scope, Scope(kind, self.scope)
        yield
        self.scope = outer

    @contextmanager
    def _at(self, when: When) -> Iterator[None]:
        before = self.when
        if before not in ("annotation", "quoted"):
            self.when = when
        yield
        self.when = before

    def _all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    # --- names ----------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._mention(node, node.id)
        else:
            self._bind(node.id, node.lineno)
            if isinstance(node.ctx, ast.Del) and self.scope is self.module:
                self._mention(node, node.id, how="del")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._note_reading(node)
        if not isinstance(node.ctx, ast.Load):
            self._changed(node, "=.")
        chain: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self._mention(inner, inner.id, tuple(reversed(chain)))
        else:
            self.visit(inner)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._changed(node, "[]")
        self.generic_visit(node)

    def _changed(self, node: ast.expr, how: str) -> None:
        root = root_of(node)
        if root is not None:
            self._mention(node, root[0], root[1], how=how)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._all((node.value, *node.targets))  # in the order in which it runs

    def visit_For(self, node: ast.For) -> None:
        self._all((node.iter, node.target, *node.body, *node.orelse))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._mention(node.target, node.target.id, how="+=")
        self._all((node.target, node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if self.scope.kind != "function":
            self._annotation(node.annotation)
        if node.value is not None or self.scope.kind == "function":
            self._all((node.value, node.target))
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope: Scope = self.scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        self._bind(node.target.id, node.lineno, scope)

    def visit_Global(self, node: ast.Global) -> None:
        if self.scope is not self.module:
            self.scope.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.scope.nonlocals.update(node.names)

    def visit_Call(self, node: ast.Call) -> None:
        self._note_reading(node)
        root = root_of(node.func)
        if root is not None and isinstance(node.func, ast.Name | ast.Attribute):
            how = root[1][-1] if root[1] and self.when == "lazy" else ""
            self._mention(node.func, root[0], root[1], how=how, call=True)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if self.when == "eager" and isinstance(call, ast.Call):
            root = root_of(call.func)
            if root is not None and isinstance(call.func, ast.Attribute):
                self._mention(call, root[0], root[1], how=call.func.attr)
        self.visit(node.value)

    def visit_Await(self, node: ast.Await) -> None:
        if self.when == "eager":  # as cells of a notebook may
            self._note_reading(node)
        self.visit(node.value)

    def _note_reading(self, node: ast.expr) -> None:
        what = reads_machine(node)
        if what and self.when == "eager":
            self.found.reads_eager = _weightier(self.found.reads_eager, what)
        elif what and self.when == "lazy":
            self.found.reads_lazy = _weightier(self.found.reads_lazy, what)

    # --- imports --------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return
        for alias in node.names:
            if alias.name != "*":
                self._bind(alias.asname or alias.name.partition(".")[0], node.lineno)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, node.lineno)
        self._all((node.type, *node.body))

    def visit_If(self, node: ast.If) -> None:
        if is_type_checking(node.test):
            self._all((node.test, *node.orelse))
        else:
            self.generic_visit(node)

    # --- functions and classes ------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._decorators(node)
        self._all((*node.args.defaults, *node.args.kw_defaults))
        with self._inside("types"):
            self._type_params(node)
            for arg in _arguments(node.args):
                self._annotation(arg.annotation)
            self._annotation(node.returns)
            self._body(node.args, node.body)
        self._bind(node.name, node.lineno)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._all((*node.args.defaults, *node.args.kw_defaults))
        self._body(node.args, [node.body])

    def _body(self, args: ast.arguments, body: Iterable[ast.AST]) -> None:
        with self._inside("function"), self._at("lazy"):
            for arg in _arguments(args):
                self.scope.bound[arg.arg] = 0
            self._all(body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._decorators(node)
        with self._inside("types"):
            self._type_params(node)
            self._all((*node.bases, *node.keywords))
            with self._inside("class"):
                self._all(node.body)
        self._bind(node.name, node.lineno)

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            if id(decorator) in self.skip:
                continue
            if not isinstance(decorator, ast.Call):
                root = root_of(decorator)
                if root is not None:
                    self._mention(decorator, root[0], root[1], call=True)
            self.visit(decorator)
            self._registering(decorator)

    def _registering(self, decorator: ast.expr) -> None:
        """``@app.route(…)`` may change ``app``, as ``app.add(…)`` does."""
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        root = root_of(call)
        if root is not None and root[1]:
            self._mention(decorator, root[0], root[1], how="@")

    def _type_params(self, node: ast.AST) -> None:
        for param in getattr(node, "type_params", ()):
            self._bind(param.name, param.lineno)
            with self._at("lazy"):
                self._all((getattr(param, "bound", None), getattr(param, "default_value", None)))

    def visit_TypeAlias(self, node: Any) -> None:  # ast.TypeAlias came with Python 3.12
        self.visit(node.name)
        with self._inside("types"), self._at("lazy"):
            self._type_params(node)
            self.visit(node.value)

    def _annotation(self, node: ast.expr | None) -> None:
        if node is None:
            return
        with self._at("annotation"):
            self.visit(node)
        for quoted in ast.walk(node):
            if isinstance(quoted, ast.Constant) and isinstance(quoted.value, str):
                self._quoted(quoted, quoted.value)

    def _quoted(self, node: ast.Constant, text: str) -> None:
        with suppress(SyntaxError, ValueError):
            expression = ast.parse(text.strip(), mode="eval").body
            for inner in ast.walk(expression):
                if isinstance(inner, ast.expr):
                    ast.copy_location(inner, node)
            with self._at("quoted"):
                self.visit(expression)

    # --- comprehensions and patterns ------------------------------------------------

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node.generators, node.elt)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node.generators, node.elt)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node.generators, node.elt)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node.generators, node.key, node.value)

    def _comprehension(self, generators: list[ast.comprehension], *made: ast.expr) -> None:
        self.visit(generators[0].iter)  # in the scope around
        with self._inside("comprehension"):
            for index, generator in enumerate(generators):
                self._all((generator.iter if index else None, generator.target, *generator.ifs))
            self._all(made)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name, node.lineno)
        self._all((node.pattern,))

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name, node.lineno)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest, node.lineno)
        self.generic_visit(node)


def _weightier(known: str, what: str) -> str:
    """Of two readings the first, unless only the second is none of a file."""
    return what if not known or (is_file(known) and not is_file(what)) else known


def _arguments(args: ast.arguments) -> list[ast.arg]:
    rest = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *rest]
