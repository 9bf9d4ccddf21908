"""Datasets are read as Step Functions documents it, or as it was recorded, item by item."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf.datasets import DatasetError, Spool
from lokki_tf.datasets.delimited import rows_of
from lokki_tf.datasets.json_items import items_in, lines_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


def rows(text: str, **options: Any) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return [*rows_of(io.StringIO(text, newline=""), **options)]


def parts(text: str, size: int) -> Iterator[str]:
    """A text in parts."""
    return (text[begin : begin + size] for begin in range(0, len(text), size))


@pytest.mark.parametrize(
    ("text", "options", "found"),
    [
        # Short rows are filled, further fields left out, as AWS answers, observed.
        (
            "name,size,note\nred,12,'old'\n,,,\nblue,,\n  \ngrey,7\n",
            {},
            [
                ["red", "12", "'old'"],
                ["", "", ""],
                ["blue", "", ""],
                ["  ", "", ""],
                ["grey", "7", ""],
            ],
        ),
        ("red,12,old\n,,,\n", {"header": ["name"]}, [["red"], [""]]),
        # The example of the Developer Guide.
        (
            'abc,123,"This string contains commas, a double quotation marks (""), and a newline '
            '(\n)",{""MyKey"":""MyValue""},"[1,2,3]"\n',
            {"header": [*"abcde"]},
            [
                [
                    "abc",
                    "123",
                    'This string contains commas, a double quotation marks ("), and a newline (\n)',
                    '{"MyKey":"MyValue"}',
                    "[1,2,3]",
                ]
            ],
        ),
        (
            "path,size\nC:\\\\Program Files\\\\App.exe,65\n",
            {},
            [["C:\\Program Files\\App.exe", "65"]],
        ),
        ("a|b\r\nx\\|y|\\q\r\n", {"delimiter": "|"}, [["x|y", "q"]]),
        ('a,b\n"open,1\n', {}, [["open,1\n", ""]]),
        ('a\n"x\\"', {}, [['x"']]),
        ("a\n", {}, []),
    ],
)
def test_rows(text: str, options: dict[str, Any], found: list[list[str]]) -> None:
    """Fields are texts, with quotation marks, backslashes and missing fields as documented."""
    assert [[*row.values()] for row in rows(text, **options)] == found


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2)),
    st.sampled_from(",;|\t"),
)
def test_quoted_fields_survive(records: list[list[str]], delimiter: str) -> None:
    """What is quoted, with marks and backslashes repeated, is read as it was."""

    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'

    text = "".join(delimiter.join(map(quoted, record)) + "\n" for record in records)
    found = rows(text, delimiter=delimiter, header=["a", "b"])
    assert [[*row.values()] for row in found] == records


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,a\n", "duplicates"),
        (f"{'x' * 10_241}\n", "header has more than 10,240 bytes"),
        (f"a\n{'x' * (8 * 1024 * 1024 + 1)}\n", "row of the CSV file has more than"),
        ('a\n"' + "x\n" * (4 * 1024 * 1024 + 1), "row of the CSV file has more than"),
    ],
    ids=["duplicates", "header", "row", "lines"],
)
def test_files_that_are_refused(text: str, reason: str) -> None:
    """Repeated columns, long headers and long rows are errors."""
    with pytest.raises(DatasetError, match=reason):
        rows(text)


@given(st.lists(JSON), st.integers(1, 50))
def test_items_of_an_array(items: list[Any], size: int) -> None:
    """An array is read item by item, wherever its text is divided."""
    import json

    assert [*items_in(parts(json.dumps(items, indent=1), size))] == items
    assert [*lines_of(map(json.dumps, items))] == items


@given(st.dictionaries(st.text(), JSON), st.integers(1, 50))
def test_items_of_an_object(entries: dict[str, Any], size: int) -> None:
    """An object is read as its entries."""
    import json

    found = [*items_in(parts(json.dumps(entries), size))]
    assert found == [{"Key": key, "Value": value} for key, value in entries.items()]


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize(
    "text",
    ['"text"', "12", "", "[1,]", "[1 2]", "[1", '{"a" 1}', "{1: 2}", "nope", "[1]x", "[NaN]"],
)
def test_texts_that_are_no_items(text: str, size: int) -> None:
    """Other values, and texts that are not JSON, are errors."""
    with pytest.raises(DatasetError):
        list(items_in(parts(text, size)))


def test_a_long_file_needs_little_memory() -> None:
    """100,000 rows are read and taken with less than 4 MB."""
    lines = (f"{n},{'x' * 100}\n" for n in range(100_000))
    tracemalloc.start()
    try:
        spool = Spool(rows_of(lines, header=["n", "text"]))
        assert len(spool) == 100_000
        count = sum(int(item["n"]) == number for number, item in spool)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 100_000
    assert peak < 4_000_000


def test_threads_share_items() -> None:
    """Each item is taken once, with its own index."""
    spool = Spool({"n": n} for n in range(20_000))
    with ThreadPoolExecutor(8) as pool:
        taken = [one for many in pool.map(lambda _: [*spool], range(8)) for one in many]
    assert sorted(number for number, _ in taken) == [*range(20_000)]
    assert all(item == {"n": number} for number, item in taken)
