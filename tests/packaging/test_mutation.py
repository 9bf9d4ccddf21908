"""Would these tests notice? A cutter that forgets one kind of name makes what travels fail."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lokki_tf.packaging import cut, package
from lokki_tf.packaging.extract.carry import Carrier


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
    is_import: (45, {"NameError"}),
    is_helper: (30, {"NameError"}),
    is_class: (20, {"NameError", "ImportError", "ModuleNotFoundError", "AttributeError"}),
    is_constant: (50, {"NameError"}),
    is_of_own_module: (25, {"ModuleNotFoundError", "ImportError", "AttributeError"}),
}
"""Kinds of names, how many of the modules at least have such, and the errors where they lack."""
QUIET = {
    # Here the name is a builtin as well, an empty table, a setting's default, or an import of
    # another kind than the one that is forgotten.
    "a name that is a builtin, until the module says otherwise",
    "a table that decorators fill",
    "settings of a module that the function uses",
    "a module that the script changes",
}


def cases():
    """All modules of which the tests beside this one say that they travel."""
    for name in ("travel", "modules", "edges"):
        yield from runpy.run_path(str(Path(__file__).with_name(f"test_{name}.py")))["CASES"]


@pytest.fixture(scope="module")
def written(bench):
    """Each module as files, with its claim and arguments."""
    return [(claim, bench.write(text), args) for claim, text, args in cases()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_cutter_that_forgets_a_kind_of_name_is_noticed(bench, written, monkeypatch, kind):
    """Wherever forgetting it changes a zip, the zip answers something else, nearly always by
    an error that says that a name is missing."""
    link = Carrier.link

    def forgets(carrier, site, name, piece):
        if not kind(site, piece):
            link(carrier, site, name, piece)

    changed = []
    for claim, folder, args in written:
        with bench.loaded(folder, main=True) as names:
            whole = package(cut(names["f"].step))
            with monkeypatch.context() as patch:
                patch.setattr(Carrier, "link", forgets)
                part = package(cut(names["f"].step))
        if whole.files != part.files:
            changed.append((claim, args, bench.unpack(whole), bench.unpack(part)))
    right = bench.run([(folder, args) for _, args, folder, _ in changed])
    wrong = bench.run([(folder, args) for _, args, _, folder in changed])
    least, errors = KINDS[kind]
    assert len(changed) >= least
    for (claim, *_), (first, _), (second, _) in zip(changed, right, wrong, strict=True):
        assert first != second, claim
        assert second.partition(":")[0] in errors or claim in QUIET, (claim, second)
