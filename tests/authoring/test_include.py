"""The option ``include=``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.errors import OptionError


def test_paths_are_kept_as_strings() -> None:
    """Strings and paths, in the given order, become the step's option."""

    @step(include=["data/*.csv", Path("models") / "one.bin", "."])
    def load() -> int:
        return 1

    assert load.step.options.include == ("data/*.csv", "models/one.bin", ".")
    assert step(lambda: 1).step.options.include == ()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("data.csv", "include must be a list, got 'data.csv'"),
        (Path("data.csv"), r"include must be a list, got .*Path\('data.csv'\)"),
        (3, "include must be a list, got 3"),
        (["a", 3], "include must contain strings, got 3"),
        ([""], "include contains an empty string"),
    ],
)
def test_what_is_no_list_of_paths_is_an_error(given: Any, says: str) -> None:
    """The error is raised where the step is written, with a remedy."""
    with pytest.raises(OptionError, match=says) as info:

        @step(include=given)
        def load() -> int:
            return 1

    assert info.value.place is not None
    assert info.value.place.file == __file__


def test_a_decorated_function_is_where_it_is_written() -> None:
    """A step's source location is the user's definition, also with decorators of other modules."""

    @contextmanager
    def around() -> Iterator[None]:
        yield

    @step
    @around()  # a function of contextlib wraps the user's function
    def load() -> int:
        return 1

    assert load.step.function.__code__.co_filename != __file__
    assert load.step.place.file == __file__


def cells(*texts: str) -> dict[str, Any]:
    """Run cells as a kernel does: equal texts have the same file name."""
    import linecache

    names: dict[str, Any] = {"In": [""], "step": step, "Pipeline": Pipeline}
    for text in texts:
        filename = f"/tmp/ipykernel_1/{abs(hash(text))}.py"
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        names["In"].append(text)
        exec(compile(text, filename, "exec"), names)
    return names


DEFINITION = "@step\ndef load(n, by=1):\n    return n * by\n"


def test_a_cell_that_ran_twice_makes_one_step() -> None:
    """Calls of a step from before and after its unchanged cell ran again can share a pipeline."""
    names = cells(DEFINITION, "first = load(1)", DEFINITION)
    pipeline = Pipeline("p", steps=[names["load"](names["first"])])
    assert [node.step for node in pipeline.graph.walk()] == [pipeline.graph.steps[0]] * 2


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        (DEFINITION.replace("n * by", "n + by"), "run the cell of <cell 2>:1 again"),
        (DEFINITION + "# later\n", "run the cell of <cell 2>:1 again"),
        (DEFINITION.replace("@step", "@step(memory_size=1024)"), "run the cell of <cell 2>:1"),
    ],
)
def test_a_step_that_was_replaced_is_reported(changed: str, remedy: str) -> None:
    """A pipeline of old and new calls is an error with the cell that must run again."""
    from lokki_tf.errors import NamingError

    names = cells(DEFINITION, "first = load(1)", changed)
    with pytest.raises(NamingError) as info:
        Pipeline("p", steps=[names["load"](names["first"])])
    assert "one at <cell 1>:1, one at <cell 3>:1" in str(info.value)
    assert remedy in str(info.value)


def test_defaults_that_are_no_plain_values_are_different_steps() -> None:
    """Steps that a loop creates with one name are different: their defaults may differ."""
    from lokki_tf.errors import NamingError

    loop = (
        "made = []\nfor rows in ([1], [2]):\n    @step(name='same')\n"
        "    def one(rows=rows):\n        return rows\n    made.append(one())\n"
    )
    with pytest.raises(NamingError):
        Pipeline("p", steps=cells(loop)["made"])
