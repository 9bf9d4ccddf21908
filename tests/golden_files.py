"""Golden files: generated text that was reviewed, and is compared to the letter.

To renew them after a change that is meant: ``LOKKI_GOLDEN=write pytest``, then read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "golden"


def agrees_with_golden(
    request: pytest.FixtureRequest, name: str, text: str, folder: Path = FOLDER
) -> None:
    """Fails, showing the difference, where the text is not the golden file's.

    Args:
        request: The test's.
        name: The file's.
        text: What was generated.
        folder: Where the file is.
    """
    file = folder / name
    if os.environ.get("LOKKI_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{request.node.name}: {name} differs"
