"""The name of a module in a zip, which is that of its classes in pickles."""

from __future__ import annotations

import runpy
import sys

import pytest

from lokki_tf.packaging import cut, package

PACKAGE = """
from shop.flow import f
# file: shop/__init__.py
RATE = 2
def unused():
    return 1
# file: shop/flow.py
from lokki_tf import step
from . import RATE
from .models import Base

class Order(Base):
    def total(self):
        from . import models
        return models.base() * RATE

@step
def f():
    from . import RATE as rate
    return Order().total(), rate, Order.__module__
# file: shop/models.py
class Base:
    pass
def base():
    return 21
"""


def test_a_step_of_a_package(bench):
    """A module of a package keeps its place in it, and relative imports lead where they led."""
    with bench.loaded(bench.write(PACKAGE)) as names:
        one = cut(names["f"].step)
        packed = package(one)
    assert sorted(one.layout().files) == ["shop/__init__.py", "shop/flow.py", "shop/models.py"]
    assert bench.run([(bench.unpack(packed), "[]")])[0][0] == "(42, 2, 'shop.flow')"


def test_a_module_that_runs_as_a_script(bench):
    """``python -m shop.flow`` runs ``__main__``, which is ``shop.flow`` in the zip."""
    folder = bench.write(PACKAGE)
    with bench.loaded(folder):
        del sys.modules["shop.flow"]
        names = runpy.run_module("shop.flow", run_name="__main__", alter_sys=True)
        one = cut(names["f"].step)
        packed = package(one)
    assert bench.run([(bench.unpack(packed), "[]")])[0][0] == "(42, 2, 'shop.flow')"


def test_a_step_of_a_packages_init(bench):
    """A package's own file stays the package's."""
    text = (
        "from shop import f\n# file: shop/__init__.py\nfrom lokki_tf import step\n"
        "from . import parts\nclass Order(parts.Base):\n    pass\n@step\ndef f():\n"
        "    return Order().n, Order.__module__\n"
        "# file: shop/parts.py\nclass Base:\n    n = 3\n"
    )
    with bench.loaded(bench.write(text)) as names:
        packed = package(cut(names["f"].step))
    assert bench.run([(bench.unpack(packed), "[]")])[0][0] == "(3, 'shop')"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("daily", "daily"),
        ("my-pipeline.v2", "my_pipeline_v2"),
        ("2024", "_2024"),
        ("queue", "queue_"),
        ("lambda_function", "lambda_function_"),
    ],
)
def test_a_script_is_called_after_its_file(bench, stem, name):
    """A script's module is named after its file, unless that would hide another module."""
    text = "class Order:\n    pass\n@step\ndef f():\n    return Order.__module__\n"
    folder = bench.write(text)
    (folder / "pipeline.py").rename(folder / f"{stem}.py")
    names = runpy.run_path(str(folder / f"{stem}.py"), run_name="__main__")
    one = cut(names["f"].step)
    assert not one.findings
    assert bench.run([(bench.unpack(package(one)), "[]")])[0][0] == repr(name)
