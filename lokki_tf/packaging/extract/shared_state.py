"""Globals that one step writes and another reads: Lambdas share nothing."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.model import Finding
from lokki_tf.model.cells import cell_label

from .. import findings
from ..source.files import Definition, Statement
from ..source.modules import Module
from ..source.values import is_step

_CONTAINERS = (list, dict, set, bytearray, collections.deque)


def shared_state(step: str, module: Module, statement: Statement) -> Iterator[Finding]:
    """Warnings about state of a module through which a step would tell others something.

    A helper that both steps call and that keeps a client or a cache is no such thing: each
    Lambda fills its own.

    Args:
        step: The step's name.
        module: Its module.
        statement: Its function's definition.
    """
    definitions = module.definitions
    reached = _reached(definitions, statement)
    writers = {
        (name, writer.node.name): writer
        for writer in reached
        if isinstance(writer.node, Definition)
        for name in writer.names().writes
        if _is_state(module, name, name in writer.names().rebinds)
    }
    if not writers:
        return
    for name, value in module.live.items():
        other = definitions.get(name)
        if other is None or other is statement or not is_step(value):
            continue
        also = _reached(definitions, other)
        for (state, _), writer in writers.items():
            if writer not in also and any(state in one.names().lazy for one in also):
                line = writer.names().lazy[state].line
                place = Place(cell_label(writer.source.filename, module.live), line, state)
                yield findings.shared_state(step, value.step.name, state, place)


def _reached(definitions: Mapping[str, Statement], start: Statement) -> list[Statement]:
    """A definition and those of its module that it uses, transitively."""
    found = {start: None}
    waiting = [start]
    while waiting:
        for name in waiting.pop().names().lazy:
            other = definitions.get(name)
            if other is not None and other not in found:
                found[other] = None
                waiting.append(other)
    return list(found)


def _is_state(module: Module, name: str, rebound: bool) -> bool:
    value: Any = module.live.get(name)
    return module.binds(name) and (rebound or isinstance(value, _CONTAINERS))
