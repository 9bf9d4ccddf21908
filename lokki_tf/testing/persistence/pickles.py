"""Write the resources of a service as a pickle, and read them into its backend.

References to other backends are written by name. Large contents, such as those of objects in S3 and
of functions, are separate files, which are written once.
"""

from __future__ import annotations

import importlib
import io
import marshal
import pickle
import tempfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from threading import Condition, Event, Lock, RLock, Thread
from types import CellType, FunctionType
from typing import Any
from weakref import WeakValueDictionary

Put = Callable[[bytes], str]
"""Stores a content and returns its name."""
Get = Callable[[str], bytes]
"""Returns the content with a name."""

_LARGE = 32 * 1024
_OF_DICTS = ("backend", "service_name", "_use_boto3_regions", "_additional_regions", "_id")
"""The attributes that each dict of backends has from its start."""
_KINDS_OF_LOCKS = (type(Lock()), type(RLock()))


def dump(backend: Any, name: tuple[str, ...], names: dict[int, tuple[str, ...]], put: Put) -> bytes:
    """Return the pickle of the resources of a backend.

    Args:
        backend: The backend, or the dict of a service that contains its backends.
        name: Its service, and for a backend the account and the region.
        names: The names of all backends and dicts of backends, by ``id``.
        put: Stores large contents.

    Raises:
        Exception: If a resource cannot be written, or changes meanwhile.
    """
    with io.BytesIO() as file:
        writer = _Writer(file, names, put)
        left_out = (*_OF_DICTS, *getattr(backend, "not_kept", ()))
        state = {key: item for key, item in vars(backend).items() if key not in left_out}
        writer.dump((name, state))
        return file.getvalue()


def load(data: bytes, find: Callable[[tuple[str, ...]], Any], get: Get) -> None:
    """Read a pickle into the backend that it names.

    Args:
        data: The pickle.
        find: Returns the backend or the dict of backends with a name.
        get: Returns a large content.
    """
    name, state = _Reader(io.BytesIO(data), find, get).load()
    vars(find(name)).update(state)


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, names: dict[int, tuple[str, ...]], put: Put) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._names = names
        self._put = put

    def persistent_id(self, value: Any) -> Any:
        if type(value) is bytes:
            return ("content", self._put(value)) if len(value) > _LARGE else None
        name = self._names.get(id(value))
        return None if name is None else ("backend", name)

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, _KINDS_OF_LOCKS):
            return (Lock if isinstance(value, _KINDS_OF_LOCKS[0]) else RLock), ()
        if isinstance(value, Event):
            return _event, (value.is_set(),)
        if isinstance(value, Condition):
            return Condition, ()
        if isinstance(value, WeakValueDictionary):
            return WeakValueDictionary, (dict(value),)
        if isinstance(value, tempfile.SpooledTemporaryFile):
            return _spooled, (vars(value)["_max_size"], _content(value))
        if isinstance(value, Thread):  # jobs of Batch are threads, which have ended or are lost
            own = {key: item for key, item in vars(value).items() if key not in _OF_THREADS}
            return _thread, (type(value),), own
        if _sets_other_items(value):
            # It may return other items than it contains, such as the latest versions only.
            more = vars(value) if hasattr(value, "__dict__") else None
            factory = getattr(value, "default_factory", None)
            return _raw_dictionary, (type(value), dict(dict.items(value)), factory), more or None
        if isinstance(value, defaultdict) and type(value) is not defaultdict:
            # Its class may have arguments that the class defaultdict does not have.
            made: Any = type(value), {}, value.default_factory
            return _raw_dictionary, made, vars(value) or None, None, iter(value.items())
        if type(value).__module__.partition(".")[0] == "docker":
            return _nothing, ()  # moto makes a client of a Docker API again
        if isinstance(value, FunctionType) and "<locals>" in value.__qualname__:
            cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
            code = marshal.dumps(value.__code__)
            return _function, (code, value.__module__, value.__defaults__, cells)
        if hasattr(value, "private_bytes") and type(value).__module__.startswith("cryptography"):
            return _private_key, (_der(value),)
        return NotImplemented


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, find: Callable[[tuple[str, ...]], Any], get: Get) -> None:
        super().__init__(file)
        self._find = find
        self._get = get

    def persistent_load(self, reference: Any) -> Any:
        kind, name = reference
        return self._get(name) if kind == "content" else self._find(name)


_OF_THREADS = frozenset(vars(Thread()))
"""The attributes of every thread, which are made again."""


def _event(is_set: bool) -> Event:
    event = Event()
    if is_set:
        event.set()
    return event


def _thread(kind: type[Thread]) -> Thread:
    thread = kind.__new__(kind)
    Thread.__init__(thread, daemon=True)
    return thread


def _sets_other_items(value: Any) -> bool:
    """Return whether a dict has a method in Python that sets items."""
    if not isinstance(value, dict) or isinstance(value, OrderedDict):
        return False
    return isinstance(type(value).__setitem__, FunctionType)


def _raw_dictionary(kind: type[Any], items: dict[Any, Any], factory: Any) -> Any:
    made: Any = kind.__new__(kind)  # type: ignore[call-overload]  # of any class
    if factory is not None:
        made.default_factory = factory
    for key, item in items.items():
        dict.__setitem__(made, key, item)
    return made


def _nothing() -> None:
    return None


def _function(code: bytes, module: str, defaults: Any, cells: tuple[Any, ...]) -> FunctionType:
    """Return a function that is defined inside another one, such as the factory of a dict."""
    scope = vars(importlib.import_module(module))
    closure = tuple(map(CellType, cells))
    return FunctionType(marshal.loads(code), scope, None, defaults, closure)


def _der(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization as forms

    encoding, kind = forms.Encoding.DER, forms.PrivateFormat.PKCS8
    data: bytes = key.private_bytes(encoding, kind, forms.NoEncryption())
    return data


def _private_key(data: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return load_der_private_key(data, None)


def _content(file: Any) -> bytes:
    place = file.tell()
    file.seek(0)
    content: bytes = file.read()
    file.seek(place)
    return content


def _spooled(most: int, content: bytes) -> Any:
    file = tempfile.SpooledTemporaryFile(most)  # noqa: SIM115  # its user closes it
    file.write(content)
    return file
