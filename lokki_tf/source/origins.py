"""Find the origin of a module: Python, Lambda's runtime, the user, lokki_tf or a third party."""

from __future__ import annotations

import site
import sys
import sysconfig
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from typing import Literal as OneOf

from .values import home

Origin = OneOf["python", "lambda", "user", "lokki", "third-party"]

IN_LAMBDA = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"}
"""The packages that Lambda's Python runtimes contain."""


def imported(name: str) -> ModuleType | None:
    """The imported module with a name, or ``None`` if ``sys.modules`` has no module for it."""
    module = sys.modules.get(name)
    return module if isinstance(module, ModuleType) else None


def origin(name: str) -> Origin:
    """The origin of a module, imported or not."""
    module = imported(name)
    spec = find_spec(name) if module is None else None
    file = getattr(module, "__file__", None) or (spec.origin if spec else None)
    folders = getattr(module, "__path__", None) or (spec and spec.submodule_search_locations)
    if file in (None, "built-in", "frozen") and folders:
        file = next(iter(folders), None)
    return _origin_of(name, file if file not in ("built-in", "frozen") else None)


def of_user(value: Any) -> bool:
    """Whether the user wrote a function or class, in a file or in a cell."""
    if isinstance(value, FunctionType):
        filename = value.__code__.co_filename
        if filename.startswith("<"):
            return not filename.startswith("<frozen")
        return _origin_of(value.__module__ or "", filename) == "user"
    name = home(value)
    return name in ("", "__main__") or origin(name) == "user"


def is_users(name: str) -> bool:
    """Whether an imported module is a file of the user."""
    file = getattr(imported(name), "__file__", None)
    return bool(file) and _origin_of(name, str(file)) == "user"


def find_spec(name: str) -> ModuleSpec | None:
    """The spec of a module, found without importing the module or its packages."""
    path: list[str] | None = None
    spec = None
    for depth in range(1, name.count(".") + 2):
        part = ".".join(name.split(".")[:depth])
        spec = getattr(imported(part), "__spec__", None)
        spec = spec or _found(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


def _found(name: str, path: list[str] | None) -> ModuleSpec | None:
    try:
        return PathFinder.find_spec(name, path)
    except KeyError:  # PathFinder requires that the parent of a namespace package is imported
        spec = ModuleSpec(name, None, is_package=True)
        folders = (Path(folder, name.rpartition(".")[2]) for folder in path or ())
        spec.submodule_search_locations = [str(one) for one in folders if one.is_dir()]
        return spec


def _origin_of(name: str, file: str | None) -> Origin:
    """The origin of a module with a name and a file."""
    top = name.partition(".")[0]
    if top == "lokki_tf":
        return "lokki"
    if file is not None and _is_users(file):
        return "user"
    if top in sys.stdlib_module_names:
        return "python"
    return "lambda" if top in IN_LAMBDA else "third-party"


@cache
def _is_users(file: str) -> bool:
    path = Path(file).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    """The folders of the standard library and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    folders |= {f"{sys.base_prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}"}
    return tuple(Path(folder).resolve() for folder in folders if folder)
