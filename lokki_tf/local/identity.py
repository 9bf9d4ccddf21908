"""What ``run_context()`` returns in the steps of a local run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.model import Node
from lokki_tf.runtime.answers import LOCAL
from lokki_tf.runtime.context import RunContext

from .copies import copied
from .recording import Call
from .strict import RoundTripSerializer, described

if TYPE_CHECKING:
    from .frames import Frame
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

    def of(self, step: str, call: Call, token: str | None = None) -> RunContext:
        """Return the context of a call.

        Args:
            step: Name of the step.
            call: The call.
            token: Its token, if it waits for an answer.
        """
        return RunContext(
            **self._fields(step, call, token),
            parameters=self._own(),
            opened=lambda: self._settings.recording.card(call),
        )

    def of_node(self, frame: Frame, index: int) -> RunContext:
        """Return the context of a node's present attempt.

        Args:
            frame: The frame of the node.
            index: The node's index.
        """
        return self.of(*_identified(frame, index))

    def sent(self, frame: Frame, index: int) -> Sent:
        """Return the same for another process.

        Args:
            frame: The frame of the node.
            index: The node's index.
        """
        if self._packed is None:
            self._packed = self._pickled()
        fields = self._fields(*_identified(frame, index))
        return Sent(fields, self._packed, self._settings.recording.has_output)

    @staticmethod
    def called(frame: Frame, index: int) -> Call:
        """Return a node's present attempt.

        Args:
            frame: The frame of the node.
            index: The node's index.
        """
        item = None if frame.owner is None else frame.key
        return Call(frame.plan.nodes[index].name, item, frame.attempts.get(index, 1))

    def _fields(self, step: str, call: Call, token: str | None) -> dict[str, Any]:
        from datetime import UTC, datetime

        settings = self._settings
        return {
            "run_id": settings.run_id,
            "pipeline": self._pipeline,
            "stage": settings.stage,
            "step": step,
            "attempt": call.attempt,
            "started_at": datetime.fromtimestamp(settings.started, UTC),
            "scheduled_at": settings.scheduled_at,
            "item_index": call.item,
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
        prints: Whether what the step prints is recorded.
    """

    fields: dict[str, Any]
    parameters: bytes | str
    prints: bool = False

    def made(self, parts: list[dict[str, Any]]) -> RunContext:
        """Return the context.

        Args:
            parts: Those of the call's card.

        Raises:
            RuntimeError: If the parameters cannot be pickled.
        """
        import pickle

        if isinstance(self.parameters, str):
            raise RuntimeError(
                "run_context() requires the run's parameters, which cannot be sent to another "
                f"process: {self.parameters}"
            )
        return RunContext(
            **self.fields, parameters=pickle.loads(self.parameters), opened=lambda: parts
        )


def _identified(frame: Frame, index: int) -> tuple[str, Call, str | None]:
    node = frame.plan.nodes[index]
    assert isinstance(node, Node)
    call, token = Identity.called(frame, index), None
    if index in frame.plan.callbacks:
        token = f"{node.name}/{call.item}/{call.attempt}"
    return node.step.name, call, token
