"""The names that a step's code uses, in its function and the user's functions that it calls."""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.model.cells import cell_label
from lokki_tf.model.sources import Function, tree_of
from lokki_tf.source.origins import of_user

_TEXTS = ast.Constant | ast.JoinedStr
# Modules in which functions are defined, by the ones that they are imported from.
_ALIASES = (
    ("posixpath.", "os.path."), ("ntpath.", "os.path."), ("posix.", "os."), ("nt.", "os."),
    ("pathlib._local.", "pathlib."), ("random.Random.", "random."), ("_signal.", "signal."),
    ("multiprocessing.context.BaseContext.", "multiprocessing."),
    ("concurrent.futures.process.", "concurrent.futures."),
    ("concurrent.futures.thread.", "concurrent.futures."), ("_thread.", "threading."),
)  # fmt: skip
_FROM_INSTANCE = {"numpy.random.mtrand.RandomState.seed": "numpy.random.seed"}


@dataclass(frozen=True, slots=True)
class Use:
    """A name in a step's code.

    Args:
        name: Its full name, ``os.getcwd``; ``.join`` for an attribute of an unknown value.
        place: Where it is written.
        function: The name of the enclosing function.
        call: The call, if it is called.
        in_with: Whether the call is what a ``with`` statement enters.
        value: Returns the value of a global name, or the only expression assigned to a local one;
            ``None`` if it is unknown.
    """

    name: str
    place: Place
    function: str
    call: ast.Call | None = None
    in_with: bool = False
    value: Callable[[str], Any] = field(default=lambda name: None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a step.

    Args:
        decorators: Decorators of the step's function, from the top: text and object of each.
        uses: The names in its functions.
        sources: The source of each function that can be read, with its source location.
        functions: Those functions.
    """

    decorators: tuple[tuple[str, Any], ...] = ()
    uses: tuple[Use, ...] = ()
    sources: tuple[tuple[str, Place], ...] = ()
    functions: tuple[Reader, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of all uses."""
        return frozenset(use.name for use in self.uses)


def code_of(function: Callable[..., Any], given: Mapping[str, Any] | None = None) -> Code:
    """Read the code of a step's function.

    Functions whose source cannot be read are left out; packaging reports them.

    Args:
        function: The step's function.
        given: Values of its parameters, as far as they are known.
    """
    waiting: list[Any] = [function]
    seen: set[Any] = set()
    uses: list[Use] = []
    sources: list[tuple[str, Place]] = []
    functions: list[Reader] = []
    decorators: tuple[tuple[str, Any], ...] = ()
    while waiting:
        one = inspect.unwrap(waiting.pop())
        if not isinstance(one, FunctionType) or one.__code__ in seen:
            continue
        seen.add(one.__code__)
        reader = reader_of(one)
        if reader is None:
            continue
        node = reader.node
        if len(seen) == 1:
            reader.given = given or {}
            decorators = tuple(
                (ast.unparse(each), reader.resolve(_called(each))[1])
                for each in node.decorator_list
            )
        sources.append((_text(one, node), reader.place(node)))
        uses += reader.uses()
        functions.append(reader)
        waiting += reader.reached
    return Code(decorators, tuple(uses), tuple(sources), tuple(functions))


def reader_of(function: FunctionType) -> Reader | None:
    """Return the reader of a function, or ``None`` if its source cannot be read."""
    node = tree_of(function)
    return Reader(function, node, _locals(node)) if node is not None else None


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _text(function: FunctionType, node: Function) -> str:
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    return "".join(lines[code.co_firstlineno - 1 : node.end_lineno])


def _locals(node: Function) -> dict[str, str]:
    """Return the names that the function binds: to full names of imports, else to empty texts."""
    bound: dict[str, str] = {}
    for one in ast.walk(node):
        if isinstance(one, ast.arg):
            bound[one.arg] = ""
        elif isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            bound[one.id] = ""
        elif isinstance(one, ast.Import):
            for alias in one.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                bound[alias.asname or name] = name
        elif isinstance(one, ast.ImportFrom) and not one.level:
            for alias in one.names:
                bound[alias.asname or alias.name] = f"{one.module}.{alias.name}"
    for one in ast.walk(node):
        for name in one.names if isinstance(one, ast.Global) else ():
            bound.pop(name, None)
    return bound


@dataclass
class Reader:
    """Resolves the names in one function.

    Args:
        function: The function.
        node: Its definition.
        bound: The result of :func:`_locals`.
        reached: The user's functions that it may call.
        given: Values of its parameters, as far as they are known.
    """

    function: FunctionType
    node: Function
    bound: dict[str, str]
    reached: list[Any] = field(default_factory=list)
    given: Mapping[str, Any] = field(default_factory=dict)

    def place(self, node: ast.AST) -> Place:
        """Return the source location of a part of the function."""
        names = self.function.__globals__
        file = cell_label(self.function.__code__.co_filename, names)
        return Place(file, getattr(node, "lineno", 1), self.function.__name__)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """The nodes of its body."""
        return [one for statement in self.node.body for one in ast.walk(statement)]

    def uses(self) -> Iterator[Use]:
        """Return the names that it loads."""
        nodes = self.nodes
        calls = {id(one.func): one for one in nodes if isinstance(one, ast.Call)}
        entered = {
            id(item.context_expr)
            for one in nodes
            if isinstance(one, ast.With | ast.AsyncWith)
            for item in one.items
        }
        for one in nodes:
            if not isinstance(one, ast.Name | ast.Attribute) or isinstance(one.ctx, ast.Store):
                continue
            name, _ = self.resolve(one)
            call = calls.get(id(one))
            if not name and isinstance(one, ast.Attribute) and not isinstance(one.value, _TEXTS):
                name = f".{one.attr}"
            if name:
                in_with = id(call) in entered
                yield Use(name, self.place(one), self.node.name, call, in_with, self.value_of)

    @cached_property
    def value_of(self) -> Callable[[str], Any]:
        """Returns values of names: the expression of a local one assigned once, else the object."""
        stored = [one.id for one in self.nodes if isinstance(one, ast.Name) and not is_load(one)]
        once = {
            one.targets[0].id: one.value
            for one in self.nodes
            if isinstance(one, ast.Assign)
            and isinstance(one.targets[0], ast.Name)
            and stored.count(one.targets[0].id) == 1
        }

        def value(name: str) -> Any:
            if name in self.given and name not in stored:
                return self.given[name]
            return once[name] if name in once else self._named(name)[1]

        return value

    def resolve(self, node: ast.expr) -> tuple[str, Any]:
        """Return the full name of an expression and its value; empty and ``None`` if unknown."""
        try:
            name, value = self._resolved(node)
            self._reach(value)
        except Exception:  # attributes of a proxy, for example, may raise errors
            return "", None
        return name, value

    def _resolved(self, node: ast.expr) -> tuple[str, Any]:
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            name, value = self._resolved(node.value)
            if isinstance(value, ModuleType):  # the module's own __getattr__ may import a module
                return f"{name}.{node.attr}", vars(value).get(node.attr)
            if isinstance(value, type):
                return f"{name}.{node.attr}", getattr(value, node.attr, None)
            if value is not None:
                found = getattr(type(value), node.attr, None)
                return "", found if isinstance(found, FunctionType) else None
            return (f"{name}.{node.attr}" if name else ""), None
        return "", None

    def _named(self, name: str) -> tuple[str, Any]:
        if name in self.bound:
            return self.bound[name], _loaded(self.bound[name])
        free = self.function.__code__.co_freevars
        if name in free:
            cell = (self.function.__closure__ or ())[free.index(name)]
            try:
                return _full_name(cell.cell_contents), cell.cell_contents
            except ValueError:  # not bound yet
                return "", None
        if name in self.function.__globals__:
            value = self.function.__globals__[name]
            return _full_name(value), value
        return (f"builtins.{name}", None) if hasattr(builtins, name) else ("", None)

    def _reach(self, value: Any) -> None:
        """Record the user's functions that a value is or contains."""
        if getattr(value, "__lokki_step__", False):
            self.reached.append(value.step.function)
        elif isinstance(value, FunctionType) and of_user(value):
            self.reached.append(value)
        elif isinstance(value, type):
            for one in vars(value).values():
                function = getattr(one, "__func__", getattr(one, "fget", one))
                if isinstance(function, FunctionType) and of_user(function):
                    self.reached.append(function)


def is_load(node: ast.Name | ast.Attribute | ast.Subscript) -> bool:
    """Return whether an expression is read, and neither assigned nor deleted."""
    return isinstance(node.ctx, ast.Load)


def _loaded(name: str) -> Any:
    """Return the object of a full name, if its module is loaded."""
    module, rest = name, list[str]()
    while module and module not in sys.modules:
        module, _, last = module.rpartition(".")
        rest.insert(0, last)
    value: Any = sys.modules.get(module)
    for one in rest:
        value = getattr(value, one, None)
    return value


def _full_name(value: Any) -> str:
    if isinstance(value, ModuleType):
        return value.__name__
    # A bound method that is a module's function, random.seed for example, has no ``__module__``.
    module = getattr(value, "__module__", None) or getattr(type(value), "__module__", "")
    qualified = getattr(value, "__qualname__", "")
    if not isinstance(module, str) or not isinstance(qualified, str) or not qualified:
        return ""
    name = f"{module}.{qualified}"
    for defined, imported in _ALIASES:
        if name.startswith(defined):
            return imported + name.removeprefix(defined)
    return _FROM_INSTANCE.get(name, name)
