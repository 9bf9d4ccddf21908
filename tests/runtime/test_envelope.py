"""Values are unchanged by serialization between steps."""

from __future__ import annotations

import json
import sys
from typing import Any, Generic, Literal, TypeVar

import pytest
from hypothesis import given
from pydantic import BaseModel, RootModel
from strategies import same, values

from lokki_tf.runtime.envelope import (
    PICKLE,
    freeze,
    json_text,
    pack,
    references,
    thaw,
    unpack,
)

T = TypeVar("T")
U = TypeVar("U")


class Box(BaseModel, Generic[T]):
    value: T


class Pair(BaseModel, Generic[T, U]):
    first: T
    second: U


class Named(Box[T], Generic[T]):
    name: str = ""


class Texts(Box[bytes]):
    pass


class Record(tuple[int, ...]):
    """A subclass, which JSON and its containers do not preserve."""


class Bucket(dict[str, bytes]):
    """Objects by URI, in memory."""

    def write(self, form: str, data: bytes) -> str:
        uri = f"s3://bucket/object.{form}"
        self[uri] = data
        return uri


@given(values)
def test_any_value_survives(value: Any) -> None:
    """Any value that JSON or pickle supports stays equal and of the same type."""
    assert same(thaw(*freeze(value)), value)
    bucket = Bucket()
    for inline in (0, 20, 10**6):
        envelope = json.loads(json.dumps(pack(value, inline, bucket.write)))
        assert same(unpack(envelope, bucket.__getitem__), value)


@given(values)
def test_json_is_chosen_only_where_it_is_exact(value: Any) -> None:
    """A value that is stored as JSON is equal after a JSON round trip."""
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
    """Tuples, keys that are not strings, wide ints and lone surrogates are not plain JSON."""
    assert (json_text(value) is not None) == plain


def test_the_inline_limit_counts_bytes_of_json() -> None:
    """A value whose JSON has exactly the inline limit's length is inline, one byte more is not."""
    bucket = Bucket()
    assert pack("x" * 8, 10, bucket.write) == {"value": "x" * 8}
    assert pack("x" * 9, 10, bucket.write) == {"ref": "s3://bucket/object.json.gz"}
    assert pack("é", 7, bucket.write) == {"ref": "s3://bucket/object.json.gz"}


LIST, SET = [1], {1}


@pytest.mark.parametrize(
    ("value", "is_inside"),
    [
        *(
            ((1, "x"), True),
            ((), True),
            ({1: "a", (2, 3): {"b"}}, True),
            ([{1}, frozenset()], True),
        ),
        *((([1, 2], {"a": None}), True), ((1, (2, (3,))), True)),
        *(((LIST, LIST), False), (([LIST], {"a": LIST}), False), ([SET, SET], False)),
        *(((2**60,), False), ((float("nan"),), False), ((b"x",), False)),
        *((Record((1, 2)), False), ((*range(2_000),), False), (("x" * 20_000,), False)),
    ],
    ids=str,
)
def test_small_containers_of_json_are_inside(value: Any, is_inside: bool) -> None:
    """A tuple, set or dict of small JSON needs no object, unless a list in it occurs twice."""
    bucket = Bucket()
    envelope = pack(value, 10_000, bucket.write)
    assert ("ref" not in envelope, not bucket) == (is_inside, is_inside)
    assert len(json.dumps(envelope)) <= 10_000 + len('{"value": }')
    assert same(unpack(json.loads(json.dumps(envelope)), bucket.__getitem__), value)


def test_deep_containers_are_objects() -> None:
    """What is too deep to be looked at is pickled, if it can be."""
    deep: Any = ()
    for _ in range(400):
        deep = (deep,)
    bucket = Bucket()
    assert same(unpack(pack(deep, 10**6, bucket.write), bucket.__getitem__), deep)


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
    """The same value gives the same bytes, without a time in them."""
    assert freeze({"a": [1, 2]}) == freeze({"a": [1, 2]})
    assert thaw(*freeze((1, 2))) == (1, 2)


def _generics() -> list[Any]:
    return [
        Box[int](value=1),
        Box(value=1),
        Named[int](value=1),
        Texts(value=b""),
        RootModel[list[int]]([1]),
        {"a": (Pair[Box[str], int | None](first=Box[str](value="x"), second=None),)},
        [Box[Literal["a"]], Pair[int, T], Box[tuple[int, ...]], Box],
    ]


@pytest.mark.parametrize("value", _generics(), ids=repr)
def test_parametrized_models_arrive(value: Any) -> None:
    """A pydantic generic that was parametrized in a function can be pickled."""
    assert thaw(*freeze(value)) == value
    assert type(thaw(*freeze(value))) is type(value)
    assert [name for name in globals() if "[" in name] == ["Box[bytes]"]


def test_parametrized_models_of_main_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of a parametrized generic is found under the module's other name."""
    monkeypatch.setattr(Box, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Box", Box, raising=False)
    form, data = freeze(Box[Box[int]](value=Box[int](value=1)))
    monkeypatch.undo()
    assert form == PICKLE
    assert thaw(form, data, {"__main__": __name__}) == Box[Box[int]](value=Box[int](value=1))
    with pytest.raises(AttributeError, match="Box"):
        thaw(form, data)
