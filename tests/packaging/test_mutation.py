"""Would these tests notice? A cutter that forgets one kind of name makes what travels fail."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lokki_tf.packaging.carry import Carrier


def is_import(site, piece):
    """Imports of Python's modules and of others' packages."""
    return piece.kind == "import" and piece.module == site.module.name


def is_helper(site, piece):
    """Functions of the step's own module."""
    return piece.kind == "definition" and not piece.is_class and piece.module == site.module.name


def is_class(site, piece):
    """Classes, whose instances have to be unpickled as well."""
    return piece.is_class


def is_constant(site, piece):
    """Values that statements of the step's own module make."""
    return piece.kind == "code" and not piece.is_class and piece.module == site.module.name


def is_of_own_module(site, piece):
    """What other modules of the user's hold."""
    return piece.module != site.module.name


KINDS = {
    is_import: {
        "imports that functions need, and no others",
        "imports under other names, of submodules and of several names",
    },
    is_helper: {},
    is_class: {},
    is_constant: {},
    is_of_own_module: {},
}
