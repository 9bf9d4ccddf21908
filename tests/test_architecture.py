"""Rules for the modules of lokki_tf that import-linter cannot check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
MODULES = [*sorted((ROOT / "lokki_tf").rglob("*.py")), ROOT / "pytest_lokki_tf.py"]

FOREIGN = {
    "_replace": "a documented method of named tuples",
    "_asdict": "a documented method of named tuples",
    "_fields": "a documented attribute of named tuples",
    # The standard library
    "_get_running_loop": "asyncio, which is looked up in sys.modules",
    "_USE_VFORK": "subprocess, whose documentation describes it; its stubs call it final",
    "_is_protocol": "typing has no public function for it before Python 3.13",
    "_max_workers": "concurrent.futures has no public name for the number of workers",
    "_processes": "concurrent.futures has no public way to end a pool's processes before 3.14",
    "_executor_manager_thread": "concurrent.futures, as above",
    # moto and botocore: a comment at each use gives the reason
    "_get_action": "moto",
    "_get_params": "moto",
    "_get_key": "moto",
    "_get_layers_data": "moto",
    "_invoke_lambda": "moto",
    "_send_event_bridge_message": "moto",
    "_make_api_call": "botocore",
}
"""Private attributes of objects of other packages that are not read as ``module._name``."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def foreign_accesses(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and text of each access to a private attribute of another module.

    A module's own private names are those of its functions and variables, of methods and class
    variables, and of the attributes that are assigned to ``self`` or ``cls``. Attributes of modules
    of other packages are left out.
    """
    defined, other_modules = set[str](), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                defined.add(node.name)
            case ast.Name(ctx=ast.Store()):
                defined.add(node.id)
            case ast.Attribute(ctx=ast.Store(), value=ast.Name("self" | "cls")):
                defined.add(node.attr)
            case ast.Import():
                other_modules |= {
                    one.asname or one.name
                    for one in node.names
                    if not one.name.startswith("lokki_tf")
                }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls") | ast.Call(func=ast.Name("super"))):
                continue
            case ast.Attribute(value=ast.Name(owner)) if owner in other_modules:
                continue
            case ast.Attribute(attr=name):
                pass
            case ast.Call(
                func=ast.Name("getattr" | "setattr" | "hasattr" | "delattr"),
                args=[ast.expr(), ast.Constant(str(name)), *_],
            ):
                pass
            case _:
                continue
        if is_private(name) and name not in defined:
            yield node.lineno, name, ast.unparse(node)


def private_imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and text of each import of a private name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                if is_private(one.name):
                    yield node.lineno, one.name, ast.unparse(node)


def found_in(tree: ast.Module) -> list[tuple[int, str, str]]:
    return [*foreign_accesses(tree), *private_imports(tree)]


def test_private_names_are_used_in_their_module_only() -> None:
    """No module accesses a private member of another module, or of its classes."""
    found = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in MODULES
        for line, name, text in found_in(ast.parse(file.read_bytes()))
        if name not in FOREIGN
    ]
    assert not found


def test_each_exception_is_used() -> None:
    """The list of exceptions contains no name that lokki_tf no longer uses."""
    used = {name for file in MODULES for _, name, _ in found_in(ast.parse(file.read_bytes()))}
    assert set(FOREIGN) <= used


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("call._step", ["call._step"]),
        ("getattr(call, '_step')", ["getattr(call, '_step')"]),
        ("from lokki_tf.runtime import call\ncall._drive", ["call._drive"]),
        ("from .uv import _run", ["from .uv import _run"]),
        ("import os\nos._exit(1)", []),
        ("class A:\n    def f(self, other):\n        self._x = other._x", []),
        ("class A:\n    def f(self):\n        return self._x, self.__class__, x.__name__", []),
    ],
)
def test_private_accesses_are_found(source: str, found: list[str]) -> None:
    """The rule covers attributes, ``getattr`` and imports, and allows a module's own names."""
    assert [text for _, _, text in found_in(ast.parse(source))] == found


def test_no_modules_import_each_other() -> None:
    """There is no import cycle, not even of imports inside functions or for type checkers only."""
    graph = grimp.build_graph("lokki_tf", exclude_type_checking_imports=False, cache_dir=None)
    imported = {one: graph.find_modules_directly_imported_by(one) for one in graph.modules}
    cycle: list[str] = []
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert cycle == []
