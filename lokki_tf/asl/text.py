"""A definition as text for Terraform's ``templatefile``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_FILLED = re.compile(r"\$\$\{|%%\{|\$\{(?P<name>\w+)\}")


class Template(str):
    """A string with ``${name}`` in it that Terraform is to fill; other strings are as they are."""

    __slots__ = ()


def render(definition: Mapping[str, Any], *, compact: bool = False) -> str:
    """The definition as JSON, with all but templates escaped against Terraform.

    Args:
        definition: Amazon States Language.
        compact: Without spaces and line ends, where every byte counts.
    """
    safe = _walked(definition, escaped)
    if compact:
        return json.dumps(safe, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(safe, indent=2, ensure_ascii=False) + "\n"


def filled(definition: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The definition as Terraform would fill it.

    Args:
        definition: With templates.
        values: From the templates' names to what stands there.
    """

    def fill(text: str) -> str:
        if not isinstance(text, Template):
            return text
        for name, value in values.items():
            text = text.replace(f"${{{name}}}", value)
        return str(text)

    result: dict[str, Any] = _walked(definition, fill)
    return result


def filled_bytes(text: str, values: Mapping[str, str]) -> int:
    """The size of a rendered definition once Terraform has filled it.

    Args:
        text: From :func:`render`.
        values: From the templates' names to their texts.
    """

    def filled_in(match: re.Match[str]) -> str:
        # An escape of Terraform's loses its first character.
        return values[match["name"]] if match["name"] else match[0][1:]

    return len(_FILLED.sub(filled_in, text).encode())


def escaped(text: str) -> str:
    """A string that Terraform takes as it is; templates and CDKTF's tokens stay what they are."""
    if isinstance(text, Template):
        return str(text)
    return re.sub(r"\$\{(?!TfToken\[)|%\{", lambda match: match[0][0] + match[0], text)


def _walked(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _walked(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walked(item, change) for item in value]
    return value
