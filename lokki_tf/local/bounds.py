"""What maps within the execution leave for items and results in AWS, held to in local runs.

Step Functions has no room for more than 25,000 events of an execution, nor for more than 256 KiB
in a state. A step that exceeds what is left raises in Lambda; so it does here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from lokki_tf.model import AnyNode, Map, Node, Output, whole

from .frames import Frame, MapRun

_ACCOUNT_AND_REGION = "-123456789012-eu-central-1"
_RUN = "00000000-0000-0000-0000-000000000000"
_OBJECT = f"{'0' * 64}.json.gz"
_PART = f"{'0' * 32}#{'0' * 7}-{'0' * 7}/{'0' * 32}.json.gz"  # items are parts of common objects

Inline = Mapping[str, Mapping[str, Any]]
"""From inline maps to the layouts of their items, as the compiler computes them."""


class Bounds:
    """Holds results to what there is room for.

    Args:
        inline: The compiler's bounds.
        pipeline: The pipeline's name; the bucket's name begins with it.
    """

    def __init__(self, inline: Inline, pipeline: str) -> None:
        self._inline = inline
        self._runs = f"s3://{pipeline}{_ACCOUNT_AND_REGION}/runs"

    def refuse(self, frame: Frame, index: int, value: Any) -> None:
        """Refuse a result that has too little room in AWS.

        Args:
            frame: Where the node is.
            index: Its position there.
            value: Its result.

        Raises:
            ValueError: As the step raises in AWS.
        """
        from lokki_tf.runtime import maps
        from lokki_tf.runtime.parts import selected

        node, owner = frame.plan.nodes[index], frame.owner
        step = node.step.name if isinstance(node, Node) else node.name
        folder = f"{self._runs}/{step}/{_RUN}"
        for one in (frame.plan.nodes[after] for after in frame.plan.successors[index]):
            if one.name not in self._inline or not _is_over(one, node.name):
                continue
            layout = self._layout(frame, one.name)
            items = selected(value, layout["part"]) if "part" in layout else value
            if isinstance(items, Collection):
                packed = partial(_packed, reference=f"{folder}/{_PART}")
                maps.in_state(list(items), layout, node.name, packed)
        if owner is not None and owner.node.options.mode == "inline" and index == frame.plan.result:
            share = maps.of_each(self._layout_of(owner), owner.total)["Room"]
            (envelope,) = _packed([value], share, f"{folder}/{_OBJECT}")
            if "ref" in envelope:
                maps.refuse_long_reference(envelope["ref"], share, node.name)

    def _layout_of(self, run: MapRun) -> dict[str, Any]:
        """How much there is for a map's items."""
        return self._layout(run.frame, run.node.name)

    def _layout(self, frame: Frame, name: str) -> dict[str, Any]:
        """How much there is for the items of a map in a frame, which an outer map limits."""
        from lokki_tf.runtime import maps

        layout, owner = dict(self._inline[name]), frame.owner
        if owner is not None and layout.keys() & {"within.$", "events.$"}:
            given = maps.of_each(self._layout_of(owner), owner.total)
            if "within.$" in layout:
                layout["within"] = given["Room"]
            if "events.$" in layout:
                layout["events"] = given["Events"]
        return layout


def _is_over(one: AnyNode, producer: str) -> bool:
    return isinstance(one, Map) and whole(one.source) == Output(producer)


def _packed(items: list[Any], share: int, reference: str) -> list[dict[str, Any]]:
    """The envelopes of items as in AWS, without what is stored there."""
    from lokki_tf.runtime.envelope import inlined, json_text

    return [inlined(one, json_text(one), share) or {"ref": reference} for one in items]
