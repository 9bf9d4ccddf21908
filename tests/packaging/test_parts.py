"""The parts by themselves: names, literals, deflate, the bare runtime."""

from __future__ import annotations

import ast
import dis
import os
import types
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf.packaging.bundle.deflate import deflated
from lokki_tf.packaging.bundle.huffman import code_lengths
from lokki_tf.packaging.bundle.runtime_files import all_files, bare
from lokki_tf.packaging.bundle.zips import zip_files
from lokki_tf.packaging.source.values import literal
from lokki_tf.packaging.source.walk import names_of

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
        found = names_of(node)
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
    """Subclasses, objects, circles and what is too long are no literals."""
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


@given(
    st.binary(max_size=2000) | st.lists(st.sampled_from([b"abc", b"x = 1\n", b" "])).map(b"".join)
)
def test_deflate_is_deflate(data):
    """zlib reads what our own deflate writes."""
    assert zlib.decompress(deflated(data), -zlib.MAX_WBITS) == data


def test_deflate_at_its_limits():
    """The longest repeats and the farthest distances are written right."""
    for data in (b"", b"a" * 258, b"a" * 259, b"a" * 100_000, bytes(range(256)) * 3):
        assert zlib.decompress(deflated(data), -zlib.MAX_WBITS) == data
    far = b"0123456789" + bytes(n * 7 % 251 for n in range(32_758)) + b"0123456789"
    assert zlib.decompress(deflated(far), -zlib.MAX_WBITS) == far


@given(st.dictionaries(st.integers(0, 29), st.integers(1, 10**9)))
def test_codes_are_bounded_and_use_all_bits(counts):
    """Whatever the counts, codes are short enough and leave no gap."""
    growing = {symbol: 2**symbol for symbol in range(20)}  # would take 19 bits
    for given_counts in (counts, growing):
        lengths = [length for length in code_lengths(given_counts, 30, 15) if length]
        assert max(lengths) <= 15
        assert sum(2.0**-length for length in lengths) == 1


def test_large_files_are_zipped_too():
    """A file of megabytes is zipped in a moment."""
    assert len(zip_files({"a.bin": b"abcdefgh" * 500_000})) < 100_000


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
