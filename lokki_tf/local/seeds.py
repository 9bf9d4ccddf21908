"""Results of an execution in AWS, with which a local run continues."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Map, Node

from .cache import Cache, Known, value_digest

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Step

    from .frames import Frame
    from .state import StateManager


@dataclass(frozen=True, slots=True)
class Seeds:
    """What an execution has done.

    Args:
        run: Name of the execution.
        parameters: Its input.
        nodes: Results of nodes outside of maps, by name.
        skipped: Nodes whose condition was false.
        items: Results of items of maps, by the map's name and the item's index.
        visits: Of a routed pipeline: each step that has run, in order, with the next step, the
            state after it, and the seconds before the next step.
        ended: Nodes that have ended, also those whose results are not known.
    """

    run: str
    parameters: Mapping[str, Any]
    nodes: Mapping[str, Any] = field(default_factory=dict)
    skipped: Collection[str] = ()
    items: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    visits: Sequence[tuple[str, tuple[str | None, dict[str, Any], int]]] = ()
    ended: Collection[str] = ()

    def without(self, definition: Definition, again: Collection[str]) -> Seeds:
        """Return the results that are used although some steps run again.

        A result is not used if it depends on a step that runs again, or that has not ended in the
        execution.

        Args:
            definition: The pipeline, as it is written now.
            again: Names of the steps or nodes that run again.

        Raises:
            OptionError: If there is no such step.
        """
        nodes = list(definition.graph.every())
        every = (*nodes, *definition.steps, *definition.inclusions)
        names = {one.name for one in every}
        unknown = [one for one in again if one not in names]
        if unknown:
            raise OptionError(
                f"pipeline {definition.name!r} has no step {unknown[0]!r} to run again",
                remedy=f"its steps are {', '.join(sorted(names))}",
            )
        if definition.routes is not None:
            kept = []
            for one in self.visits:
                if one[0] in again or one[0] not in definition.routes.by_name:
                    break
                kept.append(one)
            return replace(self, visits=kept)
        begins: set[str] = set()
        for node in definition.graph.nodes:  # in the order of their dependencies
            inside = node.body.every() if isinstance(node, Map) else [node]
            steps = {one.step.name for one in inside if isinstance(one, Node)}
            is_again = bool({node.name, *steps, *(one.name for one in inside)} & {*again})
            before = {one for one in node.predecessors if one in begins}
            if is_again or before or node.name not in self.ended:
                begins.add(node.name)
            if is_again or before:
                begins.add(f"items of {node.name}")
        return replace(
            self,
            nodes={name: one for name, one in self.nodes.items() if name not in begins},
            skipped={name for name in self.skipped if name not in begins},
            items={
                name: one for name, one in self.items.items() if f"items of {name}" not in begins
            },
        )


class SeededCache(Cache):
    """Looks up results of an execution first, and stores them as those of today's code.

    Args:
        state: Where results are stored.
        codes: As for :class:`Cache`.
        seeds: The results.
    """

    def __init__(self, state: StateManager, codes: Mapping[Step, str | None], seeds: Seeds) -> None:
        super().__init__(state, codes)
        self._seeds = seeds
        self._visits = 0

    def recall(self, frame: Frame, index: int) -> Known | None:
        """Return a node's result, of the execution or of an earlier run.

        Args:
            frame: The frame of the node.
            index: The node's index.
        """
        found = super().recall(frame, index)  # it computes the keys
        seed = self._of_frame(frame, index)
        if seed is None:
            return found
        value, skipped, keeps = seed
        node = frame.plan.nodes[index]
        key = self._frame(frame).keys.get(index) if keeps else None
        digest = self.store(key, value, node, skipped=skipped) or value_digest(value)
        if digest is not None:
            self._note(frame, index, digest)
        return Known(value, digest or "", skipped)

    def _of_frame(self, frame: Frame, index: int) -> tuple[Any, bool, bool] | None:
        """Return a node's value, whether it was skipped, and whether the value is its result."""
        name, owner = frame.plan.nodes[index].name, frame.owner
        if owner is None:
            if name in self._seeds.nodes:
                return self._seeds.nodes[name], False, True
            return (None, True, True) if name in self._seeds.skipped else None
        if owner.frame.owner is not None or any(isinstance(one, Map) for one in frame.plan.nodes):
            return None
        items = self._seeds.items.get(owner.node.name, {})
        if frame.item is None or frame.item not in items:
            return None
        # Results of other nodes of the body are used inside of it alone, where nothing runs.
        is_last = index == frame.plan.last
        return (items[frame.item] if is_last else None), False, is_last and index == 0

    def visit(self, step: Step, number: int, state: Mapping[str, Any]) -> str | None:
        """Return the key of a call of a step of a routed pipeline, and store its result.

        Args:
            step: The step.
            number: Number of calls before it in the run.
            state: Its arguments by name.
        """
        key, number_known = super().visit(step, number, state), len(self._seeds.visits)
        if number == self._visits < number_known and self._seeds.visits[number][0] == step.name:
            self._visits += 1
            node = Node(step.name, step, (), (), (), step.options.retry, step.place)
            self.store(key, self._seeds.visits[number][1], node)
        return key
