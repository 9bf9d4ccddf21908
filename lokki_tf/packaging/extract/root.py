"""Where a step's function stands in its module, and what of it travels.

A step holds a function object. Decorators may have put others around the one that the user
wrote, so the definition is looked for behind all of them: it is the one that a decorator of
lokki_tf stands on, and its other decorators come along.
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lokki_tf.model import Step
from lokki_tf.model.names import identifier

from .. import findings
from ..source.files import Statement
from ..source.modules import Module, module_of
from ..source.names import Names, Use
from ..source.origins import of_user
from ..source.values import MISSING, closure, described, is_step, of_chain
from .by_value import carry_function
from .carry import Carrier
from .decorators import is_houses
from .pieces import Piece
from .shared_state import shared_state
from .tasks import Site


@dataclass(frozen=True, slots=True)
class Root:
    """A step's function.

    Args:
        module: Its module.
        piece: Its piece.
        name: The expression that gives the function.
    """

    module: Module
    piece: Piece
    name: str


@dataclass(frozen=True, slots=True)
class _Definition:
    """A function object and the statement at the top of a module that made it."""

    function: types.FunctionType
    module: Module
    statement: Statement


def root_of(carrier: Carrier, step: Step) -> Root | None:
    """Finds a step's function, or says in a finding why there is none to be had.

    Args:
        carrier: Gathers what the function uses.
        step: The step.
    """
    functions = list(_behind(step.function))
    if not any(of_user(function) for function in functions):
        what = f"its function, but that is {described(step.function)}"
        carrier.find(findings.no_source(step.name, what, step.place))
        return None
    definition = _definition(carrier, functions)
    if definition is not None and _repeats(carrier, definition):
        return _defined(carrier, step, definition)
    function = functions[0]
    if function is not step.function or not of_user(function):
        return _known(carrier, step, functions)
    module = module_of(function)
    if module is None:
        what = f"its function {function.__qualname__!r}"
        carrier.find(findings.no_source(step.name, what, step.place))
        return None
    module = carrier.start(module)
    method = _method(carrier, module, function)
    if method is not None:
        return method
    name = function.__code__.co_name  # not __name__: wrappers take that of what they wrap
    name = identifier(step.name) if name == "<lambda>" else name
    piece = carry_function(carrier, function, name, step.place)
    return Root(module, piece, name) if piece is not None else None


def _behind(value: Any) -> Iterator[types.FunctionType]:
    """A function, those that it wraps, and those that it may have been made around."""
    waiting, seen = [value], set()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen or is_step(current):
            continue
        seen.add(id(current))
        if isinstance(current, types.FunctionType):
            yield current
            waiting += closure(current).values()
        if isinstance(current, functools.partial):
            waiting.append(current.func)
        if isinstance(current, staticmethod | classmethod | types.MethodType):
            waiting.append(current.__func__)
        if callable(current) and "__wrapped__" in getattr(current, "__dict__", ()):
            waiting.insert(0, vars(current)["__wrapped__"])


def _definition(carrier: Carrier, functions: list[types.FunctionType]) -> _Definition | None:
    """The definition among some functions that the step was made of.

    It has a decorator of lokki_tf, or it is the first function itself, or its module knows
    the first function by its name.
    """
    for function in functions:
        module = module_of(function) if of_user(function) else None
        found = module and module.definition_at(function.__code__)
        if not module or not found or len(found[1]) != 1:
            continue
        source, [node] = found
        decorators = getattr(node, "decorator_list", ())
        own = any(is_houses(module, source, decorator) for decorator in decorators)
        bare = function is functions[0] and not decorators
        known = module.live.get(function.__name__) is functions[0]
        statement = source.by_node.get(node)
        if statement is not None and (own or bare or known):
            return _Definition(function, module, statement)
        if own:
            return None  # inside something else
    return None


def _known(carrier: Carrier, step: Step, functions: list[types.FunctionType]) -> Root | None:
    """A function that others wrapped, under the name that a module has for it."""
    for function in functions:
        module = module_of(function) if of_user(function) else None
        for name, value in list(module.live.items()) if module else ():
            if module and value is step.function:
                return _reached(carrier, carrier.start(module), name, name)
    what = f"its function, but that is {described(step.function)} around one"
    carrier.find(findings.no_source(step.name, what, step.place))
    return None


def _reached(carrier: Carrier, module: Module, name: str, expression: str) -> Root:
    """The root where an expression of the module's names gives the function."""
    piece = Piece(module.name, (module.end,), "")
    carrier.uses[piece] = {}
    site = Site(piece, module, module.sources[-1])
    carrier.need(site, module, name, module.end, Use(1, {()}))
    return Root(module, piece, expression)


def _repeats(carrier: Carrier, definition: _Definition) -> bool:
    """Whether the definition can run again: its default values may have been read here."""
    module, statement = definition.module, definition.statement
    kept = set(statement.decorators) - _skipped(carrier, module, statement)
    return bool(kept) or carrier.judge.statement(module, statement) is None


def _defined(carrier: Carrier, step: Step, definition: _Definition) -> Root:
    module, statement = carrier.start(definition.module), definition.statement
    skip = _skipped(carrier, module, statement)
    piece = carrier.carry(module, statement, module.end, skip)
    _carry_mentioned(carrier, module, piece, statement, statement.names(skip))
    for finding in shared_state(step.name, module, statement):
        carrier.find(finding)
    return Root(module, piece, definition.function.__code__.co_name)


def _skipped(carrier: Carrier, module: Module, statement: Statement) -> frozenset[ast.expr]:
    """The decorators that made it a step, and those above, which saw only the step."""
    houses = carrier.judge.left_behind(module, statement)
    above = [n for n, decorator in enumerate(statement.decorators) if decorator in houses]
    return houses | frozenset(statement.decorators[: above[0]] if above else ())


def _method(carrier: Carrier, module: Module, function: types.FunctionType) -> Root | None:
    """A static method: its class travels, and the function is an attribute of it."""
    nested = "<locals>" in function.__qualname__ or "." not in function.__qualname__
    if nested or not module.definition_at(function.__code__):
        return None
    owner = function.__qualname__.partition(".")[0]
    return _reached(carrier, module, owner, function.__qualname__)


def _carry_mentioned(
    carrier: Carrier, module: Module, root: Piece, statement: Statement, names: Names
) -> None:
    """Carries classes that only annotations mention: such values may arrive."""
    site = Site(Piece(module.name, (-2,), ""), module, statement.source)
    for uses in (names.annotation, names.quoted):
        for name, use in uses.items():
            value = module.live.get(name, MISSING)
            chains = {c for c in use.chains if _is_class(of_chain(value, c))}
            if chains:
                carrier.need(site, module, name, module.end, Use(use.line, chains))
    mentioned = carrier.uses.pop(site.piece, {})
    pieces = {piece for found in mentioned.values() for piece in found}
    carrier.uses[root].setdefault("", set()).update(pieces)


def _is_class(value: Any) -> bool:
    return isinstance(value, type) and of_user(value)
