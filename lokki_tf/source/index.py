"""Collect the names and facts of code in one walk over its syntax tree.

The stages: record each mention of a name with its scope; at the end of the walk, when all bindings
are known, add the mentions of global names to the result.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .computer_reads import is_file, reads_computer
from .files import is_main_guard, is_type_checking
from .known import note_call
from .names import (
    CHANGING,
    ON_FIRST,
    Chain,
    Code,
    Context,
    Fact,
    Mention,
    Scope,
    When,
    absolute_name,
    full_name,
    root_of,
)

_LIKE = {"AsyncFunctionDef": "FunctionDef", "TryStar": "Try", "MatchStar": "MatchAs"}
_LIKE |= dict.fromkeys(("SetComp", "GeneratorExp", "DictComp"), "ListComp")
_MISSING_IMPORT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def index(*nodes: ast.AST, skip: Iterable[ast.expr] = (), context: Context | None = None) -> Code:
    """The names and facts of code at the top level of a module.

    Args:
        nodes: Statements or expressions, in order.
        skip: Decorators to ignore.
        context: The names of the module. Without them, some facts are not found.
    """
    walk = _Walk(skip, context or Context())
    for node in nodes:
        walk.visit(node)
    walk.found.binds = dict.fromkeys(walk.module.bound)
    for mention in walk.mentions:
        if mention.is_global():
            walk.found.enter(mention)
    return walk.found


class _Walk(ast.NodeVisitor):
    def __init__(self, skip: Iterable[ast.expr], context: Context) -> None:
        self.skip = {id(node) for node in skip}
        self.context = context
        self.scope = self.module = Scope("module")
        self.when: When = "eager"
        self.count = self.depth = 0
        self.function = self.owner = ""
        self.optional = False
        self.mentions: list[Mention] = []
        self.found = Code()

    # --- helpers --------------------------------------------------------------------

    def _mention(
        self, node: ast.expr, name: str, chain: Chain = (), how: str = "", call: bool = False
    ) -> None:
        self.count += 1
        mentioned = self.scope, name, chain, node.lineno, self.count
        self.mentions.append(Mention(*mentioned, self.when, how, call, self.depth))

    def _bind(self, name: str, line: int, scope: Scope | None = None) -> None:
        scope = scope or self.scope
        self.count += 1
        if name in scope.globals:
            mentioned = scope, name, (), line, self.count
            self.mentions.append(Mention(*mentioned, self.when, "=", False, self.depth))
        elif name not in scope.nonlocals:
            scope.bound.setdefault(name, self.count)

    @contextmanager
    def while_(self, **changed: Any) -> Iterator[None]:
        """Set some attributes within a block. Inside annotations, ``when`` does not change."""
        if self.when in ("annotation", "quoted"):
            changed.pop("when", None)
        before = {name: getattr(self, name) for name in changed}
        vars(self).update(changed)
        yield
        vars(self).update(before)

    def visit(self, node: ast.AST) -> None:
        """Visit a node."""
        kind = type(node).__name__
        getattr(self, f"visit_{_LIKE.get(kind, kind)}", self.generic_visit)(node)

    def _all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None and id(node) not in self.skip:
                self.visit(node)

    def note(self, kind: str, what: str, node: Any, **more: Any) -> None:
        """Add a fact, unless the code is an annotation."""
        if self.when in ("eager", "lazy"):
            fact = Fact(kind, what, node.lineno, self.function, self.optional, **more)
            self.found.facts.append(fact)

    def text(self, node: ast.expr | None) -> str | None:
        """The value of an expression that is a string or the name of a constant string."""
        if isinstance(node, ast.Name):
            node = self.context.constants.get(node.id, node)
        return node.value if isinstance(node, ast.Constant) and type(node.value) is str else None

    def full_name(self, node: ast.expr) -> str:
        """The full name of an expression, by the names that the module's imports bind."""
        return full_name(node, self.context.aliases)

    def _reading(self, node: ast.expr) -> None:
        what = reads_computer(node)
        kind = f"reads_{self.when}"
        known = getattr(self.found, kind, None)
        # Keep the first read, or the first read of something else than a file.
        if what and known is not None and (not known or (is_file(known) and not is_file(what))):
            setattr(self.found, kind, what)

    # --- names ----------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        self.found.mentions[self.function].add(node.id)
        if isinstance(node.ctx, ast.Load):
            self._mention(node, node.id)
        else:
            self._bind(node.id, node.lineno)
            if isinstance(node.ctx, ast.Del) and self.scope is self.module:
                self._mention(node, node.id, how="del")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._reading(node)
        if not isinstance(node.ctx, ast.Load):
            self._changed(node, "=.")
            self.found.stored.add(node.attr)
        mentions = self.found.mentions[self.function]
        chain: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        mentions.update(f".{name}" for name in chain)
        if not isinstance(inner, ast.Name):
            self.visit(inner)
            return
        if inner.id in self.context.aliases:
            mentions.update(chain)  # functions of a module
            parts = [self.context.aliases[inner.id]]
            for name in reversed(chain):
                parts.append(name)
                self.found.dotted.setdefault(".".join(parts), node.lineno)
        mentions.add(inner.id)
        self._mention(inner, inner.id, tuple(reversed(chain)))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        loads, name = isinstance(node.ctx, ast.Load), self.full_name(node.value)
        if name in ("os.environ", "os.environb") and (text := self.text(node.slice)) is not None:
            self.note("variable" if loads else "sets", text, node.slice)
        elif name == "os.environ" and loads:
            self.note("variables", ast.unparse(node), node)
        elif name == "sys.modules" and loads:
            self.note("by-name", name, node)
        if not loads:
            self._changed(node, "[]")
            if isinstance(node.value, ast.Attribute):
                self.found.stored.add(node.value.attr)
        self.generic_visit(node)

    def _changed(self, node: ast.expr, how: str) -> None:
        name, chain = root_of(node) or ("", ())
        self.found.touched.add(name)
        self._mention(node, name, chain, how=how)

    def visit_Compare(self, node: ast.Compare) -> None:
        text = self.text(node.left)
        if text is not None and self.full_name(node.comparators[0]) == "os.environ":
            self.note("variable", text, node.left)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._all((node.value, *node.targets))  # in the order of evaluation

    def visit_For(self, node: ast.For) -> None:
        self._all((node.iter, node.target, *node.body, *node.orelse))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.found.stored.add(node.target.id)
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
        self._reading(node)
        root, function = root_of(node.func), node.func
        if root is not None and isinstance(function, ast.Name | ast.Attribute):
            last = root[1][-1] if root[1] else ""
            how = last if self.when == "lazy" or last in CHANGING else ""
            self._mention(function, *root, how=how, call=True)
            if last in CHANGING:
                self.found.touched.add(root[0])
            if function.__class__ is ast.Name and root[0] in ON_FIRST and node.args:
                self._changed(node.args[0], root[0])
        if isinstance(function, ast.Attribute) and function.attr in CHANGING:
            changed = function.value  # TABLE.update(…), module.TABLE.update(…)
            if isinstance(changed, ast.Name | ast.Attribute):
                self.found.stored.add(getattr(changed, "attr", getattr(changed, "id", "")))
        note_call(self, node, self.full_name(function))
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        self._unused(node.value)

    def _unused(self, node: ast.expr) -> None:
        """Visit an expression whose value is not used."""
        value = node.value if isinstance(node, ast.Await) else node
        if isinstance(value, ast.BoolOp | ast.Tuple | ast.List):
            for one in value.values if isinstance(value, ast.BoolOp) else value.elts:
                self._unused(one)
            return
        if isinstance(value, ast.IfExp):
            self.visit(value.test)
            self._unused(value.body)
            self._unused(value.orelse)
            return
        if isinstance(value, ast.ListComp | ast.SetComp):
            self.visit_ListComp(value, used=False)
            return
        if self.when == "eager" and isinstance(value, ast.Call):
            self._changed(value.func, getattr(value.func, "attr", "()"))
        elif self.when == "eager" and isinstance(value, ast.BinOp | ast.Subscript):
            for one in (value.left, value.right) if isinstance(value, ast.BinOp) else (value,):
                if root_of(one) is not None:
                    self._changed(one, "op")
        self.visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        if self.when == "eager":  # cells of notebooks may contain await at the top level
            self._reading(node)
        self.visit(node.value)

    # --- imports and blocks ---------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0], node.lineno)
            self.note("import", alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = absolute_name(self.context.package, node.level, node.module)
        if module != "__future__":
            self.note("import", module, node, names=tuple(alias.name for alias in node.names))
            for alias in node.names:
                if alias.name != "*":
                    self._bind(alias.asname or alias.name, node.lineno)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if is_type_checking(node.test) or (is_main_guard(node) and self.scope is self.module):
            self._all(node.orelse)
        else:
            with self.while_(optional=True):
                self._all((*node.body, *node.orelse))

    def visit_Try(self, node: Any) -> None:
        with self.while_(optional=self.optional or any(map(_expects_missing, node.handlers))):
            self._all(node.body)
        with self.while_(optional=True):
            self._all(node.handlers)
        self._all((*node.orelse, *node.finalbody))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, node.lineno)
        self._all((node.type, *node.body))

    def visit_With(self, node: ast.With) -> None:
        self._all(node.items)
        suppressed = any("suppress" in ast.unparse(one.context_expr) for one in node.items)
        with self.while_(optional=self.optional or suppressed):
            self._all(node.body)

    # --- functions and classes ------------------------------------------------------

    def visit_FunctionDef(self, node: Any) -> None:
        self._decorators(node)
        self._all((*node.args.defaults, *node.args.kw_defaults))
        with self.while_(scope=Scope("types", self.scope)):
            self._type_params(node)
            for arg in _arguments(node.args):
                self._annotation(arg.annotation)
            self._annotation(node.returns)
            self._body(f"{self.owner}.{node.name}".strip("."), node.args, node.body)
        self._bind(node.name, node.lineno)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._all((*node.args.defaults, *node.args.kw_defaults))
        self._body("<lambda>", node.args, [node.body])

    def _body(self, name: str, args: ast.arguments, body: Iterable[ast.AST]) -> None:
        name = self.function or name
        self.found.mentions.setdefault(name, set())
        inside = {"function": name, "optional": False, "depth": self.depth + 1}
        with self.while_(scope=Scope("function", self.scope), when="lazy", **inside):
            for arg in _arguments(args):
                self.scope.bound[arg.arg] = 0
            self._all(body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._decorators(node)
        if self.scope is self.module:
            self.found.classes.append(node)
        with self.while_(scope=Scope("types", self.scope)):
            self._type_params(node)
            self._all((*node.bases, *node.keywords))
            owner = "" if self.function else node.name
            with self.while_(scope=Scope("class", self.scope), owner=owner):
                self._all(node.body)
        self._bind(node.name, node.lineno)

    def _decorators(self, node: Any) -> None:
        for decorator in (one for one in node.decorator_list if id(one) not in self.skip):
            root = root_of(decorator)
            if root is not None and not isinstance(decorator, ast.Call):
                self._mention(decorator, *root, call=True)
            self.visit(decorator)
            if self.scope is self.module:
                self.found.decorators.append(decorator)
            # ``@app.route(…)`` may change ``app``, as ``app.add(…)`` does.
            root = root_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if root is not None and root[1]:
                self._mention(decorator, *root, how="@")

    def _type_params(self, node: Any) -> None:
        for param in getattr(node, "type_params", ()):
            self._bind(param.name, param.lineno)
            with self.while_(when="lazy"):
                self._all((getattr(param, "bound", None), getattr(param, "default_value", None)))

    def visit_TypeAlias(self, node: Any) -> None:  # ast.TypeAlias exists since Python 3.12
        self.visit(node.name)
        with self.while_(scope=Scope("types", self.scope), when="lazy"):
            self._type_params(node)
            self.visit(node.value)

    def _annotation(self, node: ast.expr | None) -> None:
        if node is None:
            return
        with self.while_(when="annotation"):
            self.visit(node)
        for quoted in ast.walk(node):
            if isinstance(quoted, ast.Constant) and isinstance(quoted.value, str):
                with suppress(SyntaxError, ValueError):
                    expression = ast.parse(quoted.value.strip(), mode="eval").body
                    for inner in ast.walk(expression):
                        if isinstance(inner, ast.expr):
                            ast.copy_location(inner, quoted)
                    with self.while_(when="quoted"):
                        self.visit(expression)

    # --- comprehensions and patterns ------------------------------------------------

    def visit_ListComp(self, node: Any, used: bool = True) -> None:
        self.visit(node.generators[0].iter)  # evaluated in the outer scope
        with self.while_(scope=Scope("comprehension", self.scope)):
            for number, generator in enumerate(node.generators):
                self._all((generator.iter if number else None, generator.target, *generator.ifs))
            if not used:
                self._unused(node.elt)
            else:
                self._all((node.key, node.value) if isinstance(node, ast.DictComp) else [node.elt])

    def visit_MatchAs(self, node: Any) -> None:
        if node.name:
            self._bind(node.name, node.lineno)
        self.generic_visit(node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest, node.lineno)
        self.generic_visit(node)


def _arguments(args: ast.arguments) -> list[ast.arg]:
    rest = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *rest]


def _expects_missing(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {getattr(kind, "attr", getattr(kind, "id", "")) for kind in caught}
    return handler.type is None or bool(names & _MISSING_IMPORT)
