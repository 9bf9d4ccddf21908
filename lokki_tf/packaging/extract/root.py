"""The definition of a step's function, and the form in which it is deployed.

A function that a statement at the top of its module defines is cut, and so is one that is made
inside another function if it uses only simple values of it (:func:`.captured.moved`). Any other is
made again in Lambda: its module is included whole and makes the step.
"""

from __future__ import annotations

import ast
import functools
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.model import Step
from lokki_tf.model.names import identifier
from lokki_tf.runtime.conditions import WHEN
from lokki_tf.source.index import index
from lokki_tf.source.modules import Module, Statement, defined, module_of, user_module
from lokki_tf.source.names import Use
from lokki_tf.source.origins import is_users, of_user
from lokki_tf.source.values import closure, described, is_lokki, is_step, of_chain

from .captured import carry_as, moved, refuse
from .carry import Carrier
from .collected import outside
from .pieces import Piece


@dataclass(frozen=True, slots=True)
class Root:
    """A step's function.

    Args:
        module: Its module.
        piece: Its piece; without text if the module is included whole.
        name: The expression for the function, ``""`` if it is found only by its step's name.
    """

    module: Module
    piece: Piece
    name: str


def root_of(carrier: Carrier, step: Step) -> Root | None:
    """Find a step's function, or record why it cannot be found."""
    functions = list(_behind(step.function))
    for function in functions:
        statement = _definition(carrier, functions[0], function)
        if statement is None:
            continue
        kept = set(statement.decorators) - _skipped(carrier, statement)
        obstacle = None if kept else carrier.portability.statement(statement)
        root = _defined(carrier, step, statement, function) if obstacle is None else None
        if root is not None:
            return root
        if obstacle is not None and obstacle.kind != "read":  # in a default value, for example
            refuse(carrier, obstacle, obstacle.name, obstacle.what, step.place)
            return None
    if functions and functions[0] is step.function and of_user(functions[0]):
        root = _moved(carrier, step, functions[0])
        if root is not None:
            return root
    made = _maker(step, functions)
    if made is None or not any(map(of_user, functions)):
        what = f"its function, but that is {described(step.function)}"
        carrier.find("no_source", step.place, what=what)
        return None
    module, name = carrier.start(made[0]), made[1]
    guarded = module.guarded(name)
    if guarded is not None and not module.binds(name):
        carrier.find("guarded", step.place, name=name, what="a step", line=guarded)
    own = (name or identifier(step.name),)
    piece = Piece(module, module.sources[0], (module.end,), binds=own)
    carrier.uses[piece] = set()
    for function in functions:
        _refuse_pipeline(carrier, step, function)
    carrier.include_own(step.place)
    return Root(module, piece, name)


def _behind(value: Any) -> Iterator[types.FunctionType]:
    """Yield a function, those that it wraps, and those that are in its closure."""
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


def _definition(
    carrier: Carrier, first: types.FunctionType, function: types.FunctionType
) -> Statement | None:
    """Return the statement at the top of a module that defines a step's function.

    It has a decorator of lokki_tf, or it is the step's function itself, or its module has the
    step's function under that name.
    """
    found = defined(function)
    statement = found.statement if found is not None else None
    if statement is None:
        return None
    own = bool(carrier.portability.left_behind(statement))
    bare = function is first and not statement.decorators
    known = statement.module.namespace.get(function.__name__) is first
    return statement if own or bare or known else None


def _defined(
    carrier: Carrier, step: Step, statement: Statement, function: types.FunctionType
) -> Root | None:
    """Return the root for a function that a statement defines, with its step's condition."""
    module, name = carrier.start(statement.module), function.__code__.co_name
    if step.is_condition:
        root = Root(module, _without_function(carrier, module, name), name)
        return root if _carry_condition(carrier, step, root, statement) else None
    skip = _skipped(carrier, statement)
    piece = carrier.carry(statement, module.end, skip)
    _carry_mentioned(carrier, piece, statement, skip)
    root = Root(module, piece, name)
    done = step.when is None or _carry_condition(carrier, step, root, statement)
    return root if done else None


def _without_function(carrier: Carrier, module: Module, name: str) -> Piece:
    """Return a definition with the condition, instead of the function, which is a job's."""
    text = f"def {name}(): ...\n"
    piece = Piece(module, module.sources[0], (module.end,), text, (name,), "definition")
    carrier.uses[piece] = set()
    return piece


def _skipped(carrier: Carrier, statement: Statement) -> frozenset[ast.expr]:
    """Return the decorators that made it a step, and those above, which received only the step."""
    own = carrier.portability.left_behind(statement)
    above = [n for n, decorator in enumerate(statement.decorators) if decorator in own]
    return own | frozenset(statement.decorators[: above[0]] if above else ())


def _carry_mentioned(
    carrier: Carrier, root: Piece, statement: Statement, skip: frozenset[ast.expr]
) -> None:
    """Carry classes that only annotations mention: the step may receive their instances."""
    module, code = statement.module, statement.code(skip)
    by = outside(module)
    for name, use in (*code.annotation.items(), *code.quoted.items()):
        values = {chain: of_chain(module.namespace.get(name), chain) for chain in use.chains}
        chains = {one for one, v in values.items() if isinstance(v, type) and of_user(v)}
        if chains:
            carrier.need(by, name, module.end, Use(use.line, chains))
    carrier.uses[root] |= carrier.uses.pop(by, set())


def _carry_condition(
    carrier: Carrier, step: Step, root: Root, statement: Statement | None = None
) -> bool:
    """Carry a condition, a decorator's expression or a function; return whether it is possible."""
    module, name = root.module, f"{root.name}_when"
    calls = (one for one in statement.decorators if isinstance(one, ast.Call)) if statement else ()
    given = (key.value for call in calls for key in call.keywords if key.arg == "when")
    condition = next(given, None)
    if statement is not None and condition is not None:
        name = f"({statement.source.text[slice(*statement.source.span(condition))]})"
    text, order = f"{root.name}.{WHEN} = {name}\n", (module.end + 2,)
    piece = Piece(module, root.piece.source, order, text)
    if condition is not None:
        piece = replace(piece, code=index(condition, context=module.context))
        carrier.follow(piece, module.end, module.end)
    carrier.link(piece, root.piece)
    carrier.link(root.piece, piece)
    return condition is not None or carry_as(carrier, piece, name, step.when)


def _moved(carrier: Carrier, step: Step, function: types.FunctionType) -> Root | None:
    """Return the root for a function that is made inside another one, with its condition."""
    module = module_of(function)
    if module is None:
        return None
    before = carrier.state()
    name = function.__code__.co_name
    name = identifier(step.name) if name == "<lambda>" else name
    module = carrier.start(module)
    if step.is_condition:
        piece: Piece | None = _without_function(carrier, module, name)
    else:
        piece = moved(carrier, module, function, name)
    if piece is not None:
        root = Root(module, piece, piece.binds[0])
        if step.when is None or _carry_condition(carrier, step, root):
            carrier.run()
            if carrier.is_cut(module.name):
                return root
    carrier.restore(before)
    return None


# --- steps that are made again ------------------------------------------------------------


def _maker(step: Step, functions: list[types.FunctionType]) -> tuple[Module, str] | None:
    """Return the module with a step, and the step's name there, else ``""``."""
    found = [module_of(function) for function in functions if of_user(function)]
    own = [module for module in found if module is not None]
    names = (name for name in list(sys.modules) if name != "__main__" and is_users(name))
    for module in (*own, *filter(None, map(user_module, names))):
        for name, value in list(module.namespace.items()):
            known = getattr(value, "step", None) if is_step(value) else None
            # Options that the settings resolve make another Step of the same function.
            if known and (known.function, known.name) == (step.function, step.own_name):
                return module, name
    return (own[0], "") if own else None


def _refuse_pipeline(carrier: Carrier, step: Step, function: types.FunctionType) -> None:
    """Record a finding if the function uses lokki_tf or the pipeline, which are inert in Lambda."""
    module, found = module_of(function) if of_user(function) else None, defined(function)
    nodes = module and module.definition_at(function.__code__)
    if module is not None and not (nodes and nodes[1]):
        what = f"function {function.__code__.co_qualname!r}"
        carrier.find("source_changed", step.place, what=what)
    elif module is not None and found is not None:
        outer = closure(function)
        for name, use in index(found.node).lazy.items():
            value = outer.get(name, module.namespace.get(name))
            if is_lokki(value) and not is_step(value):
                place = Place(module.label, use.line, name)
                carrier.find("lokki", place, name=name, what=described(value))
