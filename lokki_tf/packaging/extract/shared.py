"""Globals that one step writes and another reads: Lambdas share nothing."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from lokki_tf.errors import Place
from lokki_tf.model.cells import cell_label

from ..source.modules import Module, Statement
from ..source.values import is_step

_CONTAINERS = (list, dict, set, bytearray, collections.deque)


def shared_state(module: Module, statement: Statement) -> Iterator[tuple[str, str, Place]]:
    """State of a module through which a step would pass something to others.

    A helper that both steps call and that keeps a client or a cache is no such thing: each
    Lambda fills its own.

    Returns:
        The name of the state, the step that reads it, and where it is written.
    """
    written = [
        (name, writer)
        for writer in _reached(module, statement)
        for name in writer.code().writes
        if module.binds(name)
        and (name in writer.code().rebinds or isinstance(module.live.get(name), _CONTAINERS))
    ]
    for name, value in module.live.items() if written else ():
        other = module.definitions.get(name)
        if other is None or other is statement or not is_step(value):
            continue
        also = _reached(module, other)
        for state, writer in written:
            if writer not in also and any(state in one.code().lazy for one in also):
                line = writer.code().lazy[state].line
                file = cell_label(writer.source.filename, module.live)
                yield state, value.step.name, Place(file, line, state)


def _reached(module: Module, start: Statement) -> dict[Statement, None]:
    """A definition and those of its module that it uses, transitively."""
    found = {start: None}
    waiting = [start]
    while waiting:
        for name in waiting.pop().code().lazy:
            other = module.definitions.get(name)
            if other is not None and other not in found:
                found[other] = None
                waiting.append(other)
    return found
