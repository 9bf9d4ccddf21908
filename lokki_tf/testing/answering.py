"""Answers to the steps of an execution that wait for one, while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lokki_tf.operate.waiting import Waiting

_PAUSE = 0.05  # seconds between two looks at the history


@contextmanager
def answering(
    client: Any, state_machine: str, name: str | None, answers: Mapping[str, Any] | None
) -> Iterator[None]:
    """Answer the steps of an execution that wait, until the block ends.

    Args:
        client: A client of Step Functions.
        state_machine: ARN or name of the state machine.
        name: Name of the execution.
        answers: By the name of a node: the answer, an exception, or a function that receives the
            step's ``run_context()`` and returns the answer.
    """
    if not answers:
        yield
        return
    ended = Event()
    if not state_machine.startswith("arn:"):
        state_machines = client.list_state_machines()["stateMachines"]
        known = {one["name"]: one["stateMachineArn"] for one in state_machines}
        state_machine = known.get(state_machine, state_machine)
    execution = f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"
    thread = Thread(target=_answer, args=(client, execution, answers, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _answer(client: Any, execution: str, answers: Mapping[str, Any], ended: Event) -> None:
    from botocore.exceptions import ClientError

    from lokki_tf.operate.waiting import waiting_tasks

    def pages(_service: str, operation: str, **parameters: Any) -> Iterable[Mapping[str, Any]]:
        found: Iterable[Mapping[str, Any]] = client.get_paginator(operation).paginate(**parameters)
        return found

    done: set[str] = set()
    while not ended.wait(_PAUSE):
        try:
            for task in waiting_tasks(pages, execution):
                if task.node in answers and task.token not in done:
                    done.add(task.token)
                    _send(client, task, answers[task.node])
        except ClientError:  # the execution has not begun, or the task has ended meanwhile
            continue


def _send(client: Any, task: Waiting, given: Any) -> None:
    from lokki_tf.runtime.answers import answer_text, answered
    from lokki_tf.runtime.event_context import of_event

    try:
        value = answered(given, lambda: of_event(dict(task.event), task.event.get("place")))
    except Exception as error:
        name = type(error).__name__
        client.send_task_failure(taskToken=task.token, error=name, cause=str(error))
    else:
        client.send_task_success(taskToken=task.token, output=answer_text(value))
