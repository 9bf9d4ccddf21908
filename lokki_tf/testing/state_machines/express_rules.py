"""Check that a state machine, or the children of a Distributed Map, can be of the type EXPRESS.

Source: Step Functions Developer Guide, "Choosing workflow type in Step Functions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lokki_tf.testing.state_machines.findings import SCHEMA, Finding
from lokki_tf.testing.state_machines.map_fields import is_distributed, processor_of
from lokki_tf.testing.state_machines.resources import ACTIVITY_ARN, parse_resource
from lokki_tf.testing.state_machines.values import Json


def examine_express(scope: Mapping[str, Json], location: str) -> Iterator[Finding]:
    """Yield findings for states that an Express execution cannot run.

    Args:
        scope: The processor of a Distributed Map, a branch, or the processor of an inline map.
        location: Its path in the definition.
    """
    states = scope.get("States")
    for name, state in states.items() if isinstance(states, dict) else ():
        here = f"{location}/States/{name}"
        if not isinstance(state, dict):
            continue
        integration = parse_resource(str(state.get("Resource")))
        if integration is not None and integration.pattern:
            pattern = integration.pattern.removesuffix(":2")
            message = f"Express state machine does not support '{pattern}' service integration"
            yield Finding(SCHEMA, message, f"{here}/Resource")
        if ACTIVITY_ARN.match(str(state.get("Resource"))):
            message = "Express state machine does not support Activity ARN"
            yield Finding(SCHEMA, message, f"{here}/Resource")
        if is_distributed(state):
            message = "Express state machine does not support Distributed Maps"
            yield Finding(SCHEMA, message, here)
            continue
        branches = state.get("Branches")
        for position, branch in enumerate(branches if isinstance(branches, list) else ()):
            if isinstance(branch, dict):
                yield from examine_express(branch, f"{here}/Branches[{position}]")
        yield from examine_express(processor_of(state), f"{here}/ItemProcessor")
