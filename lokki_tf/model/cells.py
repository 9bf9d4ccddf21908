"""Cells of notebooks, by the names that their code objects have and by those that people see."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from typing import Any

_CELL = re.compile(r"<ipython-input-|<python-input-|[/\\]ipykernel_\d+[/\\]|__marimo__cell_")


def is_cell(filename: str) -> bool:
    """Whether a code object's file is a cell, of Jupyter, IPython, marimo or Python's prompt."""
    return _CELL.search(filename) is not None


def cell_label(filename: str, names: Mapping[str, Any]) -> str:
    """A cell as its author knows it, ``<cell 3>``, if the notebook's history tells.

    Args:
        filename: Of a code object; one that is no cell's stays as it is.
        names: The namespace that the code runs in; IPython keeps its history there.
    """
    if not is_cell(filename):
        return filename
    history, text = names.get("In"), "".join(linecache.getlines(filename)).strip()
    if isinstance(history, list) and text:
        for number in range(len(history) - 1, 0, -1):
            if str(history[number]).strip() == text:
                return f"<cell {number}>"
    return filename
