"""Words of messages: numbers with nouns, findings, paths."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Finding


def rendered(finding: Finding) -> str:
    """Return a finding as a line."""
    return f"{finding.severity} [{finding.rule}] {finding}"


def count(number: int, what: str) -> str:
    """Return a number with its noun: ``1 step``, ``2 steps``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def quoted(folder: Path) -> str:
    """Return a folder's path, quoted for a shell."""
    text = str(_shortest(folder))
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def _shortest(folder: Path) -> Path:
    try:
        return folder.relative_to(Path.cwd())
    except ValueError:
        return folder
