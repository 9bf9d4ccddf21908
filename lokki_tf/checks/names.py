"""Names that become names of AWS resources.

Source: Step Functions ``CreateStateMachine`` (name: 1 to 80 characters) and Lambda
``CreateFunction`` (letters, digits, ``-`` and ``_``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lokki_tf.errors import NamingError
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.errors import Place
    from lokki_tf.model import Definition, Step

LONGEST = 80
UNWRITABLE = "__proto__"
"""A key that CDKTF cannot write: in JavaScript it is an object's prototype."""
_ALLOWED = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def check(definition: Definition) -> Iterator[Finding]:
    """Check the pipeline's and the steps' names."""
    yield from findings_of("pipeline", definition.name, definition.place)
    if definition.parameters:
        yield from _reserved(definition)
    seen: dict[str, Step] = {}
    for step in definition.steps:
        yield from findings_of("step", step.name, step.place)
        other = seen.setdefault(str(step.name).lower(), step)
        if other is step:
            continue
        problem = f"steps {other.name!r} and {step.name!r} differ only in case, which IAM ignores"
        if other.name == step.name:  # steps of a pipeline have different names except this case
            problem = (
                f"step {step.name!r} has the name of the function that decides whether a job runs"
            )
        remedy = "give it another name"
        yield Finding("name", problem, other.place, remedy, error=NamingError)


def _reserved(definition: Definition) -> Iterator[Finding]:
    """Report a parameter with the name that triggers use in the execution's input."""
    from lokki_tf.runtime.parameters import RESERVED  # imported here, since it imports json

    if any(one.name == RESERVED for one in definition.parameters):
        problem = f"a parameter has the name {RESERVED!r}, which is reserved for triggers"
        yield Finding("name", problem, definition.place, "rename it", error=NamingError)


def findings_of(what: str, name: object, place: Place | None) -> Iterator[Finding]:
    """Check one name.

    Args:
        what: ``pipeline`` or ``step``.
        name: The name.
        place: Source location of what has it.
    """
    if not isinstance(name, str) or not name:
        problem = f"a {what}'s name must be a string that is not empty, got {name!r}"
    elif not _ALLOWED.fullmatch(name):
        bad = "".join(dict.fromkeys(re.sub(r"[A-Za-z0-9_-]", "", name, flags=re.ASCII)))
        problem = f"{what} name {name!r} has characters that AWS refuses: {bad!r}"
    elif len(name) > LONGEST:
        problem = f"{what} name {name!r} has {len(name)} characters; AWS allows {LONGEST}"
    elif name == UNWRITABLE and what == "step":
        problem = f"a step cannot have the name {name!r}, which CDKTF cannot write as a key"
    else:
        return
    remedy = "use letters A to Z, digits, - and _"
    if what == "step":
        remedy += ', for example with @step(name="…")'
    yield Finding("name", problem, place, remedy, error=NamingError)
