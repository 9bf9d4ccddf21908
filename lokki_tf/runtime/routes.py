"""What a step of a routed pipeline returns: which step comes next, and what it is handed.

The state is a dict whose entries are the next step's arguments.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LARGEST = 120_000
"""Bytes of a state's envelopes: with the rest of a state, and with an execution's input of the same
size, below Step Functions' 262,144."""


class TooManySteps(RuntimeError):
    """A run of a routed pipeline has taken as many steps as it may."""


class ReturnUpdates:
    """The next step, and how the state changes on the way to it.

    Args:
        next_fn: Name of the next step; ``None`` leaves it to the step's ``default_next``, or
            ends the pipeline.
        remove: Names that are taken out of the state; ``"*"`` takes out all.
        replace: What is put into it then.

    Raises:
        TypeError: If a name is no string.
    """

    def __init__(self, next_fn: str | None, /, *remove: str, **replace: Any) -> None:
        if next_fn is not None and (not isinstance(next_fn, str) or not next_fn):
            raise TypeError(
                f"ReturnUpdates({next_fn!r}): first comes the name of the next step, a string, "
                "or None"
            )
        for name in remove:
            if not isinstance(name, str):
                raise TypeError(
                    f"ReturnUpdates({next_fn!r}, {name!r}): what is taken out is named by "
                    'strings, "*" for all; what is put in is written name=value'
                )
        self.next_fn = next_fn
        self.remove = remove
        self.replace = replace

    def __repr__(self) -> str:
        given = [repr(self.next_fn), *map(repr, self.remove), *_named(self.replace)]
        return f"ReturnUpdates({', '.join(given)})"


class ConditionalReturns:
    """One of several ways on, as a value decides.

    Args:
        operand: The value. A string that equals the name of one of ``values`` chooses that
            one; else a true value chooses ``true``, if it is given.
        default: What is chosen otherwise.
        true: What a true value chooses.
        values: What each string chooses.

    Raises:
        TypeError: If a way is no :class:`ReturnUpdates`.
    """

    def __init__(
        self,
        operand: object,
        default: ReturnUpdates,
        /,
        *,
        true: ReturnUpdates | None = None,
        **values: ReturnUpdates,
    ) -> None:
        ways = {"default": default, **values}
        if true is not None:
            ways["true"] = true
        for name, way in ways.items():
            if not isinstance(way, ReturnUpdates):
                raise TypeError(f"ConditionalReturns: {name} is {way!r}, which is no ReturnUpdates")
        self.operand = operand
        self.default = default
        self.true = true
        self.values = values

    def evaluate(self) -> ReturnUpdates:
        """The way that the operand chooses."""
        if isinstance(self.operand, str) and self.operand in self.values:
            return self.values[self.operand]
        if self.true is not None and self.operand:
            return self.true
        return self.default

    def __repr__(self) -> str:
        true = {} if self.true is None else {"true": self.true}
        given = [repr(self.operand), repr(self.default), *_named({**true, **self.values})]
        return f"ConditionalReturns({', '.join(given)})"


def moved(
    returned: Any, state: Mapping[str, Any], next_key: str, default_next: str | None, step: str
) -> tuple[str | None, dict[str, Any]]:
    """Where a step leads, and what the next one is handed.

    Args:
        returned: What the step returned; a dict is all that goes on, and nothing is as an
            empty dict.
        state: What the step was handed; it stays as it is.
        next_key: The key of a returned dict that names the next step.
        default_next: The step that comes where none is named.
        step: The step's name, for errors.

    Returns:
        The next step's name, or ``None`` if the pipeline ends; and the new state.

    Raises:
        TypeError: If the step returned something else.
    """
    if isinstance(returned, ConditionalReturns):
        returned = returned.evaluate()
    if isinstance(returned, ReturnUpdates):
        gone = state if "*" in returned.remove else returned.remove
        kept = {name: value for name, value in state.items() if name not in gone}
        return returned.next_fn or default_next, {**kept, **returned.replace}
    if returned is None:
        return default_next, {}
    if not isinstance(returned, dict):
        raise TypeError(
            f"step {step!r} returned {_short(returned)}, and a step returns ReturnUpdates(…), "
            "ConditionalReturns(…) or a dict"
        )
    return _of_dict(returned, next_key, default_next, step)


def _of_dict(
    returned: dict[Any, Any], next_key: str, default_next: str | None, step: str
) -> tuple[str | None, dict[str, Any]]:
    named = returned.get(next_key)
    if named is not None and (not isinstance(named, str) or not named):
        raise TypeError(
            f"step {step!r} returned {_short(named)} under {next_key!r}, where the next step's "
            "name stands, a string"
        )
    for name in returned:
        if not isinstance(name, str):
            raise TypeError(
                f"step {step!r} returned a dict with the key {_short(name)}, and its keys are "
                "names of arguments, strings"
            )
    state = {name: value for name, value in returned.items() if name != next_key}
    return named or default_next, state


def too_many(limit: int, step: str) -> str:
    """Why a run ends that goes round and round."""
    return (
        f"the run has taken {limit} steps and would go on with {step!r}: a loop that does not "
        "end, or the limit is too low (max_steps=)"
    )


def refuse_stranger(step: str, following: str | None, targets: list[str], ends: bool) -> None:
    """Refuses a next step that is not among those the function may lead to.

    Raises:
        ValueError: If it is none of them.
    """
    if following is None:
        if ends:
            return
        raise ValueError(f"step {step!r} names no next step, and does not end the pipeline")
    if following not in targets:
        raise ValueError(
            f"step {step!r} leads to {following!r}, and its source only to {', '.join(targets)}"
        )


def _named(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in values.items()]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
