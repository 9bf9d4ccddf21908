"""Positional arguments of functions whose own parameters differ from their signature."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from lokki_tf import Pipeline, step


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator whose wrapper has other parameter names."""

    @functools.wraps(function)
    def wrapper(arg: Any, *rest: Any, **more: Any) -> Any:
        return function(arg, *rest, **more)

    return wrapper


@pytest.mark.parametrize("strict", [False, True])
def test_positional_arguments_of_a_wrapped_function_stay_positional(strict: bool) -> None:
    """A wrapper with other parameter names is called as in Python."""

    @step(when=lambda n: n > 1)
    @wrapping
    def add(n: int, k: int = 1) -> int:
        return n + k

    pipe = Pipeline("p", steps=[add(add(2), 3), add(2, k=5), add(1)])
    results = dict(chain.from_iterable(pipe.local_run(strict=strict)))
    assert results == {"add": 3, "add_2": 6, "add_3": 7}


@pytest.mark.parametrize("strict", [False, True])
def test_a_singledispatch_function_is_a_step(strict: bool) -> None:
    """A generic function receives its argument by position; ``register`` works on the step."""

    @step
    @functools.singledispatch
    def kind(value: Any) -> str:
        return "any"

    @kind.register  # type: ignore[attr-defined]
    def _(value: int) -> str:
        return "int"

    pipe = Pipeline("p", steps=[kind(1), kind("text")])
    results = dict(chain.from_iterable(pipe.local_run(strict=strict)))
    assert results == {"kind": "int", "kind_2": "any"}
