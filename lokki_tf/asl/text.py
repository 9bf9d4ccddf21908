"""A definition as text for Terraform's ``templatefile``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_FILLED = re.compile(r"\$\$\{|%%\{|\$\{(?P<name>\w+)\}")


class Template(str):
    """A string with a placeholder ``${name}`` of Terraform; other strings are literal."""

    __slots__ = ()


class RefTemplate(Template):
    """A template of a text that a step receives, whose value only Terraform knows."""

    __slots__ = ()


def render(definition: Mapping[str, Any], *, compact: bool = False) -> str:
    """Return the definition as JSON, escaped for Terraform except templates.

    Args:
        definition: Amazon States Language.
        compact: Whether spaces and line ends are left out, to save bytes.
    """
    safe = _walked(definition, escaped)
    if compact:
        return json.dumps(safe, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(safe, indent=2, ensure_ascii=False) + "\n"


def filled(definition: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return the definition with values instead of placeholders, as Terraform would render it.

    Args:
        definition: A definition with templates.
        values: From the templates' names to their values.
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
    """Return the size of a definition after Terraform has replaced the placeholders.

    Args:
        text: The result of :func:`render`.
        values: From the templates' names to their texts.
    """

    def filled_in(match: re.Match[str]) -> str:
        # Terraform removes the first character of an escape.
        return values[match["name"]] if match["name"] else match[0][1:]

    return len(_FILLED.sub(filled_in, text).encode())


def escaped(text: str) -> str:
    """Return a string escaped for Terraform; templates and CDKTF's tokens are unchanged."""
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
