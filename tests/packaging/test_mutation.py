"""Packaging that forgets one kind of code makes the cases of the tests beside this one fail."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lokki_tf.packaging import cut, package
from lokki_tf.packaging.extract import cut as cut_stages
from lokki_tf.packaging.extract.carry import Carrier
from lokki_tf.packaging.extract.whole import Inclusion
from lokki_tf.source.modules import user_module


def forget_pieces(patch, is_kind):
    """Forget pieces of a kind."""
    link = Carrier.link

    def forgets(carrier, by, piece):
        if not is_kind(piece):
            link(carrier, by, piece)

    patch.setattr(Carrier, "link", forgets)


def imports(patch):
    """Forget the imports of modules that are cut."""
    forget_pieces(patch, lambda piece: piece.kind == "import")


def helpers(patch):
    """Forget functions beside the step."""
    forget_pieces(patch, lambda piece: piece.kind == "definition" and not piece.is_class)


def classes(patch):
    """Forget classes, whose instances are unpickled as well."""
    forget_pieces(patch, lambda piece: piece.is_class)


def constants(patch):
    """Forget values that statements make."""
    forget_pieces(patch, lambda piece: piece.kind == "code" and not piece.is_class)


def whole_modules(patch):
    """Forget modules that are included whole, and the packages around them."""
    patch.setattr(Inclusion, "include", lambda *_: None)


def packages(patch):
    """Forget the files of packages."""
    include = Inclusion.include

    def forgets(included, name, cause):
        module = user_module(name)
        if module is None or module.package != name:
            include(included, name, cause)

    patch.setattr(Inclusion, "include", forgets)


def acting_statements(patch):
    """Forget statements that act by being run."""
    patch.setattr(cut_stages, "keep_acting", lambda *_: None)


def submodules(patch):
    """Forget to import submodules that are used as attributes of their packages."""
    patch.setattr(Inclusion, "_follow_attributes", lambda *_: None)


FORGOTTEN = {
    imports: (60, 2),
    helpers: (30, 1),
    classes: (17, 0),
    constants: (45, 1),
    whole_modules: (50, 1),
    packages: (4, 8),
    acting_statements: (14, 9),
    submodules: (2, 3),
}
"""In how many cases at least forgetting it is noticed, and in how many at most it is not.

An empty ``__init__`` makes no difference, nor does a setting that is the default here, nor an
import that is kept for its place among others where that does not matter.
"""


def cases():
    """All modules that the tests beside this one run here and from their zips."""
    for name in ("cut_functions", "modules", "edges", "whole_modules"):
        yield from runpy.run_path(str(Path(__file__).with_name(f"test_{name}.py")))["CASES"]


@pytest.fixture(scope="module")
def forgotten(bench):
    """For each kind: the cases whose zips it changes, with the right and the wrong result."""
    changed = []
    for claim, text, args in cases():
        with bench.loaded(bench.write(text), main=True) as names:
            step = names["f"].step
            right = package(cut(step))
            folder = bench.unpack(right)
            for forget in FORGOTTEN:
                with pytest.MonkeyPatch.context() as patch:
                    forget(patch)
                    wrong = package(cut(step))
                if right.files != wrong.files:
                    changed.append((forget, claim, args, folder, bench.unpack(wrong)))
    calls = [(folder, args) for _, _, args, *folders in changed for folder in folders]
    results = [result for result, _ in bench.run(calls)]
    found = {forget: [] for forget in FORGOTTEN}
    for (forget, claim, *_), first, second in zip(
        changed, results[::2], results[1::2], strict=True
    ):
        found[forget].append((claim, first, second))
    return found


@pytest.mark.parametrize("forget", FORGOTTEN, ids=lambda forget: forget.__name__)
def test_forgetting_a_kind_of_code_is_noticed(forgotten, forget):
    """Nearly everywhere that forgetting it changes a zip, the zip gives something else."""
    least, most = FORGOTTEN[forget]
    unnoticed = [claim for claim, first, second in forgotten[forget] if first == second]
    assert len(unnoticed) <= most, unnoticed
    assert len(forgotten[forget]) - len(unnoticed) >= least
