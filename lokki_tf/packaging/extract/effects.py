"""Code at the top of a module that has effects when it runs, without a name that refers to it.

Calls, assignments to attributes and items, registrations by decorators and subclasses, and imports
of modules that do such things. Effects on objects that only the module uses are found by following
names instead (:mod:`.carry`).
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any

from lokki_tf.source.modules import Module, Statement, is_pure, user_module
from lokki_tf.source.names import CHANGING, Chain, Mention, full_name, root_of
from lokki_tf.source.origins import find_spec, of_user, origin
from lokki_tf.source.values import MISSING, home, is_lokki, is_step, of_chain

from .portability import plain

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
"""Python's functions that change state and return a value that is often assigned to a name."""


def may_act(module: Module) -> tuple[Statement, ...]:
    """Return the statements of a module that may act, regardless of other deployed modules."""
    if may_act not in module.cache:
        module.cache[may_act] = tuple(
            one
            for one in module.statements
            if one.source.has_run
            and (
                acts(one, lambda *_: True)
                or any(origin(name) == "user" for name in imported_by(one))
            )
        )
    found: tuple[Statement, ...] = module.cache[may_act]
    return found


def acting_in(name: str, deployed: Deployed) -> Iterator[Statement]:
    """Return the acting statements that run when one of the user's modules is imported."""
    found: dict[str, Module] = {}
    _imports(name, found, lambda one: deployed(one, ""), parents=True)
    for statement in (one for module in found.values() for one in module.statements):
        if acts(statement, deployed):
            yield statement


def brings(name: str, wanted: Collection[str]) -> bool:
    """Return whether importing one of the user's modules imports any of others, at any depth."""
    found: dict[str, Module] = {}
    _imports(name, found)
    return not found.keys().isdisjoint(wanted)


def _imports(
    name: str,
    found: dict[str, Module],
    stop: Callable[[str], bool] = lambda _: False,
    parents: bool = False,
) -> None:
    """Return the user's modules that importing one of them imports, without following some."""
    module = user_module(name) if origin(name) == "user" and not stop(name) else None
    if module is None or name in found:
        return
    if parents and "." in name:
        _imports(name.rpartition(".")[0], found, stop, parents)
    found[name] = module
    for one in (one for statement in module.statements for one in imported_by(statement)):
        _imports(one, found, stop, parents)


def imported_by(statement: Statement) -> Iterator[str]:
    """Return the names of modules that a statement may import when it runs."""
    for fact in statement.code().of("import"):
        if not fact.function:
            yield fact.what
            if origin(fact.what) == "user":
                names = (f"{fact.what}.{name}" for name in fact.names)
                yield from (one for one in names if find_spec(one) is not None)


def acts(statement: Statement, deployed: Deployed) -> bool:
    """Return whether running a statement changes more than its module's own names.

    Args:
        statement: The statement; imports are for :func:`acting_in`.
        deployed: Returns whether a class is deployed: it can list its subclasses.
    """
    if statement.alias is not None:
        return False
    module, code = statement.module, statement.code()
    return (
        any(_registers(module, one) for one in code.decorators)
        or any(_is_subclass(module, one, deployed) for one in code.classes)
        or any(_changes(module, one) for one in code.acts if one.when == "eager")
    )


def _changes(module: Module, one: Mention) -> bool:
    """Return whether using a name when a statement runs may change state outside of the module."""
    name, chain, how, last = one.name, one.chain, one.how, (one.chain or ("",))[-1]
    if how == "()":  # a call whose value is not used
        known = name in module.context.aliases or module.binds(name)
        return known or not name or bool(chain) or name in _ACTING_BUILTINS
    if how in ("", "=") or one.call:
        full = ".".join((module.context.aliases.get(name, name), *chain))
        sets = full in _SETTERS or ((last in CHANGING or last == "set") and not _own(module, name))
        return one.call and (sets or writes(module, name, chain))
    if how in ("@", "del") or is_pure(how):
        return False
    return not name or not _own(module, name)


def _own(module: Module, name: str) -> bool:
    """Return whether a name is bound to an object to which only this module's names refer."""
    if name in module.context.aliases:
        return False
    if name in ("globals", "locals") or name in module.definitions:
        return True
    value, made = module.namespace.get(name, MISSING), module.context.constants.get(name)
    if is_lokki(value) and not is_step(value):
        return True
    if isinstance(made, ast.Name | ast.Attribute | ast.Subscript):
        return False  # another name of an object that may be shared
    if isinstance(made, ast.Call):
        called = full_name(made.func, module.context.aliases)
        if called.partition(".")[0] in _SHARED or origin(called.rpartition(".")[0]) == "user":
            return False
    return home(value).partition(".")[0] not in _SHARED


def writes(module: Module, name: str, chain: Chain, depth: int = 1) -> bool:
    """Return whether calling one of the user's functions changes state outside of it."""
    if chain[-1:] == ("register",) and callable(module.namespace.get(name)):
        return True  # a function of functools.singledispatch, or an abstract class
    found = _definition(module, name, chain)
    if found is None:
        return False
    module, name = found
    if module.written_by(name, depth):
        return True
    lazy = (one for one in module.definitions[name].code().acts if one.when == "lazy")
    aliases = module.context.aliases
    return any(".".join((aliases.get(one.name, one.name), *one.chain)) in _SETTERS for one in lazy)


def _definition(module: Module, name: str, chain: Chain) -> tuple[Module, str] | None:
    """Return the module that defines a name's function or class, and the name there."""
    if not chain and name in module.definitions:
        return module, name
    value: Any = of_chain(module.namespace.get(name), chain)
    value = value if isinstance(value, type) else plain(value)
    if value is None or not of_user(value):
        return None
    other = user_module(value.__module__) if value.__module__ != "__main__" else module
    known = other is not None and value.__name__ in other.definitions
    return (other, value.__name__) if known and other is not None else None


def _registers(module: Module, decorator: ast.expr) -> bool:
    """Return whether a decorator may register the decorated object."""
    is_call = isinstance(decorator, ast.Call)
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    root = root_of(call)
    if root is None:
        return True
    name, chain = root
    value = module.namespace.get(name, MISSING)
    if value is MISSING and name not in module.context.aliases:
        value = getattr(builtins, name, MISSING)
    if value is not MISSING and (is_lokki(value) or is_step(value)):
        return is_step(value) and bool(chain)  # @f.register of a single-dispatch step
    top = full_name(call, module.context.aliases).partition(".")[0]
    if top in _PURE_DECORATORS or name in ("property", "staticmethod", "classmethod"):
        return bool(chain) and name not in module.context.aliases
    if _definition(module, name, chain) is not None:
        return writes(module, name, chain, 2 if is_call else 1)
    return True


def _is_subclass(module: Module, node: ast.ClassDef, deployed: Deployed) -> bool:
    """Return whether a deployed class may find the class among its subclasses."""
    made = module.namespace.get(node.name)
    if not isinstance(made, type):
        names = (full_name(base, module.context.aliases) for base in node.bases)
        return any(deployed(name.rpartition(".")[0], name.rpartition(".")[2]) for name in names)
    bases = (*made.__mro__[1:], *type.mro(type(made)))
    users = (base for base in bases if base.__module__ not in sys.stdlib_module_names)
    return any(of_user(one) and deployed(one.__module__, one.__name__) for one in users)
