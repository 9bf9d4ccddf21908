"""Scopes, and which of them each mention of a name belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal as OneOf

from .names import Chain, Names, Use, When

Kind = OneOf["module", "function", "class", "comprehension", "types"]

_DYNAMIC = {"globals", "eval", "exec"}
_BINDING = {"=", "+=", "[]", "=."}
CHANGING = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem"}
CHANGING |= {"remove", "discard", "clear", "appendleft", "sort", "reverse", "register"}


@dataclass(slots=True, eq=False)
class Scope:
    """A scope and what it binds.

    Args:
        kind: ``types`` is where annotations, bases and type parameters are evaluated.
        parent: The scope around it.
        bound: Names and when they are bound first, as a count of all that happens.
        globals: Names that a ``global`` statement gives to the module.
        nonlocals: Names that belong to a function around.
    """

    kind: Kind
    parent: Scope | None = None
    bound: dict[str, int] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Mention:
    """One place where a name stands.

    Args:
        scope: The scope that it stands in.
        name: The name.
        chain: The attributes that are taken of it.
        line: Where.
        order: A count of all that happens.
        when: When it is looked up.
        how: ``=`` where it is bound for the module; ``[]``, ``=.``, ``+=``, ``del``, ``@`` or
            a method's name where its value is changed, or may be.
        call: Whether it is called when the statement runs.
    """

    scope: Scope
    name: str
    chain: Chain
    line: int
    order: int
    when: When
    how: str = ""
    call: bool = False

    def owner(self) -> Scope | None:
        """The scope that the name belongs to, or ``None`` if it is the module's."""
        scope: Scope | None = self.scope
        # A class's names are seen by its own body, and by annotations and bases in it.
        near = self.scope.parent if self.scope.kind == "types" else None
        while scope is not None and scope.kind != "module":
            if self.name in scope.globals:
                return None
            visible = scope.kind != "class" or scope in (self.scope, near)
            if visible and self.name in scope.bound:
                return scope
            scope = scope.parent
        return None


def resolve(names: Names, mentions: list[Mention]) -> None:
    """Enters the mentions of the module's names, now that all scopes are known.

    Args:
        names: Receives them.
        mentions: All mentions of names, the module's and others.
    """
    for mention in mentions:
        owner = mention.owner()
        if owner is not None:
            # A class body finds the module's name while its own is not bound yet.
            early = owner is mention.scope and owner.kind == "class"
            if not early or owner.bound[mention.name] < mention.order:
                continue
        _enter(names, mention)


def _enter(names: Names, mention: Mention) -> None:
    name, line = mention.name, mention.line
    uses: dict[str, Use] = getattr(names, mention.when)
    use = uses.setdefault(name, Use(line))
    use.line = min(use.line, line)
    use.chains.add(mention.chain)
    if mention.call:
        names.calls.setdefault(name, set()).add(mention.chain)
    if mention.when == "eager" and mention.how not in ("", "="):
        names.changes.setdefault(name, mention.how)
    if mention.when == "lazy" and (mention.how in _BINDING or mention.how in CHANGING):
        names.writes.add(name)
        if mention.how == "=":
            names.rebinds.add(name)
    if name in _DYNAMIC and not names.dynamic:
        names.dynamic = line
