"""Cards of steps as HTML: their content is not trusted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from lokki_tf.runtime import cards

from .elements import HIDDEN, Html, Markup, is_secret_name

_IMAGES = (cards.PNG, cards.SVG)


def part_html(h: Html, part: Mapping[str, Any], number: int) -> Markup:
    """Return a part of a card.

    Args:
        h: Makes elements.
        part: The part, as :mod:`lokki_tf.runtime.cards` describes it; anything else gives a note.
        number: Its number on the card, from 1.
    """
    kind = part.get("kind")
    if kind == cards.MARKDOWN:
        return h(
            "div",
            Markup(_markdown().render(h.plain(part.get("text", "")))),
            class_="markdown",
        )
    if kind == cards.TABLE:
        return _table(h, part)
    if kind == cards.IMAGE and part.get("type") in _IMAGES:
        return _image(h, str(part["type"]), str(part.get("data", "")), number)
    if kind == cards.HTML:
        return h(
            "iframe",
            sandbox="",  # no scripts, no forms, no plugins, and an origin of its own
            srcdoc=h.plain(part.get("text", "")),
            title=f"figure {number}",
            loading="lazy",
        )
    text = part.get("text") if kind == cards.NOTE else f"content of an unknown kind, {kind!r}"
    return h("p", text, class_="note")


def has_frames(parts: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether parts of a card are HTML of the step's own."""
    return any(part.get("kind") == cards.HTML for part in parts)


@cache
def _markdown() -> Any:
    """Return the renderer of Markdown, which escapes HTML and accepts no scripts in links."""
    from markdown_it import MarkdownIt

    rules = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
    # A picture elsewhere would be a request; its place is a link.
    return rules.disable("image")


def _table(h: Html, part: Mapping[str, Any]) -> Markup:
    columns, rows = _list(part.get("columns")), _list(part.get("rows"))
    head = h("tr", *(h("th", one, scope="col") for one in columns))
    body = (
        h(
            "tr",
            *(h("td", _cell(name, one)) for name, one in zip(columns, _list(row), strict=False)),
        )
        for row in rows
    )
    of, width = _number(part.get("of")), _number(part.get("width"))
    notes = [f"the first {len(rows):,} of {of:,} rows"] if of > len(rows) else []
    notes += [f"the first {len(columns):,} of {width:,} columns"] if width > len(columns) else []
    notes += [] if rows else ["no rows"]
    table = h("table", h("thead", head), h("tbody", *body))
    return h(
        "div",
        h("div", table, class_="scroll", tabindex="0", role="region", aria_label="table"),
        h("p", ", ".join(notes), class_="note") if notes else None,
    )


def _cell(name: Any, value: Any) -> str:
    return HIDDEN if is_secret_name(name) else str(value)


def _image(h: Html, kind: str, data: str, number: int) -> Markup:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return h("p", "a picture that cannot be read", class_="note")
    return h("img", src=f"data:{kind};base64,{data}", alt=f"figure {number}", loading="lazy")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
