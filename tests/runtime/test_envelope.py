"""What travels between steps arrives as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from strategies import same, values

from lokki_tf.runtime.envelope import freeze, json_text, pack, references, thaw, travel, unpack


class Bucket(dict[str, bytes]):
    """Objects by URI, in memory."""

    def write(self, form: str, data: bytes) -> str:
        uri = f"s3://bucket/object.{form}"
        self[uri] = data
        return uri


@given(values)
def test_any_value_survives(value: Any) -> None:
    """Whatever JSON or pickle can take comes back equal and of the same type."""
    assert same(travel(value), value)
    bucket = Bucket()
    for inline in (0, 20, 10**6):
        envelope = json.loads(json.dumps(pack(value, inline, bucket.write)))
        assert same(unpack(envelope, bucket.__getitem__), value)


@given(values)
def test_json_is_chosen_only_where_it_is_exact(value: Any) -> None:
    """A value that travels as JSON is the same after a round trip through JSON."""
    text = json_text(value)
    if text is not None:
        assert same(json.loads(text), value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1,), False), ({1: 2}, False), (float("nan"), False), (float("inf"), False),
        (2**53 - 1, True), (2**53, False), ("\ud800", False), ({"\ud800": 1}, False),
        (True, True), (b"", False), ({"a.$": 1}, True), (-0.0, True), ([[], {}], True),
    ],
    ids=repr,
)  # fmt: skip
def test_what_counts_as_plain_json(value: Any, plain: bool) -> None:
    """Tuples, keys that are no strings, wide ints and lone surrogates are no plain JSON."""
    assert (json_text(value) is not None) == plain


def test_the_inline_limit_counts_bytes_of_json() -> None:
    """A value whose JSON has just the inline limit's length is inline, one more is not."""
    bucket = Bucket()
    assert pack("x" * 8, 10, bucket.write) == {"value": "x" * 8}
    assert pack("x" * 9, 10, bucket.write) == {"ref": "s3://bucket/object.json.gz"}
    assert pack("é", 7, bucket.write) == {"ref": "s3://bucket/object.json.gz"}


def test_a_value_that_looks_like_an_envelope_is_a_value() -> None:
    """No value can be mistaken for a reference."""
    value = {"ref": "s3://bucket/secret.pickle.gz"}
    envelope = pack(value, 1000, Bucket().write)
    assert references(envelope) == []
    assert unpack(envelope, {}.__getitem__) == value


def test_references_are_found_inside_what_is_made() -> None:
    """All objects that an argument needs are known before the first is read."""
    envelope = {
        "make": "dict",
        "keys": {"value": ["a", "b"]},
        "items": {"0": {"ref": "s3://b/1.json.gz"}, "1": {"make": "tuple", "items": {
            "0": {"ref": "s3://b/2.json.gz"}}}},
    }  # fmt: skip
    assert references(envelope) == ["s3://b/1.json.gz", "s3://b/2.json.gz"]


def test_frozen_bytes_are_the_same_each_time() -> None:
    """The same value gives the same bytes, without a time inside."""
    assert freeze({"a": [1, 2]}) == freeze({"a": [1, 2]})
    assert thaw(*freeze((1, 2))) == (1, 2)
