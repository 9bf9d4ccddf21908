"""What is collected of one step's code: the graph of pieces, findings and whole modules."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.source.modules import Module, Statement
from lokki_tf.source.names import Fact, Use
from lokki_tf.source.origins import origin
from lokki_tf.source.values import in_stub

from .pieces import Piece
from .portability import Portability
from .whole import Importer, Inclusion


class Collected(Inclusion):
    """Collects the code that one step needs.

    Args:
        step: The step's name, for messages.
        brings_files: Whether data files are deployed with it.

    It collects, in addition to findings and whole modules: ``uses``, the graph of pieces;
    ``placed``, names that show where code is, with the piece; ``made``, by module and name, the
    only statement that makes it, and where it is used.
    """

    def __init__(self, step: str, *, brings_files: bool = False) -> None:
        super().__init__(step)
        self.portability = Portability(brings_files)
        self.uses: dict[Piece, set[Piece]] = {}
        self.placed: dict[Piece, str] = {}
        self.made: dict[tuple[str, str], tuple[Statement, Place]] = {}
        self.changed: set[str | int] = set()
        self._waiting: deque[tuple[Piece, int, int]] = deque()
        self._seen: set[tuple[Piece, int] | tuple[Module, str]] = set()

    def need(self, by: Piece, name: str, before: int, use: Use) -> None:
        """Find the statements that make a name of a module, and follow them.

        Args:
            by: Where the name is used.
            name: The name.
            before: Position in the module; later statements have not run yet.
            use: How it is used.
        """
        raise NotImplementedError

    def follow(self, piece: Piece, at: int, before: int) -> Piece:
        """Follow the names of a piece, if that was not done before.

        It runs itself at the position ``at``, and its functions are called at ``before``.
        """
        self.uses.setdefault(piece, set())
        if (piece, before) not in self._seen:
            self._seen.add((piece, before))
            self._waiting.append((piece, at, before))
        return piece

    def bring(self, fact: Fact, piece: Piece) -> None:
        """Include the modules that an import of a piece needs."""
        name = next((one for one in fact.names or ("",) if not in_stub(one)), None)
        if origin(fact.what) == "lokki" and name is not None:
            name, what = name or fact.what, "a part of lokki_tf"
            self.find("lokki", Place(piece.file, fact.line), name=name, what=what)
        else:
            self.bring_fact(fact, Importer(piece.file, piece.code))

    def state(self) -> dict[str, Any]:
        """Return what was collected so far, for :meth:`restore`."""
        found = {k: copy.copy(v) for k, v in vars(self).items() if k not in ("step", "portability")}
        return {**found, "uses": {piece: set(used) for piece, used in self.uses.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Discard what was collected since :meth:`state` was called."""
        vars(self).update(state)

    def link(self, by: Piece, piece: Piece) -> None:
        """Record that a piece needs another one."""
        self.uses.setdefault(piece, set())
        self.uses.setdefault(by, set()).add(piece)

    def reachable(self, start: Iterable[Piece]) -> set[Piece]:
        """Return the pieces that some pieces need, themselves included."""
        found: set[Piece] = set()
        waiting = list(start)
        while waiting:
            piece = waiting.pop()
            if piece not in found:
                found.add(piece)
                waiting.extend(self.uses[piece])
        return found


def outside(module: Module) -> Piece:
    """Return the uses of a module's names by code of other modules."""
    return Piece(module, module.sources[0], (-2,))
