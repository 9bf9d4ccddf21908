"""Keep the compiled code of modules for all workers. Part of the program that ``bootstrap`` starts.

Each function contains the modules of lokki_tf's runtime, which Python compiles in 20 ms, most of
the time until a worker is ready. They are the same in all functions, in folders of their own, so
compiled code is kept by its source, not by its path.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import marshal
import os
from types import CodeType
from typing import Any


def keep_in(folder: str) -> None:
    """Take the code of modules from a folder, or compile it and store it there.

    Args:
        folder: The folder, created if necessary.
    """
    os.makedirs(folder, exist_ok=True)
    loader: Any = importlib.machinery.SourceFileLoader
    compiled = loader.source_to_code

    def source_to_code(self: Any, data: bytes, path: str, **options: Any) -> CodeType:
        name = f"{importlib.util.source_hash(data).hex()}-{len(data)}"
        file = os.path.join(folder, name)
        with contextlib.suppress(OSError), open(file, "rb") as stored:
            return _of_file(path, marshal.loads(stored.read()))
        code: CodeType = compiled(self, data, path, **options)
        with contextlib.suppress(OSError):
            with open(f"{file}-{os.getpid()}", "wb") as written:
                written.write(marshal.dumps(code))
            os.replace(written.name, file)
        return code

    loader.source_to_code = source_to_code


def _of_file(path: str, code: CodeType) -> CodeType:
    """Return a module's code, and that of all functions in it, for tracebacks with another path."""
    inside = (_of_file(path, one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=path, co_consts=tuple(inside))
