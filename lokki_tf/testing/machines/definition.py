"""What ``CreateStateMachine`` refuses: a definition's text in, findings out.

``check`` is the whole; ``scopes`` looks at how states and variables hang together,
``state_rules`` at the fields of one state. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from lokki_tf.testing.machines.findings import Finding
from lokki_tf.testing.machines.limits import DEFINITION_BYTES
from lokki_tf.testing.machines.scopes import examine_machine
from lokki_tf.testing.machines.values import load, size

__all__ = ["Finding", "check"]


@lru_cache(maxsize=256)
def check(text: str) -> tuple[Finding, ...]:
    """Return all that is wrong with a definition; nothing if it is valid.

    Args:
        text: the JSON of the definition.
    """
    return tuple(_findings(text))


def _findings(text: str) -> Iterator[Finding]:
    if size(text) > DEFINITION_BYTES:
        yield Finding("INVALID_SIZE", f"The definition has more than {DEFINITION_BYTES} bytes", "/")
        return
    try:
        definition = load(text)
    except ValueError as error:
        yield Finding("INVALID_JSON_DESCRIPTION", str(error), "/")
        return
    if not isinstance(definition, dict):
        yield Finding("INVALID_JSON_DESCRIPTION", "A definition is a JSON object", "/")
        return
    yield from examine_machine(definition)
