"""The package ``lokki_tf`` of a zip, with which the user's modules can be imported there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from .runtime_files import OF_ROUTES, all_files, bare

_STUB = {"lokki_tf/__init__.py": "runtime/stub/__init__.py", "lokki_tf/errors.py": "errors.py"}
_STATE = {
    f"lokki_tf/{path}": path
    for path in ("local/state.py", "local/database.py", "local/strict.py", "tracebacks.py")
}


@cache
def stub_files(*, state_manager: bool = False) -> Mapping[str, bytes]:
    """The files of the stub, by their paths in a zip.

    They need the files of the runtime beside them.

    Args:
        state_manager: Whether the code uses ``StateManager``.
    """
    wanted = _STUB | (_STATE if state_manager else {})
    root = files("lokki_tf")
    stub = {
        path: _for_any_python(bare((root / source).read_text(encoding="utf-8"))).encode()
        for path, source in wanted.items()
    }
    # A step that is not routed may import a module that returns ReturnUpdates.
    routes = {
        path: data
        for path, data in all_files().items()
        if path.rpartition("/")[2] in OF_ROUTES - {"routed.py"}
    }
    return MappingProxyType({**stub, **routes})


def _for_any_python(source: str) -> str:
    # Python 3.9, which Lambda offers, has neither.
    return source.replace(", slots=True)", ")").replace(", strict=True)", ")")
