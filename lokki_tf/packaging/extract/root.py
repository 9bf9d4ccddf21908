"""Where a step's function is defined, and in which form it is deployed.

A function that a statement at the top of its module defines is cut, and so is one that is made
inside another if what it uses of that is simple (:mod:`.moved`). Any other is made again in
Lambda: its module is included whole, and the step is taken from there.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lokki_tf.model import Step
from lokki_tf.model.names import identifier
from lokki_tf.runtime.conditions import WHEN

from .. import findings
from ..source.files import Statement
from ..source.modules import Module, module_of, user_module
from ..source.names import Names, Use
from ..source.origins import is_users, of_user
from ..source.values import MISSING, closure, described, is_house, is_step, of_chain
from ..source.walk import names_of
from .carry import Carrier
from .decorators import is_houses
from .inline_values import refuse
from .moved import moved
from .pieces import Piece
from .portability import Obstacle
from .shared_state import shared_state
from .tasks import Site, Task


@dataclass(frozen=True, slots=True)
class Root:
    """A step's function.

    Args:
        module: The module that it is taken from.
        piece: Its piece; one without text where the module is included whole.
        name: The expression that gives the function, ``""`` if only its step's name does.
    """

    module: Module
    piece: Piece
    name: str


def root_of(carrier: Carrier, step: Step) -> Root | None:
    """Find a step's function, or record a finding that says why it cannot be found.

    Args:
        carrier: Gathers what the function uses.
        step: The step.
    """
    functions = list(_behind(step.function))
    for function in functions:
        found = _definition(functions[0], function)
        obstacle = _obstacle(carrier, *found) if found is not None else None
        root = _defined(carrier, step, *found) if found is not None and obstacle is None else None
        if root is not None:
            return root
        if found is not None and obstacle is not None and obstacle.kind != "read":
            refuse(carrier, obstacle, obstacle.name, obstacle.what, step.place)
            return None
    if functions and functions[0] is step.function and of_user(functions[0]):
        root = _moved(carrier, step, functions[0])
        if root is not None:
            return root
    made = _maker(step, functions)
    if made is None or not any(map(of_user, functions)):
        what = f"its function, but that is {described(step.function)}"
        carrier.find(findings.no_source(step.name, what, step.place))
        return None
    return _made_whole(carrier, step, functions, *made)


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


def _definition(
    first: types.FunctionType, function: types.FunctionType
) -> tuple[Module, Statement, str] | None:
    """The statement at the top of a module that defines a function which became a step.

    It has a decorator of lokki_tf, or it is the step's function itself, or its module has the
    step's function under that name.
    """
    module = module_of(function) if of_user(function) else None
    found = module and module.definition_at(function.__code__)
    if not module or not found or len(found[1]) != 1:
        return None
    source, [node] = found
    statement = source.by_node.get(node)
    if statement is None:
        return None
    decorators = getattr(node, "decorator_list", ())
    own = any(is_houses(module, source, decorator) for decorator in decorators)
    bare = function is first and not decorators
    known = module.live.get(function.__name__) is first
    return (module, statement, function.__code__.co_name) if own or bare or known else None


def _obstacle(carrier: Carrier, module: Module, statement: Statement, name: str) -> Obstacle | None:
    """What keeps the definition from running again: a default value, for example."""
    kept = set(statement.decorators) - _skipped(carrier, module, statement)
    return None if kept else carrier.judge.statement(module, statement)


def _defined(
    carrier: Carrier, step: Step, module: Module, statement: Statement, name: str
) -> Root | None:
    carrier.start(module)
    if step.is_condition:
        root = _without_function(carrier, module, name)
        carried = _carry_condition(carrier, step, root, statement)
        return root if carried or _carry_condition_value(carrier, step, root) else None
    skip = _skipped(carrier, module, statement)
    piece = carrier.carry(module, statement, module.end, skip)
    _carry_mentioned(carrier, module, piece, statement, statement.names(skip))
    for finding in shared_state(step.name, module, statement):
        carrier.find(finding)
    root = Root(module, piece, name)
    if step.when is None or _carry_condition(carrier, step, root, statement):
        return root
    return root if _carry_condition_value(carrier, step, root) else None


def _without_function(carrier: Carrier, module: Module, name: str) -> Root:
    """What has the condition in place of the function, which is called elsewhere."""
    piece = Piece(module.name, (module.end,), f"def {name}(): ...\n", binds=(name,))
    carrier.uses[piece] = {}
    return Root(module, piece, name)


def _skipped(carrier: Carrier, module: Module, statement: Statement) -> frozenset[ast.expr]:
    """The decorators that made it a step, and those above, which saw only the step."""
    houses = carrier.judge.left_behind(module, statement)
    above = [n for n, decorator in enumerate(statement.decorators) if decorator in houses]
    return houses | frozenset(statement.decorators[: above[0]] if above else ())


def _carry_mentioned(
    carrier: Carrier, module: Module, root: Piece, statement: Statement, names: Names
) -> None:
    """Carry classes that only annotations mention: such values may arrive."""
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


def _carry_condition(carrier: Carrier, step: Step, root: Root, statement: Statement) -> bool:
    """Carry the expression of ``when=``; return whether the function's decorator has it."""
    calls = (one for one in statement.decorators if isinstance(one, ast.Call))
    given = (key.value for call in calls for key in call.keywords if key.arg == "when")
    condition = next(given, None)
    if condition is None:
        return False
    text = ast.get_source_segment(statement.source.text, condition) or ast.unparse(condition)
    order = (root.module.end + 1,)
    piece = Piece(root.module.name, order, f"{root.name}.{WHEN} = ({text})\n")
    carrier.uses.setdefault(piece, {})[root.name] = {root.piece}
    carrier.uses[root.piece].setdefault("", set()).add(piece)
    end, site = root.module.end, Site(piece, root.module, statement.source)
    carrier.follow(Task(site, condition, names_of(condition), end, end))
    return True


def _moved(carrier: Carrier, step: Step, function: types.FunctionType) -> Root | None:
    """A function that is made inside another one, with its condition."""
    module = module_of(function)
    if module is None:
        return None
    before = carrier.state()
    name = function.__code__.co_name
    name = identifier(step.name) if name == "<lambda>" else name
    own = carrier.start(module)
    piece = (
        _without_function(carrier, own, name).piece
        if step.is_condition
        else moved(carrier, own, function, name)
    )
    if piece is not None:
        root = Root(module, piece, piece.binds[0])
        if step.when is None or _carry_condition_value(carrier, step, root):
            carrier.run()
            if carrier.is_cut(module.name):
                return root
    carrier.restore(before)
    return None


def _carry_condition_value(carrier: Carrier, step: Step, root: Root) -> bool:
    """Carry a condition that is a function; return whether it is one that can be."""
    condition, module = step.when, root.module
    name = getattr(condition, "__name__", "")
    piece = Piece(module.name, (module.end + 1,), "")
    if module.live.get(name) is condition or getattr(builtins, name, None) is condition:
        piece = replace(piece, text=f"{root.name}.{WHEN} = {name}\n")
        site = Site(piece, module, module.sources[0])
        carrier.need(site, module, name, module.end, Use(step.place.line, {()}))
    else:
        name = f"{root.name}_when"
        is_own = isinstance(condition, types.FunctionType) and condition.__globals__ is module.live
        made = moved(carrier, module, condition, name) if is_own else None  # type: ignore[arg-type]
        if made is None:
            return False
        piece = replace(piece, text=f"{root.name}.{WHEN} = {made.binds[0]}\n")
        carrier.link(Site(piece, module, module.sources[0]), made.binds[0], made)
    carrier.uses.setdefault(piece, {})[root.name] = {root.piece}
    carrier.uses.setdefault(root.piece, {}).setdefault("", set()).add(piece)
    return True


# --- steps that are made again ------------------------------------------------------------


def _maker(step: Step, functions: list[types.FunctionType]) -> tuple[Module, str] | None:
    """The module that has a step, and the name under which it has it, else ``""``."""
    own = [module_of(function) for function in functions if of_user(function)]
    names = (name for name in list(sys.modules) if name != "__main__" and is_users(name))
    for module in (*own, *map(user_module, names)):
        for name, value in list(module.live.items()) if module is not None else ():
            if is_step(value) and getattr(value, "step", None) is step and module is not None:
                return module, name
    return next(((module, "") for module in own if module is not None), None)


def _made_whole(
    carrier: Carrier, step: Step, functions: list[types.FunctionType], module: Module, name: str
) -> Root:
    module = carrier.start(module)
    piece = Piece(module.name, (module.end,), "", binds=(name or identifier(step.name),))
    carrier.uses[piece] = {}
    for function in functions:
        _refuse_pipeline(carrier, step, function)
    carrier.include_own(step.place)
    return Root(module, piece, name)


def _refuse_pipeline(carrier: Carrier, step: Step, function: types.FunctionType) -> None:
    """Record a finding where the function uses lokki_tf or the pipeline, which are inert there."""
    module = module_of(function) if of_user(function) else None
    found = module and module.definition_at(function.__code__)
    if module is None:
        return
    if not found or not found[1]:
        what = f"function {function.__code__.co_qualname!r}"
        carrier.find(findings.source_changed(step.name, what, step.place))
    if not found or len(found[1]) != 1:
        return
    source, [node] = found
    outer = closure(function)
    for name, use in names_of(node).lazy.items():
        value = outer.get(name, module.live.get(name))
        if is_house(value) and not is_step(value):
            place = carrier.place(Site(Piece(module.name, (), ""), module, source), use, name)
            carrier.find(findings.from_house(step.name, name, described(value), place))
