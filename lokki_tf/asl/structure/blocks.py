"""Nested series and parallel blocks: the only shapes in which states can be arranged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Series:
    """Blocks that run one after another."""

    parts: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Blocks that run at the same time; the next block waits for all of them."""

    branches: tuple[Block, ...]


Block: TypeAlias = str | Series | Parallel
"""One node, by its name, or blocks in series or in parallel."""


def in_series(blocks: Iterable[Block]) -> Block:
    """Put blocks one after another, without a series of one part or directly inside another.

    Args:
        blocks: At least one, each of them already in this normal form.
    """
    parts: list[Block] = []
    for block in blocks:
        parts.extend(block.parts if isinstance(block, Series) else (block,))
    return parts[0] if len(parts) == 1 else Series(tuple(parts))


def in_parallel(blocks: Iterable[Block]) -> Block:
    """Put blocks in parallel, without a single branch or one directly inside another."""
    branches: list[Block] = []
    for block in blocks:
        branches.extend(block.branches if isinstance(block, Parallel) else (block,))
    return branches[0] if len(branches) == 1 else Parallel(tuple(branches))


def makespan(block: Block, seconds: Mapping[str, float]) -> float:
    """Return the duration of a block, in which each node starts as soon as the block allows.

    Args:
        block: The block.
        seconds: The duration of each node; a missing node takes one second.
    """
    # Blocks can be nested deeper than Python recurses: a block goes on the stack once to open it,
    # and a second time, below its children, to combine their results in `done`.
    done: list[float] = []
    stack: list[tuple[Block, bool]] = [(block, False)]
    while stack:
        current, opened = stack.pop()
        if isinstance(current, str):
            done.append(seconds.get(current, 1.0))
            continue
        children = current.parts if isinstance(current, Series) else current.branches
        if not opened:
            stack.append((current, True))
            stack.extend((child, False) for child in children)
            continue
        times = done[-len(children) :]
        del done[-len(children) :]
        done.append(sum(times) if isinstance(current, Series) else max(times))
    return done[0]
