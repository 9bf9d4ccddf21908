"""Notebook cells: their code objects' file names, and the names that people see."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from typing import Any

_CELL = re.compile(r"<ipython-input-|<python-input-|[/\\]ipykernel_\d+[/\\]|__marimo__cell_")


def is_cell(filename: str) -> bool:
    """Return whether a file name is a cell of Jupyter, IPython, marimo or Python's prompt."""
    return _CELL.search(filename) is not None


def cell_label(filename: str, names: Mapping[str, Any]) -> str:
    """Return a cell's label, ``<cell 3>``, if the notebook's history contains it.

    Args:
        filename: File name of a code object; returned unchanged if it is not a cell's.
        names: The namespace of the code, in which IPython stores its history.
    """
    if not is_cell(filename):
        return filename
    history, text = names.get("In"), "".join(linecache.getlines(filename)).strip()
    if isinstance(history, list) and text:
        for number in range(len(history) - 1, 0, -1):
            if str(history[number]).strip() == text:
                return f"<cell {number}>"
    return filename
