"""Classify values: literals, parts of lokki_tf, values that cannot leave this process."""

from __future__ import annotations

import functools
import io
import sys
import types
from math import isfinite
from typing import Any

MISSING: Any = object()
_LARGEST_LITERAL = 100_000
_LARGEST_INT = 10**4000  # Python does not convert much larger integers to decimal text
_PACKAGE, _RUNTIME = "lokki_tf", "lokki_tf.runtime"
_ITERATORS = (types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType)
_STUCK = {
    ("socket", "socket"): "an open socket",
    ("sqlite3", "Connection"): "an open SQLite connection",
    ("sqlite3", "Cursor"): "a cursor of an open SQLite connection",
    ("subprocess", "Popen"): "a running process",
    ("mmap", "mmap"): "a memory map",
    ("tempfile", "TemporaryDirectory"): "a temporary folder of this computer",
    ("tempfile", "_TemporaryFileWrapper"): "an open file",
}


def literal(value: Any) -> str | None:
    """The value as Python source, or ``None`` if it is not a plain literal.

    Literals are numbers, strings, bytes, ``None``, and tuples, lists, dicts and sets of literals.
    Sets are written in sorted order, so that the text is the same in every process.
    """
    try:
        return _written(value, [_LARGEST_LITERAL], ())
    except ValueError:
        return None


def _written(value: Any, left: list[int], inside: tuple[int, ...]) -> str:
    """The text of a literal. Raises ``ValueError`` if it is too long or not a literal."""
    kind = type(value)
    if kind in (tuple, list, set, frozenset, dict):
        if id(value) in inside:
            raise ValueError("it contains itself")
        inside = (*inside, id(value))
        items = value.items() if kind is dict else ((one,) for one in value)
        members = [": ".join(_written(part, left, inside) for part in item) for item in items]
        text = ", ".join(sorted(members) if kind in (set, frozenset) else members)
        if kind is tuple:
            return f"({text},)" if len(members) == 1 else f"({text})"
        if kind is frozenset:
            return f"frozenset({{{text}}})" if members else "frozenset()"
        if kind is list:
            return f"[{text}]"
        return "set()" if kind is set and not members else f"{{{text}}}"
    if kind is int and abs(value) >= _LARGEST_INT:
        text = hex(value)
    elif kind is float and not isfinite(value):
        text = f'float("{value}")'
    elif kind is complex:
        parts = (_written(part, left, inside) for part in (value.real, value.imag))
        text = f"complex({', '.join(parts)})"
    elif value is None or value is ... or kind in (bool, int, str, bytes, float):
        text = repr(value)
    else:
        raise ValueError("it is not a literal")
    left[0] -= len(text) + 1
    if left[0] < 0:
        raise ValueError("it is too long")
    return text


def is_step(value: Any) -> bool:
    """Whether a value is a step. A step is deployed as its function."""
    if isinstance(value, types.FunctionType):
        return bool(vars(value).get("__lokki_step__"))
    return getattr(type(value), "__lokki_step__", False) is True


def is_lokki(value: Any) -> bool:
    """Whether a value belongs to lokki_tf, except to its runtime, which each zip contains."""
    if isinstance(value, functools.partial):
        return is_lokki(value.func)
    name = home(value)
    return _within(name, _PACKAGE) and not _within(name, _RUNTIME)


def is_runtime(value: Any) -> bool:
    """Whether a value is a class or function of ``lokki_tf.runtime``."""
    named = isinstance(value, type | types.FunctionType)
    return named and _within(value.__module__ or "", _RUNTIME)


def in_stub(name: str) -> bool:
    """Whether step code in a zip can import a name from lokki_tf."""
    value = getattr(sys.modules.get(_PACKAGE), name, None) if name else None
    return is_runtime(value) or (isinstance(value, type) and issubclass(value, Exception))


def home(value: Any) -> str:
    """The name of the module that defines a function or class, or the class of an instance."""
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
    """The variables of outer functions that a function uses. Unset ones are ``MISSING``."""
    found: dict[str, Any] = {}
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            found[name] = MISSING
    return found


def stuck(value: Any) -> str:
    """A description of a value that cannot leave this process, or ``""`` for other values."""
    if isinstance(value, io.IOBase):
        std = (sys.stdin, sys.stdout, sys.stderr)
        memory = isinstance(value, io.StringIO | io.BytesIO)
        return "" if memory or any(value is stream for stream in std) else "an open file"
    if isinstance(value, _ITERATORS):
        return f"a {type(value).__name__.replace('_', ' ')}"
    bases = ((one.__module__.lstrip("_"), one.__name__) for one in type(value).__mro__)
    return next((_STUCK[base] for base in bases if base in _STUCK), "")


def described(value: Any) -> str:
    """A description of a value for messages, such as ``an open file``."""
    what = stuck(value)
    if what:
        return what
    kind = type(value)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def of_chain(value: Any, chain: tuple[str, ...]) -> Any:
    """The value of a chain of attributes of a module. Only modules' attributes are looked up."""
    for name in chain:
        if not isinstance(value, types.ModuleType):
            return None
        value = vars(value).get(name)
    return value
