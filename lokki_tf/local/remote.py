"""A call that runs unchanged in another thread, and by the function's name in another process.

Pickle finds a function by its module and name, but the object with a step's name is the decorated
one, not the function. So the name is pickled, and the other process takes the function out of the
decorated object.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any, NamedTuple
from typing import Literal as OneOf

from lokki_tf.model.retries import full_name
from lokki_tf.runtime.context import CURRENT

from .calls import begun, call
from .failures import RemoteTraceback, traceback_of
from .identity import Sent
from .settings import Around
from .shared import Packed, pack, unpack
from .strict import described

Function = Callable[..., Any]
Reference = (
    tuple[OneOf["named"], str, str]
    | tuple[OneOf["pickled"], bytes]
    | tuple[OneOf["inherited"], int]
    | tuple[OneOf["refused"], str]
)
ARGUMENTS = "the function or an argument"


class Outcome(NamedTuple):
    """The outcome of a call.

    Args:
        kind: Whether it returned, raised, or could not be pickled.
        payload: The result, the error, or what could not be pickled and why.
        seconds: Duration of the call.
        trace: The traceback as text, if the call was in another process; then the payload of
            ``returned`` and ``raised`` is pickled.
        parts: Those of the call's card, if it has one.
        lines: What it has printed, with times, if that is recorded.
    """

    kind: OneOf["returned", "raised", "stuck"]
    payload: Any
    seconds: float = 0.0
    trace: str | None = None
    parts: Sequence[dict[str, Any]] = ()
    lines: Sequence[tuple[float, str]] = ()


class RemoteCall:
    """A call, for any executor.

    Args:
        function: A step's function.
        args: Arguments by position.
        kwargs: Arguments by name.
        around: What the call has around it.
        context: What ``run_context()`` returns.
        inherited: Whether workers have inherited the function with their memory.
        folders: Where large buffers are shared with the other process, see :mod:`.shared`.
        kind: What it is in another process.
    """

    __slots__ = (
        *("_args", "_around", "_context", "_folders"),
        *("_function", "_inherited", "_kind", "_kwargs"),
    )

    def __init__(
        self,
        function: Function,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        around: Around | None = None,
        context: Sent | None = None,
        *,
        inherited: bool = False,
        folders: tuple[str, ...] = (),
        kind: type[Parcel] | None = None,
    ) -> None:
        self._kind = kind or Parcel
        self._folders = folders
        self._around = around
        self._context = context
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._inherited = inherited

    def __call__(self) -> Outcome:
        return _perform(self._function, self._args, self._kwargs, self._around, self._context)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._kind, self._packed()

    def parcel(self) -> Parcel:
        """Return the call for another process, which also returns why it cannot be pickled."""
        try:
            return self._kind(*self._packed())
        except Exception as error:
            return Parcel(("refused", described(error)), Packed(b""))

    def _packed(
        self,
    ) -> tuple[Reference, Packed, Around | None, Sent | None, tuple[str, ...]]:
        function = self._function
        where: Reference = ("inherited", id(function))
        if not self._inherited:
            where = reference(function)
        arguments = pack((self._args, self._kwargs), self._folders)
        return where, arguments, self._around, self._context, self._folders


class Batch:
    """Several calls one after another, submitted together.

    It returns their outcomes up to the first failure, which may have ended the run.

    Args:
        calls: The calls.
    """

    __slots__ = ("_calls",)

    def __init__(self, calls: Sequence[RemoteCall | Parcel]) -> None:
        self._calls = calls

    def __call__(self) -> list[Outcome]:
        outcomes = []
        for one in self._calls:
            outcomes.append(one())
            if outcomes[-1].kind != "returned":
                break
        return outcomes

    def __reduce__(self) -> tuple[Any, ...]:
        return Batch, (
            [one.parcel() if isinstance(one, RemoteCall) else one for one in self._calls],
        )


class Parcel:
    """A :class:`RemoteCall` in another process.

    It is unpickled when it is called: an error while a pool's worker receives a call would end the
    worker, and with it the pool.
    """

    __slots__ = ("_arguments", "_around", "_context", "_folders", "_where")

    def __init__(
        self,
        where: Reference,
        arguments: Packed,
        around: Around | None = None,
        context: Sent | None = None,
        folders: tuple[str, ...] = (),
    ) -> None:
        self._folders = folders
        self._where = where
        self._context = context
        self._arguments = arguments
        self._around = around

    def found(self) -> Function:
        """Return what is called."""
        function: Function = _found(self._where)
        return function

    def __call__(self) -> Outcome:
        try:
            function = self.found()
            args, kwargs = unpack(self._arguments)
        except Exception as error:
            return Outcome("stuck", (ARGUMENTS, described(error)))
        outcome = _perform(function, args, kwargs, self._around, self._context, alone=True)
        return _packed(outcome, self._folders)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            *(self._where, self._arguments, self._around, self._context, self._folders),
        )


def _perform(
    function: Function,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    around: Around | None,
    context: Sent | None,
    *,
    alone: bool = False,
) -> Outcome:
    parts: list[dict[str, Any]] = []
    lines: list[tuple[float, str]] = []
    began = perf_counter()
    token = CURRENT.set(None if context is None else (context.made, parts))
    kept = nullcontext() if context is None or not context.prints else _kept(lines)
    args, kwargs = begun(args, kwargs)
    try:
        with kept:
            if around is None:
                value = call(function, args, kwargs)
            else:
                value = around.call(function, args, kwargs, alone=alone)
    except BaseException as error:  # SystemExit too: it must not end a pool's worker
        return Outcome("raised", error, perf_counter() - began, None, parts, lines)
    finally:
        CURRENT.reset(token)
    return Outcome("returned", value, perf_counter() - began, None, parts, lines)


def _kept(lines: list[tuple[float, str]]) -> AbstractContextManager[None]:
    from .output import recorded  # imported here: few runs record it

    return recorded(lambda _current, when, text: lines.append((when, text)))


def _packed(outcome: Outcome, folders: tuple[str, ...]) -> Outcome:
    """Pickle the outcome, so that receiving it cannot break the pool."""
    if outcome.kind == "raised":
        return outcome._replace(
            payload=Packed(_packed_error(outcome.payload)), trace=traceback_of(outcome.payload)
        )
    try:
        return outcome._replace(payload=pack(outcome.payload, folders, changes=True), trace="")
    except Exception as error:
        return outcome._replace(kind="stuck", payload=("the result", described(error)))


def _pickled(value: Any) -> bytes:
    from lokki_tf.runtime.envelope import pickled  # imported here: it imports json

    return pickled(value)


def _packed_error(error: BaseException) -> bytes:
    # Python pickles no name of a NameError, and no name and object of an AttributeError.
    slots = [one for one in ("name", "obj") if isinstance(error, AttributeError | NameError)]
    more = {name: value for name in slots if (value := getattr(error, name, None)) is not None}
    named = {"name": more["name"]} if "name" in more else {}
    shapes = [_WithSlots(error, one) for one in (more, named) if one]
    for shape in (*shapes, error, _WithoutInit(error)):
        try:
            data = _pickled(shape)
            pickle.loads(data)  # errors with a custom constructor often fail only here
        except Exception:
            continue
        return data
    return _pickled(RemoteError.standing_for(error))


class _WithSlots:
    """Pickles an error with attributes that it keeps outside of its dict."""

    def __init__(self, error: BaseException, values: dict[str, Any]) -> None:
        self._error, self._values = error, values

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_slots, (self._error, self._values)


def _with_slots(error: BaseException, values: dict[str, Any]) -> BaseException:
    for name, value in values.items():
        setattr(error, name, value)
    return error


class _WithoutInit:
    """Pickles an error as its class and what it contains, without a call of its constructor."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error = self._error
        return _remade, (type(error), error.args, error.__dict__)


def _remade(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def unpacked(outcome: Outcome) -> Outcome:
    """Unpickle the payload of an outcome.

    Raises:
        Exception: Any error of pickle, if it cannot be read here.
    """
    if outcome.trace is None or outcome.kind == "stuck":
        return outcome
    payload = unpack(outcome.payload, owns=True)
    if outcome.kind == "raised":
        payload.__cause__ = RemoteTraceback(outcome.trace)
    return outcome._replace(payload=payload, trace=None)


class RemoteError(Exception):
    """Replaces an error that could not be pickled; retries compare the names of its classes."""

    __lokki_classes__: tuple[str, ...] = ()

    @classmethod
    def standing_for(cls, error: BaseException) -> RemoteError:
        """Return the replacement of an error, with the same class name."""
        classes = tuple(full_name(kind) for kind in type(error).__mro__)
        return _stand_in(type(error).__name__, str(error), classes)

    def __reduce__(self) -> tuple[Any, ...]:
        return _stand_in, (type(self).__name__, str(self), self.__lokki_classes__)


def _stand_in(name: str, text: str, classes: tuple[str, ...]) -> RemoteError:
    kind: type[RemoteError] = type(name, (RemoteError,), {"__lokki_classes__": classes})
    return kind(text)


def reference(function: Function) -> Reference:
    """Return where another process finds a function.

    Raises:
        PicklingError: If it has no importable name and cannot be pickled.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module in sys.modules and name:
        try:
            if _named(sys.modules[module], name) is function:
                return "named", module, name
        except AttributeError:
            pass
    try:
        return "pickled", _pickled(function)
    except Exception as error:
        raise pickle.PicklingError(
            f"function {name or function!r} does not have this name in module {module}"
        ) from error


def _named(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    while getattr(found, "__lokki_step__", False) is True:
        found = found.__wrapped__
    return found


_inherited: dict[int, Function] = {}


def inherit(functions: Mapping[int, Function]) -> None:
    """Store functions that were inherited with the memory of the parent process."""
    _inherited.update(functions)


def _found(where: Reference) -> Any:
    if where[0] == "inherited":
        return _inherited[where[1]]
    if where[0] == "pickled":
        return pickle.loads(where[1])
    if where[0] == "named":
        return _named(importlib.import_module(where[1]), where[2])
    raise pickle.PicklingError(where[1])
