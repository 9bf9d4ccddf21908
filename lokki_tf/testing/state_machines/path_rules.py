"""Check the paths and payload templates of a definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lokki_tf.testing.state_machines.expressions import parse_expression
from lokki_tf.testing.state_machines.failures import PathSyntaxError
from lokki_tf.testing.state_machines.findings import SCHEMA, Finding
from lokki_tf.testing.state_machines.references import parse_reference
from lokki_tf.testing.state_machines.values import Json


def examine_path(text: Json, location: str, *, result: bool = False) -> Iterator[Finding]:
    """Yield findings for a path.

    Args:
        text: The path.
        location: The path of the field in the definition.
        result: Whether the field is a ``ResultPath``, which must name one position in the input.
    """
    if not isinstance(text, str):
        yield Finding(SCHEMA, f"A path must be a string, got {text!r}", location)
        return
    try:
        reference = parse_expression(text) if not result else parse_reference(text)
    except PathSyntaxError as error:
        yield Finding(SCHEMA, str(error), location)
        return
    if not result:
        return
    reference = parse_reference(text)
    keys = len(reference.path.keys)
    if reference.root != "$" or not reference.path.definite or keys != len(reference.path.steps):
        message = f"ResultPath must be a reference path, such as $.a.b or $.a[0], got '{text}'"
        yield Finding(SCHEMA, message, location)


def examine_either(
    holder: Mapping[str, Json], field: str, other: str, location: str
) -> Iterator[Finding]:
    """Yield a finding if two fields are set that exclude each other."""
    if field in holder and other in holder:
        message = f"{field} and {other} must not both be set"
        yield Finding(SCHEMA, message, f"{location}/{other}")


def examine_template(template: Json, location: str) -> Iterator[Finding]:
    """Yield findings for the expressions of a payload template."""
    if isinstance(template, list):
        for position, item in enumerate(template):
            yield from examine_template(item, f"{location}[{position}]")
    if not isinstance(template, dict):
        return
    for key, value in template.items():
        here = f"{location}/{key}"
        if not key.endswith(".$"):
            yield from examine_template(value, here)
        elif not isinstance(value, str):
            message = f"The value for the field '{key}' must be a STRING that contains a JSONPath"
            yield Finding(SCHEMA, message, here)
        else:
            yield from _examine_expression(key, value, here)
        if key.endswith(".$") and key[:-2] in template:
            message = f"The fields '{key}' and '{key[:-2]}' must not both be set"
            yield Finding(SCHEMA, message, here)


def _examine_expression(key: str, text: str, location: str) -> Iterator[Finding]:
    try:
        parse_expression(text)
    except PathSyntaxError as error:
        message = f"The value for the field '{key}' must be a valid JSONPath or function: {error}"
        yield Finding(SCHEMA, message, location)
