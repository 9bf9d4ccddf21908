"""Whether a statement can run again in Lambda and give what it gave here."""

from __future__ import annotations

import ast
import functools
import inspect
import types
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from ..source.files import Statement
from ..source.machine_reads import is_file, is_secret
from ..source.modules import Module, module_of
from ..source.names import Names
from ..source.origins import of_user
from ..source.values import (
    MISSING,
    described,
    is_house,
    is_runtime,
    is_step,
    literal,
    of_chain,
    stuck,
)
from ..source.walk import names_of
from .decorators import is_houses

_CACHED = type(functools.cache(len))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a value cannot be made again elsewhere.

    Args:
        kind: It belongs to the pipeline, is bound to this process, was read of this machine,
            or typed in unseen.
        what: What the value is, or how it was read.
        name: The name that the obstacle was met at.
    """

    kind: OneOf["house", "stuck", "read", "secret"]
    what: str
    name: str = ""


class Judge:
    """Looks for obstacles, each statement once a cut.

    Args:
        brings_files: Whether the step brings files along, which its code reads there again.
    """

    def __init__(self, brings_files: bool = False) -> None:
        self._brings_files = brings_files
        self._statements: dict[tuple[int, Statement], Obstacle | None] = {}
        self._functions: dict[types.CodeType, Obstacle | None] = {}
        self._decorators: dict[tuple[int, Statement], frozenset[ast.expr]] = {}

    # --- decorators -----------------------------------------------------------------

    def left_behind(self, module: Module, statement: Statement) -> frozenset[ast.expr]:
        """The decorators of a statement that are lokki_tf's own, or built on it."""
        key = id(module), statement
        if key not in self._decorators:
            self._decorators[key] = frozenset(
                decorator
                for decorator in statement.decorators
                if is_houses(module, statement.source, decorator)
            )
        return self._decorators[key]

    def names(self, module: Module, statement: Statement) -> Names:
        """What a statement binds and uses, as far as it travels."""
        return statement.names(self.left_behind(module, statement))

    # --- obstacles ------------------------------------------------------------------

    def name(self, module: Module, name: str, before: int) -> Obstacle | None:
        """What keeps the value that a name has at a position from travelling."""
        value = module.live.get(name, MISSING)
        obstacle = self.value(name, value)
        if obstacle or is_step(value) or is_runtime(value):
            return obstacle
        making = module.making(name, before) or module.making(name, module.end)
        obstacle = self.statements(module, name, making)
        travels = obstacle and value is not MISSING and literal(value) is not None
        return None if travels else obstacle

    def value(self, name: str, value: Any) -> Obstacle | None:
        """What keeps a value from travelling by itself, however it was made."""
        if is_step(value) or value is MISSING:
            return None
        if is_house(value):
            return Obstacle("house", _role(value), name)
        what = stuck(value)
        return Obstacle("stuck", what, name) if what else None

    def statements(self, module: Module, name: str, making: list[Statement]) -> Obstacle | None:
        """What keeps the statements that make a name from running again."""
        for statement in making:
            obstacle = self.statement(module, statement)
            # A call that merely mentions the pipeline, log.info(pipe), makes no name.
            if obstacle and (name in statement.binds or obstacle.kind != "house"):
                return obstacle
        return None

    def statement(self, module: Module, statement: Statement) -> Obstacle | None:
        """What keeps a statement from running again."""
        key = id(module), statement
        if key not in self._statements:
            self._statements[key] = None  # while it is looked at: names may go in a circle
            obstacle = self._statement(module, statement)
            if obstacle and not self._reads_again(module, statement, obstacle):
                self._statements[key] = obstacle
        return self._statements[key]

    def _reads_again(self, module: Module, statement: Statement, obstacle: Obstacle) -> bool:
        """Whether it can read a file there, and must since what it made here is no literal."""
        if not self._brings_files or obstacle.kind != "read" or not is_file(obstacle.what):
            return False
        names = self.names(module, statement)
        made = [module.live.get(name, MISSING) for name in (*names.binds, *names.changes)]
        return any(value is MISSING or literal(value) is None for value in made)

    def _statement(self, module: Module, statement: Statement) -> Obstacle | None:
        if statement.alias is not None:
            return None
        names = self.names(module, statement)
        for name in names.eager:
            obstacle = self.value(name, module.live.get(name, MISSING))
            if obstacle:
                return obstacle
        if names.reads_eager:
            return _read(names.reads_eager)
        called = (name for name, chains in names.calls.items() if () in chains)
        changed = (name for name, how in names.changes.items() if how != "@")
        for name in (*called, *changed):
            if is_step(module.live.get(name)):
                return Obstacle("house", "a step of the pipeline", name)
        for name, chains in names.calls.items():
            for chain in chains:
                called = of_chain(module.live.get(name), chain)
                if is_step(called):
                    return Obstacle("house", "a step of the pipeline", name)
                obstacle = self._called(called)
                if obstacle:
                    return obstacle
        before = module.position(statement)
        for name in names.eager:
            if name not in statement.binds or module.making(name, before):
                obstacle = self.name(module, name, before)
                if obstacle:
                    return obstacle
        return None

    def _called(self, function: Any) -> Obstacle | None:
        """What a call of one of the user's functions would meet."""
        if isinstance(function, type):
            makers = (vars(function).get(name) for name in ("__init__", "__post_init__"))
            found = (self._called(m) for m in makers if isinstance(m, types.FunctionType))
            return next((obstacle for obstacle in found if obstacle), None)
        if not isinstance(function, types.FunctionType | _CACHED):
            return None
        function = inspect.unwrap(function)
        if not isinstance(function, types.FunctionType) or not of_user(function):
            return None
        code = function.__code__
        if code not in self._functions:
            self._functions[code] = None
            self._functions[code] = self._body(function)
        return self._functions[code]

    def _body(self, function: types.FunctionType) -> Obstacle | None:
        module = module_of(function)
        found = module and module.definition_at(function.__code__)
        if not found or len(found[1]) != 1:
            return None
        source, [node] = found
        statement = source.by_node.get(node)
        names = statement.names() if statement else names_of(node)
        if names.reads_lazy:
            return _read(names.reads_lazy)
        for name, use in names.lazy.items():
            for chain in use.chains:
                value = of_chain(function.__globals__.get(name), chain)
                if is_house(value) and not is_step(value):
                    return Obstacle("house", _role(value), name)
                obstacle = None if isinstance(value, type) else self._called(value)
                if obstacle:
                    return obstacle
        return None


def _read(what: str) -> Obstacle:
    return Obstacle("secret" if is_secret(what) else "read", what)


def _role(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return "which is lokki_tf"
    if isinstance(value, type | types.FunctionType):
        return "a part of lokki_tf"
    return described(value)
