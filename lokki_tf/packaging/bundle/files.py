"""The files of the user's modules in a zip.

What only values of other steps need is part of them. Where it imports packages that the
step itself does not, it stands in a file beside the module's and is loaded when the first
such value arrives: a step beside a pandas step starts without pandas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..extract.pieces import Piece
from ..extract.render import file_text

Modules = Mapping[str, frozenset[Piece]]
"""Modules as pieces of each."""

_HOOK = """\
def __getattr__(name):
    # Values of other steps need more of this module; it is loaded with the first of them.
    if name not in {names}:
        raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
    with open(f"{{__file__.removesuffix('.py')}}.later.py", encoding="utf-8") as later:
        exec(compile(later.read(), later.name, "exec"), globals())
    return globals()[name]
"""


def module_files(own: Modules, packages: Iterable[str], others: Modules) -> dict[str, str]:
    """The files of modules, by path.

    Args:
        own: What a step needs of each module.
        packages: Names of modules that are packages, of these and of others.
        others: What values of other steps need of each.
    """
    known = set(packages)
    names = {*own, *others}
    parents = {parent for name in names for parent in _parents(name)}
    files: dict[str, str] = {}
    for name in sorted(names | (parents & known)):
        pieces, more = own.get(name, frozenset()), others.get(name, frozenset())
        path = name.replace(".", "/") + ("/__init__" if name in known else "")
        if name in own and _loads_more(pieces, more):
            files[f"{path}.py"] = _hooked(pieces, more - pieces)
            files[f"{path}.later.py"] = file_text(more - pieces)
        elif pieces or more or name in known:
            files[f"{path}.py"] = file_text(pieces | more)
    return files


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _loads_more(pieces: frozenset[Piece], more: frozenset[Piece]) -> bool:
    """Whether the module would import packages that the step does without."""
    packages = {one.package for piece in pieces for one in piece.imports}
    return "__getattr__" not in _bound(pieces | more) and any(
        one.package not in packages for piece in more for one in piece.imports
    )


def _hooked(pieces: frozenset[Piece], later: frozenset[Piece]) -> str:
    text = file_text(pieces)
    gap = "\n\n" if text else ""
    return text + gap + _HOOK.format(names=sorted(_bound(later)))


def _bound(pieces: Iterable[Piece]) -> set[str]:
    return {name for piece in pieces for name in piece.binds}


def merged(*parts: Modules) -> Modules:
    """Modules that hold what each of some parts needs of them."""
    found: dict[str, set[Piece]] = {}
    for part in parts:
        for name, pieces in part.items():
            found.setdefault(name, set()).update(pieces)
    return {name: frozenset(pieces) for name, pieces in sorted(found.items())}
