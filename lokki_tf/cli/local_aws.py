"""``run --local-aws``: an execution of the pipeline's state machine on this computer."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import ExecutionFailed, OptionError
from lokki_tf.pipeline.reports import write_report

from .common import settings
from .running import wait_for_result

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.pipeline import Pipeline

_REGION = "us-east-1"


def run_on_local_aws(
    pipeline: Pipeline,
    parameters: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
    wait_scale: float,
    report: Path | None = None,
) -> None:
    """Execute a pipeline on a local AWS and print only its result on stdout.

    Args:
        pipeline: The pipeline.
        parameters: Values of its parameters, by name.
        as_json: Whether the result is printed as JSON.
        quiet: Whether no progress is shown.
        wait_scale: The factor of waits.
        report: The file of a report, if one is written, even if the execution fails.

    Raises:
        BindingError: If a parameter is missing, unknown or of the wrong type.
        DefinitionError: If the pipeline has errors.
        ExecutionFailed: If the execution does not succeed.
        MissingToolError: If the packages of a local AWS are not installed.
    """
    from lokki_tf.operate.deployed import find
    from lokki_tf.operate.execution import start
    from lokki_tf.operate.stack import Stack
    from lokki_tf.testing import LocalAws

    pipeline.check_parameters(parameters)
    _refuse_callbacks(pipeline)
    config = settings()
    region, scale = config.aws.region or _REGION, wait_scale
    with LocalAws(region, retry_delay_scale=scale, wait_scale=scale) as aws:
        aws.register(pipeline, stage=config.stage)
        local = replace(config.aws, endpoint=aws.endpoint_url, region=aws.region, profile=None)
        stack = Stack.of(pipeline.definition, replace(config, aws=local))
        run = start(find(stack), parameters, allow_pickle=True)
        try:
            wait_for_result(run, as_json, quiet, outlives=False)
        except ExecutionFailed as error:
            # The remedies for AWS name commands, which cannot reach the local AWS after its end.
            text = error.message.replace(" in AWS", " on the local AWS")
            raise ExecutionFailed(text, trace=error.trace) from None
        finally:
            if report is not None:
                write_report(report, run.to_html())
            _show_output([line.text for line in run.logs() if not line.entry])


def _show_output(lines: list[str]) -> None:
    """Print what the steps have printed, without the tracebacks that Lambda adds."""
    hidden = False
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        is_error = line.startswith("[ERROR] ") and following.startswith("Traceback (most recent")
        hidden = is_error or (hidden and line.startswith(("Traceback (most recent", " ")))
        if not hidden:
            click.echo(line, err=True)


def _refuse_callbacks(pipeline: Pipeline) -> None:
    """Raise an error for a step that waits for an answer, for which nobody would be asked."""
    for node in pipeline.definition.asking:
        raise OptionError(
            f"step {node.step.name!r} waits for an answer; run --local-aws asks for none",
            place=node.step.place,
            remedy="run it without --local-aws, which asks here, or write "
            f"LocalAws.run(pipeline, answers={{{node.step.name!r}: …}}) in Python",
        )
