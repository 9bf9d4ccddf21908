"""The format of values between steps.

An envelope is a JSON object with one key that says how to read it:

- ``{"value": …}``: the value itself, if JSON preserves it exactly;
- ``{"ref": "s3://…"}``: an object in the pipeline's bucket, or a part of one, see :mod:`.store`:
  gzipped JSON, a gzipped pickle, or a large value in blocks, see :mod:`.blocks`;
- ``{"pickle": "…"}``: a pickle in base64, for literals in the state machine definition;
- ``{"at": "s3://…"}``: the envelope that a job of Batch has written into the bucket;
- ``{"failed": {"Error": …, "Cause": …}, "step": "score"}``: the error of a step that was caught, as
  the state machine has it; the value is a :class:`.failure.Failure`;
- ``{"make": "list", "items": {"0": envelope, …}}``: a list, tuple, (frozen) set or dict, such as a
  small result that JSON does not preserve, while it does its members; a dict has its ``keys``;
- ``{"part": selection, "of": "0"}``: a part of another value of the event, see :mod:`.parts`.

Additionally, ``"skipped": true`` means that the step's condition was false; the value is then
``None``. A value is never written without an envelope, so it cannot be mistaken for a reference.
"""

from __future__ import annotations

import json
import operator
import sys
import zlib
from functools import cache, partial
from math import isfinite

from .names import PART_DIGEST_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from .blocks import Blocks, Source

    Envelope = dict[str, Any]
    Frozen = bytes | Blocks

FORMAT = 2
"""The newest format of events that this code reads; it also reads those without one."""
JSON = "json.gz"
PICKLE = "pickle.gz"
BLOCKS = "blocks"
FORMS = (JSON, PICKLE, BLOCKS)
"""Endings of the names of values in the bucket."""
PROTOCOL = 5  # every Python version that Lambda offers can read it
LARGEST_INT = 2**53 - 1  # JSON readers that use doubles lose digits of larger integers
_CONTAINERS = (tuple, list, dict, set, frozenset)
_AROUND = len('{"value": }')  # of a value's own envelope, for which there is room as well
_DEEPEST = 16  # levels of containers in an envelope: each is read by a call
_LEAST = len("0,")  # of a member
_GZIP = 31  # zlib's number for the gzip format
_SLICES = ("lokki_tf.runtime.slices", "lokki_runtime.slices")  # here, and in zips


def json_text(value: Any) -> str | None:
    """Return the value as JSON, or ``None`` if JSON would not preserve it exactly.

    A tuple, a set, an int as a key, NaN, and a subclass of ``str`` or ``dict`` are not preserved;
    nor are ints beyond 2**53 and unpaired surrogates by every reader.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return text if _survives(value) else None


def _survives(value: Any) -> bool:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        kind = type(current)
        if kind is str:
            if not _is_unicode(current):
                return False
        elif kind is int:
            if not -LARGEST_INT <= current <= LARGEST_INT:
                return False
        elif kind is float:
            if not isfinite(current):
                return False
        elif kind is list:
            waiting.extend(current)
        elif kind is dict:
            for key in current:
                if type(key) is not str or not _is_unicode(key):
                    return False
            waiting.extend(current.values())
        elif current is not None and kind is not bool:
            return False
    return True


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def freeze(value: Any) -> tuple[str, Frozen]:
    """Serialize a value; return its format, and its bytes or blocks.

    Blocks refer to the value's memory.

    Raises:
        Exception: Any error of pickle, for a value that cannot be pickled.
    """
    text = json_text(value)
    if text is not None:
        return JSON, compress(text.encode())
    return _frozen(value)


def serialize(value: Any) -> tuple[str, bytes]:
    """Serialize a value; return its format and its bytes, which are a copy.

    Raises:
        Exception: As for :func:`freeze`.
    """
    form, data = freeze(value)
    return form, bytes(data)


def _frozen(value: Any) -> tuple[str, Frozen]:
    from .blocks import Blocks

    blocks = Blocks(value, dump)
    return (BLOCKS, blocks) if blocks.pickle is None else (PICKLE, compress(blocks.pickle))


def thaw(form: str, data: Frozen | Source, modules: Mapping[str, str] | None = None) -> Any:
    """Deserialize the result of :func:`freeze`.

    Args:
        form: ``json.gz``, ``pickle.gz`` or ``blocks``.
        data: The bytes, or, of blocks, what returns some of them.
        modules: Names of modules to import under another name, ``__main__`` for example.

    Raises:
        Exception: Any error of pickle, and of what ``modules.get`` raises for a module.
    """
    if form == BLOCKS:
        from .blocks import Blocks, load

        source = bytes(data) if isinstance(data, Blocks) else data
        return load(source, partial(_load, modules=modules))
    plain = zlib.decompress(data, _GZIP)  # type: ignore[arg-type]
    return json.loads(plain) if form == JSON else _unpickled(plain, modules)


def pack(
    value: Any, inline: int, write: Callable[[str, Frozen], str], *, parts: bool = True
) -> Envelope:
    """Return the envelope of a step's result.

    Args:
        value: The result.
        inline: Longest JSON text in bytes that may be in the envelope itself.
        write: Receives format and bytes, or blocks, of a longer value, or of one that is not JSON;
            stores them and returns their URI.
        parts: Whether the envelope may be that of a container with its members.
    """
    text = json_text(value)
    known = None if text is None and not parts else inlined(value, text, inline)
    if known is not None:
        return known
    return {"ref": write(*(_frozen(value) if text is None else (JSON, compress(text.encode()))))}


def inlined(value: Any, text: str | None, inline: int) -> Envelope | None:
    """Return the envelope of a value that is in it; ``None`` if it has to be stored.

    Args:
        value: The value.
        text: Its JSON, see :func:`json_text`.
        inline: As for :func:`pack`.
    """
    if text is not None:
        return {"value": value} if len(text) <= inline else None
    made = _in_parts(value, inline)
    fits = made is not None and len(json.dumps(made)) <= inline + _AROUND
    return made if fits and _is_tree(value) else None


def _in_parts(value: Any, room: int, depth: int = 0) -> Envelope | None:
    """Return the envelope of a container whose members JSON preserves, or are such containers.

    Args:
        value: Any value.
        room: Bytes that it may have; what certainly has more is not finished.
        depth: The number of containers around it.
    """
    kind = type(value)
    if kind in _CONTAINERS and (depth > _DEEPEST or len(value) * _LEAST > room):
        return None
    if json_text(value) is not None:
        return {"value": value}
    if kind not in _CONTAINERS:
        return None
    made: Envelope = {"make": kind.__name__}
    parts = list(value.values() if kind is dict else value)
    members = [_in_parts(one, room, depth + 1) for one in parts]
    if kind is dict:
        made["keys"] = _in_parts(list(value), room, depth + 1)
    made["items"] = {str(number): one for number, one in enumerate(members)}
    return None if None in (*members, *made.values()) else made


def _is_tree(value: Any) -> bool:
    """Return whether no list, dict or set occurs twice, of which two would be read."""
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind in _CONTAINERS:
            if id(one) in seen and kind not in (tuple, frozenset):
                return False
            seen.add(id(one))
            waiting.extend(one.values() if kind is dict else one)
    return True


def unpack(
    envelope: Envelope,
    read: Callable[[str], Source],
    modules: Mapping[str, str] | None = None,
    wholes: Mapping[str, Any] | None = None,
) -> Any:
    """Return the value of an envelope.

    Args:
        envelope: As described at the top of this module.
        read: Returns the bytes of a URI, or what :func:`thaw` reads.
        modules: As for :func:`thaw`.
        wholes: The values of which parts are selected, by their keys.
    """
    if "value" in envelope:
        return envelope["value"]
    if "ref" in envelope:
        uri = envelope["ref"]
        return thaw(form_of(uri), read(uri), modules)
    if "failed" in envelope:
        from .failure import received

        return received(envelope)
    if "pickle" in envelope:
        from base64 import b64decode

        return _unpickled(b64decode(envelope["pickle"]), modules)
    if "part" in envelope and wholes is not None:
        from .parts import selected

        return selected(wholes[envelope["of"]], envelope["part"])
    return _made(envelope, lambda one: unpack(one, read, modules, wholes))


def form_of(uri: str) -> str:
    """Return the format of an object with a value, by its name."""
    return next((form for form in FORMS if uri.endswith(form)), JSON)


def holds(envelope: Envelope, kinds: tuple[str, ...]) -> bool:
    """Return whether an envelope, or an inner one, has one of some kinds."""
    if "make" in envelope:
        return any(holds(item, kinds) for item in envelope["items"].values())
    return any(kind in envelope for kind in kinds)


def references(envelope: Envelope) -> list[str]:
    """Return the URIs that :func:`unpack` will read, in order."""
    if "ref" in envelope:
        return [envelope["ref"]]
    if "make" in envelope:
        return [uri for item in envelope["items"].values() for uri in references(item)]
    return []


def _made(envelope: Envelope, unpacked: Callable[[Envelope], Any]) -> Any:
    items = envelope["items"]
    members = [unpacked(items[str(index)]) for index in range(len(items))]
    kind = envelope["make"]
    if kind == "dict":
        keys = unpacked(envelope["keys"])
        return dict(zip(keys, members))
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](members)


def name_of(form: str, data: Frozen | Source) -> str:
    """Return the digest that is an object's name.

    Args:
        form: The name's ending, such as ``json.gz``.
        data: Its bytes, or blocks that will be stored or are read.
    """
    if isinstance(data, bytes) and form != BLOCKS:
        return digest(data)
    from . import blocks

    return data.digest if isinstance(data, blocks.Blocks) else blocks.name_of(data)


def name_and_form(uri: str) -> tuple[str, str]:
    """Return the name in a reference, without folders, and its ending.

    Args:
        uri: The reference.
    """
    name, _, form = uri.rpartition("/")[2].partition(".")
    return name, form


def is_digest_of(name: str, form: str, data: Frozen | Source) -> bool:
    """Return whether the name in a reference is the digest of an object, or its first half.

    Args:
        name: The digits.
        form: As for :func:`name_of`.
        data: As for :func:`name_of`.
    """
    return len(name) >= PART_DIGEST_LENGTH and name_of(form, data).startswith(name)


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def compress(plain: bytes) -> bytes:
    """Compress bytes with gzip, without time and name, so that the result is always the same."""
    packer = zlib.compressobj(level=1, wbits=_GZIP)
    return packer.compress(plain) + packer.flush()


def pickled(value: Any, base: Any = None) -> bytes:
    """Pickle a value so that its classes can be found where it is read.

    pydantic creates ``Box[int]`` when it is first used, and adds it to the module of ``Box`` only
    if that happens at module level. So the pickle contains ``Box`` and ``int``.

    Args:
        value: Any value.
        base: The class of the pickler; by default pickle's own.

    Raises:
        Exception: Any error of pickle, for a value that cannot be pickled.
    """
    import io
    import pickle

    if base is None and "pydantic" not in sys.modules:
        return pickle.dumps(value, protocol=PROTOCOL)
    out = io.BytesIO()
    pickler = _replacing(base or pickle.Pickler)(out, PROTOCOL)
    pickler.replaced = _generic
    pickler.dump(value)
    return out.getvalue()


def dump(
    value: Any,
    file: Any,
    is_inside: Callable[[Any], bool],
    reduced: Callable[[Any], Any] | None = None,
) -> None:
    """Pickle a value into a file, with its buffers outside.

    Args:
        value: The value.
        file: Where the pickle is written.
        is_inside: Receives each buffer; returns whether it is in the pickle nevertheless.
        reduced: Returns how to load a part of the value, if not as pickle does.

    Raises:
        Exception: Any error of pickle, for a value that cannot be pickled.
    """
    import pickle

    if sys.modules.keys().isdisjoint(("numpy", "polars", "pydantic")):
        pickle.Pickler(file, PROTOCOL, buffer_callback=is_inside).dump(value)
        return
    pickler = _replacing(pickle.Pickler)(file, PROTOCOL, buffer_callback=is_inside)
    pickler.replaced = lambda part: _generic(part) or (reduced and reduced(part))
    pickler.dump(value)


@cache
def _replacing(base: Any) -> Any:
    """Return a class of picklers that pickle some parts of a value as ``replaced`` returns.

    There is one class for all values: a class is freed by the garbage collector only, and so would
    be a value to which it refers. That also ends the process if the value has memoryviews, which
    CPython clears while others use their memory.
    """

    class Pickler(base):  # type: ignore[misc]
        replaced: Callable[[Any], Any]

        def reducer_override(self, part: Any) -> Any:
            return self.replaced(part) or NotImplemented

    return Pickler


def _generic(part: Any) -> Any:
    """Return how to create a class that is a parametrized pydantic generic, else ``None``."""
    made = getattr(part, "__pydantic_generic_metadata__", None) if isinstance(part, type) else None
    if not made or not made["args"]:
        return None
    args = made["args"]
    return operator.getitem, (made["origin"], args if len(args) > 1 else args[0])


def _unpickled(data: bytes, modules: Mapping[str, str] | None) -> Any:
    import pickle

    if b"lokki_tf.runtime." in data:
        _make_known(failures=b"lokki_tf.runtime.failure" in data)
    if modules is None:
        return pickle.loads(data)
    import io

    return _unpickler(modules)(io.BytesIO(data)).load()


def _load(file: Any, buffers: Iterator[Any], modules: Mapping[str, str] | None) -> Any:
    """Unpickle a file, as :func:`.blocks.load` requires."""
    return _unpickler({} if modules is None else modules)(file, buffers=buffers).load()


def _make_known(*, failures: bool) -> None:
    from .aliases import make_known

    make_known()
    if failures:
        from . import failure  # noqa: F401  # so that its module is not loaded twice


def _unpickler(names: Mapping[str, str]) -> Any:
    import pickle

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            module = names.get(module, module)
            if module in _SLICES:
                from . import slices

                return getattr(slices, name)
            if module.startswith("lokki_tf.runtime."):
                _make_known(failures=module == "lokki_tf.runtime.failure")
            return super().find_class(module, name)

    return Unpickler
