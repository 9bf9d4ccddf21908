"""The command that answers steps with ``callback=True``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .common import as_json_text, write
from .stacks import deployed_of, options_of_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.operate.waiting import Waiting
    from lokki_tf.pipeline import Pipeline


def answer_command(pipeline: Pipeline) -> click.Command:
    """``answer``."""

    @click.command("answer")
    @options_of_stack
    @click.argument("token", required=False)
    @click.option("--run", help="The run's name; by default all that have not ended.")
    @click.option("--step", help="The step that waits.")
    @click.option("--item", help="The index of its item, in a map; 2,0 in a map inside a map.")
    @click.option("--value", help='The answer, as JSON: true, "yes", {"price": 3}.')
    @click.option("--error", help="Let the step fail with an error of this name.")
    @click.option("--message", default="", help="The text of the error.")
    @click.option("--json", "as_json", is_flag=True, help="List what waits as JSON.")
    def answer(
        region: str | None,
        stack_name: str | None,
        token: str | None,
        run: str | None,
        step: str | None,
        item: str | None,
        value: str | None,
        error: str | None,
        message: str,
        as_json: bool,
    ) -> None:
        """Answer a step that waits for it, by --run and --step or by its token.

        Without --value or --error, list the steps that wait.
        """
        from lokki_tf.operate import waiting

        if value is not None and error is not None:
            raise click.UsageError("--value and --error exclude each other")
        if message and error is None:
            raise click.UsageError("--message is the text of an --error, which is not given")
        parsed = _parsed(value)
        deployed = deployed_of(pipeline, region, stack_name)
        task: Waiting | str | None = token
        if token is None or (value is None and error is None):
            found = waiting.waiting_steps(deployed, run)
            found = [
                one
                for one in found
                if step in (None, one.node)
                and token in (None, one.token)
                and item in (None, _item(one))
            ]
            if value is None and error is None:
                _list(found, as_json)
                return
            task = _only(found)
        assert task is not None
        if error is not None:
            waiting.refuse(deployed.aws, task, error, message)
        else:
            waiting.answer(deployed.aws, task, parsed)

    return answer


def _parsed(value: str | None) -> Any:
    if value is None:
        return None
    try:
        return json.loads(value)
    except ValueError as error:
        raise click.UsageError(
            f"--value must be JSON, such as true, 5 or '\"text\"', got {value!r}: {error}"
        ) from None


def _item(one: Waiting) -> str | None:
    if isinstance(one.item, tuple):
        return ",".join(map(str, one.item))
    return None if one.item is None else str(one.item)


def _only(found: Sequence[Waiting]) -> Waiting:
    if len(found) == 1:
        return found[0]
    if not found:
        raise click.UsageError("no such step waits for an answer; `answer` lists those that do")
    listed = "\n".join(
        f"  --run {one.run} --step {one.node}" + (f" --item {_item(one)}" if _item(one) else "")
        for one in found
    )
    raise click.UsageError(f"{len(found)} steps wait for an answer; choose one:\n{listed}")


def _list(found: Sequence[Waiting], as_json: bool) -> None:
    if as_json:
        fields = [
            {
                "run": one.run,
                "step": one.node,
                "item": list(one.item) if isinstance(one.item, tuple) else one.item,
                "token": one.token,
                "since": one.since.isoformat(),
            }
            for one in found
        ]
        write(as_json_text(fields, indent=2))
    elif found:
        from .tables import waiting_table

        waiting_table(found)
    else:
        click.echo("no step waits for an answer", err=True)
