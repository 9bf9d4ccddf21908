"""Values of secrets in what would be deployed, as far as the environment contains them.

A literal argument, a captured value or an environment variable may have been made from one.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from base64 import b64decode
from typing import TYPE_CHECKING

from lokki_tf.errors import CaptureError
from lokki_tf.model import Finding
from lokki_tf.model.terraform_refs import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.asl import StateMachine
    from lokki_tf.model import Definition, Step
    from lokki_tf.packaging import Package

_PICKLE = re.compile(r'"pickle": "([A-Za-z0-9+/=]+)"')
Texts = dict[tuple[str, "Step | None"], bytes]
"""What would be deployed, by a description and the step that it belongs to."""
_SHORTEST = 8
"""Characters of a value that is looked for: a shorter one may be anywhere by chance."""


def exposed_secrets(
    definition: Definition, packages: Mapping[Step, Package], state_machine: StateMachine | None
) -> Iterator[Finding]:
    """Yield an error for each value of a secret in code, data, settings, triggers or literals.

    Args:
        definition: The pipeline, under its settings.
        packages: The packages of all steps.
        state_machine: The compiled state machine, if there is one.
    """
    values = {
        name: (step, value)
        for step in packages
        for name in step.options.secrets
        if len(value := os.environ.get(name, "")) >= _SHORTEST
    }
    if not values:
        return
    texts = {
        **_of_steps(packages),
        ("a trigger", None): "\n".join(map(repr, definition.triggers)).encode(),
        ("a tag", None): repr(definition.tags).encode(),
        **({} if state_machine is None else _literals(state_machine)),
    }
    for name, (owner, value) in values.items():
        forms = {one.encode() for one in _forms(value)}
        for (where, step), data in texts.items():
            if any(form in data for form in forms):
                yield Finding(
                    "secret-exposed",
                    f"{where} contains the value of the secret {name!r}",
                    (step or owner).place,
                    f"read os.environ[{name!r}] inside the steps that need it, and pass it to no "
                    "call",
                    error=CaptureError,
                )


def _of_steps(packages: Mapping[Step, Package]) -> Texts:
    texts: Texts = {}
    for step, package in packages.items():
        for path, data in package.files.items():
            texts[f"the file {path} of step {step.name!r}", step] = data
        options = step.options
        variables = "\n".join(map(shown, options.env_variables.values()))
        texts[f"an environment variable of step {step.name!r}", step] = variables.encode()
        others = "\n".join((*options.tags.values(), *options.policies))
        texts[f"an option of step {step.name!r}", step] = others.encode()
    return texts


def _literals(state_machine: StateMachine) -> Texts:
    definition = json.dumps(state_machine.definition, ensure_ascii=False, default=dict)
    pickles = map(b64decode, _PICKLE.findall(definition))
    texts: Texts = {("the state machine", None): b"\n".join((definition.encode(), *pickles))}
    for key, data in state_machine.objects.items():
        texts[f"the object {key}", None] = gzip.decompress(data)
    return texts


def _forms(value: str) -> tuple[str, ...]:
    """Return a value as it is, in JSON, and in Python."""
    quoted = json.dumps(value, ensure_ascii=False)
    return value, quoted[1:-1], json.dumps(value)[1:-1], repr(value)[1:-1]
