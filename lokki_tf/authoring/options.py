"""Options of steps, maps and pipelines, from the arguments that users give."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from os import PathLike, fspath
from types import MappingProxyType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar

from lokki_tf.errors import OptionError
from lokki_tf.model import (
    Alarms,
    MapOptions,
    Option,
    PipelineOptions,
    RetryConfig,
    StepOptions,
    TerraformRef,
    TextOrRef,
    options,
)
from lokki_tf.model.retries import ALL, TASK_FAILED, listed_errors, lists_all
from lokki_tf.model.terraform_refs import refs_in
from lokki_tf.model.triggers import KINDS, Trigger

from .policies import policy_documents
from .polls import refuse_contradictions, with_poll
from .requirements import requirements_in, requirements_of

if TYPE_CHECKING:
    from lokki_tf.errors import Place
    from lokki_tf.model.retries import ErrorType

T = TypeVar("T", bound=Callable[..., Any])

_SHORT = "retry_count"
"""Short for ``retry=RetryConfig(retries=…)``."""


def documents_options(public: T) -> T:
    """Add the options of a step to the docstring of what accepts them."""
    if public.__doc__:  # Python removes docstrings if it is run with -OO
        lines = [f"        {name}: {one.doc}." for name, one in options(StepOptions).items()]
        public.__doc__ = "\n".join([public.__doc__.rstrip(), "", "    Options:", *lines, "    "])
    return public


def step_options(given: Mapping[str, Any], place: Place) -> StepOptions:
    """Return options of a step in the types of the model; ``None`` means the default.

    Args:
        given: Arguments of ``@step`` by name.
        place: Source location of the step.

    Raises:
        OptionError: If one is unknown or has the wrong type, both ``retry`` and ``retry_count`` are
            given, or the file of the requirements cannot be read.
    """
    known = {**options(StepOptions), _SHORT: None}
    other = "Lambda" if given.get("job_type") == "batch" else "Batch"
    likely = [name for name, one in known.items() if one is None or one.only != other]
    _refuse_unknown("@step", given, known, likely, place)
    values = {name: value for name, value in given.items() if value is not None}
    count = values.pop(_SHORT, None)
    if count is not None and "retry" in values:
        raise OptionError(
            "retry= and retry_count= are both given",
            place=place,
            remedy="keep one: retry=RetryConfig(retries=…) includes retry_count",
        )
    if count is not None:
        values["retry"] = {"retries": count}
    values = {name: _read(StepOptions, name, value, place) for name, value in values.items()}
    refuse_contradictions(values, place)
    made = StepOptions(**values, given=frozenset(values))
    return replace(made, retry=with_poll(made, made.retry))


def map_options(given: Mapping[str, Any], place: Place) -> MapOptions:
    """Return the options of a map.

    Args:
        given: Options by name.
        place: Source location of the map.

    Raises:
        OptionError: If one is invalid, or if two cannot be combined.
    """
    for name, value in given.items():
        rule = options(MapOptions)[name].refused_by(value)
        if rule is not None:
            raise OptionError(f"{name} must be {rule.expected}, got {value!r}", place=place)
    made = MapOptions(**given)
    tolerated = (made.tolerated_failure_percentage, made.tolerated_failure_count)
    has_tolerated = any(value is not None for value in tolerated)
    if made.batch_size > 1 and has_tolerated:
        raise OptionError(
            "batch_size and tolerated failures cannot be combined: an item that fails takes its "
            "batch with it",
            place=place,
            remedy="leave one out, or keep errors as values: catch=True",
        )
    if made.mode == "inline" and made.execution_type == "express":
        raise OptionError(
            'mode="inline" and execution_type="express" cannot be combined: items of an inline map '
            "are no executions",
            place=place,
            remedy="omit one of them",
        )
    if made.mode == "inline" and (made.batch_size > 1 or has_tolerated):
        raise OptionError(
            'mode="inline" supports neither batch_size nor tolerated failures',
            place=place,
            remedy="omit mode=: a Distributed Map supports them",
        )
    return made


def pipeline_options(given: Mapping[str, Any], what: str, place: Place) -> dict[str, Any]:
    """Return options of a pipeline by name, in the types of the model, without the default ones.

    Args:
        given: Options by name. ``on_failure`` and ``cleanup`` are returned
            unchanged, because :func:`notice_of` and :func:`cleanup_of` need the pipeline's steps.
        what: What the pipeline is, for error messages.
        place: Source location of the pipeline.

    Raises:
        OptionError: If one is unknown or has the wrong type.
    """
    known = options(PipelineOptions)
    _refuse_unknown(what, given, known, known, place)
    return {
        name: _read(PipelineOptions, name, value, place)
        for name, value in given.items()
        if value is not None
    }


def _refuse_unknown(
    what: str, given: Iterable[str], known: Collection[str], likely: Iterable[str], place: Place
) -> None:
    for name in given:
        if name not in known:
            near = get_close_matches(name, likely, 1)
            raise OptionError(
                f"{what} has no option {name!r}",
                place=place,
                remedy=f"did you mean {near[0]!r}?"
                if near
                else f"it has {', '.join(sorted(known))}",
            )


def _read(kind: Any, name: str, value: Any, place: Place) -> Any:
    """Return the value of an option in the type of the model."""
    declared = options(kind)[name]
    accepted = TerraformRef.__name__ in declared.type or name in _WITH_REFS
    for ref in () if accepted else refs_in(value):
        raise OptionError(
            f"{name} contains {ref!r}, and must be known before Terraform runs",
            place=place,
            remedy=f"write the value itself into {name}=",
        )
    special = _SPECIAL.get(name)
    if special is not None:
        return special(value, place)
    rule = declared.rule()
    if rule is not None and rule.choices:
        return _choice(declared, rule.choices, value, place)
    if rule is not None and not rule.fits(value):
        unit = f" {declared.unit}" if declared.unit else ""
        raise OptionError(f"{name} must be {rule.expected}{unit}, got {value!r}", place=place)
    reader = _READERS.get(declared.type)
    return value if reader is None else reader(name, value, place)


def _choice(declared: Option, allowed: tuple[str, ...], given: Any, place: Place) -> str:
    """Return one of a few words, given in any case."""
    value = given.lower() if isinstance(given, str) else given
    if value not in allowed:
        raise OptionError(
            f"{declared.name} must be one of {', '.join(allowed)}, got {given!r}",
            place=place,
            remedy=f'write {declared.name}="{allowed[0]}", for example',
        )
    return str(value)


def retriers(given: Any, place: Place) -> tuple[RetryConfig, ...]:
    """Return retriers, without those at the end that never retry.

    Args:
        given: A retry configuration, a dict of its arguments, a number of retries, or a list of
            these.
        place: Source location.

    Raises:
        OptionError: If it is something else, has unknown or invalid arguments, or contains a
            retrier that can never apply.
    """
    many = given if isinstance(given, list | tuple) else [given]
    found = [_retry_config(one, place) for one in many]
    if not found:
        raise OptionError(
            f"retry={given!r} is an empty list",
            place=place,
            remedy="omit retry= for a step that is not retried",
        )
    for number, one in enumerate(found[1:], 2):
        earlier = [other.exceptions for other in found[: number - 1]]
        if all(_is_covered(error, earlier) for error in one.exceptions):
            raise OptionError(
                f"retry=[…]: number {number} is never used, since those before it include all its "
                "errors, and the first that includes an error decides",
                place=place,
                remedy="write the special errors first, and every error (Exception) last",
            )
    while found and not found[-1].retries:
        found.pop()
    return tuple(found)


def _alarms(given: Any, place: Place) -> Alarms:
    if isinstance(given, Alarms):
        return given
    try:
        return Alarms(given)
    except OptionError as error:
        raise OptionError(
            f"alarms must be Alarms(…) or the ARN of an SNS topic, got {given!r}",
            place=place,
            remedy=error.remedy,
        ) from None


def _triggers(given: Any, place: Place) -> tuple[Trigger, ...]:
    found = tuple(given) if isinstance(given, list | tuple) else (given,)
    for one in found:
        if not isinstance(one, Trigger):
            raise OptionError(
                f"triggers must contain {', '.join(KINDS)}, got {one!r}",
                place=place,
                remedy='for example triggers=[Schedule("rate(1 day)")]',
            )
    return found


def caught_errors(given: Any, place: Place) -> tuple[ErrorType, ...]:
    """Return the errors of ``catch=``.

    Args:
        given: A class, AWS's name of an error, several of them, ``True`` for every error, or
            ``False`` or ``None`` for none.
        place: Source location.

    Raises:
        OptionError: If it is something else.
    """
    if given is None or isinstance(given, bool):
        return (ALL,) if given else ()
    remedy = "for example catch=ValueError; True catches every error"
    if isinstance(given, Mapping):
        remedy = 'a dict of routes, {PaymentError: "refund"}, is for @pipe.fn(…) alone'
        raise OptionError(f"catch={given!r}: catch must be errors", place=place, remedy=remedy)
    try:
        return listed_errors(given, f"catch={given!r}: catch must be classes of errors", remedy)
    except OptionError as error:
        raise OptionError(error.message, place=place, remedy=error.remedy) from None


def caught_routes(given: Any, place: Place) -> tuple[tuple[tuple[ErrorType, ...], str], ...]:
    """Return the errors of ``catch=`` of a routed step, each time with the next step after them.

    Args:
        given: Names of steps by errors, or ``None``.
        place: Source location.

    Raises:
        OptionError: If it is something else, or contains a route that can never be taken.
    """
    if given is None:
        return ()
    remedy = 'for example catch={PaymentError: "refund", "States.Timeout": "refund"}'
    if not isinstance(given, Mapping):
        raise OptionError(
            f"catch={given!r}: catch must be a dict of next steps by errors",
            place=place,
            remedy=remedy,
        )
    found: list[tuple[tuple[ErrorType, ...], str]] = []
    for key, target in given.items():
        errors = caught_errors(key, place)
        if not errors or not isinstance(target, str) or not target:
            raise OptionError(
                f"catch={{{key!r}: {target!r}}}: the next step must be a function's name",
                place=place,
                remedy=remedy,
            )
        earlier = [one for one, _ in found]
        if all(_is_covered(error, earlier) for error in errors):
            raise OptionError(
                f"catch={{…, {key!r}: {target!r}}} is never used, since those before it include "
                "all its errors",
                place=place,
                remedy="write the special errors first, and every error (True) last",
            )
        found.append((errors, target))
    return tuple(found)


def _is_covered(error: ErrorType, earlier: Iterable[tuple[ErrorType, ...]]) -> bool:
    """Return whether earlier lists of errors include an error."""
    for listed in earlier:
        if lists_all(listed) or error in listed:
            return True
        if isinstance(error, type) and (
            TASK_FAILED in listed
            or issubclass(error, tuple(one for one in listed if isinstance(one, type)))
        ):
            return True
    return False


def _retry_config(given: Any, place: Place) -> RetryConfig:
    if isinstance(given, RetryConfig):
        return given
    try:
        if isinstance(given, Mapping):
            return RetryConfig(**given)
        if isinstance(given, int) and not isinstance(given, bool):
            return RetryConfig(retries=given)
    except OptionError as error:
        raise OptionError(error.message, place=place, remedy=error.remedy) from None
    except TypeError:
        known = ", ".join(options(RetryConfig))
        raise OptionError(
            f"retry={given!r} has arguments that RetryConfig does not have",
            place=place,
            remedy=f"it takes {known}",
        ) from None
    raise OptionError(
        f"retry must be a RetryConfig, or a list of them, got {given!r}",
        place=place,
        remedy="for example retry=RetryConfig(retries=3, delay=1.0, backoff=2.0)",
    )


def _text(name: str, value: Any, place: Place) -> str:
    if not isinstance(value, str):
        raise OptionError(f"{name} must be a string, got {value!r}", place=place)
    return value


def _text_or_ref(name: str, value: Any, place: Place) -> TextOrRef:
    return value if isinstance(value, TerraformRef) else _text(name, value, place)


def _flag(name: str, value: Any, place: Place) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, got {value!r}", place=place)
    return value


def _texts(name: str, value: Any, place: Place, kind: type | UnionType = str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise OptionError(
            f"{name} must be a list, got {value!r}",
            place=place,
            remedy=f"write {name}=[…] with strings",
        )
    texts = tuple(value)
    for text in texts:
        if not isinstance(text, kind):
            raise OptionError(f"{name} must contain strings, got {text!r}", place=place)
    return texts


def _requirements(value: Any, place: Place) -> tuple[str, ...]:
    if isinstance(value, str | PathLike):
        return requirements_in(value, place)
    return requirements_of(_texts("requirements", value, place), place)


def _paths(value: Any, place: Place) -> tuple[str, ...]:
    if isinstance(value, Iterable) and not isinstance(value, str | PathLike):
        value = [fspath(one) if isinstance(one, PathLike) else one for one in value]
    texts = _texts("include", value, place)
    if not all(texts):
        raise OptionError(
            "include contains an empty string",
            place=place,
            remedy='name a file or a folder; "." is the whole folder of the step\'s file',
        )
    return texts


def _texts_by_name(
    name: str, value: Any, place: Place, kind: type | UnionType = str
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(text, kind) for key, text in value.items()
    ):
        raise OptionError(
            f"{name} must be a dict of strings, got {value!r}",
            place=place,
            remedy=f'for example {name}={{"KEY": "value"}}; numbers as strings',
        )
    return MappingProxyType(dict(value))


_WITH_REFS = ("alarms", "cleanup", "on_failure", "policies")
"""Options whose values may contain references, besides those that have them in their types."""
_SPECIAL: Mapping[str, Callable[[Any, Place], Any]] = {
    "alarms": _alarms,
    "include": _paths,
    "policies": policy_documents,
    "requirements": _requirements,
    "retry": retriers,
    "catch": caught_errors,
    "triggers": _triggers,
    "schedule": lambda value, place: value,  # checked with all errors of the pipeline
}
_READERS: Mapping[str, Callable[[str, Any, Place], Any]] = {
    "tuple[str, ...]": _texts,
    "tuple[str | TerraformRef, ...]": partial(_texts, kind=str | TerraformRef),
    "Mapping[str, str]": _texts_by_name,
    "Mapping[str, str | TerraformRef]": partial(_texts_by_name, kind=str | TerraformRef),
    "str | None": _text,
    "str | TerraformRef | None": _text_or_ref,
    "bool": _flag,
}
"""How values are read, by the type of the option in the model."""
