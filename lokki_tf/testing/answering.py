"""Answers to the steps of an execution that wait for one, while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lokki_tf.operate.waiting import Waiting
    from lokki_tf.runtime.context import RunContext

_PAUSE = 0.05  # seconds between two looks at the history


@contextmanager
def answering(
    client: Callable[[str], Any],
    state_machine: str,
    name: str | None,
    answers: Mapping[str, Any] | None,
) -> Iterator[None]:
    """Answer the steps of an execution that wait, until the block ends.

    Args:
        client: Returns a client of a service.
        state_machine: ARN or name of the state machine.
        name: Name of the execution.
        answers: By the name of a node: the answer, an exception, or a function that receives the
            step's ``run_context()`` and returns the answer.
    """
    if not answers:
        yield
        return
    ended = Event()
    clients = {one: client(one) for one in ("stepfunctions", "lambda", "s3")}
    if not state_machine.startswith("arn:"):
        state_machines = clients["stepfunctions"].list_state_machines()["stateMachines"]
        known = {one["name"]: one["stateMachineArn"] for one in state_machines}
        state_machine = known.get(state_machine, state_machine)
    execution = f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"
    thread = Thread(target=_answer, args=(clients, execution, answers, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _answer(
    clients: Mapping[str, Any], execution: str, answers: Mapping[str, Any], ended: Event
) -> None:
    from botocore.exceptions import ClientError

    from lokki_tf.operate.waiting import waiting_tasks

    def pages(_service: str, operation: str, **parameters: Any) -> Iterable[Mapping[str, Any]]:
        paginator = clients["stepfunctions"].get_paginator(operation)
        found: Iterable[Mapping[str, Any]] = paginator.paginate(**parameters)
        return found

    done: set[str] = set()
    while not ended.wait(_PAUSE):
        try:
            for task in waiting_tasks(pages, execution):
                if task.node in answers and task.token not in done:
                    done.add(task.token)
                    _send(clients, task, answers[task.node])
        except ClientError:  # the execution has not begun, or the task has ended meanwhile
            continue


def _send(clients: Mapping[str, Any], task: Waiting, given: Any) -> None:
    from lokki_tf.runtime.answers import answer_text, answered

    client = clients["stepfunctions"]
    try:
        value = answered(given, lambda: _context(clients, task))
    except Exception as error:
        name = type(error).__name__
        client.send_task_failure(taskToken=task.token, error=name, cause=str(error))
    else:
        client.send_task_success(taskToken=task.token, output=answer_text(value))


def _context(clients: Mapping[str, Any], task: Waiting) -> RunContext:
    """Return what ``run_context()`` returns in a step, whose function has other rights."""
    from lokki_tf.runtime.event_context import of_event
    from lokki_tf.runtime.store import request_of

    def read(uris: list[str]) -> Mapping[str, bytes]:
        s3 = clients["s3"]
        return {uri: s3.get_object(**request_of(uri))["Body"].read() for uri in uris}

    # Pickles refer to classes of __main__ in this process by that name.
    event = {name: one for name, one in task.event.items() if name != "main"}
    own = clients["lambda"].get_function_configuration(FunctionName=task.function)
    return of_event(event, event.get("place"), own["Environment"]["Variables"], read)
