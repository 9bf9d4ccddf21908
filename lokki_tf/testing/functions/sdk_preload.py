"""Part of the program inside the worker processes: boto3, loaded once for all of them.

Loading boto3 and S3's description takes a quarter of a second, which every worker would pay that
reads or writes an object. So the nursery loads them and hides them: a worker finds no trace of
boto3 until it imports it, and then has it at once. A function that brings its own SDK gets its own.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
_hidden: dict[str, ModuleType] = {}
_brought_along: set[str] = set()
"""Modules of the standard library that are loaded only because the SDK needs them."""


def preload(folder: str) -> None:
    """Load the SDK from a folder and hide it.

    Args:
        folder: where its packages are.
    """
    before = set(sys.modules)
    sys.path.append(folder)
    try:
        import boto3
        import botocore.loaders
    except ImportError:
        return
    finally:
        sys.path.remove(folder)
    _remember_files(botocore.loaders.JSONFileLoader)
    boto3.session.Session().client(
        "s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    for name in [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]:
        _hidden[name] = sys.modules.pop(name)
    _brought_along.update(set(sys.modules) - before)


def _remember_files(loader: Any) -> None:
    """Let all sessions share the descriptions of services: nobody changes what was read."""
    read, seen = loader.load_file, {}

    def load_file(self: Any, file_path: str) -> Any:
        if file_path not in seen:
            seen[file_path] = read(self, file_path)
        return seen[file_path]

    loader.load_file = load_file


def offer(own_folders: Sequence[str]) -> None:
    """Let this process import the hidden SDK, unless the function brings a part of its own.

    Args:
        own_folders: the folders of the function's code and layers.
    """
    files = [name for folder in own_folders if os.path.isdir(folder) for name in os.listdir(folder)]
    own = {name.partition(".")[0] for name in files}
    for name in _brought_along:
        if name.partition(".")[0] in own:  # the function's own module of that name comes first
            sys.modules.pop(name, None)
    if _hidden and own.isdisjoint(_PACKAGES):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the hidden modules."""

    def find_spec(
        self, fullname: str, path: Any, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a spec for a hidden module."""
        if fullname not in _hidden:
            return None
        return importlib.machinery.ModuleSpec(fullname, _Loader())


class _Loader(importlib.abc.Loader):
    """Gives a hidden module as it is."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the module, loaded before."""
        module = _hidden[spec.name]
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is."""
        module.__spec__ = self._spec
