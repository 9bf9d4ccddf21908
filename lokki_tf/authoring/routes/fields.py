"""The contents of a return statement: names of steps and of arguments.

All names must be constants: literals, or constants of the module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from lokki_tf.runtime.routes import LONGEST_WAIT

from .scope import MISSING, Scope

_LONGEST = 60


class Unreadable(Exception):
    """A return statement that names no next step, or contains a name that is not a constant.

    Args:
        problem: What the step does wrong, as the rest of a sentence.
        line: Line of the problem.
        remedy: What to do about it.
    """

    def __init__(self, problem: str, line: int, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Change:
    """A ``ReturnUpdates``, or a dict, as it is written.

    Args:
        targets: The possible next steps; ``None`` where it names none.
        line: Its line.
        clears: Whether the state is replaced by ``updates``.
        removes: Names that are removed from the state.
        updates: Names that are added to the state, or changed.
        after: The seconds before the next step, as they are written.
    """

    targets: tuple[str | None, ...]
    line: int
    clears: bool = False
    removes: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    after: str = ""


def updates_in(call: ast.Call, scope: Scope) -> Change:
    """Read a call of ``ReturnUpdates``.

    Args:
        call: The call.
        scope: The names around it.

    Raises:
        Unreadable: If a name in it is not a constant.
    """
    if not call.args or isinstance(call.args[0], ast.Starred):
        raise Unreadable(
            "calls ReturnUpdates(…) without a next step as its first argument",
            call.lineno,
            'write the name first, or None: ReturnUpdates("drink", milk=True)',
        )
    targets = tuple(_targets(call.args[0], scope))
    removes = tuple(name for one in call.args[1:] for name in _removed(one, scope))
    updates = dict(pair for one in call.keywords for pair in _named(one, scope))
    after = _after(updates.pop("after", None), scope)
    named = tuple(name for name in removes if name != "*")
    return Change(targets, call.lineno, len(named) < len(removes), named, tuple(updates), after)


def dict_in(node: ast.Dict, next_key: str, scope: Scope) -> Change:
    """Read a dict literal, which replaces the state.

    Args:
        node: The literal.
        next_key: The key of the next step's name.
        scope: The names around it.

    Raises:
        Unreadable: If a key in it is not a constant.
    """
    items = dict(dict_items(node, scope))
    named = items.pop(next_key, None)
    targets = (None,) if named is None else tuple(_targets(named, scope))
    return Change(targets, node.lineno, True, (), tuple(items))


def source(node: ast.expr) -> str:
    """Return the source of an expression, shortened for messages."""
    text = ast.unparse(node)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _targets(node: ast.expr, scope: Scope) -> Iterator[str | None]:
    if isinstance(node, ast.IfExp):
        yield from _targets(node.body, scope)
        yield from _targets(node.orelse, scope)
    elif isinstance(node, ast.Constant) and node.value is None:
        yield None
    else:
        text = _text(node, scope)
        if not text:
            raise Unreadable(
                f"has the next step {source(node)}, which is not a constant string",
                node.lineno,
                "write the name as a string, or as a constant of the module; where it depends "
                "on data, return ConditionalReturns(…)",
            )
        yield text


def _after(node: ast.expr | None, scope: Scope) -> str:
    """Return the source of a wait's seconds, or the number if it is constant."""
    if node is None:
        return ""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = scope.value(node)
    if value is MISSING:
        return source(node)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not 0 <= value <= LONGEST_WAIT:
        raise Unreadable(
            f"waits after={source(node)}, which must be whole seconds from 0 to a year",
            node.lineno,
            "write a number of seconds; to pass a value of this name, return a dict",
        )
    return str(value) if value else ""


def _removed(node: ast.expr, scope: Scope) -> Iterator[str]:
    """Yield the names that an argument of ``ReturnUpdates`` removes, also from an unpacked list."""
    if isinstance(node, ast.Starred):
        spread = node.value
        if isinstance(spread, ast.Tuple | ast.List | ast.Set):
            for one in spread.elts:
                yield from _removed(one, scope)
            return
        known = scope.value(spread)
        if isinstance(known, tuple | list | set | frozenset) and all(
            isinstance(one, str) for one in known
        ):
            yield from sorted(known)
            return
    text = _text(node, scope)
    if text is None:
        raise Unreadable(
            f"removes {source(node)}, which is not a constant name",
            node.lineno,
            'write each name as a string, or "*" for all: ReturnUpdates("drink", "beans")',
        )
    yield text


def _named(one: ast.keyword, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names and values of a keyword argument, or of a dict literal after ``**``."""
    if one.arg is not None:
        yield one.arg, one.value
    else:
        yield from _spread(one.value, scope)


def dict_items(node: ast.Dict, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    """Yield the keys and values of a dict literal, and of those unpacked in it."""
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            yield from _spread(value, scope)
            continue
        text = _text(key, scope)
        if text is None:
            raise Unreadable(
                f"returns a dict with the key {source(key)}, which is not a constant string",
                key.lineno,
                "write the key as a string, or as a constant of the module",
            )
        yield text, value


def _spread(value: ast.expr, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(value, ast.Dict):
        raise Unreadable(
            f"passes **{source(value)}, whose names are known only at run time",
            value.lineno,
            'write each name: name=value, or "name": value in a dict',
        )
    yield from dict_items(value, scope)


def _text(node: ast.expr, scope: Scope) -> str | None:
    """Return a constant string: a literal, or a constant of the module."""
    value = node.value if isinstance(node, ast.Constant) else scope.value(node)
    # A member of an enumeration of strings is a string, but its str() may be another.
    return str.__str__(value) if value is not MISSING and isinstance(value, str) else None
