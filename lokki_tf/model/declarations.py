"""How an option is declared: with its default, documentation and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, str] = MappingProxyType({})
LAMBDA, BATCH, STEP_FUNCTIONS = "Lambda", "Batch", "Step Functions"
MEBIBYTES, SECONDS = "MiB", "seconds"


@dataclass(frozen=True, slots=True)
class Rule:
    """The values that an option allows.

    Args:
        expected: Description of allowed values, for error messages.
        fits: Returns a true value if a value is allowed.
        remedy: Returns what to write instead of another value, if that is known.
        service: The AWS service that requires it; empty if lokki_tf itself does.
        low: The smallest allowed number, if there is one.
        high: The largest allowed number, if there is one.
        choices: The allowed values, if they are few.
    """

    expected: str
    fits: Callable[[Any], object]
    remedy: Callable[[Any], str | None] = lambda value: None
    service: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()


def number(
    low: float = 0, high: float | None = None, *, whole: bool = False, service: str = ""
) -> Rule:
    """Allow numbers from ``low`` to ``high``, both included; ``None`` for no limit.

    Args:
        low: The smallest number.
        high: The largest number.
        whole: Whether it must be an ``int``.
        service: The AWS service that requires it.
    """
    limits = f"of at least {low:,}" if high is None else f"from {low:,} to {high:,}"
    kind = int if whole else int | float

    def fits(value: Any) -> bool:
        within = isinstance(value, kind) and not isinstance(value, bool) and value >= low
        return within and (high is None or value <= high)

    shown = f"a {'whole ' if whole else ''}number {limits}"
    return Rule(shown, fits, service=service, low=low, high=high)


def whole(low: int, high: int | None = None, *, service: str = "") -> Rule:
    """Allow whole numbers from ``low`` to ``high``, as :func:`number` does."""
    return number(low, high, whole=True, service=service)


def one_of(*choices: Any, service: str = "") -> Rule:
    """Allow some values alone."""
    listed = ", ".join(map(str, choices))
    return Rule(f"one of {listed}", choices.__contains__, service=service, choices=choices)


@dataclass(frozen=True, slots=True)
class Option:
    """An option or a setting.

    Args:
        name: Its name where it is written.
        type: The annotation of its value in the model.
        default: Its value if it is not given.
        doc: One line of documentation, without a period.
        rules: Allowed values, at most one rule for each service.
        unit: Unit of a number.
        source: Publication that states the limits.
        only: The service whose work it is for: ``Lambda`` or ``Batch``; empty for both.
        instead: What to do about it in a step of the other service.
        settings: Names of the settings that replace the default, ``lambda.role`` for example.
    """

    name: str
    type: str
    default: Any
    doc: str
    rules: tuple[Rule, ...] = ()
    unit: str = ""
    source: str = ""
    only: str = ""
    instead: str = ""
    settings: tuple[str, ...] = ()

    def refused_by(self, value: Any, service: str = "") -> Rule | None:
        """Return the rule that a value breaks, if any; ``None`` is allowed if it is the default.

        Args:
            value: A value of the option.
            service: The service whose rule applies; by default lokki_tf's own.
        """
        rule = self.rule(service)
        unset = value is None and self.default is None
        return None if rule is None or unset or rule.fits(value) else rule

    def rule(self, service: str = "") -> Rule | None:
        """Return the rule of a service, or lokki_tf's own."""
        return next((one for one in self.rules if one.service == service), None)


_KEY = "option"


def option(default: Any, doc: str, *rules: Rule, **more: Any) -> Any:
    """Declare an option as a field of a dataclass.

    Args:
        default: Its default.
        doc: One line of documentation, without a period.
        rules: Its rules.
        more: Further fields of :class:`Option`.
    """
    return _field(Option("", "", default, doc, rules, **more))


def _field(declared: Option) -> Any:
    metadata = {_KEY: declared}
    if declared.default is EMPTY:
        return field(default_factory=lambda: EMPTY, metadata=metadata)
    return field(default=declared.default, metadata=metadata)


def same_as(kind: Any, name: str, service: str = "", **changes: Any) -> Any:
    """Declare a setting that replaces the default of an option.

    Args:
        kind: The class with the option.
        name: The option's name.
        service: The service whose rule applies to the setting.
        changes: Fields of :class:`Option` that differ.
    """
    like = options(kind)[name]
    rules = tuple(replace(one, service="") for one in like.rules if one.service == service)
    same = {"default": like.default, "doc": like.doc, "unit": like.unit, "source": like.source}
    return _field(Option(**{"name": "", "type": "", "rules": rules, **same, **changes}))


@cache
def options(kind: Any) -> Mapping[str, Option]:
    """Return the options that a dataclass declares, by name.

    Args:
        kind: The dataclass.
    """
    found = {}
    for one in fields(kind):
        declared = one.metadata.get(_KEY)
        if declared is not None:
            name = one.name.rstrip("_")  # a name that is a keyword of Python has a final _
            found[name] = replace(declared, name=name, type=one.type)
    return MappingProxyType(found)
