"""Validate a state machine definition as ``CreateStateMachine`` does, without running it.

``check`` takes the definition's JSON and returns findings. It checks the size and the JSON syntax,
then calls ``scopes``, which checks names, transitions and variables across states, and
``state_rules``, which checks the fields of each state.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from lokki_tf.testing.state_machines.express_rules import examine_express
from lokki_tf.testing.state_machines.findings import Finding
from lokki_tf.testing.state_machines.limits import DEFINITION_BYTES
from lokki_tf.testing.state_machines.scopes import examine_definition
from lokki_tf.testing.state_machines.values import load, size

__all__ = ["Finding", "check"]


@lru_cache(maxsize=256)
def check(text: str, *, express: bool = False) -> tuple[Finding, ...]:
    """Return the findings for a definition, none if it is valid.

    Args:
        text: The JSON of the definition.
        express: Whether the state machine is of the type ``EXPRESS``.
    """
    return tuple(_findings(text, express))


def _findings(text: str, express: bool) -> Iterator[Finding]:
    if size(text) > DEFINITION_BYTES:
        yield Finding("INVALID_SIZE", f"The definition has more than {DEFINITION_BYTES} bytes", "/")
        return
    try:
        definition = load(text)
    except ValueError as error:
        yield Finding("INVALID_JSON_DESCRIPTION", str(error), "/")
        return
    if not isinstance(definition, dict):
        yield Finding("INVALID_JSON_DESCRIPTION", "A definition must be a JSON object", "/")
        return
    yield from examine_definition(definition)
    if express:
        yield from examine_express(definition, "")
