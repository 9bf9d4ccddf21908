"""What a value is, as far as its way to Lambda goes: a literal, part of lokki_tf, stuck here."""

from __future__ import annotations

import functools
import io
import sys
import types
from math import isfinite
from typing import Any

MISSING: Any = object()
LARGEST_LITERAL = 100_000
_WIDTH = 100
_LARGEST_INT = 10**4000  # Python refuses to write longer ones in decimal
_HOUSE = "lokki_tf"
_RUNTIME = "lokki_tf.runtime"
_ENCLOSING: dict[type, tuple[str, str]] = {
    tuple: ("(", ")"),
    list: ("[", "]"),
    frozenset: ("frozenset({", "})"),
}
_ITERATORS = (
    types.GeneratorType,
    types.AsyncGeneratorType,
    types.CoroutineType,
)
_STUCK = {
    ("socket", "socket"): "an open socket",
    ("sqlite3", "Connection"): "an open SQLite connection",
    ("sqlite3", "Cursor"): "a cursor of an open SQLite connection",
    ("subprocess", "Popen"): "a running process",
    ("mmap", "mmap"): "a memory map",
    ("tempfile", "TemporaryDirectory"): "a temporary folder of this machine",
    ("tempfile", "_TemporaryFileWrapper"): "an open file",
}


def literal(value: Any, indent: str = "") -> str | None:
    """The value as Python source, or ``None`` if it is no plain literal.

    Numbers, strings, bytes, ``None`` and tuples, lists, dicts and sets of them are; sets
    are written in sorted order, so that the text is the same in every process.

    Args:
        value: Any value.
        indent: What the line begins with where the text will stand.
    """
    text = _Writer().text(value, frozenset())
    if text is None or len(text) > LARGEST_LITERAL:
        return None
    return text if len(text) + len(indent) <= _WIDTH else _broken(value, indent)


class _Writer:
    """Writes a literal on one line, as long as it is not too long."""

    def __init__(self) -> None:
        self.left = LARGEST_LITERAL

    def text(self, value: Any, inside: frozenset[int]) -> str | None:
        """The value's text, or ``None``.

        Args:
            value: Any value.
            inside: The containers that it is in, by id: one inside itself is no literal.
        """
        kind = type(value)
        if self.left < 0 or id(value) in inside:
            return None
        if kind in (tuple, list, dict, set, frozenset):
            return self._container(value, inside | {id(value)})
        text = _atom(value, kind)
        self.left -= len(text or "") + 1
        return text

    def _container(self, value: Any, inside: frozenset[int]) -> str | None:
        kind = type(value)
        members = []
        for member in value.items() if kind is dict else value:
            parts = member if kind is dict else (member,)
            texts = [self.text(part, inside) for part in parts]
            if None in texts:
                return None
            members.append(": ".join(text for text in texts if text is not None))
        return _enclosed(kind, sorted(members) if kind in (set, frozenset) else members)


def _atom(value: Any, kind: type) -> str | None:
    if value is None or value is ... or kind in (bool, int, str, bytes):
        return repr(value) if kind is not int or abs(value) < _LARGEST_INT else hex(value)
    if kind is float:
        return repr(value) if isfinite(value) else f'float("{value}")'
    if kind is complex:
        return f"complex({_atom(value.real, float)}, {_atom(value.imag, float)})"
    return None


def _enclosed(kind: type, members: list[str]) -> str:
    text = ", ".join(members)
    if kind is tuple:
        return f"({text},)" if len(members) == 1 else f"({text})"
    if kind is frozenset:
        return f"frozenset({{{text}}})" if members else "frozenset()"
    if kind is set:
        return f"{{{text}}}" if members else "set()"
    return f"[{text}]" if kind is list else f"{{{text}}}"


def _broken(value: Any, indent: str) -> str:
    """A long literal over several lines, one member a line."""
    kind, inner = type(value), indent + "    "
    if kind not in (tuple, list, dict, set, frozenset) or not value:
        return _Writer().text(value, frozenset()) or ""
    if kind is dict:
        lines = [f"{literal(key)}: {literal(item, inner)}" for key, item in value.items()]
    elif kind in (set, frozenset):
        lines = sorted(literal(item, inner) or "" for item in value)
    else:
        lines = [literal(item, inner) or "" for item in value]
    body = "".join(f"{inner}{line},\n" for line in lines)
    opening, closing = _ENCLOSING.get(kind, ("{", "}"))
    return f"{opening}\n{body}{indent}{closing}"


def is_step(value: Any) -> bool:
    """Whether a value is a step of lokki_tf, which travels as the function that it holds."""
    if isinstance(value, types.FunctionType):
        return bool(vars(value).get("__lokki_step__"))
    return getattr(type(value), "__lokki_step__", False) is True


def is_house(value: Any) -> bool:
    """Whether a value belongs to lokki_tf itself, which does not travel.

    Its runtime does: what stands there is in every zip.
    """
    if isinstance(value, functools.partial):
        return is_house(value.func)
    name = home(value)
    return _within(name, _HOUSE) and not _within(name, _RUNTIME)


def is_runtime(value: Any) -> bool:
    """Whether a value is a class or function of lokki_tf's runtime."""
    named = isinstance(value, type | types.FunctionType)
    return named and _within(value.__module__ or "", _RUNTIME)


def home(value: Any) -> str:
    """Name of the module that a module, function, class or instance comes from."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return value.__module__ or ""
    if isinstance(value, types.MethodType):
        return home(value.__func__)
    module = type(value).__module__
    return module if isinstance(module, str) else ""


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def closure(function: types.FunctionType) -> dict[str, Any]:
    """The outer variables that a function uses; an unset one is ``MISSING``."""
    cells = function.__closure__ or ()
    return {
        name: _content(cell)
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True)
    }


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def stuck(value: Any) -> str:
    """What a value is, if it is bound to this process and cannot travel, else ``""``."""
    if isinstance(value, io.IOBase):
        std = (sys.stdin, sys.stdout, sys.stderr)
        memory = isinstance(value, io.StringIO | io.BytesIO)
        return "" if memory or any(value is stream for stream in std) else "an open file"
    if isinstance(value, _ITERATORS):
        return f"a {type(value).__name__.replace('_', ' ')}"
    for base in type(value).__mro__:
        what = _STUCK.get((base.__module__.lstrip("_"), base.__name__))
        if what:
            return what
    return ""


def described(value: Any) -> str:
    """What a value is, for a message."""
    what = stuck(value)
    if what:
        return what
    kind = type(value)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def of_chain(value: Any, chain: tuple[str, ...]) -> Any:
    """What stands behind a chain of attributes of a module; elsewhere nothing is looked up."""
    for name in chain:
        if not isinstance(value, types.ModuleType):
            return None
        value = vars(value).get(name)
    return value
