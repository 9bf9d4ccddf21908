"""What IPython puts among the names of a notebook: its own, and stand-ins of Python's."""

from __future__ import annotations

import builtins
import re
from typing import Any

from .values import MISSING, home

NOTEBOOKS_OWN = re.compile(r"_{1,3}|In|Out|_i{1,3}|_i?\d+|_[iods]h|get_ipython")
"""Names of IPython's history: the last results, all inputs."""


def of_notebook(value: Any) -> bool:
    """Whether a value is a part of IPython: ``display``, ``get_ipython``, ``exit``."""
    return home(value).partition(".")[0] in ("IPython", "ipykernel")


def stands_for_builtin(name: str, value: Any) -> bool:
    """Whether a value stands for the builtin of its name, as a notebook's ``open`` does."""
    own = getattr(builtins, name, MISSING)
    return own is not MISSING and getattr(value, "__wrapped__", None) is own
