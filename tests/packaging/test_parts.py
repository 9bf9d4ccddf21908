"""The parts by themselves: names, literals, zips, the bare runtime."""

from __future__ import annotations

import ast
import dis
import io
import os
import types
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf.packaging.bundle.runtime_files import all_files, bare
from lokki_tf.packaging.zips import content_hash, write_zip
from lokki_tf.source.index import index
from lokki_tf.source.values import literal

STDLIB = Path(os.__file__).parent


def looked_up(code, operations):
    """The names that compiled code looks up in the module, by the compiler's own account."""
    names = {one.argval for one in dis.get_instructions(code) if one.opname in operations}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= looked_up(constant, operations)
    return names


@pytest.mark.parametrize(
    "name", ["ast.py", "argparse.py", "dataclasses.py", "typing.py", "enum.py"]
)
def test_names_agree_with_the_compiler(name):
    """The names found in each statement of large modules are those that Python looks up."""
    for node in ast.parse((STDLIB / name).read_text()).body:
        code = compile(ast.Module([node], []), name, "exec", dont_inherit=True)
        found = index(node)
        surely = looked_up(code, {"LOAD_GLOBAL"})
        perhaps = looked_up(code, {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
        known = {*found.binds, *found.rebinds, *found.changes, "__debug__"}
        assert surely - found.used() <= {"__conditional_annotations__"}, node.lineno
        assert found.used() - perhaps <= known, node.lineno


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.booleans()), inner, max_size=5)
        | st.sets(st.integers() | st.text(), max_size=9)
        | st.frozensets(st.integers() | st.text(), max_size=9)
    ),
    max_leaves=12,
)


@given(LITERALS)
def test_literals_come_back(value):
    """The text of a literal, evaluated, is the same value of the same types."""
    text = literal(value)
    assert text is not None
    assert same(eval(text), value)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one, other)) and all(map(same, one.values(), other.values()))
    return repr(one) == repr(other) if isinstance(one, float | complex) else one == other


def test_what_is_no_literal():
    """Subclasses, objects, cycles and too long values are not literals."""
    circle: list[object] = []
    circle.append(circle)
    for value in (
        circle,
        object(),
        [len],
        type("S", (str,), {})("x"),
        "x" * 200_000,
        {1: {object()}},
    ):
        assert literal(value) is None


def test_a_zip_contains_its_files_in_order_with_fixed_times_and_modes(tmp_path):
    """Files in memory and on disk make the same zip; only programs are executable."""
    programs = {"bin/tool": b"\x7fELF\0", "run": b"#!/bin/sh\n"}
    files = {
        "b.txt": b"hello hello\n",
        "a/\u00fc.bin": b"abcdefgh" * 500_000,
        "empty": b"",
        **programs,
    }
    paths = {name: tmp_path / str(number) for number, name in enumerate(files)}
    for name, path in paths.items():
        path.write_bytes(files[name])
        path.chmod(0o600)
    zips = [io.BytesIO(), io.BytesIO()]
    write_zip(files, zips[0])
    write_zip(dict(reversed(paths.items())), zips[1])
    assert zips[0].getvalue() == zips[1].getvalue()
    assert len(zips[0].getvalue()) < 100_000
    with zipfile.ZipFile(zips[0]) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == sorted(files)
        assert {entry.filename: archive.read(entry) for entry in entries} == files
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        modes = {entry.filename: entry.external_attr >> 16 for entry in entries}
    assert modes == {name: 0o100755 if name in programs else 0o100644 for name in files}


def test_a_content_hash_covers_paths_and_contents_and_no_order():
    """The hash of a set of files never changes, and each change of a file changes it."""
    files = {"a.txt": b"1", "b.txt": b"2"}
    expected = "7c5630fa66fad928e782c23f860b91d6f3ea7521655b03584fc5da431de5e3d8"
    assert content_hash(files) == content_hash(dict(reversed(files.items()))) == expected
    others = ({"a.txt": b"1"}, {"a.txt": b"2", "b.txt": b"1"}, {"a.txt": b"1", "c.txt": b"2"})
    assert expected not in {content_hash(other) for other in others}


def test_the_bare_runtime_is_the_runtime():
    """Without docstrings and comments, the runtime's files hold the same code."""
    from importlib.resources import files

    for path, content in all_files().items():
        name = path.rpartition("/")[2]
        original = ast.parse((files("lokki_tf") / "runtime" / name).read_text(encoding="utf-8"))
        for node in ast.walk(original):
            body = getattr(node, "body", None)
            if isinstance(body, list) and _begins_with_docstring(node, body):
                alone = len(body) == 1 and not isinstance(node, ast.Module)
                body[:1] = [ast.Expr(ast.Constant(...))] if alone else []
        assert ast.dump(ast.parse(content)) == ast.dump(original)


def _begins_with_docstring(node, body):
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None


def test_docstrings_and_comments_go():
    """What only readers need is left out; strings that are values stay."""
    source = (
        '"""Doc."""\n# comment\nx = "# no comment"  # but this\n\n\ndef f():\n    """Only."""\n\n\n'
        'class A:\n    """Doc\n    of lines."""\n\n    y = """kept\n# kept"""\n'
    )
    assert bare(source) == (
        'x = "# no comment"\ndef f():\n    ...\nclass A:\n    y = """kept\n# kept"""\n'
    )
