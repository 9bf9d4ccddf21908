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

from .plan import function_name

if TYPE_CHECKING:
    from lokki_tf.model import Definition

    from .account import Account
    from .plan import StackPlan

RULE_NAME_LENGTH, QUEUE_NAME_LENGTH = 64, 80
FAILED = ["FAILED", "TIMED_OUT", "ABORTED"]
"""The statuses of executions that have failed."""


def rule_name(pipeline: str) -> str:
    """Return the name of the rule; names of pipelines contain no dot."""
    return shortened(f"{pipeline}.failures", RULE_NAME_LENGTH)


def queue_name(pipeline: str) -> str:
    """Return the name of the queue of notices that could not be sent."""
    return shortened(f"{pipeline}-failures", QUEUE_NAME_LENGTH)


def notified_arn(definition: Definition, account: Account) -> str:
    """Return the ARN of the receiver: the topic, or the function of the step.

    Args:
        definition: The pipeline, with ``on_failure=``.
        account: The account and region.
    """
    to = definition.on_failure
    if isinstance(to, Step):
        return account.arn("lambda", f"function:{function_name(definition.name, to.name)}")
    return str(to)


def event_pattern(machine: str) -> str:
    """Return the event pattern of the rule, as JSON.

    Args:
        machine: ARN of the state machine.
    """
    return json.dumps(
        {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"status": FAILED, "stateMachineArn": [machine]},
        }
    )


def variables(plan: StackPlan, notified: str) -> dict[str, str]:
    """Return the environment of the function that sends notices.

    Args:
        plan: The stack plan of a pipeline with ``on_failure=``.
        notified: ARN of the topic, or of the step's function.
    """
    definition = plan.definition
    found = {failures.PIPELINE: definition.name, failures.NOTIFY: notified}
    if isinstance(definition.on_failure, Step):
        found[failures.NOTIFIED_STEP] = json.dumps(_step(definition.on_failure, plan))
    return found


def _step(step: Step, plan: StackPlan) -> dict[str, Any]:
    rules = Rules(step.options.retry, main_module())
    asks = {"context": True} if step in plan.asking else {}
    return {"node": step.name, "retry": rules.reported(), "again": rules.again(), **asks}
