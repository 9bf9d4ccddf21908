"""``cost``: what a run and a month cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .common import as_json_text, settings, write
from .stacks import deployed_of, options_of_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.operate.execution import Execution
    from lokki_tf.pipeline import Pipeline


def _numbers(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, float]:
    """Return numbers by name, under an empty name that for all: ``100`` or ``NAME=100``."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            problem = f"must be a number, or NAME=number, got {text!r}"
            raise click.BadParameter(problem, context, option) from None
    return found


def _numbered(option: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(option, multiple=True, callback=_numbers, metavar="[NAME=]N", help=text)


def cost_command(pipeline: Pipeline) -> click.Command:
    """``cost``."""

    @click.command("cost")
    @options_of_stack
    @_numbered("--items", "Items of maps, or of one.")
    @_numbered("--seconds", "Seconds of a call, or of a step's.")
    @_numbered("--calls", "STEP=N: calls where it is entered once: polls, retries, loops.")
    @click.option("--runs", type=float, help="Runs a month, instead of those of the schedules.")
    @click.option("--stored-mb", type=float, default=0.0, help="MB that a run stores in S3.")
    @click.option("--run", help="Use what this run in AWS has used.")
    @click.option(
        "--last", type=click.IntRange(min=1), help="Use what the last N successful runs have used."
    )
    @click.option(
        "--prices", type=click.Path(exists=True, dir_okay=False), help="A file with prices."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def cost(
        region: str | None,
        stack_name: str | None,
        items: dict[str, float],
        seconds: dict[str, float],
        calls: dict[str, float],
        runs: float | None,
        stored_mb: float,
        run: str | None,
        last: int | None,
        prices: str | None,
        as_json: bool,
    ) -> None:
        """Estimate what a run and a month cost, with the changes that save most."""
        if run is not None and last is not None:
            raise click.UsageError("--run cannot be combined with --last; remove one of them")
        if "" in calls:
            raise click.UsageError("--calls requires the name of a step: --calls STEP=N")
        named = pipeline if stack_name is None else pipeline.named(stack_name)
        found = named.cost(
            items=items,
            seconds=seconds,
            calls=calls,
            runs=runs,
            stored_mb=stored_mb,
            executions=_executions(pipeline, region, stack_name, run, last),
            prices=prices,
            region=region,
            config=settings(),
        )
        write(as_json_text(found.as_json(), indent=2) if as_json else str(found))

    return cost


def _executions(
    pipeline: Pipeline, region: str | None, stack: str | None, run: str | None, last: int | None
) -> list[Execution]:
    """Return the real runs whose usage is wanted."""
    if run is None and last is None:
        return []
    from lokki_tf.operate.execution import execution, executions

    deployed = deployed_of(pipeline, region, stack)
    if run is not None:
        return [execution(deployed, run)]
    found = [one for one in executions(deployed, 1000) if one.seen.status == "SUCCEEDED"][:last]
    if not found:
        raise click.UsageError(f"{deployed.stack.name} has no successful run in AWS yet")
    return found
