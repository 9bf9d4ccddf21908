"""``wait()``: a node that waits, for a time or until one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Literal
from lokki_tf.model.options import YEAR
from lokki_tf.runtime.moments import instant

from .placeholders import Placeholder, spec_of
from .specs import CallSpec, ParameterSpec, WaitSpec
from .stepped import Stepped

if TYPE_CHECKING:
    from lokki_tf.errors import Place
    from lokki_tf.model import Step

    from .specs import MapSpec, NodeSpec

_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
_REMEDY = "write one of seconds=, minutes=, hours=, days= and until="


def wait_spec(
    given: dict[str, Any], place: Place, value: NodeSpec | None = None, body: MapSpec | None = None
) -> WaitSpec:
    """Return a wait.

    Args:
        given: The arguments of ``wait()``, by name.
        place: Source location.
        value: What becomes its result.
        body: The map whose body contains it.

    Raises:
        OptionError: If it has not exactly one argument, or one that is invalid.
    """
    known = [*_UNITS, "until"]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise OptionError(f"wait() has no argument {unknown[0]!r}", place=place, remedy=_REMEDY)
    chosen = {name: one for name, one in given.items() if one is not None}
    if len(chosen) != 1:
        what = " and ".join(f"{name}=" for name in chosen) or "no argument"
        raise OptionError(f"wait() has {what}, but takes one", place=place, remedy=_REMEDY)
    ((name, amount),) = chosen.items()
    if name == "until":
        return WaitSpec(place, until=time_of(amount, place), value=value, body=body)
    return WaitSpec(place, _seconds(name, amount, place), value=value, body=body)


def _seconds(unit: str, amount: Any, place: Place) -> int:
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    seconds = amount * _UNITS[unit] if is_number else -1
    if seconds != seconds or not 0 <= seconds <= YEAR or seconds != int(seconds):
        raise OptionError(
            f"wait({unit}={amount!r}): a wait must have whole seconds from 0 to a year "
            f"({YEAR:,} seconds)",
            place=place,
            remedy="write a number of seconds, or until= for a time that a step returns",
        )
    return int(seconds)


def _refuse_caught(spec: CallSpec | ParameterSpec, place: Place) -> None:
    if isinstance(spec, CallSpec) and spec.catch:
        raise OptionError(
            f"wait(until=…) requires a time, but with catch= the result of step "
            f"{spec.step.name!r} may be a Failure",
            place=place,
            remedy="put a step between the two, which receives the Failure and returns a time",
        )


def _refuse_number(spec: CallSpec | ParameterSpec, place: Place) -> None:
    if not isinstance(spec, ParameterSpec) or spec.declared is None:
        return
    if spec.declared.kind not in (str, Any):
        raise OptionError(
            f"wait(until=…) requires a time, but the parameter {spec.name!r} is "
            f"{spec.declared.kind.__name__}",
            place=place,
            remedy=f"declare it as text: Parameter({spec.name!r}, str)",
        )


def time_of(given: Any, place: Place) -> Literal | ParameterSpec | CallSpec | Step:
    """Return the time until which a wait waits.

    Args:
        given: An aware datetime, or a placeholder.
        place: Source location.

    Raises:
        OptionError: If it is something else.
    """
    got = type(given).__name__
    if isinstance(given, Placeholder):
        spec = spec_of(given)
        if isinstance(spec, CallSpec | ParameterSpec):
            _refuse_caught(spec, place)
            _refuse_number(spec, place)
            return spec
        got = spec.what
    elif isinstance(given, CallSpec):
        _refuse_caught(given, place)
        return given
    elif isinstance(given, Stepped):
        step = given.step
        _refuse_caught(CallSpec(step, place, catch=step.options.catch), place)
        return step
    elif isinstance(given, datetime):
        try:
            return Literal(instant(given))
        except ValueError as error:
            zoned = f"give it a zone, for example {given.replace(tzinfo=UTC)!r}"
            remedy = "wait until an earlier time" if given.tzinfo else zoned
            raise OptionError(f"wait(until=…): {error}", place=place, remedy=remedy) from None
    raise OptionError(
        f"wait(until=…) requires an aware datetime, a parameter of the flow, or the result of a "
        f"step, got {got}",
        place=place,
        remedy="write datetime(2030, 1, 31, 9, tzinfo=UTC), for example, or return the time from a "
        "step",
    )
