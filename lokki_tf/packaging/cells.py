"""Cells of notebooks: many sources that fill one namespace, each known to linecache."""

from __future__ import annotations

import linecache
import re
import types
from collections.abc import Mapping
from typing import Any

from .sources import Source, source_of

_CELL = re.compile(r"<ipython-input-|<python-input-|[/\\]ipykernel_\d+[/\\]|__marimo__cell_")


def is_cell(filename: str) -> bool:
    """Whether a code object's file is a cell, of Jupyter, IPython, marimo or Python's prompt."""
    return _CELL.search(filename) is not None


def cells_of(filename: str, names: dict[str, Any]) -> tuple[Source, ...]:
    """The cells that share a namespace, in the order in which each last ran.

    Args:
        filename: One of them, or ``""``.
        names: The namespace; IPython keeps its history there.
    """
    found = dict.fromkeys((filename,))
    if is_cell(filename) or not filename:
        found = dict.fromkeys(filter(is_cell, linecache.cache))
    for value in list(names.values()):
        for function in (value, getattr(value, "__wrapped__", None)):
            if isinstance(function, types.FunctionType) and function.__globals__ is names:
                found.setdefault(function.__code__.co_filename)
    sources = [source for source in map(source_of, found) if source and _parses(source)]
    history = names.get("In")
    if isinstance(history, list):
        ran = {str(text).strip(): number for number, text in enumerate(history)}
        sources.sort(key=lambda source: ran.get(source.text.strip(), -1))
    return tuple(sources)


def _parses(source: Source) -> bool:
    try:
        return bool(source.tree)
    except SyntaxError:
        return False


def cell_label(filename: str, names: Mapping[str, Any]) -> str:
    """A cell as its author knows it, ``<cell 3>``, if the notebook's history tells."""
    history = names.get("In")
    if not is_cell(filename) or not isinstance(history, list):
        return filename
    source = source_of(filename)
    for number in range(len(history) - 1, 0, -1):
        if source is not None and str(history[number]).strip() == source.text.strip():
            return f"<cell {number}>"
    return filename
