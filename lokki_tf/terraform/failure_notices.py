"""Failure notices: names, environment and event pattern of their rule, queue and function.

Source of the pattern: Step Functions Developer Guide, "Automating Step Functions event delivery
with EventBridge". Executions of a Distributed Map's items have the ARN of the state machine with
the map's label, which the exact ARN does not match.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.asl.retries import Rules
from lokki_tf.model import Step, shortened
from lokki_tf.packaging import main_module
from lokki_tf.runtime import failures

from .names import QUEUE_NAME_LENGTH, RULE_NAME_LENGTH, function_name
from .triggers import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.model import Definition, TextOrRef

    from .account import Account
    from .plan import StackPlan


def rule_name(pipeline: str) -> str:
    """Return the name of the rule; names of pipelines contain no dot."""
    return shortened(f"{pipeline}.failures", RULE_NAME_LENGTH)


def queue_name(pipeline: str) -> str:
    """Return the name of the queue of notices that could not be sent."""
    return shortened(f"{pipeline}-failures", QUEUE_NAME_LENGTH)


def called_steps(definition: Definition) -> tuple[Step, ...]:
    """Return the steps that the function of notices calls: of ``on_failure=`` and ``cleanup=``.

    Args:
        definition: The pipeline.
    """
    notified, cleanup = definition.on_failure, definition.cleanup
    steps = [notified] if isinstance(notified, Step) else []
    return tuple(dict.fromkeys([*steps, *([cleanup.step] if cleanup else [])]))


def called_arn(definition: Definition, account: Account, step: Step) -> str:
    """Return the ARN of a step's function, built from its name.

    Args:
        definition: The pipeline.
        account: The account and region.
        step: The step.
    """
    return account.arn("lambda", f"function:{function_name(definition.name, step.name)}")


def event_pattern(state_machine: str) -> str:
    """Return the event pattern of the rule, as JSON.

    Args:
        state_machine: ARN of the state machine.
    """
    return json.dumps(
        {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"status": FAILED, "stateMachineArn": [state_machine]},
        }
    )


def variables(
    plan: StackPlan, arn_of: Callable[[Step], str], text: Callable[[TextOrRef], str]
) -> dict[str, str]:
    """Return the environment of the function that sends notices.

    Args:
        plan: The stack plan of a pipeline with ``on_failure=`` or ``cleanup=``.
        arn_of: Returns the ARN of a step's function.
        text: Returns a text as it is written, and the value of a reference.
    """
    definition = plan.definition
    found, to = {failures.PIPELINE: definition.name}, definition.on_failure
    if isinstance(to, Step):
        found[failures.NOTIFY] = arn_of(to)
        found[failures.NOTIFIED_STEP] = json.dumps(_step(to, plan))
    elif to is not None:
        found[failures.NOTIFY] = text(to)
    if plan.state_machine.cleanup is not None:
        check = {"check": plan.state_machine.check} if plan.state_machine.check else {}
        found[failures.CLEANUP] = json.dumps({**plan.state_machine.cleanup._asdict(), **check})
    return found


def _step(step: Step, plan: StackPlan) -> dict[str, Any]:
    rules = Rules(step.options.retry, main_module())
    asks = {"context": True} if step in plan.asking else {}
    return {"node": step.name, "retry": rules.reported(), "again": rules.again(), **asks}
