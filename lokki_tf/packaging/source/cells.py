"""Cells of notebooks: many sources that fill one namespace, each known to linecache."""

from __future__ import annotations

import linecache
import types
from typing import Any

from lokki_tf.model.cells import is_cell

from .files import Source, source_of


def cells_of(filename: str, names: dict[str, Any]) -> tuple[Source, ...]:
    """The cells that share a namespace, in the order in which each last ran.

    Args:
        filename: One of them, or ``""``.
        names: The namespace; IPython keeps its history there.
    """
    found = dict.fromkeys((filename,))
    if is_cell(filename) or not filename:
        found = dict.fromkeys(filter(is_cell, linecache.cache))
    own: set[str] = {filename}
    for value in list(names.values()):
        for function in (value, getattr(value, "__wrapped__", None)):
            if isinstance(function, types.FunctionType) and function.__globals__ is names:
                found.setdefault(function.__code__.co_filename)
                own.add(function.__code__.co_filename)
    sources = [source for source in map(source_of, found) if source and _parses(source)]
    history = names.get("In")
    if isinstance(history, list):
        ran = {str(text).strip(): number for number, text in enumerate(history)}
        sources.sort(key=lambda source: ran.get(source.text.strip(), -1))
        for source in sources:  # linecache knows the cells of every namespace
            source.has_run = source.filename in own or source.text.strip() in ran
    return tuple(sources)


def _parses(source: Source) -> bool:
    try:
        return bool(source.tree)
    except SyntaxError:
        return False
