"""Code at the top of a module that acts by being run, though no name leads to it.

Calls, assignments to attributes and items, registrations by decorators and subclasses, and
imports of modules that do such things. What acts only on objects that the module made for itself
is followed by their names instead (:mod:`.carry`).
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import inspect
import sys
import types
from collections.abc import Callable, Collection, Iterator, Sequence

from ..source.files import Definition, Source, Statement
from ..source.modules import PURE, PURE_STARTS, Module, user_module
from ..source.names import is_main_guard, is_type_checking, root_of
from ..source.origins import find_spec, of_user, origin
from ..source.scopes import CHANGING
from ..source.survey import full_name
from ..source.values import MISSING, home, is_house, is_step, of_chain
from ..source.walk import names_of

Deployed = Callable[[str, str], bool]
"""Returns whether a module is deployed, or a class of it: by their names, ``""`` for no class."""
_SHARED = {"logging", "decimal", "os", "sys", "warnings", "locale", "contextvars", "asyncio"}
"""Modules whose functions return objects that all code shares: loggers, the environment."""
_ACTING_BUILTINS = {"setattr", "delattr", "exec", "eval", "vars", "globals", "__import__"}
_PURE_DECORATORS = {"functools", "dataclasses", "contextlib", "abc", "typing", "builtins", "enum"}
_PURE_DECORATORS |= {"typing_extensions", "asyncio", "types", "warnings", "collections"}
_SETTERS = {
    *("locale.setlocale", "csv.field_size_limit", "decimal.setcontext", "sys.setrecursionlimit"),
    *("signal.signal", "socket.setdefaulttimeout", "os.umask", "os.chdir", "sys.settrace"),
    *("os.environ.pop", "os.environ.setdefault", "sys.modules.pop", "sys.modules.setdefault"),
    *("random.seed", "logging.setLoggerClass", "logging.setLogRecordFactory", "codecs.register"),
    *("threading.stack_size", "gc.set_threshold", "sys.setswitchinterval", "os.putenv"),
}
"""Functions of Python's that set something and return what is often assigned to a name."""


def may_act(module: Module) -> tuple[Statement, ...]:
    """The statements of a module that may act, regardless of what is deployed beside it."""
    found: tuple[Statement, ...] | None = module.pieces.get(may_act)
    if found is None:
        found = tuple(
            statement
            for statement in module.statements
            if statement.source.has_run
            and (
                acts(module, statement, lambda *_: True)
                or any(origin(one) == "user" for one in imported_by(module, statement))
            )
        )
        module.pieces[may_act] = found
    return found


def acts(module: Module, statement: Statement, included: Deployed) -> bool:
    """Whether running a statement changes more than its module's own names.

    Args:
        module: Its module.
        statement: The statement; imports are for :func:`acting_in`.
        included: Returns whether a class is deployed: its subclasses may be found from it.
    """
    if statement.alias is not None:
        return False
    return _Actions(module, statement.source, included).acts(statement.node)


def acting_in(
    name: str, included: Deployed, seen: set[str] | None = None
) -> Iterator[tuple[Module, Statement]]:
    """The acting statements that importing one of the user's modules runs.

    Args:
        name: Its name.
        included: As for :func:`acts`.
        seen: Modules that were looked at before.
    """
    seen = set() if seen is None else seen
    if name in seen or included(name, "") or origin(name) != "user":
        return
    seen.add(name)
    if "." in name:
        yield from acting_in(name.rpartition(".")[0], included, seen)
    module = user_module(name)
    if module is None:
        return
    for statement in module.statements:
        if acts(module, statement, included):
            yield module, statement
        for one in imported_by(module, statement):
            yield from acting_in(one, included, seen)


def brings(name: str, wanted: Collection[str]) -> bool:
    """Whether importing one of the user's modules imports one of some others, at any depth.

    Args:
        name: Its name.
        wanted: The names of the others.
    """
    return not _reach(name, {}).isdisjoint(wanted)


def _reach(name: str, known: dict[str, set[str]]) -> set[str]:
    """A module and all of the user's that its import imports."""
    if name in known or origin(name) != "user":
        return known.get(name, set())
    found = known[name] = {name}
    module = user_module(name)
    for statement in module.statements if module is not None else ():
        for one in imported_by(module, statement) if module is not None else ():
            found |= _reach(one, known)
    return found


def imported_by(module: Module, statement: Statement) -> Iterator[str]:
    """The names of what a statement may import as modules when it runs."""
    for fact in statement.survey(module.package).of("import"):
        if fact.function:
            continue
        yield fact.what
        if origin(fact.what) == "user":
            names = (f"{fact.what}.{name}" for name in fact.names)
            yield from (one for one in names if find_spec(one) is not None)


class _Actions:
    def __init__(self, module: Module, source: Source, included: Deployed) -> None:
        self.module, self.source, self.included = module, source, included
        self.aliases = source.aliases(module.package)

    def acts(self, node: ast.stmt) -> bool:
        """Whether a statement acts."""
        if isinstance(node, ast.ClassDef):
            body = (one for one in node.body if not isinstance(one, Definition))
            return self._registers(node) or self._is_subclass(node) or any(map(self.acts, body))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self._registers(node) or self._value_acts(node.args)
        if isinstance(node, ast.Expr):
            value = node.value.value if isinstance(node.value, ast.Await) else node.value
            if isinstance(value, ast.Call) and self._call_acts(value):
                return True
            if isinstance(value, ast.BinOp | ast.Subscript) and self._operand_acts(value):
                return True
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            targets = getattr(node, "targets", None) or [node.target]  # type: ignore[union-attr]
            return any(map(self._target_acts, targets)) or self._value_acts(node)
        if isinstance(node, ast.If) and (is_type_checking(node.test) or is_main_guard(node)):
            return any(map(self.acts, node.orelse))
        if isinstance(node, ast.Import | ast.ImportFrom):
            return False
        values = (one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.stmt))
        if any(map(self._value_acts, values)):
            return True
        inner = (one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt))
        handlers = (one for each in getattr(node, "handlers", ()) for one in each.body)
        cases = (one for each in getattr(node, "cases", ()) for one in each.body)
        return any(map(self.acts, (*inner, *handlers, *cases)))

    # --- calls ----------------------------------------------------------------------

    def _call_acts(self, call: ast.Call) -> bool:
        root = root_of(call.func)
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if method in PURE or method.startswith(PURE_STARTS):
            return False
        if root is None:
            return True
        if isinstance(call.func, ast.Name):
            own = root[0] in self.aliases or self.module.binds(root[0])
            return own or root[0] in _ACTING_BUILTINS
        return not self._is_private(root[0])

    def _operand_acts(self, node: ast.expr) -> bool:
        """Whether an operator or a subscript, whose value is not used, may change an operand."""
        operands = [node.left, node.right] if isinstance(node, ast.BinOp) else [node]
        roots = (root_of(one) for one in operands)
        return any(root is not None and not self._is_private(root[0]) for root in roots)

    def _target_acts(self, target: ast.expr) -> bool:
        if isinstance(target, ast.Tuple | ast.List):
            return any(map(self._target_acts, target.elts))
        if not isinstance(target, ast.Attribute | ast.Subscript):
            return False
        root = root_of(target)
        return root is None or not self._is_private(root[0])

    def _is_private(self, name: str) -> bool:
        """Whether a name is bound to an object that only this module's own names lead to."""
        if name in self.aliases:
            return False
        if name in ("globals", "locals") or name in self.source.definitions:
            return True
        value, made = self.module.live.get(name, MISSING), self.source.constants.get(name)
        if is_house(value) and not is_step(value):
            return True
        if isinstance(made, ast.Name | ast.Attribute | ast.Subscript):
            return False  # another name of an object that may be anyone's
        if isinstance(made, ast.Call):
            called = full_name(made.func, self.aliases)
            if called.partition(".")[0] in _SHARED or origin(called.rpartition(".")[0]) == "user":
                return False
        return home(value).partition(".")[0] not in _SHARED

    def _value_acts(self, node: ast.AST) -> bool:
        """Whether an expression, or the value of an assignment, calls what sets something."""
        if isinstance(node, ast.ExceptHandler | ast.match_case):
            return False  # their statements are looked at one by one
        for call in ast.walk(node):
            if not isinstance(call, ast.Call):
                continue
            called = full_name(call.func, self.aliases)
            if called in _SETTERS or self._writes(call.func):
                return True
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            changed = call.args[0] if called == "next" and call.args else call.func
            root = root_of(changed)
            if root is None or not (called == "next" or method in CHANGING or method == "set"):
                continue
            if not self._is_private(root[0]):
                return True
        return False

    def _writes(self, function: ast.expr, depth: int = 1) -> bool:
        """Whether calling a function of the user's changes what is outside of it.

        Args:
            function: What is called.
            depth: How many functions deep code runs at once: 2 for ``@register("name")``, which
                calls what ``register`` returns as well.
        """
        root = root_of(function)
        if root is None or not isinstance(function, ast.Name | ast.Attribute):
            return False
        if root[1][-1:] == ("register",) and callable(self.module.live.get(root[0])):
            return True  # a function of functools.singledispatch, or an abstract class
        found = self._definition(*root)
        if found is None:
            return False
        module, source, name = found
        node = source.definitions[name].node
        if not isinstance(node, ast.FunctionDef):
            return bool(source.written_by(name))
        given = (
            {one.arg for one in (*node.args.args, *node.args.kwonlyargs)} if depth > 1 else set()
        )
        return _Actions(module, source, self.included)._runs_acting(_pruned(node, depth), given)

    def _runs_acting(self, node: ast.FunctionDef, given: set[str]) -> bool:
        """Whether a function changes what it does not make itself, or is given."""
        names = names_of(node)
        if names.writes:
            return True
        for one in ast.walk(node):
            if isinstance(one, ast.Call):
                called = full_name(one.func, self.aliases)
                changed = root_of(one.args[0]) if one.args else None
                if called in _SETTERS:
                    return True
                if called in _ACTING_BUILTINS and changed and changed[0] in {*names.lazy, *given}:
                    return True
                own = one.func.id if isinstance(one.func, ast.Name) else node.name
                if own != node.name and own in names.lazy and self._writes(one.func):
                    return True
        return False

    def _definition(self, name: str, chain: tuple[str, ...]) -> tuple[Module, Source, str] | None:
        """The module and file that define a function which a name leads to."""
        if not chain and name in self.source.definitions:
            return self.module, self.source, name
        value = of_chain(self.module.live.get(name), chain)
        value = value.func if isinstance(value, functools.partial) else value
        value = value if is_step(value) else inspect.unwrap(value)
        if not isinstance(value, types.FunctionType | type) or not of_user(value):
            return None
        module = user_module(value.__module__) if value.__module__ != "__main__" else self.module
        for source in module.sources if module is not None else ():
            if module is not None and value.__name__ in source.definitions:
                return module, source, value.__name__
        return None

    # --- definitions ----------------------------------------------------------------

    def _registers(self, node: Definition) -> bool:
        """Whether a decorator may register what it decorates."""
        return any(map(self._decorator_acts, node.decorator_list))

    def _decorator_acts(self, decorator: ast.expr) -> bool:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        root = root_of(call)
        if root is None:
            return True
        name, chain = root
        value = self.module.live.get(name, MISSING)
        if value is MISSING:
            value = MISSING if name in self.aliases else getattr(builtins, name, MISSING)
        if value is not MISSING and (is_house(value) or is_step(value)):
            return is_step(value) and bool(chain)  # @f.register of a single-dispatch step
        full = full_name(call, self.aliases).partition(".")[0]
        if full in _PURE_DECORATORS or name in ("property", "staticmethod", "classmethod"):
            return bool(chain) and name not in self.aliases
        if self._definition(name, chain) is not None:
            return self._writes(call, depth=2 if isinstance(decorator, ast.Call) else 1)
        return True

    def _is_subclass(self, node: ast.ClassDef) -> bool:
        """Whether the class is one that a deployed class may find among its subclasses."""
        made = self.module.live.get(node.name)
        if not isinstance(made, type):
            names = (full_name(base, self.aliases) for base in node.bases)
            parts = (name.rpartition(".") for name in names)
            return any(self.included(module, name) for module, _, name in parts)
        bases = (*made.__mro__[1:], *type.mro(type(made)))
        users = (base for base in bases if base.__module__ not in sys.stdlib_module_names)
        return any(of_user(one) and self.included(one.__module__, one.__name__) for one in users)


def _pruned(node: ast.FunctionDef, depth: int) -> ast.FunctionDef:
    """A function without the bodies of the functions in it that do not run at once."""
    body: list[ast.stmt] = []
    for one in node.body:
        if isinstance(one, ast.FunctionDef):
            empty = [ast.copy_location(ast.Pass(), one)]
            one = _with_body(one, empty) if depth == 1 else _pruned(one, depth - 1)
        body.append(one)
    return _with_body(node, body)


def _with_body(node: ast.FunctionDef, body: Sequence[ast.stmt]) -> ast.FunctionDef:
    copied = copy.copy(node)
    copied.body = list(body)
    return copied
