"""What a step adds to the report of its run: ``run_context().card.append(…)``.

Content is converted when it is appended, to parts of plain JSON: text, tables, pictures, HTML. In
AWS a call stores its parts when it ends, see :mod:`.card_store`. A step without a card loads
nothing of this module.
"""

from __future__ import annotations

import base64
import io
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Part = dict[str, Any]

LARGEST = 1_000_000
"""Most characters of all parts of a call as JSON; those that do not fit are left out."""
MOST_PARTS = 50
MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 100, 30, 200
MARKDOWN, TABLE, IMAGE, HTML, NOTE = "markdown", "table", "image", "html", "note"
PNG, SVG = "image/png", "image/svg+xml"
_DPI = 100


class Card:
    """The card of a call: content that its step adds to the report of the run.

    Args:
        parts: The parts so far, to which new ones are added.
    """

    __module__ = "lokki_tf.runtime.cards"

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts

    def append(self, content: Any) -> None:
        """Add text, a table or a figure to the report of the run.

        A card has 50 parts and a million characters at most; what does not fit is replaced by a
        note. Scripts in HTML do not run.

        Args:
            content: Text in Markdown; a table: a data frame, a list of dicts, or a dict of lists;
                or a figure: of matplotlib, or any object with ``_repr_png_``, ``_repr_svg_`` or
                ``_repr_html_``, as notebooks show it.

        Raises:
            TypeError: If the content is something else.
        """
        added = sum(part.get("size", 0) for part in self._parts)
        if len(self._parts) >= MOST_PARTS:
            return
        if len(self._parts) == MOST_PARTS - 1:
            self._parts.append(_note(f"left out: a card has {MOST_PARTS} parts at most"))
            return
        part = part_of(content)
        size = len(json.dumps(part))
        if added + size > LARGEST:
            what = f"{part['kind']} of {size:,} characters"
            part = _note(f"left out: a {what}; a card has {LARGEST:,} at most")
            size = 0
        self._parts.append({**part, "size": size})

    def __repr__(self) -> str:
        return f"<Card of {len(self._parts)} parts>"


def part_of(content: Any) -> Part:
    """Return the part of a card for a content.

    Args:
        content: As for :meth:`Card.append`.

    Raises:
        TypeError: If it is something else.
    """
    if isinstance(content, str):
        return {"kind": MARKDOWN, "text": content}
    made = _table(content)
    if made is None:
        made = _figure(content)
    if made is None:
        kind = type(content)
        raise TypeError(
            "card.append() takes text in Markdown, a table (a data frame, a list of dicts, a dict "
            "of lists) or a figure (of matplotlib, or an object with _repr_png_, _repr_svg_ or "
            f"_repr_html_), got {kind.__module__}.{kind.__qualname__}"
        )
    return made


def _note(text: str) -> Part:
    return {"kind": NOTE, "text": text}


def _table(content: Any) -> Part | None:
    if isinstance(content, dict):
        columns = list(content.values())
        if not columns or not all(isinstance(one, (list, tuple)) for one in columns):
            return None
        longest = max(map(len, columns))
        rows = [[one[n] if n < len(one) else "" for one in columns] for n in range(longest)]
        return _made(list(content), rows, longest)
    if isinstance(content, (list, tuple)):
        if not all(isinstance(one, dict) for one in content):
            return None
        names = list(dict.fromkeys(name for one in content for name in one))
        return _made(names, ([one.get(n, "") for n in names] for one in content), len(content))
    return _of_frame(content)


def _of_frame(frame: Any) -> Part | None:
    """Return the table of a data frame: pandas', Polars' or PyArrow's."""
    kinds = {f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(frame).__mro__}
    if kinds & {"pandas.Series", "polars.Series"}:
        return _of_frame(frame.to_frame())
    if "pandas.DataFrame" in kinds:
        head = frame.iloc[:MOST_ROWS, :MOST_COLUMNS]
        index = [" / ".join(map(str, one)) if isinstance(one, tuple) else one for one in head.index]
        rows = [[label, *row] for label, row in zip(index, head.values.tolist())]
        return _made(["", *frame.columns], rows, len(frame), frame.shape[1] + 1)
    if "polars.DataFrame" in kinds:
        rows = frame.head(MOST_ROWS).rows()
        return _made(frame.columns, rows, frame.height)
    if "pyarrow.Table" in kinds:
        named = frame.slice(0, MOST_ROWS).to_pydict()
        return _made(list(named), list(zip(*named.values())), frame.num_rows)
    return None


def _made(columns: list[Any], rows: Iterable[Any], of: int, width: int | None = None) -> Part:
    """Return a table's part, with the first rows and columns as texts."""
    shown: list[list[str]] = []
    for row in rows:
        if len(shown) == MOST_ROWS:
            break
        shown.append([_cell(one) for one in list(row)[:MOST_COLUMNS]])
    return {
        "kind": TABLE,
        "columns": [_cell(one) for one in columns[:MOST_COLUMNS]],
        "rows": shown,
        "of": of,
        "width": width or len(columns),
    }


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def _figure(content: Any) -> Part | None:
    if isinstance(content, type):
        return None
    if callable(getattr(content, "savefig", None)):  # of matplotlib, seaborn and others
        buffer = io.BytesIO()
        content.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight")
        return _image(PNG, buffer.getvalue())
    for name, kind in (("_repr_png_", PNG), ("_repr_svg_", SVG), ("_repr_html_", HTML)):
        found = _shown(content, name)
        if not found:
            continue
        if kind == HTML:
            return {"kind": HTML, "text": str(found)}
        return _image(kind, found)
    return None


def _shown(content: Any, method: str) -> Any:
    made = getattr(content, method, None)
    found = made() if callable(made) else None
    return found[0] if isinstance(found, tuple) else found  # with metadata, as IPython allows


def _image(kind: str, data: Any) -> Part:
    if isinstance(data, str):
        # IPython allows PNG that is already encoded in base64.
        data = base64.b64decode(data) if kind == PNG else data.encode()
    return {"kind": IMAGE, "type": kind, "data": base64.b64encode(data).decode()}
