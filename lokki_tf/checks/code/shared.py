"""State of the process that one step writes and another reads.

Locally all steps share a process: the globals of its modules, attributes of classes, modules and
objects, results in ``functools.cache``, and the environment. In AWS each step has its own process.
A helper that both steps call and that keeps a client or a cache is not reported: each Lambda fills
its own.
"""

from __future__ import annotations

import ast
import inspect
from collections import deque
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from lokki_tf.errors import Place
from lokki_tf.model import Finding
from lokki_tf.source.index import index
from lokki_tf.source.modules import module_of
from lokki_tf.source.names import CHANGING
from lokki_tf.source.origins import is_users, of_user
from lokki_tf.source.values import is_lokki, is_step

from .reading import Reader, is_load, reader_of

if TYPE_CHECKING:
    from lokki_tf.model import Step

    from .reading import Code

_CONTAINERS = (list, dict, set, bytearray, deque)
Key = tuple[int | str, str]
"""The identity of a value's owner, and the value's name there; empty for a container itself."""
_Function = tuple[int, int]
"""The identities of a function's code and of the object to which the method is bound."""


class _State(NamedTuple):
    """What an expression refers to.

    Args:
        label: Its text, for messages; empty if steps do not share it.
        keys: Its owner and name; for a container, the container's own identity as well.
        value: Its value in this process; ``None`` if it is unknown.
    """

    label: str
    keys: tuple[Key, ...] = ()
    value: Any = None


class _Write(NamedTuple):
    """A statement that changes state.

    Args:
        key: The state.
        label: Its text, for messages.
        function: The function with the statement.
        place: Source location of the statement.
    """

    key: Key
    label: str
    function: _Function
    place: Place


class _Accesses:
    """The state that the functions of a step write and read.

    Args:
        code: The step's code.
    """

    def __init__(self, code: Code) -> None:
        self.writes: list[_Write] = []
        self.reads: set[Key] = set()
        self.assigned: set[Key] = set()
        """State that it sets without reading the previous value."""
        self.functions: set[_Function] = set()
        for reader in code.functions:
            self.enter(reader, _owner(reader.function))

    def enter(self, reader: Reader, own: Any) -> None:
        """Record a function's reads and writes.

        Args:
            reader: The function.
            own: The value of its first parameter: an object or a class.
        """
        function = id(reader.function.__code__), id(own)
        if function not in self.functions:
            self.functions.add(function)
            _Walk(self, reader, function, own).run()


class _Walk:
    """Finds the writes and reads of one function.

    Args:
        found: Receives them.
        reader: The function.
        function: Its identity.
        own: The value of its first parameter, as for :meth:`_Accesses.enter`.
    """

    def __init__(self, found: _Accesses, reader: Reader, function: _Function, own: Any) -> None:
        self.found, self.reader, self.function = found, reader, function
        self.nodes = reader.nodes
        arguments = reader.node.args
        first = [*arguments.posonlyargs, *arguments.args][:1]
        self.own = {one.arg: own for one in first if own is not None}
        # If a method's object is unknown, only its class is known; assignments are the object's.
        kind = inspect.getattr_static(own, reader.node.name, None) if own is not None else None
        self.is_other = isinstance(own, type) and not isinstance(kind, classmethod)

    def run(self) -> None:
        """Record what the function's statements write and read.

        An expression that is only written is not read: the target of an assignment, and the object
        of a call such as ``rows.append(1)`` whose result is not used.
        """
        written: set[int] = set()  # expressions that are only written
        loose = {id(one.value) for one in self.nodes if isinstance(one, ast.Expr)}
        for node in self.nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = {ast.unparse(one) for one in ast.walk(node.value) if _is_assignable(one)}
                for one in targets:
                    if _is_assignable(one) and ast.unparse(one) not in names:
                        self.found.assigned.update(self.state(one).keys[:1])
            if isinstance(node, ast.Call):
                changed = self.changed(node)
                if changed is not None and id(node) in loose:
                    written.add(id(changed))
            elif _is_assignable(node) and not isinstance(node.ctx, ast.Load):
                if isinstance(node, ast.Subscript):
                    written.add(id(node.value))
                self.target(node)
        for target in (one.target for one in self.nodes if isinstance(one, ast.AugAssign)):
            self.found.reads.update(self.state(target).keys)
        for node in self.nodes:
            loads = isinstance(node, ast.Call) or (_is_assignable(node) and is_load(node))
            if loads and id(node) not in written:
                self.read(node)
        self.environment()

    def target(self, node: ast.expr) -> None:
        """Record an assignment or a deletion."""
        if isinstance(node, ast.Subscript):
            self.write(self.state(node.value), node, inside=True)
            return
        is_own = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in self.own
        if not (is_own and self.is_other):
            self.write(self.state(node), node)

    def changed(self, node: ast.Call) -> ast.expr | None:
        """Record a call that changes an object, and return the object's expression."""
        name, _ = self.reader.resolve(node.func)
        if name in ("builtins.setattr", "builtins.delattr") and len(node.args) > 1:
            text = node.args[1]
            if isinstance(text, ast.Constant):
                changed = ast.Attribute(node.args[0], str(text.value), ast.Store())
                self.target(ast.copy_location(changed, node))
        elif name == "builtins.next" and node.args:
            self.write(self.state(node.args[0]), node)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            state = self.state(node.func.value)
            if isinstance(state.value, _CONTAINERS) or (state.value is None and state.keys):
                self.write(state, node, inside=True)
                return node.func.value
        return None

    def write(self, state: _State, node: ast.AST, *, inside: bool = False) -> None:
        """Record a write of a name or attribute; with ``inside``, of the container's content."""
        for key in state.keys[-1:] if inside else state.keys[:1]:
            line = getattr(node, "lineno", self.reader.node.lineno)
            place = self.reader.place(node)
            place = Place(place.file, line, state.label)
            self.found.writes.append(_Write(key, state.label, self.function, place))

    def read(self, node: Any) -> None:
        """Record a read, and what a method of a shared object reads and writes."""
        self.found.reads.update(self.state(node).keys)
        if isinstance(node, ast.Attribute):  # a method of an object that steps share
            owner = self.state(node.value).value
            method = inspect.getattr_static(type(owner), node.attr, None)
            method = method.fget if isinstance(method, property) else method
            if _is_shared(owner) and isinstance(method, FunctionType) and of_user(method):
                reader = reader_of(method)
                if reader is not None:
                    self.found.enter(reader, owner)

    def environment(self) -> None:
        """Record the environment variables that it sets and reads."""
        module = module_of(self.reader.function)
        if module is None:
            return
        skip = self.reader.node.decorator_list
        for fact in index(self.reader.node, skip=skip, context=module.context).facts:
            state = _State(f"os.environ[{fact.what!r}]", (("environ", fact.what),))
            if fact.kind == "variable":
                self.found.reads.update(state.keys)
            elif fact.kind == "sets":
                self.write(state, ast.Pass(lineno=fact.line))

    # --- expressions ----------------------------------------------------------------

    def state(self, node: Any, seen: frozenset[str] = frozenset()) -> _State:
        """Return what an expression refers to; its label is empty if steps do not share it."""
        try:
            return self._state(node, seen)
        except Exception:  # attributes of a proxy, for example, may raise errors
            return _State("")

    def _state(self, node: Any, seen: frozenset[str]) -> _State:
        if isinstance(node, ast.Name):
            return self._named(node.id, seen)
        if isinstance(node, ast.Attribute):
            owner = self._state(node.value, seen)
            return self._attribute(owner, node.attr) if owner.label else owner
        if isinstance(node, ast.Subscript):
            return self._state(node.value, seen)._replace(value=None)
        if isinstance(node, ast.Call):
            _, function = self.reader.resolve(node.func)
            inner = getattr(function, "__wrapped__", None)
            if hasattr(function, "cache_info") and inner is not None and of_user(inner):
                return _State(f"{inner.__name__}()", ((id(function), "()"),))
        return _State("")

    def _named(self, name: str, seen: frozenset[str]) -> _State:
        """Return what a name refers to: the first parameter, a local variable, or a global one."""
        names = self.reader.function.__globals__
        if name in self.own:
            own = self.own[name]
            return _State(getattr(own, "__name__", type(own).__name__), (), own)
        if name in self.reader.bound:
            given = self.reader.value_of(name)
            again = isinstance(given, ast.expr) and name not in seen
            if again:
                return self._state(given, seen | {name})
            return _State(name, (), given if isinstance(given, type | ModuleType) else None)
        if name in self.reader.function.__code__.co_freevars:
            return _State("")
        return _State(name, *_kept(names, name, names.get(name)))

    def _attribute(self, owner: _State, name: str) -> _State:
        """Return what an attribute of a module, a class or an object of the user's refers to."""
        label, value = f"{owner.label}.{name}", owner.value
        if isinstance(value, ModuleType):
            if value.__name__ != "__main__" and not is_users(value.__name__):
                return _State("")
            return _State(label, *_kept(vars(value), name, vars(value).get(name)))
        if isinstance(value, type) and of_user(value):
            holders = [one for one in value.__mro__ if name in vars(one)] or [value]
            return _State(label, *_kept(holders[0], name, vars(holders[0]).get(name)))
        if _is_shared(value):
            held = vars(value).get(name, inspect.getattr_static(type(value), name, None))
            return _State(label, *_kept(value, name, held))
        return owner._replace(value=None) if value is None else _State("")


def _kept(holder: Any, name: str, value: Any) -> tuple[tuple[Key, ...], Any]:
    """Return the keys of a value: its owner and name, and for a container the container itself."""
    keys: tuple[Key, ...] = ((id(holder), name),)
    return (*keys, (id(value), "")) if isinstance(value, _CONTAINERS) else keys, value


def _is_shared(value: Any) -> bool:
    """Return whether a value is an object of one of the user's classes."""
    if isinstance(value, type | FunctionType | ModuleType) or not hasattr(value, "__dict__"):
        return False
    return of_user(type(value)) and not is_lokki(value) and not is_step(value)


def _owner(function: FunctionType) -> Any:
    """Return the class of a method."""
    value: Any = None
    names: Mapping[str, Any] = function.__globals__
    for part in function.__qualname__.split(".")[:-1]:
        value = names.get(part)
        if not isinstance(value, type):
            return None
        names = vars(value)
    return value


def _is_assignable(node: ast.AST) -> TypeGuard[ast.Name | ast.Attribute | ast.Subscript]:
    """Return whether an expression can be assigned to."""
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def check(codes: Mapping[Step, Code]) -> Iterator[Finding]:
    """Report state that one step writes and another reads, once for each state and reader.

    Args:
        codes: The code of each step.
    """
    found = {step: _Accesses(code) for step, code in codes.items()}
    for step, accesses in found.items():
        seen: set[tuple[Key, Step]] = set()
        for write in accesses.writes:
            for reader, others in found.items():
                if reader is step or (write.key, reader) in seen:
                    continue
                own = {*reader.options.env_variables, *reader.options.secrets}
                is_set = write.key[0] == "environ" and write.key[1] in own
                fills = write.function in others.functions or write.key in others.assigned
                if is_set or fills or write.key not in others.reads:
                    continue
                seen.add((write.key, reader))
                yield Finding(
                    "shared-state",
                    f"step {step.name!r} writes {write.label!r} and step {reader.name!r} reads it, "
                    "but in AWS each step has its own process: the reader does not receive the "
                    "new value",
                    write.place,
                    "return the value from one step and pass it to the other",
                    severity="warning",
                )
