"""Tracebacks that end at the user's line: without the frames of this package.

A bare ``raise`` adds no frame of its own to a traceback, so an error whose traceback is replaced
just before it leaves this package shows the frames of its callers alone.
"""

from __future__ import annotations

import ast
import functools
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType, TracebackType
from typing import Any, TypeVar, cast

from .errors import ExecutionFailed, LokkiError, Place, StepFailed

T = TypeVar("T", bound=Callable[..., Any])

_PACKAGE = __name__.partition(".")[0]
_LIBRARY = (str(Path(traceback.__file__).parent), "<frozen ")
_INSTALLED = ("site-packages", "dist-packages")
_SHORTENED = (LokkiError, KeyboardInterrupt)


def ends_at_caller(public: T) -> T:
    """Decorate what users call: errors leave it with a traceback that ends at their line.

    Args:
        public: A function, or a class, whose methods and properties are then replaced by
            decorated ones; those whose names begin with one underscore are left as they are.
    """
    if isinstance(public, type):
        for name, value in list(vars(public).items()):
            if not name.startswith("_") or (name.startswith("__") and name.endswith("__")):
                made = _decorated(value)
                if made is not value:
                    setattr(public, name, made)
        return public
    return cast("T", _decorated(public))


def _decorated(value: Any) -> Any:
    if isinstance(value, property):
        return property(_decorated(value.fget), value.fset, value.fdel, value.__doc__)
    if isinstance(value, classmethod | staticmethod):
        return type(value)(_decorated(value.__func__))
    if not isinstance(value, FunctionType):
        return value

    @functools.wraps(value)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return value(*args, **kwargs)
        except _SHORTENED as error:
            _shorten(error)
            raise

    return call


def _shorten(error: BaseException) -> None:
    """Leave the frames of users in the traceback of an error, and in that of its cause."""
    for one in (error, error.__cause__):
        if one is not None:
            with suppress(AttributeError):  # a frozen class of the user's
                one.__traceback__ = without_own(one.__traceback__)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_uncaught


def without_own(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without frames of this package.

    Frames of other packages that this one calls are left out as well, unless they lead to the
    user's code; those of the standard library, of thread pools for example, always are.

    Args:
        trace: A traceback, outermost frame first.
    """
    kept: list[TracebackType] = []
    certain, inside = 0, False
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        installed = any(name in file for name in _INSTALLED)
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
            del kept[certain:]
            inside = True
        elif not inside or installed or not file.startswith(_LIBRARY):
            kept.append(trace)
            if not inside or not installed:
                certain, inside = len(kept), False
        trace = trace.tb_next
    result: TracebackType | None = None
    for one in reversed(kept):
        result = TracebackType(result, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return result


def print_error(error: LokkiError) -> None:
    """Print an error on stderr: what is wrong and where, and the traceback of a failed step."""
    cause = error.__cause__ if isinstance(error, StepFailed) else None
    # Without frames it would only repeat the error's text.
    if cause is not None and (cause.__traceback__ or cause.__cause__ or cause.__context__):
        traceback.print_exception(cause)
    if isinstance(error, ExecutionFailed) and error.trace:
        print(error.trace, file=sys.stderr)
    print("\n".join((f"error: {error}", *getattr(error, "__notes__", ()))), file=sys.stderr)


def _print_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an error that ends the script: only what is wrong and where, if it is of ``main``."""
    if isinstance(error, LokkiError) and _calls_main(sys.modules["__main__"]):
        if error.place is None and trace is not None:
            last = traceback.extract_tb(trace)[-1]
            error.place = Place(last.filename, last.lineno or 1)
        print_error(error)
    else:
        sys.__excepthook__(kind, error, trace)


def _calls_main(script: ModuleType) -> bool:
    """Whether a script calls ``lokki_tf.main``, at a line that it may not have reached."""
    try:
        tree = ast.parse(Path(str(script.__file__)).read_bytes())
    except (AttributeError, OSError, SyntaxError, ValueError):
        return False
    names = vars(script)
    return any(_is_main(node.func, names) for node in ast.walk(tree) if isinstance(node, ast.Call))


def _is_main(function: ast.expr, names: dict[str, Any]) -> bool:
    if isinstance(function, ast.Attribute):
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        return function.attr == "main" and names.get(owner) is sys.modules["lokki_tf"]
    called = names.get(function.id) if isinstance(function, ast.Name) else None
    return getattr(called, "__module__", "") == "lokki_tf.cli.commands"
