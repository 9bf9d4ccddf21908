"""What ``run_context()`` returns in the steps of a local run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.model import Node
from lokki_tf.runtime.answers import LOCAL
from lokki_tf.runtime.context import RunContext

from .copies import copied
from .strict import RoundTripSerializer, described

if TYPE_CHECKING:
    from .frames import Frame
    from .result import ItemKey
    from .settings import Settings


class Identity:
    """The identity of a run.

    Args:
        pipeline: Name of the pipeline, unless the settings contain another.
        settings: What holds for the steps of the run.
        parameters: The run's parameters, serialized if there is a serializer.
        serializer: Deserializes parameters, or ``None``.
    """

    __slots__ = ("_packed", "_parameters", "_pipeline", "_serializer", "_settings")

    def __init__(
        self,
        pipeline: str,
        settings: Settings,
        parameters: Mapping[str, Any],
        serializer: RoundTripSerializer | None = None,
    ) -> None:
        self._pipeline = settings.name or pipeline
        self._settings = settings
        self._parameters = parameters
        self._serializer = serializer
        self._packed: bytes | str | None = None

    def of(
        self,
        step: str,
        attempt: int,
        item: ItemKey | None = None,
        token: str | None = None,
    ) -> RunContext:
        """Return the context of a call.

        Args:
            step: Name of the step.
            attempt: Number of the attempt, from 1.
            item: Index of the item, in a map.
            token: Its token, if it waits for an answer.
        """
        return RunContext(**self._fields(step, attempt, item, token), parameters=self._own())

    def of_node(self, frame: Frame, index: int) -> RunContext:
        """Return the context of a node's present attempt.

        Args:
            frame: The frame of the node.
            index: The node's index.
        """
        return self.of(*_call(frame, index))

    def sent(self, frame: Frame, index: int) -> Sent:
        """Return the same for another process.

        Args:
            frame: The frame of the node.
            index: The node's index.
        """
        if self._packed is None:
            self._packed = self._pickled()
        return Sent(self._fields(*_call(frame, index)), self._packed)

    def _fields(
        self, step: str, attempt: int, item: ItemKey | None, token: str | None
    ) -> dict[str, Any]:
        from datetime import UTC, datetime

        settings = self._settings
        return {
            "run_id": settings.run_id,
            "pipeline": self._pipeline,
            "stage": settings.stage,
            "step": step,
            "attempt": attempt,
            "started_at": datetime.fromtimestamp(settings.started, UTC),
            "scheduled_at": settings.scheduled_at,
            "item_index": item,
            "task_token": None if token is None else f"{LOCAL}{settings.run_id}/{token}",
        }

    def _own(self) -> dict[str, Any]:
        serializer = self._serializer
        if serializer is None:
            return {name: copied(value) for name, value in self._parameters.items()}
        return {name: serializer.thaw(value) for name, value in self._parameters.items()}

    def _pickled(self) -> bytes | str:
        from lokki_tf.runtime.envelope import pickled

        try:
            return pickled(self._own())
        except Exception as error:
            return described(error)


class Sent(NamedTuple):
    """The context of a call, for another process.

    Args:
        fields: All fields but the parameters.
        parameters: The parameters as a pickle, or why they have none.
    """

    fields: dict[str, Any]
    parameters: bytes | str

    def made(self) -> RunContext:
        """Return the context.

        Raises:
            RuntimeError: If the parameters cannot be pickled.
        """
        import pickle

        if isinstance(self.parameters, str):
            raise RuntimeError(
                "run_context() requires the run's parameters, which cannot be sent to another "
                f"process: {self.parameters}"
            )
        return RunContext(**self.fields, parameters=pickle.loads(self.parameters))


def _call(frame: Frame, index: int) -> tuple[str, int, ItemKey | None, str | None]:
    node = frame.plan.nodes[index]
    assert isinstance(node, Node)
    item = None if frame.owner is None else frame.key
    attempt, token = frame.attempts.get(index, 1), None
    if index in frame.plan.callbacks:
        token = f"{node.name}/{item}/{attempt}"
    return node.step.name, attempt, item, token
