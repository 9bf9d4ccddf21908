"""The return values of steps of a routed pipeline: the next step and the changes of the state.

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


LONGEST_WAIT = 31_536_000
"""Seconds of a year, after which an execution ends."""


class TooManySteps(RuntimeError):
    """A run of a routed pipeline has reached its limit of steps."""


class ReturnUpdates:
    """The next step, and the changes of the state.

    Args:
        next_fn: Name of the next step; ``None`` means the step's ``default_next``, or the end of
            the pipeline.
        remove: Names that are removed from the state; ``"*"`` removes all.
        after: Seconds before the next step begins.
        replace: Entries that are added to it afterwards.

    Raises:
        TypeError: If a name is not a string, or ``after`` not a whole number.
        ValueError: If ``after`` is negative or more than a year.
    """

    def __init__(
        self, next_fn: str | None, /, *remove: str, after: int = 0, **replace: Any
    ) -> None:
        if next_fn is not None and (not isinstance(next_fn, str) or not next_fn):
            raise TypeError(
                f"ReturnUpdates({next_fn!r}): the first argument must be the name of the next "
                f"step (a string) or None"
            )
        for name in remove:
            if not isinstance(name, str):
                raise TypeError(
                    f"ReturnUpdates({next_fn!r}, {name!r}): names to remove must be "
                    'strings, "*" for all; write name=value to add values'
                )
        if not isinstance(after, int) or isinstance(after, bool):
            raise TypeError(
                f"ReturnUpdates({next_fn!r}, after={after!r}): after= is the wait before the next "
                f"step, in whole seconds"
            )
        if not 0 <= after <= LONGEST_WAIT:
            raise ValueError(
                f"ReturnUpdates({next_fn!r}, after={after!r}): a wait must have from 0 to "
                f"{LONGEST_WAIT} seconds, a year"
            )
        self.next_fn = next_fn
        self.remove = remove
        self.after = after
        self.replace = replace

    def __repr__(self) -> str:
        after = {"after": self.after} if self.after else {}
        given = [repr(self.next_fn), *map(repr, self.remove), *_named({**after, **self.replace})]
        return f"ReturnUpdates({', '.join(given)})"


class ConditionalReturns:
    """One of several next steps, selected by a value.

    Args:
        operand: The value. A string that equals the name of one of ``values`` selects that one;
            otherwise a true value selects ``true``, if it is given.
        default: The choice if nothing else matches.
        true: The choice for a true value.
        values: The choice for each string.

    Raises:
        TypeError: If a choice is not a :class:`ReturnUpdates`.
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
                raise TypeError(f"ConditionalReturns: {name} must be a ReturnUpdates, got {way!r}")
        self.operand = operand
        self.default = default
        self.true = true
        self.values = values

    def evaluate(self) -> ReturnUpdates:
        """Return the choice that the operand selects."""
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
    """Return the next step, and the state that it receives.

    Args:
        returned: The return value of the step. A dict replaces the state; ``None`` counts as an
            empty dict.
        state: The state that the step received; not modified.
        next_key: The key of a returned dict that names the next step.
        default_next: The next step if none is named.
        step: Name of the step, for errors.

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
            f"step {step!r} returned {_short(returned)}; a step must return ReturnUpdates(…), "
            f"ConditionalReturns(…) or a dict"
        )
    return _of_dict(returned, next_key, default_next, step)


def seconds_before(returned: Any) -> int:
    """Return the seconds between a step and the next one.

    Args:
        returned: The return value of the step.
    """
    if isinstance(returned, ConditionalReturns):
        returned = returned.evaluate()
    return returned.after if isinstance(returned, ReturnUpdates) else 0


def _of_dict(
    returned: dict[Any, Any], next_key: str, default_next: str | None, step: str
) -> tuple[str | None, dict[str, Any]]:
    named = returned.get(next_key)
    if named is not None and (not isinstance(named, str) or not named):
        raise TypeError(
            f"step {step!r} returned {_short(named)} under {next_key!r}, which must be the next "
            f"step's name, a string"
        )
    for name in returned:
        if not isinstance(name, str):
            raise TypeError(
                f"step {step!r} returned a dict with the key {_short(name)}; keys must be names "
                f"of arguments, strings"
            )
    state = {name: value for name, value in returned.items() if name != next_key}
    return named or default_next, state


def too_many(limit: int, step: str) -> str:
    """Return the message for a run that has reached its limit of steps."""
    return (
        f"the run has taken {limit} steps and would continue with {step!r}: a loop does not "
        f"end, or the limit is too low (max_steps=)"
    )


def refuse_stranger(
    step: str, following: str | None, targets: list[str], ends: bool, seconds: int = 0
) -> None:
    """Raise an error for a next step that is not among the function's targets.

    Args:
        step: Name of the step.
        following: Name of the next one; ``None`` if the pipeline ends.
        targets: Names of the possible next steps.
        ends: Whether the pipeline may end with it.
        seconds: The wait before the next step.

    Raises:
        ValueError: If it is not one of them, or if it waits for nothing.
    """
    if following is None:
        if seconds:
            raise ValueError(f"step {step!r} returns after={seconds} without a next step")
        if ends:
            return
        raise ValueError(f"step {step!r} names no next step, and does not end the pipeline")
    if following not in targets:
        raise ValueError(
            f"step {step!r} leads to {following!r}, but according to its source only to "
            f"{', '.join(targets)}"
        )


def _named(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in values.items()]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
