"""Functions of notebook cells: many sources, one namespace, any order of running."""

from __future__ import annotations

import linecache

import pytest

from lokki_tf.packaging import cut, package


@pytest.fixture
def answer(bench):
    """What a step of a notebook answers where it arrives."""

    def run(names, step, args="[]"):
        packed = package(cut(names[step].step))
        assert not [str(one) for one in packed.findings]
        return bench.run([(bench.unpack(packed), args)])[0][0]

    return run


def test_names_come_from_several_cells(cells, answer):
    """A function finds imports, constants and helpers that other cells made."""
    cells("import json\nfrom math import floor")
    cells("LIMIT = 3\n\n# a table\nTABLE = {'a': LIMIT}")
    cells("def helper(x):\n    return json.dumps([floor(x), TABLE])")
    names = cells("@step\ndef f(x):\n    return helper(x)")
    assert answer(names, "f", "[2.5]") == repr('[2, {"a": 3}]')


def test_the_newest_definition_counts(cells, answer):
    """A helper or constant that a later cell defines again is the later one."""
    cells("def helper():\n    return 'old'\nLIMIT = 1")
    names = cells("@step\ndef f():\n    return helper(), LIMIT")
    cells("def helper():\n    return 'new'\nLIMIT = 2")
    assert answer(names, "f") == "('new', 2)"


def test_a_cell_that_ran_again_counts(cells, answer):
    """A cell that is run once more after a newer one gives the names their values."""
    cells("LIMIT = 1\ndef helper():\n    return 'first'")
    cells("LIMIT = 2\ndef helper():\n    return 'second'")
    names = cells("@step\ndef f():\n    return helper(), LIMIT")
    cells("LIMIT = 1\ndef helper():\n    return 'first'")
    assert answer(names, "f") == "('first', 1)"


def test_values_grow_over_cells(cells, answer):
    """What one cell makes and others change arrives changed."""
    cells("rows = [1]\nTOTAL = 0")
    cells("rows.append(2)\nTOTAL += 5")
    cells("rows += [3]\nfirst = rows[0]")
    names = cells("@step\ndef f():\n    return rows, TOTAL, first")
    assert answer(names, "f") == "([1, 2, 3], 5, 1)"


def test_a_step_is_cut_as_it_was_defined_last(cells, answer):
    """Running a step's cell again deploys the new function."""
    cells("@step\ndef f():\n    return 'old'")
    names = cells("@step\ndef f():\n    return 'new'")
    assert answer(names, "f") == "'new'"


def test_classes_stand_in_a_module_called_notebook(cells, answer):
    """Classes of cells are known as ``notebook.Name`` in every Lambda."""
    cells("from dataclasses import dataclass")
    cells(
        "@dataclass\nclass Row:\n    n: int\n\n    def twice(self):\n        return Row(self.n * K)"
    )
    cells("K = 2")
    names = cells("@step\ndef f(n):\n    return Row(n).twice().n, Row.__module__")
    assert answer(names, "f", "[4]") == "(8, 'notebook')"
    assert set(cut(names["f"].step).layout().files) == {"notebook.py"}


def test_a_class_that_was_defined_again(cells, answer):
    """Of two definitions of a class, the current one is included."""
    cells("class Row:\n    def kind(self):\n        return 'old'")
    cells("class Row:\n    def kind(self):\n        return 'new'")
    names = cells("@step\ndef f():\n    return Row().kind()")
    assert answer(names, "f") == "'new'"


@pytest.mark.parametrize("name", ["get_ipython", "In", "_", "_12", "_i3", "_oh"])
def test_results_of_cells_are_no_names(cells, name):
    """What IPython itself sets, ``_`` and ``In`` for example, is not carried in silence."""
    names = cells(f"@step\ndef f():\n    return {name}")
    names.setdefault(name, "something")
    [finding] = cut(names["f"].step).findings
    assert finding.rule == "capture-notebook"
    assert f"uses '{name}', which exists only in notebooks" in finding.message


def test_what_a_notebook_puts_before_builtins(cells, answer, monkeypatch):
    """IPython's ``open`` is Python's own in Lambda; its ``display`` is a finding."""
    import builtins
    import functools

    def display(*values): ...

    display.__module__ = "IPython.core.display_functions"
    monkeypatch.setattr(builtins, "display", display, raising=False)
    names = cells(
        "@step\ndef f():\n    return open('lambda_function.py').read(3)\n"
        "@step\ndef g():\n    display(1)\n"
    )

    @functools.wraps(open)
    def modified(*args):
        return open(*args)

    names["open"] = modified
    assert answer(names, "f") == "'imp'"
    [finding] = cut(names["g"].step).findings
    assert finding.rule == "capture-notebook"


def test_awaited_values_travel_as_literals(cells, answer):
    """A value that a cell awaited is written down if it is a literal, and a finding if not."""
    names = cells("async def fetch():\n    return [1]\n")
    cells("GOT = [2]\nODD = [3]\n")
    source = names["In"][-1] = "GOT = await fetch()\nODD = [await fetch(), object()]\n"
    filename = next(name for name in linecache.cache if name.startswith("<ipython-input-2-"))
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    names |= {"GOT": [1], "ODD": [1, object()]}
    cells("@step\ndef f():\n    return GOT\n@step\ndef g():\n    return ODD\n")
    assert answer(names, "f") == "[1]"
    [finding] = cut(names["g"].step).findings
    assert "uses 'ODD', a list that comes from await on this computer" in finding.message


def test_enums_of_cells_travel(cells, answer):
    """An enum, and a literal that holds one of its members, is known to the Lambda."""
    names = cells("import enum\nclass Colour(enum.Enum):\n    RED = 1\n")
    cells("@step\ndef f(value):\n    return value is Colour.RED\n")
    assert answer(names, "f", "[__import__('notebook').Colour.RED]") == "True"


def test_places_are_cells(cells):
    """A finding names the cell by its number."""
    cells("numbers = (n for n in range(3))")
    names = cells("@step\ndef f():\n    return numbers")
    [finding] = cut(names["f"].step).findings
    assert str(finding.place) == "<cell 2>:3"


def test_the_same_cells_in_another_session_give_the_same_zip(cells):
    """Neither the numbers of the cells nor what else was run shows in a zip."""
    cells("LIMIT = 3\n")
    text = "@step\ndef f():\n    return LIMIT"
    first = package(cut(cells(text)["f"].step)).content_hash
    cells("1 + 1")
    cells("LIMIT = 3\n\n\n# much later\n")
    second = package(cut(cells("# again\n\n" + text)["f"].step)).content_hash
    assert first == second


def test_cells_that_are_no_python_are_passed_over(cells, answer):
    """A cell that linecache knows in a syntax of its own does no harm."""
    linecache.cache["<ipython-input-99-bad>"] = (4, None, ["%pip install x\n"], "<bad>")
    try:
        names = cells("@step\ndef f():\n    return 1")
        assert answer(names, "f") == "1"
    finally:
        del linecache.cache["<ipython-input-99-bad>"]


def test_code_that_exec_made(bench):
    """A function made by ``exec`` is included if linecache has its source."""
    source = "K = 2\ndef helper(x):\n    return x * K\n@step\ndef f(x):\n    return helper(x)\n"
    filename = "<generated 17>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    names = {}
    exec("from lokki_tf import step", names)
    exec(compile(source, filename, "exec"), names)
    packed = package(cut(names["f"].step))
    assert bench.run([(bench.unpack(packed), "[4]")])[0][0] == "8"
    del linecache.cache[filename]
