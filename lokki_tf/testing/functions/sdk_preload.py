"""Load boto3 once for all worker processes. Part of the program that ``bootstrap`` starts.

Loading boto3 with its model of S3 takes 0.25 s. The fork server loads them and removes them from
``sys.modules``, so that a worker starts without boto3, as in Lambda. If the function imports boto3,
an import hook returns the loaded modules. A function whose code contains boto3 imports its own.
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
_dependencies: set[str] = set()
"""Modules of the standard library that were loaded only because the SDK imports them."""


def preload(folder: str, services: Sequence[str] = ("s3",)) -> None:
    """Load the SDK from a folder and remove it from ``sys.modules``.

    Args:
        folder: The folder with the SDK's packages.
        services: The services whose models are loaded.
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
    _remember_files(botocore.loaders)
    for service in services:
        boto3.session.Session().client(
            service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
    for name in [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]:
        _hidden[name] = sys.modules.pop(name)
    _dependencies.update(set(sys.modules) - before)


def _remember_files(loaders: Any) -> None:
    """Cache the service models and their names for all boto3 sessions, which do not change them.

    A session looks through the folders of 400 services for these names: half of its time.
    """
    models, names = loaders.JSONFileLoader, loaders.Loader
    read, find, seen, found = models.load_file, names.list_available_services, {}, {}

    def load_file(self: Any, file_path: str) -> Any:
        if file_path not in seen:
            seen[file_path] = read(self, file_path)
        return seen[file_path]

    def list_available_services(self: Any, type_name: str) -> Any:
        key = (*self.search_paths, type_name)
        if key not in found:
            found[key] = find(self, type_name)
        return found[key]

    models.load_file, names.list_available_services = load_file, list_available_services


def offer(own_folders: Sequence[str]) -> None:
    """Let this process import the loaded SDK, unless the function's code contains a part of it.

    Args:
        own_folders: The folders of the function's code and layers.
    """
    files = [name for folder in own_folders if os.path.isdir(folder) for name in os.listdir(folder)]
    own = {name.partition(".")[0] for name in files}
    for name in _dependencies:
        if name.partition(".")[0] in own:  # the function has its own module with this name
            sys.modules.pop(name, None)
    if _hidden and own.isdisjoint(_PACKAGES):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the loaded modules of the SDK."""

    def find_spec(
        self, fullname: str, path: Any, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a spec for a module of the SDK."""
        if fullname not in _hidden:
            return None
        return importlib.machinery.ModuleSpec(fullname, _Loader())


class _Loader(importlib.abc.Loader):
    """Returns a module that is already loaded."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the loaded module."""
        module = _hidden[spec.name]
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the module's spec; its code has already run."""
        module.__spec__ = self._spec
