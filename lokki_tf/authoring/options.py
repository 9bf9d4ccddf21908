"""Options of a step, from the arguments of ``@step``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from os import PathLike, fspath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import OF_JOBS, OF_LAMBDA, RetryConfig, StepOptions
from lokki_tf.model.retries import TASK_FAILED, lists_all

from .requirements import requirements_in, requirements_of

if TYPE_CHECKING:
    from lokki_tf.errors import Place
    from lokki_tf.model.retries import ErrorType

_LISTS = ("layers", "requirements", "policies", "modules")
_MAPPINGS = ("env_variables", "tags")
_CHOICES = {
    "job_type": ("lambda", "batch"),
    "package": ("zip", "image"),
    "code": ("cut", "module"),
    "platform": ("fargate", "fargate_spot", "ec2"),
}


def step_options(given: Mapping[str, Any], place: Place) -> StepOptions:
    """Return options in the types of the model; ``None`` means the default.

    Args:
        given: Arguments of ``@step`` by name.
        place: Source location of the step.

    Raises:
        OptionError: If one has the wrong type, both ``retry`` and ``retry_count`` are given, or the
            file of the requirements cannot be read.
    """
    known = {*(field.name for field in fields(StepOptions)), "retry_count"} - {"given"}
    for name in given:
        if name not in known:
            others = OF_LAMBDA if given.get("job_type") == "batch" else OF_JOBS
            near = get_close_matches(name, known.difference(others), 1)
            raise OptionError(
                f"@step has no option {name!r}",
                place=place,
                remedy=f"did you mean {near[0]!r}?"
                if near
                else f"it has {', '.join(sorted(known))}",
            )
    values = {name: value for name, value in given.items() if value is not None}
    for name in ("description", "role"):
        if not isinstance(values.get(name, ""), str):
            raise OptionError(f"{name} must be a string, got {values[name]!r}", place=place)
    count = values.pop("retry_count", None)
    if count is not None and "retry" in values:
        raise OptionError(
            "retry= and retry_count= are both given",
            place=place,
            remedy="keep one: retry=RetryConfig(retries=…) includes retry_count",
        )
    if count is not None:
        values["retry"] = {"retries": count}
    if "retry" in values:
        values["retry"] = retriers(values["retry"], place)
    for name, allowed in _CHOICES.items():
        values |= _choice(name, allowed, values, place)
    if isinstance(values.get("requirements"), str | PathLike):
        values["requirements"] = requirements_in(values["requirements"], place)
    if "include" in values:
        values["include"] = _paths("include", values["include"], place)
    for name in _LISTS:
        if name in values:
            values[name] = _texts(name, values[name], place)
    if not isinstance(given.get("requirements"), str | PathLike) and "requirements" in values:
        values["requirements"] = requirements_of(values["requirements"], place)
    for name in _MAPPINGS:
        if name in values:
            values[name] = texts_by_name(name, values[name], place)
    # An empty policy grants nothing, so it is not attached.
    if "policies" in values:
        values["policies"] = tuple(text for text in values["policies"] if text.strip())
    return StepOptions(**values, given=frozenset(values))


def _choice(
    name: str, allowed: tuple[str, ...], values: Mapping[str, Any], place: Place
) -> dict[str, str]:
    """Return one of a few words, given in any case."""
    if name not in values:
        return {}
    value = values[name].lower() if isinstance(values[name], str) else values[name]
    if value not in allowed:
        raise OptionError(
            f"{name} must be one of {', '.join(allowed)}, got {values[name]!r}",
            place=place,
            remedy=f'write {name}="{allowed[0]}", for example',
        )
    return {name: value}


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
        if all(_is_covered(error, found[: number - 1]) for error in one.exceptions):
            raise OptionError(
                f"retry=[…]: number {number} is never used, since those before it include all its "
                "errors, and the first that includes an error decides",
                place=place,
                remedy="write the special errors first, and every error (Exception) last",
            )
    while found and not found[-1].retries:
        found.pop()
    return tuple(found)


def _is_covered(error: ErrorType, earlier: Iterable[RetryConfig]) -> bool:
    """Return whether earlier retriers include an error."""
    for one in earlier:
        if lists_all(one.exceptions) or error in one.exceptions:
            return True
        if isinstance(error, type) and (
            TASK_FAILED in one.exceptions
            or issubclass(error, tuple(k for k in one.exceptions if isinstance(k, type)))
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
        known = ", ".join(field.name for field in fields(RetryConfig))
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


def _texts(name: str, value: Any, place: Place) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise OptionError(
            f"{name} must be a list, got {value!r}",
            place=place,
            remedy=f"write {name}=[…] with strings",
        )
    texts = tuple(value)
    for text in texts:
        if not isinstance(text, str):
            raise OptionError(f"{name} must contain strings, got {text!r}", place=place)
    return texts


def _paths(name: str, value: Any, place: Place) -> tuple[str, ...]:
    if isinstance(value, Iterable) and not isinstance(value, str | PathLike):
        value = [fspath(one) if isinstance(one, PathLike) else one for one in value]
    texts = _texts(name, value, place)
    if not all(texts):
        raise OptionError(
            f"{name} contains an empty string",
            place=place,
            remedy='name a file or a folder; "." is the whole folder of the step\'s file',
        )
    return texts


def texts_by_name(name: str, value: Any, place: Place) -> Mapping[str, str]:
    """Return a dict of strings, unchanged.

    Raises:
        OptionError: If it is something else.
    """
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(text, str) for key, text in value.items()
    ):
        raise OptionError(
            f"{name} must be a dict of strings, got {value!r}",
            place=place,
            remedy=f'for example {name}={{"KEY": "value"}}; numbers as strings',
        )
    return MappingProxyType(dict(value))
