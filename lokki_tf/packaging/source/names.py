"""The names that a piece of code binds, uses and changes, as :mod:`.walk` finds them.

What is used is told apart by when: *eager* names are looked up when the statement itself
runs, *lazy* ones when a function in it is called, *annotations* only where the module does
not postpone them, and *quoted* ones, inside strings of annotations, never.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal as OneOf

Chain = tuple[str, ...]
"""The attributes taken of a name: ``("sub", "f")`` for ``pkg.sub.f``, ``()`` for ``pkg``."""
When = OneOf["eager", "lazy", "annotation", "quoted"]


@dataclass(slots=True)
class Use:
    """The uses of one name.

    Args:
        line: Line of the first.
        chains: What is taken of it.
    """

    line: int
    chains: set[Chain] = field(default_factory=set)


@dataclass(slots=True)
class Names:
    """What one walk finds.

    Args:
        eager: Global names by when they are looked up; likewise the next three.
        binds: Names that it binds in the module, in order.
        changes: Names whose value it changes when it runs, and how: a method or ``=``.
        writes: Global names that its functions bind or change.
        rebinds: Those of them that its functions bind.
        calls: Global names that it calls when it runs.
        dynamic: Line at which it reaches for names that cannot be seen, or 0.
        reads_eager: What it reads of this machine when it runs: a file for example.
        reads_lazy: What its functions read of the machine that they are called on.
    """

    eager: dict[str, Use] = field(default_factory=dict)
    lazy: dict[str, Use] = field(default_factory=dict)
    annotation: dict[str, Use] = field(default_factory=dict)
    quoted: dict[str, Use] = field(default_factory=dict)
    binds: dict[str, None] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)
    writes: set[str] = field(default_factory=set)
    rebinds: set[str] = field(default_factory=set)
    calls: dict[str, set[Chain]] = field(default_factory=dict)
    dynamic: int = 0
    reads_eager: str = ""
    reads_lazy: str = ""

    def used(self) -> set[str]:
        """Every name that running or calling it may look up."""
        return {*self.eager, *self.lazy, *self.annotation}


def root_of(node: ast.expr) -> tuple[str, Chain] | None:
    """The name that ``a.b[0].c().d`` starts with, and the attributes up to what is no name."""
    chain: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            chain.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            chain.clear()
            node = node.value
        elif isinstance(node, ast.Call):
            chain.clear()
            node = node.func
        else:
            return None
    return node.id, tuple(reversed(chain))


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is ``TYPE_CHECKING``, which is false whenever code runs."""
    if isinstance(test, ast.Attribute):
        return test.attr == "TYPE_CHECKING"
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def is_main_guard(node: ast.AST) -> bool:
    """Whether a statement is ``if __name__ == "__main__":``, whose body only a script runs."""
    return isinstance(node, ast.If) and any(
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and {"__name__", "__main__"}
        <= {getattr(part, "id", getattr(part, "value", None)) for part in ast.walk(test)}
        for test in ast.walk(node.test)
    )
