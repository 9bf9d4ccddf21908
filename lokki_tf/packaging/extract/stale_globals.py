"""Values that are not any more what their one statement has made of them.

Lambda has the statements that name a value at the top of its module. What else changes it here,
a function of that module or of another one, is not seen there. What carried code changes itself,
a cache say, begins anew in each Lambda, as it is meant to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..source.files import Statement
from ..source.modules import Module
from ..source.names import Use
from ..source.values import MISSING
from .pieces import Piece
from .tasks import Site

Makers = dict[tuple[str, str], tuple[Module, Statement, Site, Use]]
"""By module and name: the only statement that makes it, and where it is used."""
Steady = tuple[Module, str, Statement, Site, Use]
"""The same of a value that no carried code changes."""


def stale(values: Iterable[Steady]) -> Iterator[tuple[Module, str, Site, Use]]:
    """The names whose literal is another value by now, though no carried code changes it.

    Args:
        values: As :func:`steady` gives them.
    """
    for module, name, statement, site, use in values:
        if differs(statement.node, module.live.get(name, MISSING)):
            yield module, name, site, use


def steady(made: Makers, pieces: Iterable[Piece]) -> Iterator[Steady]:
    """The names that an assignment makes, and that no carried code changes.

    Args:
        made: What was carried, and by which statement.
        pieces: All that goes along.
    """
    carried: dict[str, set[str]] = {}
    for piece in pieces:
        carried.setdefault(piece.module, set()).update(piece.binds)
    for (_, name), (module, statement, site, use) in made.items():
        is_value = isinstance(statement.node, ast.Assign | ast.AnnAssign)
        if is_value and not _is_changed(module, name, carried.get(module.name, set())):
            yield module, name, statement, site, use


def differs(node: ast.AST, value: Any) -> bool:
    """Whether an assignment of a literal makes another value than this one."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None or value is MISSING:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not all(isinstance(target, ast.Name) for target in targets):
        return False
    try:
        written = ast.literal_eval(node.value)
        return type(written) is not type(value) or written != value
    except Exception:  # no literal, or values that do not compare
        return False


def _is_changed(module: Module, name: str, carried: set[str]) -> bool:
    """Whether carried functions or classes of the module change what a name stands for."""
    found: Mapping[str, Statement] = module.definitions
    return any(name in found[one].names().writes for one in carried & set(found))
