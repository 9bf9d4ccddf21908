"""Locations in S3 of what maps read: a bucket, with the key of an object or a prefix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Group, Literal, TerraformRef

from .specs import CallSpec, ParameterSpec, PartSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.errors import Place

    from .specs import Argument

MOST_KEY_BYTES = 1_024
# Amazon S3 User Guide, "General purpose bucket naming rules".
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")


def location_of(name: str, fields: Mapping[str, Argument], place: Place) -> Group:
    """Return a location, if its fields are valid.

    Source of the limits: Amazon S3 User Guide, "General purpose bucket naming rules" and "Naming
    Amazon S3 objects".

    Args:
        name: The class of the dataset, for the error.
        fields: ``Bucket``, and ``Key`` or ``Prefix``.
        place: Source location.

    Raises:
        OptionError: If a field is neither a valid text, a reference, a parameter, nor the result
            of a step.
    """
    for key, value in fields.items():
        _check(f"{name}({key.lower()}=…)", key, value, place)
    members: Any = tuple(fields.values())
    return Group("dict", members, tuple(fields))


def _check(what: str, key: str, value: Argument, place: Place) -> None:
    if isinstance(value, Literal):
        problem = _problem(key, value.value)
        if problem:
            raise OptionError(f"{what} {problem}, got {value.value!r}", place=place)
        return
    if isinstance(value, TerraformRef):
        return
    whole = value.of if isinstance(value, PartSpec) else value
    if isinstance(value, ParameterSpec):
        kind = str if value.declared is None else value.declared.kind
        if kind in (str, Any):
            return
        raise OptionError(
            f"{what} requires a text, but {value.what} is of type {kind.__name__}",
            place=place,
            remedy=f'declare it as Parameter("{value.name}", str)',
        )
    if not isinstance(whole, CallSpec):
        raise OptionError(
            f"{what} requires a text, a parameter of the run, or the result of a step, got "
            f"{getattr(value, 'what', 'a collection')}",
            place=place,
            remedy="put a step between the two, which returns the text",
        )
    if whole.catch:
        raise OptionError(
            f"{what} requires a text, but with catch= {whole.what} may be a Failure",
            place=place,
            remedy="put a step between the two, which receives the Failure and returns a text",
        )


def _problem(key: str, value: object) -> str:
    if not isinstance(value, str):
        return "must be a text"
    if key == "Bucket":
        return "" if _BUCKET.fullmatch(value) else "must be the name of a bucket"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "must be Unicode"
    if "${" in value:  # IAM and Terraform replace it
        return 'must not contain "${"'
    if "*" in value or "?" in value:  # meant as a pattern, and a wildcard of IAM
        return 'is taken as it is and must not contain "*" or "?"'
    if key == "Key" and not value:
        return "must be the key of an object"
    return f"must have at most {MOST_KEY_BYTES:,} bytes" if size > MOST_KEY_BYTES else ""
