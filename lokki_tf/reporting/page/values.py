"""Values in short: their type, size or shape, and their first elements.

The types of other packages are recognised by name, so that none is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, cast, final

from lokki_tf.runtime.failure import Failure

from .elements import HIDDEN, Html, Markup, is_secret_name

_FIRST = 10
"""Elements of a collection that are shown."""
_INNER = 4
_COLUMNS = 12
_DEEPEST = 3
_LINE = 160  # characters
_CELL = 60
_PLAIN = (bool, int, float, complex, type(None))


@final
class Missing:
    """Marks a value that does not exist; ``None`` is a possible value."""

    def __repr__(self) -> str:
        return "<none>"


MISSING: Final = Missing()


class Unread(NamedTuple):
    """A value that exists and is not shown.

    Args:
        why: Where it is, or why it was not read.
    """

    why: str


class Shown(NamedTuple):
    """A value as it is shown.

    Args:
        kind: Its type and size.
        body: Its first elements; ``None`` if the type says all.
    """

    kind: str
    body: Markup | None = None


class Values:
    """Shows values.

    Args:
        html: Makes elements, without secrets.
    """

    def __init__(self, html: Html) -> None:
        self._html = html

    def block(self, value: Any, room: int, name: object = None) -> Markup:
        """Return a value as HTML.

        Args:
            value: The value.
            room: Characters of text that are shown at most, roughly.
            name: Its name, which may show that it is a secret.
        """
        h = self._html
        if isinstance(value, Unread):
            return h("p", value.why, class_="note")
        if is_secret_name(name) and isinstance(value, str | bytes):
            return h("p", HIDDEN, class_="value")
        try:
            shown = self._shown(value, room)
        except Exception:  # a class of the user's, or one with the name of a known one
            shown = Shown(type(value).__qualname__)
        if isinstance(value, (*_PLAIN, str)):
            text = self._inline(value, 0)
            if len(text) <= _LINE and "\\n" not in text:
                return h("p", h("code", text), " ", h("span", shown.kind, class_="kind"))
        return h("div", h("p", shown.kind, class_="kind"), shown.body, class_="value")

    def line(self, value: Any, room: int = 80, name: object = None) -> str:
        """Return a value as one line of text.

        Args:
            value: The value.
            room: Its most characters.
            name: Its name, which may show that it is a secret.
        """
        if isinstance(value, Unread):
            return value.why
        return self._cut(self._inline(value, 0, name), room)

    def _shown(self, value: Any, room: int) -> Shown:
        if isinstance(value, Failure):
            trace = self._lines([value.traceback], room) if value.traceback else None
            return Shown(f"Failure: {value}", trace)
        if isinstance(value, str):
            hidden = self._html.hidden(value)
            return Shown(_many(len(value), "text of", "character"), self._lines([hidden], room))
        if isinstance(value, bytes | bytearray):
            text = repr(bytes(value[:_CELL]))
            return Shown(
                _many(len(value), type(value).__name__ + " of", "byte"), self._lines([text], room)
            )
        if isinstance(value, Mapping):
            rows = (
                f"{self._inline(key, 1)}: {self._inline(one, 1, key)}"
                for key, one in islice(value.items(), _FIRST)
            )
            kind = _many(len(value), f"{_name(value)} of", "entry", "entries")
            return Shown(kind, self._lines(rows, room, len(value) - _FIRST))
        table = _frame_of(value)
        if table is not None:
            return Shown(table.kind, self._table(table))
        array = _array_of(value)
        if array is not None:
            return Shown(array[0], self._lines([array[1]], room) if array[1] else None)
        if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
            rows = (self._inline(one, 1) for one in islice(value, _FIRST))
            kind = _many(len(value), f"{_name(value)} of", "element")
            return Shown(kind, self._lines(rows, room, len(value) - _FIRST))
        members = _members(value)
        if members is not None:
            rows = (f"{key} = {self._inline(one, 1, key)}" for key, one in members)
            return Shown(_name(value), self._lines(rows, room))
        return Shown(_name(value), self._lines([_repr(value)], room))

    def _lines(self, lines: Iterable[str], room: int, more: int = 0) -> Markup:
        """Return lines as preformatted text, shortened."""
        shown: list[str] = []
        for line in lines:
            whole = self._html.hidden(line)
            part = whole if len(whole) <= room else f"{whole[: max(room, 20)]}…"
            shown.append(part)
            room -= len(part)
            if room <= 0:
                break
        else:
            shown += [f"… {more:,} more"] if more > 0 else []
        return self._html("pre", "\n".join(shown))

    def _table(self, table: _Table) -> Markup:
        h = self._html
        head = h("tr", *(h("th", self._cut(str(one), _CELL), scope="col") for one in table.names))
        body = (
            h(
                "tr",
                *(
                    h("td", self._cut(self._inline(one, 2, name), _CELL))
                    for name, one in zip(table.names, row, strict=False)
                ),
            )
            for row in table.rows
        )
        note = h("p", table.note, class_="note") if table.note else None
        made = h("table", h("thead", head), h("tbody", *body))
        scrolls = h(
            "div",
            made,
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label=f"first rows of a {table.kind}",
        )
        return h("div", scrolls, note)

    def _inline(self, value: Any, depth: int, name: object = None) -> str:
        """Return a value as text in one line, not yet shortened as a whole."""
        if isinstance(value, _PLAIN):
            return repr(value)
        if is_secret_name(name) and isinstance(value, str | bytes):
            return HIDDEN
        if isinstance(value, str):
            # Secrets are replaced in the whole text, of which then only the beginning is shown.
            hidden = self._html.hidden(value)
            return repr(hidden) if len(hidden) <= _LINE else f"{hidden[:_LINE]!r}…"
        try:
            return self._inner(value, depth)
        except Exception:
            return f"<{type(value).__qualname__}>"

    def _inner(self, value: Any, depth: int) -> str:
        table, array = _frame_of(value), _array_of(value)
        if table is not None or array is not None:
            return f"<{table.kind if table is not None else (array or ('',))[0]}>"
        if isinstance(value, dict) and type(value) is dict:
            rows = (
                f"{self._inline(key, depth + 1)}: {self._inline(one, depth + 1, key)}"
                for key, one in islice(value.items(), _INNER)
            )
            return "{" + self._listed(rows, len(value), depth) + "}"
        for kind, (opens, closes) in _BRACKETS.items():
            if type(value) is kind:
                value = cast("list[Any]", value)  # or another collection
                rows = (self._inline(one, depth + 1) for one in islice(value, _INNER))
                return opens + self._listed(rows, len(value), depth) + closes
        return self._cut(_repr(value), _LINE)

    def _listed(self, rows: Iterator[str], size: int, depth: int) -> str:
        if size and depth >= _DEEPEST:
            return f"… {size:,}"
        more = [f"… {size - _INNER:,} more"] if size > _INNER else []
        return ", ".join([*rows, *more])

    def _cut(self, text: str, room: int) -> str:
        line = " ".join(self._html.hidden(text).split())
        return line if len(line) <= room else f"{line[: room - 1]}…"


class _Table(NamedTuple):
    kind: str
    names: list[Any]
    rows: list[Any]
    note: str = ""


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def _kinds(value: Any) -> set[str]:
    return {f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(value).__mro__}


def _frame_of(value: Any) -> _Table | None:
    """Return the head of a data frame; ``None`` for other values."""
    kinds = _kinds(value)
    if "pandas.DataFrame" in kinds:
        head = value.iloc[:_FIRST, :_COLUMNS]
        types = _types(zip(value.columns, value.dtypes, strict=True))
        rows = [[index, *row] for index, row in zip(head.index, head.values.tolist(), strict=True)]
        kind = f"DataFrame {len(value):,} × {value.shape[1]:,}"
        return _Table(kind, ["", *head.columns], rows, types)
    if "pandas.Series" in kinds:
        kind = f"Series of {len(value):,}, {value.dtype}"
        return _Table(kind, ["", value.name or ""], [list(one) for one in value[:_FIRST].items()])
    if "polars.DataFrame" in kinds:
        head = value.head(_FIRST)[:, :_COLUMNS]
        types = _types(value.schema.items())
        kind = f"DataFrame {value.height:,} × {value.width:,}"
        return _Table(kind, head.columns, head.rows(), types)
    if "pyarrow.Table" in kinds:
        columns = value.slice(0, _FIRST).select(range(min(_COLUMNS, value.num_columns)))
        named = columns.to_pydict()
        types = _types((one.name, one.type) for one in value.schema)
        kind = f"Table {value.num_rows:,} × {value.num_columns:,}"
        return _Table(kind, list(named), list(zip(*named.values(), strict=True)), types)
    return None


def _types(columns: Iterable[tuple[Any, Any]]) -> str:
    listed = [f"{name}: {kind}" for name, kind in islice(columns, _COLUMNS + 1)]
    return ", ".join(listed[:_COLUMNS]) + ("…" if len(listed) > _COLUMNS else "")


def _array_of(value: Any) -> tuple[str, str] | None:
    """Return the type of an array, and its first elements; ``None`` for other values."""
    kinds = _kinds(value)
    if "polars.Series" in kinds:
        return f"Series of {len(value):,}, {value.dtype}", str(value.head(_FIRST).to_list())
    if "numpy.ndarray" in kinds:
        shape = " × ".join(f"{one:,}" for one in value.shape) or "no dimensions"
        head = [one.item() for one in value.flat[:_FIRST]] if value.dtype.kind in "biufcUS" else []
        more = ", …" if value.size > _FIRST else ""
        return f"array {shape}, {value.dtype}", f"{str(head)[:-1]}{more}]" if head else ""
    return None


def _members(value: Any) -> list[tuple[str, Any]] | None:
    """Return the fields of a dataclass, named tuple or model; ``None`` for other values."""
    names: Iterable[str] = ()
    if is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if one.repr]
    elif isinstance(value, tuple):
        names = getattr(value, "_fields", ())
    else:  # pydantic
        declared: Any = getattr(type(value), "model_fields", ())
        names = declared if isinstance(declared, dict) else ()
    found = [(name, getattr(value, name)) for name in islice(names, _FIRST)]
    return found or None


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__qualname__}>"


def _name(value: Any) -> str:
    return type(value).__qualname__


def _many(size: int, before: str, one: str, several: str = "") -> str:
    return f"{before} {size:,} {one if size == 1 else several or one + 's'}"
