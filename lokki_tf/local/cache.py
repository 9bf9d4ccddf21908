"""Results of earlier runs, found by a step's code and inputs.

The key of a result is computed from the node's name, the step's code, and a digest of every input.
The digest of an input that is itself a result is that of the stored result. So a changed step runs
again, and later steps only if its result has changed. An item of a map is identified by its value,
not by its index; equal items are numbered.
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.model import (
    AnyNode,
    Binding,
    Group,
    Item,
    Literal,
    Node,
    Output,
    Parameter,
    Part,
    Step,
    TerraformRef,
)
from lokki_tf.model.steady import steady_pickle
from lokki_tf.runtime.envelope import freeze, json_text, pickled, thaw
from lokki_tf.runtime.parts import selected

from .state import digest_of
from .strict import described, label

if TYPE_CHECKING:
    from .frames import Frame, MapRun
    from .plan import RunPlan
    from .state import StateManager


@dataclass(frozen=True, slots=True)
class Known:
    """A result of an earlier run.

    Args:
        value: The result.
        digest: Digest of the value.
        skipped: Whether the node's condition was false.
    """

    value: Any
    digest: str
    skipped: bool


@dataclass(slots=True)
class _Frame:
    """Keys and digests of a frame, by the nodes' indices."""

    path: str | None
    """The maps around the frame, each with the digest of its item; ``None`` if one has none."""
    keys: dict[int, str | None] = field(default_factory=dict)
    digests: dict[int, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class _MapRun:
    """Digests of the results of a map's items, and of the map's arguments."""

    seen: Counter[str] = field(default_factory=Counter)
    results: dict[int, str | None] = field(default_factory=dict)
    arguments: dict[str, str | None] = field(default_factory=dict)


class Cache:
    """Looks up results for one run, and stores new ones.

    Args:
        state: Where results are stored.
        codes: A digest of each step's code; ``None`` for a step whose code has none, which then
            runs every time.
    """

    def __init__(self, state: StateManager, codes: Mapping[Step, str | None]) -> None:
        self._state = state
        self._codes = codes
        self._lock = threading.Lock()
        self._positions: dict[int, dict[str, int]] = {}
        self._literals: dict[int, str | None] = {}
        self._warned: set[str] = set()
        self._within = ""

    def within(self, place: str) -> Cache:
        """Return the same cache for a run inside of another, which may have several equal ones.

        Args:
            place: Identifies the inner run.
        """
        other = copy.copy(self)
        other._within, other._positions = place, {}
        return other

    def of_walk(self, frame: Frame, node: Node) -> Cache | None:
        """Return the cache for a routed pipeline that is a node.

        Args:
            frame: The frame of the node.
            node: The node.
        """
        path = self._frame(frame).path
        return None if path is None else self.within(f"{path}/{node.name}")

    def recall(self, frame: Frame, index: int) -> Known | None:
        """Return a node's result if its step has run with the same code and inputs before.

        Args:
            frame: The frame of the node, in which its predecessors have ended.
            index: The node's index.
        """
        known = self._frame(frame)
        key = known.keys[index] = self._key(frame, index)
        known_result = self.find(key)
        if known_result is not None:
            self._note(frame, index, known_result.digest)
        return known_result

    def keep(self, frame: Frame, index: int, value: Any, *, skipped: bool = False) -> None:
        """Store the result of a node for which :meth:`recall` returned ``None``.

        Args:
            frame: The frame of the node.
            index: The node's index.
            value: The result.
            skipped: Whether its condition was false.
        """
        key = self._frame(frame).keys.get(index)
        digest = self.store(key, value, frame.plan.nodes[index], skipped=skipped)
        if digest is not None:
            self._note(frame, index, digest)

    def find(self, key: str | None) -> Known | None:
        """Return the result under a key, if there is one and it can be read."""
        kept = None if key is None else self._state.recall(key)
        if kept is None:
            return None
        try:
            value = thaw(kept.form, kept.data)
        except Exception:  # its class no longer exists: run the step again
            return None
        return Known(value, kept.digest, kept.skipped)

    def store(
        self, key: str | None, value: Any, node: AnyNode, *, skipped: bool = False
    ) -> str | None:
        """Store a value under a key; return its digest, or ``None`` if it cannot be stored."""
        if key is None:
            return None
        try:
            form, data = freeze(value)
            digest = digest_of(form, data)
            self._state.keep(key, form, data, digest=digest, skipped=skipped)
        except Exception as error:
            self._warn(node, "its result cannot be stored", error)
            return None
        return digest

    def visit(self, step: Step, number: int, state: Mapping[str, Any]) -> str | None:
        """Return the key of a call of a step of a routed pipeline.

        Args:
            step: The step.
            number: Number of calls before it in the run.
            state: Its arguments by name.
        """
        parts = [self._codes.get(step), *(value_digest(value) for value in state.values())]
        if None in parts:
            return None
        within = [self._within] if self._within else []
        text = json.dumps([step.name, number, list(state), parts, "with its wait", *within])
        return f"{step.name}:{_digest(text.encode())}"

    def map_done(self, run: MapRun) -> None:
        """Compute the digest of a map that has its results.

        Args:
            run: The map.
        """
        results = self._run(run).results
        parts = [results.get(item) for item in range(run.total) if item not in run.failures]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            digest = _digest(b"map", "".join(known).encode())
            self._note(run.frame, run.index, digest)

    def _note(self, frame: Frame, index: int, digest: str) -> None:
        self._frame(frame).digests[index] = digest
        if frame.owner is not None and frame.item is not None and index == frame.plan.last:
            self._run(frame.owner).results[frame.item] = digest

    # Keys.

    def _key(self, frame: Frame, index: int) -> str | None:
        node = frame.plan.nodes[index]
        path = self._frame(frame).path
        if not isinstance(node, Node) or path is None:
            return None
        code = self._codes.get(node.step)
        parts = [code, *(self._binding(one, frame) for one in node.bindings)]
        if None in parts:
            return None
        names = [len(node.args), *(name for name, _ in node.kwargs)]
        text = json.dumps([node.name, path, names, parts])
        return f"{node.name}:{_digest(text.encode())}"

    def _binding(self, binding: Binding, frame: Frame) -> str | None:
        """Return a digest of the value of an argument, or ``None`` if it has none."""
        if isinstance(binding, Literal):
            if id(binding) not in self._literals:
                self._literals[id(binding)] = value_digest(binding.value)
            return self._literals[id(binding)]
        if isinstance(binding, Group):
            parts = [self._binding(one, frame) for one in binding.members]
            keys = value_digest(list(binding.keys))
            known = [part for part in (keys, *parts) if part is not None]
            if len(known) <= len(parts):
                return None
            return _digest(binding.kind.encode(), "".join(known).encode())
        if isinstance(binding, Part):
            return self._part(binding, frame)
        if isinstance(binding, Output):
            return self._at(frame, self._position(frame.plan)[binding.node])
        if isinstance(binding, Item):
            return self._at(frame, frame.plan.item)
        assert not isinstance(binding, TerraformRef)  # replaced by its value before the run
        return self._parameter(binding, frame)

    def _part(self, part: Part, frame: Frame) -> str | None:
        """Return a digest of the part itself: a step runs again only if that has changed."""
        if isinstance(part.of, Output):
            index = self._position(frame.plan)[part.of.node]
        else:
            plan = frame.plan
            index = plan.item if isinstance(part.of, Item) else plan.parameter(part.of.name)
        try:
            return value_digest(selected(frame.plan.thawed(frame.values[index]), part.selection))
        except Exception:  # it does not exist, which the step itself reports
            return None

    def _parameter(self, binding: Parameter, frame: Frame) -> str | None:
        run = frame.owner
        if run is None:
            return self._at(frame, frame.plan.parameter(binding.name))
        known = self._run(run).arguments
        if binding.name not in known:
            outside = dict(run.node.arguments)[binding.name]
            known[binding.name] = self._binding(outside, run.frame)
        return known[binding.name]

    def _at(self, frame: Frame, index: int) -> str | None:
        """Return the digest of an element of the frame's list."""
        digests = self._frame(frame).digests
        if index not in digests:
            digests[index] = value_digest(frame.plan.thawed(frame.values[index]))
        return digests[index]

    def _position(self, plan: RunPlan) -> dict[str, int]:
        found = self._positions.get(id(plan))
        if found is None:
            found = {node.name: index for index, node in enumerate(plan.nodes)}
            self._positions[id(plan)] = found
        return found

    # Keys and digests of frames and maps.

    def _frame(self, frame: Frame) -> _Frame:
        if frame.known is None:
            frame.known = _Frame(self._within if frame.owner is None else None)
            if frame.owner is not None:
                frame.known.path = self._path(frame, frame.owner)
        known: _Frame = frame.known
        return known

    def _path(self, frame: Frame, run: MapRun) -> str | None:
        around = self._frame(run.frame).path
        item = self._at(frame, frame.plan.item)
        if around is None or item is None:
            return None
        with self._lock:
            seen = self._run(run).seen
            seen[item] += 1
            number = seen[item]
        return f"{around}/{run.node.name}:{item}#{number}"

    def _run(self, run: MapRun) -> _MapRun:
        if run.known is None:
            run.known = _MapRun()
        known: _MapRun = run.known
        return known

    def _warn(self, node: AnyNode, what: str, error: Exception) -> None:
        if node.name not in self._warned:
            self._warned.add(node.name)
            warnings.warn_explicit(
                f"{label(node)} will run again next time: {what}: {described(error)}",
                RuntimeWarning,
                node.place.file,
                node.place.line,
            )


def value_digest(value: Any) -> str | None:
    """Return a digest that equal values have in every process, or ``None`` if there is none."""
    text = json_text(value)
    if text is not None:
        return _digest(b"json", text.encode())
    try:
        return _digest(b"pickle", steady_pickle(value, pickled))
    except Exception:
        return None


def _digest(*parts: bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.hexdigest()
