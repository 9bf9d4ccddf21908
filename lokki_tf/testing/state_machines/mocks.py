"""Responses that tests set for tasks, in the place of requests to services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.values import Json

_ARN = "arn:aws:states:::"


@dataclass
class _Mock:
    """The responses of one integration.

    Args:
        state: The name of the state that receives them; None for all states.
        responses: The responses in their order: objects with ``result`` or ``error`` and ``cause``.
        requests: The parameters of the tasks so far.
    """

    state: str | None
    responses: Sequence[Mapping[str, Json]]
    requests: list[Json] = field(default_factory=list)


class Mocks:
    """The responses of all integrations."""

    def __init__(self) -> None:
        self._mocks: dict[str, list[_Mock]] = {}
        self._lock = Lock()

    def add(
        self, resource: str, responses: Sequence[Mapping[str, Json]], state: str | None
    ) -> None:
        """Set the responses of an integration, in the place of earlier ones.

        Args:
            resource: The integration without ``arn:aws:states:::``, or a function's ARN.
            responses: The responses. The last one repeats.
            state: The name of the state that receives them; None for all other states.
        """
        with self._lock:
            known = self._mocks.setdefault(resource, [])
            known[:] = [mock for mock in known if mock.state != state]
            known.append(_Mock(state, responses))
            known.sort(key=lambda mock: mock.state is None)

    def requests(self, resource: str) -> list[Json]:
        """Return the parameters of the tasks that received responses of an integration."""
        with self._lock:
            return [one for mock in self._mocks.get(resource, ()) for one in mock.requests]

    def clear(self, resource: str | None = None) -> None:
        """Remove the responses of an integration, or all if None."""
        with self._lock:
            for name in list(self._mocks) if resource is None else (resource,):
                self._mocks.pop(name, None)

    def find(self, resource: str, state: str) -> _Mock | None:
        """Return the responses for a task, or None if it calls its service."""
        if not self._mocks:
            return None
        with self._lock:
            found = self._mocks.get(resource.removeprefix(_ARN), ())
            return next((mock for mock in found if mock.state in (None, state)), None)

    def respond(self, mock: _Mock, parameters: Json) -> Json:
        """Return the next response to a task.

        Raises:
            StateFailure: If the response is an error.
        """
        with self._lock:
            response = mock.responses[min(len(mock.requests), len(mock.responses) - 1)]
            mock.requests.append(parameters)
        if "error" in response:
            raise StateFailure(response["error"], response.get("cause"))
        return response["result"]
