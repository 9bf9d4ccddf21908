"""An executable used instead of uv: it records its arguments and installs one small package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_PROGRAM = """#!{python}
import json, pathlib, sys, time
told, given = sys.argv[1:], sys.stdin.read()
with open({log!r}, "a") as log:
    log.write(json.dumps([told[1], given]) + "\\n")
time.sleep({seconds})
if {says!r}:
    sys.stderr.write({says!r})
    sys.exit(1)
if told[1] == "compile":
    print("fake==1.0")
else:
    folder = pathlib.Path(told[told.index("--target") + 1])
    (folder / "fake-1.0.dist-info").mkdir(parents=True)
    (folder / "fake-1.0.dist-info" / "RECORD").write_text("fake.py,,\\n")
    with open(folder / "fake.py", "wb") as file:
        file.truncate({size})
"""


class FakeUv:
    """A fake uv in a folder.

    Args:
        folder: The folder of the program and its notes.
        says: The error message, if it must fail.
        size: The size of the installed package in bytes.
        seconds: How long each call takes.
    """

    def __init__(
        self, folder: Path, *, says: str = "", size: int = 10, seconds: float = 0.0
    ) -> None:
        self._log = folder / "uv.log"
        file = folder / "uv"
        file.write_text(
            _PROGRAM.format(
                python=sys.executable, log=str(self._log), says=says, size=size, seconds=seconds
            )
        )
        file.chmod(0o755)
        self.path = str(file)

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Each call: ``compile`` or ``install``, and what it was given on standard input."""
        if not self._log.exists():
            return []
        return [tuple(json.loads(line)) for line in self._log.read_text().splitlines()]
