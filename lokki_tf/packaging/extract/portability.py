"""Portability of statements: whether they can run in Lambda with the same result."""

from __future__ import annotations

import ast
import functools
import inspect
import types
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from lokki_tf.source.computer_reads import is_file, is_secret
from lokki_tf.source.modules import Module, Statement, defined
from lokki_tf.source.names import root_of
from lokki_tf.source.origins import of_user, origin
from lokki_tf.source.values import (
    MISSING,
    closure,
    described,
    home,
    in_stub,
    is_lokki,
    is_runtime,
    is_step,
    literal,
    of_chain,
    stuck,
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a value cannot be made again in Lambda.

    Args:
        kind: Whether it belongs to the pipeline, is bound to this process, was read on this
            computer, or is a secret that was typed in.
        what: A description of the value, or of how it was read.
        name: The name with the obstacle.
    """

    kind: OneOf["lokki", "stuck", "read", "secret"]
    what: str
    name: str = ""


class Portability:
    """Finds obstacles, each statement once in a cut.

    Args:
        brings_files: Whether files are deployed with the step, which its code can read in Lambda.
    """

    def __init__(self, brings_files: bool = False) -> None:
        self.brings_files = brings_files
        self._known: dict[Statement | types.CodeType, Obstacle | None] = {}
        self._left_behind: dict[Statement, frozenset[ast.expr]] = {}

    def left_behind(self, statement: Statement) -> frozenset[ast.expr]:
        """Return the decorators of a statement that are lokki_tf's own, or use it."""
        if statement not in self._left_behind:
            found = (one for one in statement.decorators if self._is_lokkis(statement, one))
            self._left_behind[statement] = frozenset(found)
        return self._left_behind[statement]

    def _is_lokkis(self, statement: Statement, decorator: ast.expr) -> bool:
        name, chain = root_of(decorator) or ("", ())
        value = statement.module.namespace.get(name, MISSING)
        if value is MISSING or name in statement.source.from_lokki:
            return name in statement.source.from_lokki
        if is_step(value) and chain:
            return False  # @f.register of a single-dispatch function that is a step
        value = of_chain(value, chain) if isinstance(value, types.ModuleType) else value
        why = self._called(value)
        return is_lokki(value) or (why is not None and why.kind == "lokki")

    def value(self, name: str, value: Any) -> Obstacle | None:
        """Return why a value cannot be deployed, however it was made."""
        if is_step(value) or value is MISSING:
            return None
        if is_lokki(value):
            return Obstacle("lokki", _role(value), name)
        what = stuck(value)
        return Obstacle("stuck", what, name) if what else None

    def statements(self, name: str, making: list[Statement]) -> Obstacle | None:
        """Return why the statements that make a name cannot run again."""
        for statement in making:
            obstacle = self.statement(statement)
            # A call that merely mentions the pipeline, log.info(pipe), makes no name.
            if obstacle and (name in statement.binds or obstacle.kind != "lokki"):
                return obstacle
        return None

    def statement(self, statement: Statement) -> Obstacle | None:
        """Return why a statement cannot run again."""
        if statement not in self._known:
            self._known[statement] = None  # during the analysis: names may form a cycle
            obstacle = None if statement.alias else self._statement(statement)
            if obstacle and not self._reads_again(statement, obstacle):
                self._known[statement] = obstacle
        return self._known[statement]

    def _reads_again(self, statement: Statement, obstacle: Obstacle) -> bool:
        """Return whether it can read a file there, and must, since its value is not a literal."""
        if not self.brings_files or obstacle.kind != "read" or not is_file(obstacle.what):
            return False
        code = statement.code(self.left_behind(statement))
        made = [
            statement.module.namespace.get(one, MISSING) for one in (*code.binds, *code.changes)
        ]
        return any(value is MISSING or literal(value) is None for value in made)

    def _statement(self, statement: Statement) -> Obstacle | None:
        module, namespace = statement.module, statement.module.namespace
        code = statement.code(self.left_behind(statement))
        for name in code.eager:
            obstacle = self.value(name, namespace.get(name, MISSING))
            if obstacle:
                return obstacle
        if code.reads_eager:
            return _read(code.reads_eager)
        for name, hows in code.changes.items():
            if is_step(namespace.get(name)) and hows != {"@"}:
                return Obstacle("lokki", "a step of the pipeline", name)
        for name, chains in code.calls.items():
            for called in (of_chain(namespace.get(name), chain) for chain in chains):
                if is_step(called):
                    return Obstacle("lokki", "a step of the pipeline", name)
                obstacle = self._called(called)
                if obstacle:
                    return obstacle
        for name in code.eager:
            if name not in statement.binds or module.making(name, statement.at):
                obstacle = self._name(module, name, statement.at)
                if obstacle:
                    return obstacle
        return None

    def _name(self, module: Module, name: str, before: int) -> Obstacle | None:
        """Return why the value of a name at a position cannot be deployed."""
        value = module.namespace.get(name, MISSING)
        if is_step(value) or is_runtime(value):
            return None
        making = module.making(name, before) or module.making(name, module.end)
        obstacle = self.statements(name, making)
        inlined = obstacle and value is not MISSING and literal(value) is not None
        return None if inlined else obstacle

    def _called(self, function: Any) -> Obstacle | None:
        """Return the obstacle in a call of one of the user's functions."""
        if isinstance(function, type):
            makers = (vars(function).get(name) for name in ("__init__", "__post_init__"))
            found = (self._called(one) for one in makers if isinstance(one, types.FunctionType))
            return next((obstacle for obstacle in found if obstacle), None)
        function = plain(function)
        if function is None or not of_user(function):
            return None
        code = function.__code__
        if code not in self._known:
            self._known[code] = None
            self._known[code] = self._body(function)
        return self._known[code]

    def _body(self, function: types.FunctionType) -> Obstacle | None:
        found = defined(function)
        if found is None:
            return None
        code, outer = found.code, {**function.__globals__, **closure(function)}
        for fact in code.of("import"):
            name = next((one for one in fact.names or ("",) if not in_stub(one)), None)
            if origin(fact.what) == "lokki" and name is not None:
                return Obstacle("lokki", "a part of lokki_tf", name)
        used = [
            of_chain(outer.get(name), one) for name in code.lazy for one in code.lazy[name].chains
        ]
        for value in used:
            if is_lokki(value) and not is_step(value):
                return Obstacle("lokki", _role(value), home(value))
        if code.reads_lazy:
            return _read(code.reads_lazy)
        called = (self._called(value) for value in used if not isinstance(value, type))
        return next((why for why in called if why is not None), None)


def plain(function: Any) -> types.FunctionType | None:
    """Return the plain function of a function, a cached or a partial one, or ``None``."""
    function = function.func if isinstance(function, functools.partial) else function
    if isinstance(function, types.FunctionType | functools._lru_cache_wrapper):
        function = inspect.unwrap(function)
    return function if isinstance(function, types.FunctionType) else None


def _read(what: str) -> Obstacle:
    return Obstacle("secret" if is_secret(what) else "read", what)


def _role(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return "which is lokki_tf"
    return (
        "a part of lokki_tf" if isinstance(value, type | types.FunctionType) else described(value)
    )
