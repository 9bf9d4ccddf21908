"""What stands inside a return: names of steps, names of arguments, and what is spread there.

All of it must be known before a run: literals, and constants of the module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .scope import MISSING, Scope

_LONGEST = 60


class Unreadable(Exception):
    """A return of which something is known only in a run, or that names no next step.

    Args:
        problem: What the step does there, as the rest of a sentence.
        line: Where.
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
        targets: The next steps that it may name; ``None`` where it names none.
        line: Where it stands.
        clears: Whether nothing goes on but ``updates``.
        removes: Names that are taken out.
        updates: Names that are put in.
    """

    targets: tuple[str | None, ...]
    line: int
    clears: bool = False
    removes: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()


def updates_in(call: ast.Call, scope: Scope) -> Change:
    """A call of ``ReturnUpdates``.

    Args:
        call: The call.
        scope: The names around it.

    Raises:
        Unreadable: If it holds what is known only in a run.
    """
    if not call.args or isinstance(call.args[0], ast.Starred):
        raise Unreadable(
            "names no next step first in its ReturnUpdates(…)",
            call.lineno,
            'write the name first, or None: ReturnUpdates("drink", milk=True)',
        )
    targets = tuple(_targets(call.args[0], scope))
    removes = tuple(name for one in call.args[1:] for name in _removed(one, scope))
    updates = [name for one in call.keywords for name, _ in _named(one, scope)]
    named = tuple(name for name in removes if name != "*")
    return Change(targets, call.lineno, len(named) < len(removes), named, tuple(updates))


def dict_in(node: ast.Dict, next_key: str, scope: Scope) -> Change:
    """A dict literal: nothing goes on but what stands in it.

    Args:
        node: The literal.
        next_key: The key that names the next step.
        scope: The names around it.

    Raises:
        Unreadable: If it holds what is known only in a run.
    """
    items = dict(dict_items(node, scope))
    named = items.pop(next_key, None)
    targets = (None,) if named is None else tuple(_targets(named, scope))
    return Change(targets, node.lineno, True, (), tuple(items))


def source(node: ast.expr) -> str:
    """An expression as it is written, not too long for an error."""
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
                f"names its next step by {source(node)}, which is no string known before a run",
                node.lineno,
                "write the name as a string, or as a constant of the module; where it depends "
                "on data, return ConditionalReturns(…)",
            )
        yield text


def _removed(node: ast.expr, scope: Scope) -> Iterator[str]:
    """The names that an argument of ``ReturnUpdates`` takes out, a spread list's as well."""
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
            f"takes out {source(node)}, which is no name known before a run",
            node.lineno,
            'write each name as a string, or "*" for all: ReturnUpdates("drink", "beans")',
        )
    yield text


def _named(one: ast.keyword, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    """What a keyword of a call names; one with ``**`` may spread a dict that stands there."""
    if one.arg is not None:
        yield one.arg, one.value
    else:
        yield from _spread(one.value, scope)


def dict_items(node: ast.Dict, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    """The keys and values of a dict literal, and of others that are spread in it."""
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            yield from _spread(value, scope)
            continue
        text = _text(key, scope)
        if text is None:
            raise Unreadable(
                f"returns a dict with the key {source(key)}, which is no string known before a run",
                key.lineno,
                "write the key as a string, or as a constant of the module",
            )
        yield text, value


def _spread(value: ast.expr, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(value, ast.Dict):
        raise Unreadable(
            f"hands on **{source(value)}, whose names are known only in a run",
            value.lineno,
            'write each name that goes on: name=value, or "name": value in a dict',
        )
    yield from dict_items(value, scope)


def _text(node: ast.expr, scope: Scope) -> str | None:
    """A string that is known before a run: a literal, or a constant of the module."""
    value = node.value if isinstance(node, ast.Constant) else scope.value(node)
    # A member of an enumeration of strings is a string, which its str() may not be.
    return str.__str__(value) if value is not MISSING and isinstance(value, str) else None
