"""Decorators of lokki_tf, which stay behind when code travels, and those built on them."""

from __future__ import annotations

import ast
import dis
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from ..source.files import Source
from ..source.modules import Module
from ..source.names import root_of
from ..source.origins import of_user
from ..source.values import MISSING, closure, is_house, is_step, of_chain


def is_houses(module: Module, source: Source, decorator: ast.expr) -> bool:
    """Whether a decorator is lokki_tf's, or one that the user built on it.

    Args:
        module: The module that it stands in.
        source: Its file.
        decorator: The decorator, called or not.
    """
    root = root_of(decorator)
    if root is None:
        return False
    name, chain = root
    value = module.live.get(name, MISSING)
    if value is MISSING or name in source.from_house:
        return name in source.from_house
    if is_step(value) and chain:
        return False  # @f.register of a single-dispatch function that is a step
    value = of_chain(value, chain) if isinstance(value, types.ModuleType) else value
    return any(map(is_house, _reached(value)))


def _reached(value: Any) -> Iterator[Any]:
    """A value and, if it is a function, what its code refers to, transitively."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, functools.partial):
            waiting.append(current.func)
        if isinstance(current, types.FunctionType) and of_user(current):
            waiting.extend(closure(current).values())
            names = current.__globals__
            waiting.extend(names.get(name) for name in _looked_up(current.__code__, "GLOBAL"))
            imported = _looked_up(current.__code__, "IMPORT_NAME")
            waiting.extend(sys.modules.get(name) for name in imported)


@functools.cache
def _looked_up(code: types.CodeType, operation: str) -> frozenset[str]:
    """Names of globals or imports in a function's code; ``co_names`` has attributes as well."""
    names = {str(one.argval) for one in dis.get_instructions(code) if operation in one.opname}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _looked_up(constant, operation)
    return frozenset(names)
