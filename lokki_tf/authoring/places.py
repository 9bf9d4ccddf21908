"""Source locations of the user's code."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import Place
from lokki_tf.model.cells import cell_label

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_PACKAGE = str(Path(__file__).parents[1])


def place_of(function: Callable[..., Any]) -> Place:
    """Return the line where a function's definition begins, below its decorators' wrappers."""
    name = getattr(function, "__qualname__", repr(function))
    written = inspect.unwrap(function)
    code = getattr(written, "__code__", None)
    if code is None:
        return Place("<unknown>", 1, name)
    file = cell_label(code.co_filename, getattr(written, "__globals__", {}))
    return Place(file, code.co_firstlineno, name)


def calling_frame() -> FrameType:
    """Return the frame of the user's code that called into this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_PACKAGE)
        or frame.f_globals.get("__name__", "").startswith("click.")  # a command of main()
    ):
        frame = frame.f_back
    return frame


def calling_place() -> Place:
    """Return the line of the user's code that called into this package."""
    frame = calling_frame()
    file = cell_label(frame.f_code.co_filename, frame.f_globals)
    return Place(file, frame.f_lineno, frame.f_code.co_name)
