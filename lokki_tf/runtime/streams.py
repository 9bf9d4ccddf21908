"""Results of a map that a step reads one after another, in order, in bounded memory.

A parameter that is annotated as an ``Iterable`` or ``Iterator`` receives them so. The files of a
map's run have the results in no order. They are read once, in parts, and the envelopes are written
into a file here, of which only positions are in memory. Objects to which envelopes refer are read
ahead: at most 16, with about 32 MiB.
"""

from __future__ import annotations

import json
from array import array
from collections import deque

from .envelope import references, unpack
from .results import Results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from typing import Any

    from .blocks import Source
    from .envelope import Envelope

    Read = list[tuple[Envelope, dict[str, Source]]]

_MOST_AHEAD = 16  # objects that are read before they are needed
_AHEAD_BYTES = 32 * 2**20
_REQUEST = 4 * 2**20  # bytes of a file of results that are read at once
_MEMORY = 8 * 2**20  # bytes of envelopes in memory; more are in a file
_REFERRED = ("map", "gathered", "ref", "at")
_BETWEEN = " \t\r\n,[]"


def streamed(
    envelope: Envelope, modules: Mapping[str, str] | None = None, *, once: bool = False
) -> Any:
    """Return the results of a map, or the value of another envelope.

    Args:
        envelope: The envelope of the map's result.
        modules: As for :func:`.envelope.thaw`.
        once: As for :class:`.results.Results`.
    """
    if "map" in envelope:
        found = _Found(envelope["map"])
        return Results(lambda: _values(found.envelopes(), modules), once=once)
    if "gathered" in envelope:
        one_by_one = envelope["gathered"]
        return Results(lambda: _values((one["result"] for one in one_by_one), modules), once=once)
    # A cleanup step receives None for a map that did not end.
    return unpack(envelope, dict[str, "Source"]().__getitem__, modules)


class _Found:
    """The envelopes of a map's results, in a file; they are read when they are first needed."""

    def __init__(self, manifest: dict[str, str]) -> None:
        self._manifest = manifest
        self._file: Any = None
        self._starts = array("q")
        self._sizes = array("q")

    def envelopes(self) -> Iterator[Envelope]:
        """Yield the envelopes of the items that succeeded, in the order of the items."""
        if self._file is None:
            self._collect()
        for start, size in zip(self._starts, self._sizes):
            if size:
                self._file.seek(start)
                yield json.loads(self._file.read(size))

    def _collect(self) -> None:
        from tempfile import SpooledTemporaryFile

        from . import maps, store

        file = SpooledTemporaryFile(_MEMORY)  # noqa: SIM115  # it lives as long as this
        starts, sizes, at = array("q"), array("q"), 0
        try:
            for uri in maps.result_files(self._manifest, store.read):
                for record in _records(store.parts_of(uri, _REQUEST)):
                    for index, envelope in maps.results_in(record):
                        data = json.dumps(envelope).encode()
                        missing = index + 1 - len(starts)
                        if missing > 0:
                            starts.extend([0] * missing)
                            sizes.extend([0] * missing)
                        starts[index], sizes[index] = at, len(data)
                        at += file.write(data)
        except OSError as error:
            import errno

            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                errno.ENOSPC,
                f"the results of the map take more than the {at:,} bytes that were free for "
                "temporary files; increase ephemeral_storage= of the step",
            ) from None
        self._starts, self._sizes, self._file = starts, sizes, file


def _records(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects of an array in JSON, which comes in parts of any length."""
    from codecs import getincrementaldecoder

    decode = getincrementaldecoder("utf-8")().decode
    scan = json.JSONDecoder().raw_decode
    text = ""
    for part in parts:
        text, at = text + decode(part), 0
        while True:
            while at < len(text) and text[at] in _BETWEEN:
                at += 1
            if at == len(text):
                break
            try:
                record, at = scan(text, at)
            except ValueError:  # it continues in the next part
                break
            yield record
        text = text[at:]
    if text:
        raise ValueError(f"a file of the map's results ends within {text[:80]!r}")


def _values(envelopes: Iterable[Envelope], modules: Mapping[str, str] | None) -> Iterator[Any]:
    """Yield the values of envelopes; objects are read ahead, by several threads."""
    from . import store

    left, largest, pool = store.together(envelopes, _reference), _AHEAD_BYTES // 2, None
    waiting: deque[tuple[list[Envelope], Future[Read] | None]] = deque()
    try:
        while True:
            most = max(1, min(_MOST_AHEAD, _AHEAD_BYTES // max(1, largest)))
            while len(waiting) <= most:
                group = next(left, None)
                if group is None:
                    break
                future = None
                if any(kind in group[0] for kind in _REFERRED):
                    if pool is None:
                        from concurrent.futures import ThreadPoolExecutor

                        store.client()  # created once, before threads could create it twice
                        pool = ThreadPoolExecutor(_MOST_AHEAD)
                    future = pool.submit(_read, group)
                waiting.append((group, future))
            if not waiting:
                return
            group, future = waiting.popleft()
            known: Read = [(one, {}) for one in group]
            if future is not None:
                known = future.result()
                sources = [one for _, objects in known for one in objects.values()]
                held = sum(len(one) for one in sources if isinstance(one, bytes))
                largest = max(held, 1) if largest == _AHEAD_BYTES // 2 else max(largest, held)
                future, sources = None, []
            known.reverse()
            while known:
                envelope, objects = known.pop()
                value = unpack(envelope, objects.__getitem__, modules)
                objects = {}
                yield value
                value = None
    finally:
        if pool is not None:
            pool.shutdown()


def _reference(envelope: Envelope) -> str:
    uri: str = envelope.get("ref", "")
    return uri


def _read(group: list[Envelope]) -> Read:
    """Read what the envelopes of a group refer to."""
    from . import maps, store

    known = [maps.expanded(one, store.read, store.read_all) for one in group]
    if len(known) > 1:
        objects = store.open_all(one["ref"] for one in known)
        return [(one, {one["ref"]: objects[one["ref"]]}) for one in known]
    return [(one, {uri: store.opened(uri) for uri in references(one)}) for one in known]
