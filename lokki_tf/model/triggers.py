"""Triggers: what starts executions of a pipeline, and the parameters that each passes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar
from typing import Literal as OneOf

from lokki_tf.errors import OptionError
from lokki_tf.tracebacks import ends_at_caller

from .declarations import EMPTY, SECONDS, Option, Rule, one_of, option, options, whole
from .terraform_refs import TerraformRef

_DAY = 86_400
_RETRIES = 185  # EventBridge's largest number, and its default
_POLICY = 'Amazon EventBridge User Guide, "How EventBridge retries delivering events"'
_PART = r"[A-Za-z0-9_-]+(\[\d+\])*"
_PATH = re.compile(rf"(\$\.)?{_PART}(\.{_PART})*")
_FIELDS = (
    *("version", "id", "detail-type", "source", "account", "time", "region", "resources"),
    "detail",
)


@dataclass(frozen=True, slots=True)
class ScheduledTime:
    """A form of the time for which a schedule starts a run, as a value of a parameter.

    Args:
        form: ``time``, ``hour``, ``day``, ``week`` or ``month``.
    """

    form: OneOf["time", "hour", "day", "week", "month"]

    def __repr__(self) -> str:
        return f"Schedule.{self.form}"


def path_of(text: object) -> tuple[str | int, ...] | None:
    """Return the names and indices of a path in an event, or ``None`` if it is not one.

    Args:
        text: ``detail.object.key`` for example, or ``resources[0]``; ``$.`` may be before it.
    """
    if not isinstance(text, str) or not _PATH.fullmatch(text):
        return None
    parts = re.finditer(r"\[(\d+)\]|([A-Za-z0-9_-]+)", text.removeprefix("$."))
    path = tuple(part[2] or int(part[1]) for part in parts)
    return path if path[0] in _FIELDS else None


def _is_name(value: Any, pattern: str) -> bool:
    return isinstance(value, TerraformRef) or bool(
        isinstance(value, str) and re.fullmatch(pattern, value)
    )


def _declared(trigger: Any) -> Mapping[str, Option]:
    kind: Any = type(trigger)
    return options(kind)


@dataclass(frozen=True, slots=True, repr=False)
class _Delivery:
    """How often AWS tries to start a run, which the parts of all triggers inherit."""

    _: KW_ONLY
    parameters: Mapping[str, Any] = option(EMPTY, "Parameters of the runs, by name")
    retries: int = option(
        _RETRIES,
        "Number of times that AWS tries again to deliver; then the event goes to the dead-letter "
        "queue",
        whole(0, _RETRIES),
        source=_POLICY,
    )
    max_age_seconds: int = option(
        _DAY,
        "Age up to which AWS tries to deliver an event",
        whole(60, _DAY),
        unit=SECONDS,
        source=_POLICY,
    )

    def __post_init__(self) -> None:
        kind = type(self).__name__
        for name, declared in _declared(self).items():
            value = getattr(self, name)
            rule = declared.refused_by(value)
            if rule is not None:
                raise OptionError(
                    f"{kind}({name}={value!r}): {name} must be {rule.expected}",
                    remedy=f"for example {_EXAMPLES[kind]}",
                )
        given = self.parameters
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise OptionError(
                f"{kind}(parameters={given!r}): parameters must be a dict by name",
                remedy=f"for example {_EXAMPLES[kind]}",
            )
        object.__setattr__(self, "parameters", MappingProxyType(dict(given)))
        self._refuse_values()

    def __repr__(self) -> str:
        names = [one.name for one in fields(self)]
        first = len(fields(_Delivery))
        given = {name: getattr(self, name) for name in (*names[first:], *names[:first])}
        shown = (
            f"{name}={dict(value) if isinstance(value, Mapping) else value!r}"
            for name, value in given.items()
            if value != _declared(self)[name].default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def _refuse_values(self) -> None:
        """Raise an error for a parameter that is not a path in the event."""
        kind = type(self).__name__
        for name, value in self.parameters.items():
            if path_of(value) is None:
                raise OptionError(
                    f"{kind}(parameters={{{name!r}: {value!r}}}): the value must be a path in the "
                    f"event, whose fields are {', '.join(_FIELDS)}",
                    remedy=f"for example {_EXAMPLES[kind]}; constants are defaults of parameters",
                )


@ends_at_caller
@dataclass(frozen=True, slots=True, repr=False)
class Schedule(_Delivery):
    """Starts runs at times, with EventBridge Scheduler.

    Args:
        expression: ``rate(1 hour)``, ``cron(0 9 * * ? *)`` (six fields) or
            ``at(2030-01-31T09:00:00)``.
        timezone: Time zone of ``cron`` and ``at``, ``Europe/Berlin`` for example; by default that
            of ``[schedule]`` in ``lokki.toml``, UTC.
        flexible_window_minutes: Minutes by which AWS may start later, up to 1,440; by default that
            of ``[schedule]``, 0.
        parameters: Values of the run's parameters. ``Schedule.day`` is the day for which the run is
            scheduled, in the time zone: ``2024-01-31``; ``Schedule.month`` is ``2024-01``,
            ``Schedule.week`` ``2024-W05`` (ISO 8601), ``Schedule.hour`` ``2024-01-31T09`` and
            ``Schedule.time`` ``2024-01-31T09:00:00+01:00``.
        retries: Number of times that AWS tries again to start a run, up to 185.
        max_age_seconds: Age up to which it tries, from 60 to 86,400 seconds.

    Raises:
        OptionError: If an argument is invalid.
    """

    expression: str = option("", "When it starts runs, as for `schedule=`")
    timezone: str | None = option(
        None,
        "Time zone of `cron(…)` and `at(…)`; by default that of `[schedule]`",
        Rule("the name of a time zone", lambda value: isinstance(value, str)),
    )
    flexible_window_minutes: int | None = option(
        None,
        "Time by which AWS may start later; by default that of `[schedule]`",
        whole(0, 1440),
        unit="minutes",
    )

    time: ClassVar[ScheduledTime] = ScheduledTime("time")
    hour: ClassVar[ScheduledTime] = ScheduledTime("hour")
    day: ClassVar[ScheduledTime] = ScheduledTime("day")
    week: ClassVar[ScheduledTime] = ScheduledTime("week")
    month: ClassVar[ScheduledTime] = ScheduledTime("month")

    def _refuse_values(self) -> None:
        """Values of any type are checked with those of the pipeline's parameters."""


@ends_at_caller
@dataclass(frozen=True, slots=True, repr=False)
class S3Created(_Delivery):
    """Starts a run for each object that is created in a bucket of S3.

    Args:
        bucket: Name of the bucket, or a reference to it; it must send its events to EventBridge. By
            default the pipeline's own bucket, for which the stack turns that on.
        prefix: Beginning of the keys.
        suffix: End of the keys.
        parameters: Paths in the event, by the names of parameters: ``{"key":
            "detail.object.key"}``. Keys are not URL-encoded.
        retries: Number of times that AWS tries again to deliver an event, up to 185.
        max_age_seconds: Age up to which it tries, from 60 to 86,400 seconds.

    Raises:
        OptionError: If an argument is invalid.
    """

    bucket: str | TerraformRef | None = option(
        None,
        "Name of the bucket; by default the pipeline's own",
        Rule(
            "the name of a bucket",
            lambda value: _is_name(value, r"[a-z0-9][a-z0-9.-]{2,62}"),
        ),
    )
    prefix: str = option(
        "", "Beginning of the keys", Rule("a text", lambda value: isinstance(value, str))
    )
    suffix: str = option(
        "", "End of the keys", Rule("a text", lambda value: isinstance(value, str))
    )


@ends_at_caller
@dataclass(frozen=True, slots=True, repr=False)
class EventPattern(_Delivery):
    """Starts a run for each event of EventBridge that matches a pattern.

    Args:
        pattern: The pattern, as a dict: ``{"source": ["my.app"]}``. Values may be references.
        bus: Name of the event bus, or a reference to it.
        parameters: Paths in the event, by the names of parameters: ``{"order": "detail.id"}``.
        retries: Number of times that AWS tries again to deliver an event, up to 185.
        max_age_seconds: Age up to which it tries, from 60 to 86,400 seconds.

    Raises:
        OptionError: If an argument is invalid.
    """

    pattern: Mapping[str, Any] = option(
        EMPTY,
        "The event pattern",
        source='Amazon EventBridge User Guide, "Amazon EventBridge event patterns"',
    )
    bus: str | TerraformRef = option(
        "default",
        "Name of the event bus",
        Rule(
            "the name of an event bus",
            lambda value: _is_name(value, r"[A-Za-z0-9/._-]{1,256}"),
        ),
    )

    def __post_init__(self) -> None:
        from .event_patterns import problem_with  # imported here: it imports json

        problem = problem_with(self.pattern)
        if problem is not None:
            raise OptionError(
                f"EventPattern({self.pattern!r}): the pattern {problem}",
                remedy=f"for example {_EXAMPLES['EventPattern']}",
            )
        _Delivery.__post_init__(self)


@ends_at_caller
@dataclass(frozen=True, slots=True, repr=False)
class PipelineDone(_Delivery):
    """Starts a run when an execution of another pipeline ends, in the same account and region.

    Args:
        name: The other pipeline's name in AWS, with its stage if it has one.
        status: ``succeeded``; ``failed``, which includes timeouts and executions that were
            stopped; or ``any``.
        parameters: Paths in the event, by the names of parameters: ``{"run": "detail.name"}``.
        retries: Number of times that AWS tries again to deliver an event, up to 185.
        max_age_seconds: Age up to which it tries, from 60 to 86,400 seconds.

    Raises:
        OptionError: If an argument is invalid.
    """

    name: str = option(
        "",
        "The other pipeline's name in AWS",
        Rule(
            "the name of a pipeline",
            lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,80}", value),
        ),
    )
    status: OneOf["succeeded", "failed", "any"] = option(
        "succeeded", "How its execution ends", one_of("succeeded", "failed", "any")
    )


Trigger = Schedule | S3Created | EventPattern | PipelineDone
"""What starts executions of a pipeline."""

_EXAMPLES = {
    "Schedule": 'Schedule("cron(0 6 * * ? *)", parameters={"day": Schedule.day})',
    "S3Created": 'S3Created("my-bucket", prefix="in/", parameters={"key": "detail.object.key"})',
    "EventPattern": (
        'EventPattern({"source": ["my.app"]}, parameters={"order": "detail.order.id"})'
    ),
    "PipelineDone": 'PipelineDone("extract", parameters={"run": "detail.name"})',
}
KINDS: Mapping[str, type[Trigger]] = {
    one.__name__: one for one in (Schedule, S3Created, EventPattern, PipelineDone)
}
"""The classes of triggers, by name."""
