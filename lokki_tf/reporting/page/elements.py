"""HTML elements. Text is escaped, and secrets in it are replaced, unless it is already HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Final

HIDDEN: Final = "•••"
LEAST_SECRET: Final = 4
"""Characters of the shortest secret that is replaced: shorter ones are parts of other words."""
_VOID = frozenset(("br", "hr", "img", "meta"))
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
)
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api_?key|access_?key|private_?key|credential|authorization",
    re.IGNORECASE,
)


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


class Html:
    """Makes elements.

    Args:
        secrets: Texts that are replaced wherever they occur.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for one in secrets for form in _forms(one)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def hidden(self, text: str) -> str:
        """Return a text without secrets.

        Args:
            text: The text, before it is shortened.
        """
        return text if self._secrets is None else self._secrets.sub(HIDDEN, text)

    def plain(self, text: object) -> str:
        """Return text without secrets and without characters that cannot be printed.

        Args:
            text: The text; other objects are converted with ``str``.
        """
        return _UNPRINTABLE.sub("�", self.hidden(str(text)))

    def text(self, text: object) -> Markup:
        """Return text as HTML; HTML is returned unchanged.

        Args:
            text: The text; other objects are converted with ``str``.
        """
        if isinstance(text, Markup):
            return text
        return Markup(escape(self.plain(text)))

    def __call__(self, name: str, /, *children: object, **attributes: object) -> Markup:
        """Return an element.

        Args:
            name: Its name.
            children: Text and elements; ``None`` is left out.
            attributes: Its attributes: ``class_`` is ``class``, ``aria_label`` is ``aria-label``.
                ``True`` is an attribute without a value, ``None`` and ``False`` are left out.
        """
        given = "".join(
            f" {_named(key)}" + ("" if value is True else f'="{self.text(value)}"')
            for key, value in attributes.items()
            if value is not None and value is not False
        )
        content = "".join(self.text(one) for one in children if one is not None)
        return Markup(f"<{name}{given}>{content}" + ("" if name in _VOID else f"</{name}>"))


def joined(parts: Iterable[Markup]) -> Markup:
    """Return several elements as one."""
    return Markup("".join(parts))


def is_secret_name(name: object) -> bool:
    """Return whether a value with this name is probably a secret: ``db_password``.

    Args:
        name: Name of a parameter, an argument, a column or a key.
    """
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


def _named(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _forms(secret: str) -> Iterable[str]:
    """Yield the forms in which a secret occurs in texts: itself, in Python and in JSON."""
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], *secret.splitlines()):
        if len(form) >= LEAST_SECRET:
            yield form
