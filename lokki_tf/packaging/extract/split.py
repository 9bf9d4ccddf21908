"""Which pieces of a step's own module stand in its Lambda's file, and which in the module's.

A class is known by its module's name when its instances are pickled, so classes stand in a
file of that name, with what they use; so does code that asks for its own file. The function
and its helpers stand where the user looks first, in ``lambda_function.py``. What both need
stands once, in the module's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .pieces import Piece

Graph = Mapping[Piece, Mapping[str, set[Piece]]]


def reachable(graph: Graph, start: Iterable[Piece]) -> set[Piece]:
    """The pieces that some pieces need, themselves included."""
    found: set[Piece] = set()
    waiting = list(start)
    while waiting:
        piece = waiting.pop()
        if piece not in found:
            found.add(piece)
            waiting.extend(other for targets in graph[piece].values() for other in targets)
    return found


def in_module_file(graph: Graph, own: str, rebound: set[str], placed: set[Piece]) -> set[Piece]:
    """The pieces of the step's own module that stand in the module's own file.

    Args:
        graph: From each piece, by name, to the pieces that make the names it uses.
        own: The module's name.
        rebound: Names that functions bind anew: an imported name would not follow.
        placed: Pieces that ask which file they stand in.
    """
    seeds = {p for p in graph if p.module == own and (p.is_class or p in placed)}
    for piece, names in graph.items():
        if piece.module != own:
            seeds |= {other for others in names.values() for other in others}
    makers = _makers(graph, own)
    while True:
        kept = {p for p in reachable(graph, seeds) if p.module == own}
        made = {piece for piece in kept if piece.kind != "import"}
        split = [pieces for pieces in makers if pieces & made]
        more = {piece for pieces in split for piece in pieces}
        more |= _users(graph, own, made, rebound) | _interleaved(graph, own, made, split)
        if more <= kept:
            return kept
        seeds = kept | more


def _makers(graph: Graph, own: str) -> list[set[Piece]]:
    """For each name of the module the pieces that make it, here or there in the file."""
    found: dict[str, set[Piece]] = {}
    for piece, names in graph.items():
        for name, others in names.items() if piece.module == own else ():
            makers = {other for other in others if other.module == own}
            found.setdefault(name, set()).update(makers if name else ())
    return [pieces for pieces in found.values() if any(p.kind != "import" for p in pieces)]


def _users(graph: Graph, own: str, kept: set[Piece], rebound: set[str]) -> set[Piece]:
    """The pieces that use a kept name whose value functions replace."""
    return {
        piece
        for piece, names in graph.items()
        if piece.module == own
        for name in rebound & set(names)
        if names[name] & kept
    }


def _interleaved(graph: Graph, own: str, kept: set[Piece], makers: list[set[Piece]]) -> set[Piece]:
    """Statements that run between others which make a kept name anew.

    In a file of their own they would all run after those.
    """
    again = {piece for pieces in makers if len(pieces) > 1 for piece in pieces}
    if not again:
        return set()
    statements = {p for p in graph if p.module == own and p.kind == "code" and p.text} - kept
    return {piece for piece in statements if reachable(graph, [piece]) & again}


def imported_names(graph: Graph, inline: set[Piece], kept: set[Piece]) -> list[str]:
    """The names that inline pieces take from their module's file, in the order of that file."""
    made = {piece for piece in kept if piece.kind != "import"}
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    for piece in inline:
        for name, others in graph[piece].items():
            for other in others & made:
                if name:
                    found[name] = min(found.get(name, (other.order, name)), (other.order, name))
    return sorted(found, key=lambda name: found[name])
