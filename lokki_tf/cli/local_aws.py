"""``run --local-aws``: an execution of the pipeline's state machine on this computer."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import AwsError, ExecutionFailed, OptionError
from lokki_tf.pipeline.reports import write_report

from .common import settings
from .running import wait_for_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lokki_tf.operate.execution import Execution
    from lokki_tf.operate.logs import LogLine
    from lokki_tf.pipeline import Pipeline

_REGION = "us-east-1"
_POLL = 0.5  # seconds between two readings of the logs


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
            with _shown_output(run):
                wait_for_result(run, as_json, quiet, outlives=False)
        except ExecutionFailed as error:
            # The remedies for AWS name commands, which cannot reach the local AWS after its end.
            text = error.message.replace(" in AWS", " on the local AWS")
            raise ExecutionFailed(text, trace=error.trace) from None
        finally:
            if report is not None:
                write_report(report, run.to_html())


@contextmanager
def _shown_output(run: Execution[Any]) -> Iterator[None]:
    """Print what the steps print while the context is open, and all of it at its end.

    A thread reads the logs; the lines appear above a display of progress.
    """
    from lokki_tf.operate.logs import Wanted, log_lines

    ended = threading.Event()
    wanted = Wanted((), run.run.began.timestamp() - 1, run=run.name)
    lines = log_lines(run.deployed, wanted, ended.is_set, lambda _: ended.wait(_POLL))
    reader = threading.Thread(target=_print_output, args=(lines,), daemon=True)
    reader.start()
    try:
        yield
    except KeyboardInterrupt:
        ended.set()  # the local AWS ends, and its logs with it
        raise
    except BaseException:
        ended.set()
        reader.join()
        raise
    ended.set()
    reader.join()


def _print_output(lines: Iterable[LogLine]) -> None:
    with suppress(AwsError):  # of a local AWS that has ended
        for text in _without_tracebacks(line.text for line in lines if not line.entry):
            click.echo(text, err=True)


def _without_tracebacks(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines without the tracebacks that Lambda adds; ``[ERROR]`` waits for the next line."""
    hidden, held = False, None
    for line in lines:
        if held is not None:
            hidden = line.startswith("Traceback (most recent")
            if not hidden:
                yield held
            held = None
        hidden = hidden and line.startswith(("Traceback (most recent", " "))
        if line.startswith("[ERROR] "):
            held = line
        elif not hidden:
            yield line
    if held is not None:
        yield held


def _refuse_callbacks(pipeline: Pipeline) -> None:
    """Raise an error for a step that waits for an answer, for which nobody would be asked."""
    for node in pipeline.definition.asking:
        raise OptionError(
            f"step {node.step.name!r} waits for an answer; run --local-aws asks for none",
            place=node.step.place,
            remedy="run it without --local-aws, which asks here, or write "
            f"LocalAws.run(pipeline, answers={{{node.step.name!r}: …}}) in Python",
        )
