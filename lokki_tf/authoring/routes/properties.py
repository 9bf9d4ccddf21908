"""Properties of a function in CloudFormation, converted to options of a step.

Source: AWS SAM, ``AWS::Serverless::Function``, and AWS CloudFormation, ``AWS::Lambda::Function``,
whose ``Tags`` are a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from lokki_tf.errors import OptionError, Place
from lokki_tf.model import TerraformRef, TextOrRef

_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def options_of(
    properties: Mapping[str, Any] | None, options: Mapping[str, Any], place: Place
) -> dict[str, Any]:
    """Convert properties to options of a step.

    Args:
        properties: The value of ``template_props``.
        options: Options with the names of those of ``@step``.
        place: Source location of both.

    Raises:
        OptionError: If a property is unknown, has the wrong type, or is also given as an option.
    """
    if properties is None:
        return dict(options)
    if not isinstance(properties, Mapping):
        raise OptionError(
            f"template_props must be a dict, got {properties!r}",
            place=place,
            remedy="for example template_props=dict(MemorySize=512, Timeout=30)",
        )
    found = dict(options)
    for name, value in properties.items():
        if name not in _PROPERTIES:
            near = get_close_matches(str(name), _PROPERTIES, 1)
            known = f"known are {', '.join(sorted(_PROPERTIES))}"
            raise OptionError(
                f"template_props has the unknown property {name!r}",
                place=place,
                remedy=f"did you mean {near[0]!r}? {known}" if near else known,
            )
        option, read = _PROPERTIES[name]
        if option in found:
            raise OptionError(
                f"{name} in template_props and {option}= are the same option",
                place=place,
                remedy="keep one of them",
            )
        try:
            found[option] = read(value)
        except _Unfit as error:
            raise OptionError(
                f"template_props has {name}: {value!r}, which is not a {error.kind}",
                place=place,
                remedy=f"write {name}={error.example}",
            ) from None
    return found


class _Unfit(Exception):
    def __init__(self, kind: str, example: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.example = example


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Unfit("whole number", "512, for example")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unfit("string", '"…"')
    return value


def _architecture(value: Any) -> str:
    if not isinstance(value, list | tuple) or len(value) != 1 or not isinstance(value[0], str):
        raise _Unfit("list of one architecture", '["arm64"]')
    return value[0]


def _layers(value: Any) -> tuple[TextOrRef, ...]:
    if not isinstance(value, list | tuple):
        raise _Unfit("list", '["arn:aws:lambda:…"]')
    return tuple(map(_layer, value))


def _layer(value: Any) -> TextOrRef:
    """Return an ARN; a reference to a parameter becomes one to a Terraform variable."""
    if isinstance(value, str | TerraformRef):
        return value
    name = value.get("Ref") if isinstance(value, Mapping) and len(value) == 1 else None
    if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
        raise _Unfit("list of ARNs and references", '["arn:aws:lambda:…", {"Ref": "NameOfOne"}]')
    return f"${{var.{name}}}"


def _environment(value: Any) -> dict[str, TextOrRef]:
    variables = value.get("Variables") if isinstance(value, Mapping) else None
    if not isinstance(variables, Mapping) or set(value) != {"Variables"}:
        raise _Unfit("dict of Variables", '{"Variables": {"NAME": "value"}}')
    refs = {name: one for name, one in variables.items() if isinstance(one, TerraformRef)}
    plain = {name: one for name, one in variables.items() if name not in refs}
    kind, example = "dict of Variables that are strings", '{"Variables": {"NAME": "value"}}'
    return {**_texts(plain, kind, example), **refs}


def _storage(value: Any) -> int:
    if not isinstance(value, Mapping) or set(value) != {"Size"}:
        raise _Unfit("dict of Size", '{"Size": 1024}')
    return _whole(value["Size"])


def _tags(value: Any) -> dict[str, str]:
    example = '{"team": "data"}'
    if isinstance(value, list | tuple):
        if not all(isinstance(one, Mapping) and set(one) == {"Key", "Value"} for one in value):
            raise _Unfit("list of tags", f'[{{"Key": "team", "Value": "data"}}], or {example}')
        value = {one["Key"]: one["Value"] for one in value}
    if not isinstance(value, Mapping):
        raise _Unfit("dict of tags", example)
    return _texts(value, "dict of strings", example)


def _texts(values: Mapping[Any, Any], kind: str, example: str) -> dict[str, str]:
    """Convert values to strings; numbers and booleans as CloudFormation does."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            value = str(value).lower()
        if not isinstance(name, str) or not isinstance(value, str | int | float):
            raise _Unfit(kind, example)
        found[name] = str(value)
    return found


def _policies(value: Any) -> list[Mapping[str, Any]]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(one, Mapping) and {"Statement", "Effect"} & set(one) for one in values):
        raise _Unfit(
            "list of statements; names of managed policies and SAM policy templates are "
            "not supported",
            '[{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::…"}]',
        )
    return values


_PROPERTIES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "Architectures": ("architecture", _architecture),
    "Description": ("description", _text),
    "Environment": ("env_variables", _environment),
    "EphemeralStorage": ("ephemeral_storage", _storage),
    "Layers": ("layers", _layers),
    "MemorySize": ("memory_size", _whole),
    "Policies": ("policies", _policies),
    "Runtime": ("python_runtime", _text),
    "Tags": ("tags", _tags),
    "Timeout": ("timeout_seconds", _whole),
}
