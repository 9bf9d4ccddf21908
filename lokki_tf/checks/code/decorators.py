"""Decorators above ``@step``: they wrap the step instead of the function that runs.

The wrapper is then called while the pipeline is built. The step runs without it, locally and in
AWS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Step

    from .reading import Code


def check(step: Step, code: Code) -> Iterator[Finding]:
    """Report decorators above the one that makes the step."""
    own = [number for number, one in enumerate(code.decorators) if _makes_a_step(*one)]
    bound = step.function.__globals__.get(step.function.__name__)
    is_step = getattr(bound, "__lokki_step__", False) and getattr(bound, "step", None) is step
    if not own or is_step or bound is step.function:
        return  # a decorator that returns its argument has already had its effect
    for text, _ in code.decorators[: own[0]]:
        makes = code.decorators[own[0]][0]
        yield Finding(
            "decorator",
            f"decorator @{text} is above @{makes}, so step {step.name!r} runs without it: it is "
            "applied to the step's calls while the pipeline is built",
            step.place,
            f"write it below @{makes}",
            severity="warning",
        )


def _makes_a_step(text: str, value: object) -> bool:
    if value is None:  # a name of the enclosing function, which the step's function cannot read
        return text.partition("(")[0].rpartition(".")[2] in ("step", "task", "fn")
    module = getattr(value, "__module__", None) or ""
    return module.partition(".")[0] == "lokki_tf"
