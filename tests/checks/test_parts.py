"""Parts that annotations certainly exclude are errors; others are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar

import pytest

from lokki_tf import Pipeline, flow, part, step
from lokki_tf.errors import BindingError
from lokki_tf.model import Attribute
from lokki_tf.model.annotations import Excluded, part_hint

T = TypeVar("T")


class Row(TypedDict):
    day: str
    ends: tuple[int, str]


class Ends(NamedTuple):
    first: int
    last: str


@dataclass
class Model:
    score: float
    ends: Ends

    def names(self) -> list[str]:
        return []


@dataclass
class Box(Generic[T]):
    content: T


class Open:
    def __getitem__(self, key: Any) -> Any:
        return key


def path(*keys: Any) -> tuple[Any, ...]:
    return tuple(Attribute(key[1:]) if str(key).startswith(".") else key for key in keys)


@pytest.mark.parametrize(
    ("hint", "keys"),
    [
        (int, ("k",)),
        (float, (0,)),
        (None, ("k",)),
        (bool | None, (0,)),
        (tuple[int, str], (2,)),
        (tuple[int, str], (-3,)),
        (tuple[int, ...], ("k",)),
        (tuple[()], (0,)),
        (Ends, (2,)),
        (Ends, (".middle",)),
        (Ends, ("first",)),
        (Model, (".total",)),
        (Model, ("score",)),
        (Model, (".ends", ".middle")),
        (Model, (".ends", 0, "k")),
        (Box[int], (".value",)),
        (Row, ("night",)),
        (Row, (0,)),
        (Row, (".day",)),
        (Row, ("ends", 2)),
        (list[Row], (0, "night")),
        (list[int], ("k",)),
        (dict[str, int], (0,)),
        (dict[str, int], ("k", "j")),
        (str, ("k",)),
        (set[int], (0,)),
        (list, (".rows",)),
        (int | str, ("k",)),
        (Annotated[int, "x"], (0,)),
    ],
)
def test_certain_contradictions_are_found(hint: Any, keys: tuple[Any, ...]) -> None:
    """A part that no value with the annotation has is excluded, with a reason."""
    with pytest.raises(Excluded, match=r"\w"):
        part_hint(hint, path(*keys))


@pytest.mark.parametrize(
    ("hint", "keys", "expected"),
    [
        (Any, ("k", 0, ".x"), Any),
        (object, ("k",), Any),
        (T, (0,), Any),
        ("Forward", (0,), Any),
        (Open, ("k",), Any),
        (int, (".real",), Any),
        (tuple[int, str], (-1,), str),
        (tuple[int, ...], (7,), int),
        (Ends, (1,), str),
        (Ends, (".first",), int),
        (Model, (".ends", ".last"), str),
        (Model, (".names",), Any),
        (Box[int], (".content",), T),
        (Row, ("ends", 0), int),
        (list[Row], (-1, "day"), str),
        (dict[str, list[int]], ("k", 0), int),
        (dict, (0,), Any),
        (str, (0,), str),
        (int | dict[str, float], ("k",), float),
        (Model | None, (".score",), float),
    ],
)
def test_annotations_of_parts_are_known(hint: Any, keys: tuple[Any, ...], expected: Any) -> None:
    """The annotation of a part follows from that of the whole, as far as it is known."""
    assert part_hint(hint, path(*keys)) == expected


def test_an_excluded_part_is_an_error_with_its_place() -> None:
    """A pipeline with such a part is refused with the line of the call that receives it."""

    @step
    def model() -> Model:
        return Model(1.0, Ends(1, "x"))

    @step
    def use(value: Any) -> Any:
        return value

    use_line = use(model().total)
    with pytest.raises(BindingError, match=r"part \.total of the result of step 'model'") as caught:
        Pipeline("wrong", steps=[use_line])
    assert "Model has the fields ends, score" in str(caught.value)
    assert caught.value.place is not None
    assert caught.value.place.file == __file__
    assert Pipeline("right", steps=[use(part(model(), "score"))]).local_run().result == 1.0


def test_parts_inside_maps_and_of_parameters_are_checked() -> None:
    """Parts that a map's steps receive, and parts of parameters, are compared as well."""

    @step
    def rows() -> list[int]:
        return [1]

    @step
    def pair() -> tuple[int, int]:
        return 1, 2

    @step
    def use(value: Any, other: Any) -> Any:
        return value, other

    with pytest.raises(BindingError, match=r"part \[2\] .* it has 2 items"):
        Pipeline("mapped", steps=[rows().map(use, other=pair()[2])])

    @flow
    def written(limit: int = 1) -> Any:
        return rows().map(use, other=limit["x"])  # type: ignore[index]

    with pytest.raises(BindingError, match=r"part \['x'\] of the flow parameter 'limit'"):
        _ = written.definition
