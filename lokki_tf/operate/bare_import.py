"""The program of ``check --import``: imports a bundle as Lambda would.

Runs as ``python -I -S bare_import.py BUNDLE ANSWER [PACKAGES…]`` and writes JSON to the file
``ANSWER``. Before the import, it imports only modules that are built into Python, so that the
measured time includes everything that a bare interpreter would still have to import.
"""

from __future__ import annotations

import sys
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    Frames = list[list[Any]]

CONNECTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
RESOLVES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


class Missed:
    """The last finder: records the top-level modules that no other finder finds.

    Args:
        names: The list to which their names are appended.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Record a module that is not in a package."""
        if path is None:
            self.names.append(name)


def run(bundle: str, packages: list[str]) -> dict[str, Any]:
    """Import a bundle.

    Args:
        bundle: The folder with its files.
        packages: Folders of installed packages.

    Returns:
        The content of the answer file.
    """
    missed: list[str] = []
    connections: list[list[Any]] = []

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CONNECTS:
            address = arguments[1]
        elif event in RESOLVES:
            address = tuple(arguments[:2])
        else:
            return
        if isinstance(address, tuple):  # the address of a Unix socket is a path
            target = ":".join(str(part) for part in address[:2] if part is not None)
            connections.append([target, frames_above(sys._getframe(1), bundle)])
            raise OSError(f"a connection to {target} is opened at import")

    sys.path[:0] = [bundle]
    sys.path += packages
    sys.meta_path.append(Missed(missed))
    sys.addaudithook(refuse)
    error: BaseException | None = None
    began = perf_counter()
    try:
        __import__("lambda_function")
    except BaseException as caught:
        error = caught
    seconds = perf_counter() - began
    return {
        "seconds": seconds,
        "error": None if error is None else described(error),
        "frames": [] if error is None else frames_of(error, bundle),
        "missed": missed,
        "connections": connections,
    }


def described(error: BaseException) -> str:
    """Return an error's class and text, also if its ``__str__`` raises."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:
        text = "(it has no text)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def frames_of(error: BaseException, bundle: str) -> Frames:
    """Return the bundle's files and lines, from the handler to the line that raised an error."""
    found: Frames = []
    traceback = error.__traceback__
    while traceback is not None:
        found.append([traceback.tb_frame.f_code.co_filename, traceback.tb_lineno])
        traceback = traceback.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        found.append([error.filename, error.lineno or 1])
    return within(found, bundle)


def frames_above(frame: FrameType | None, bundle: str) -> Frames:
    """Return the bundle's files and lines, from the handler to a frame."""
    found: Frames = []
    while frame is not None:
        found.append([frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return within(found[::-1], bundle)


def within(frames: Frames, bundle: str) -> Frames:
    """Return the frames in the bundle, with file paths relative to it."""
    start = bundle + "/"
    return [[file[len(start) :], line] for file, line in frames if file.startswith(start)]


def main() -> None:
    """Run the program."""
    bundle, answer, *packages = sys.argv[1:]
    found = run(bundle, packages)
    import json
    import os

    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)
    os._exit(0)  # threads that the import started may never end


if __name__ == "__main__":
    main()
