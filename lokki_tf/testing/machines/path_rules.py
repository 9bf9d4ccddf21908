"""What the paths and payload templates of a definition must be."""

from __future__ import annotations

from collections.abc import Iterator

from lokki_tf.testing.machines.expressions import parse_expression
from lokki_tf.testing.machines.failures import PathSyntaxError
from lokki_tf.testing.machines.findings import SCHEMA, Finding
from lokki_tf.testing.machines.references import parse_reference
from lokki_tf.testing.machines.values import Json


def examine_path(text: Json, location: str, *, result: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with a path.

    Args:
        text: the path.
        location: where it stands.
        result: whether it is a ``ResultPath``: one place below the input, no variable.
    """
    if not isinstance(text, str):
        yield Finding(SCHEMA, "This is a path", location)
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
        yield Finding(SCHEMA, f"'{text}' is no reference path into the input", location)


def examine_template(template: Json, location: str) -> Iterator[Finding]:
    """Yield what is wrong with the expressions of a payload template."""
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
            yield Finding(SCHEMA, f"The field '{key[:-2]}' stands twice", here)


def _examine_expression(key: str, text: str, location: str) -> Iterator[Finding]:
    try:
        parse_expression(text)
    except PathSyntaxError as error:
        message = f"The value for the field '{key}' must be a valid JSONPath or function: {error}"
        yield Finding(SCHEMA, message, location)
