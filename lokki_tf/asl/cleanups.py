"""The states of ``cleanup=``: one after success, one after a failure, and the end of a failed run.

Every state of the outermost scope catches all errors, after its own catchers. The state after
a failure runs the same step as the one after success; then the execution fails with the run's
own error, which was its input. Variables that the step reads are assigned at the beginning, so
that they exist in both. What no state can catch, such as the pipeline's own time limit, is left to
the function that sends failure notices (:mod:`lokki_tf.runtime.failure_notices`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.model.names import unique
from lokki_tf.model.retries import ALL

from .quotas import STATE_NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOTHING: Mapping[str, Any] = MappingProxyType({"value": None})
"""The envelope of a result that does not exist."""
_WORKING = ("Task", "Parallel", "Map")  # states that can have catchers


class CleanupStates(NamedTuple):
    """The names of the states that run a cleanup step.

    Args:
        done: The state after success.
        failed: The state after a failure.
        end: The state with which a failed execution ends.
        begin: The state that assigns the variables.
    """

    done: str
    failed: str
    end: str
    begin: str

    @classmethod
    def of(cls, node: str, own_name: Callable[[str], str]) -> CleanupStates:
        """Choose the names.

        Args:
            node: The cleanup step's node, which is the name of the state after success.
            own_name: Returns a name that no other state has.
        """
        return cls(
            node,
            own_name(failed_title(node)),
            own_name("Failed"),
            own_name(f"Nothing for {node}"),
        )


def failed_title(node: str) -> str:
    """Return the name of the state that runs a cleanup step after a failure.

    Args:
        node: The cleanup step's node.
    """
    return unique(f"{node} after a failure", (), STATE_NAME_LENGTH)


def add_cleanup(
    state_machine: dict[str, Any], names: CleanupStates, variables: Mapping[str, Any]
) -> None:
    """Add the states of a cleanup step to a state machine that ends with it.

    Args:
        state_machine: ``StartAt`` and ``States``, with the state after success; it is changed.
        names: The names of the states.
        variables: The first values of the variables that the step reads.
    """
    states = state_machine["States"]
    done = states[names.done]
    for name, state in states.items():
        own = state.get("Catch", ())
        if name != names.done and state["Type"] in _WORKING and not _catches_all(own):
            state["Catch"] = [*own, {"ErrorEquals": [ALL], "Next": names.failed}]
    kept = {key: value for key, value in done.items() if key not in ("ResultSelector", "End")}
    kept |= {"ResultPath": None, "Next": names.end}
    kept.pop("OutputPath", None)
    states[names.failed] = {
        **kept,
        "Catch": [{"ErrorEquals": [ALL], "ResultPath": None, "Next": names.end}],
    }
    states[names.end] = {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"}
    if variables:
        begin = {"Type": "Pass", "Assign": dict(variables), "Next": state_machine["StartAt"]}
        state_machine |= {"StartAt": names.begin, "States": {names.begin: begin, **states}}


def _catches_all(catchers: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["ErrorEquals"] == [ALL] for one in catchers)
