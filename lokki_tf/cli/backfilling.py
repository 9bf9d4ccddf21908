"""``start --backfill`` and ``run --backfill``: a run for each of many values of a parameter."""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.errors import LokkiError, OptionError, UnconfirmedError

from .common import (
    FAILED,
    as_json_text,
    count,
    given_flags,
    parameters_of,
    settings,
    write,
)
from .parameters import BACKFILL, BACKFILLED, converted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from lokki_tf.local import Event
    from lokki_tf.operate.backfill_values import BackfillOutcome, BackfillValue
    from lokki_tf.operate.backfilling import BackfillRun
    from lokki_tf.operate.deployed import Deployed
    from lokki_tf.pipeline import Pipeline

_MOST_VALUES = 10_000  # above this number, a confirmation is required
_MOST_RUNS = 4

_OPTIONS = (
    click.option(
        "--backfill",
        BACKFILL,
        metavar="VALUES",
        is_eager=True,  # options of parameters depend on it, and on --param
        help="A run for each value of --param: a range of days (2024-01-01..2024-01-31), weeks "
        "(2024-W01..2024-W10), months (2024-01..2024-12) or hours (2024-01-01T00..2024-01-01T23), "
        "both ends included; a list (a,b,c); or a file (@FILE) with a value on each line. What has "
        "succeeded before does not run again.",
    ),
    click.option(
        "--param",
        BACKFILLED,
        metavar="NAME",
        is_eager=True,
        help="With --backfill: the parameter that has these values.",
    ),
    click.option(
        "--every",
        type=click.IntRange(min=1),
        help="With --backfill: 2 for every second day, week, month or hour of a range.",
    ),
    click.option(
        "--auto-approve",
        "approved",
        is_flag=True,
        help=f"With --backfill: no confirmation of more than {_MOST_VALUES:,} values.",
    ),
)
_OPTIONS_IN_AWS = (
    click.option(
        "--again", is_flag=True, help="With --backfill: start values again that failed before."
    ),
    click.option(
        "--max-concurrent-runs",
        "most_runs",
        type=click.IntRange(min=1),
        help=f"With --backfill: the most runs at one time.  [default: {_MOST_RUNS}]",
    ),
)


@dataclass(frozen=True, slots=True)
class Backfill:
    """The options of a backfill.

    Args:
        text: The values, as typed.
        parameter: Name of the parameter.
        every: Distance between the intervals of ranges, if given.
        approved: Whether any number of values is confirmed.
        again: Whether values are started again that failed before.
        most_runs: Largest number of runs at one time.
    """

    text: str
    parameter: str
    every: int | None = None
    approved: bool = False
    again: bool = False
    most_runs: int = _MOST_RUNS

    def refuse(self, *flags: str) -> None:
        """Refuse options that a backfill would ignore.

        Args:
            flags: The options.

        Raises:
            click.UsageError: If one is given.
        """
        for flag in given_flags():
            if flag in flags:
                raise click.UsageError(
                    f"{flag} cannot be combined with --backfill; remove one of them"
                )

    def values(
        self, pipeline: Pipeline, others: Mapping[str, Any], command: str
    ) -> list[BackfillValue]:
        """Return the values, which are valid and confirmed.

        Args:
            pipeline: The pipeline.
            others: The other parameters of all runs, by name.
            command: Name of the command.

        Raises:
            BindingError: If a parameter is missing or too large.
            click.UsageError: If a value or the parameter is not valid.
            UnconfirmedError: If there are many values, and they are not confirmed.
        """
        from lokki_tf.operate.backfill_values import backfill_values, zone_of

        declared = {one.name: one for one in parameters_of(pipeline)}
        _ = pipeline.definition  # its errors are reported first
        if self.parameter not in declared:
            names = ", ".join(declared) or "it has none"
            raise click.UsageError(
                f"--param must name a parameter of {pipeline.name} ({names}), got "
                f"{self.parameter!r}"
            )
        if self.parameter in others:
            raise click.UsageError(
                f"--{self.parameter} cannot be combined with --param {self.parameter}, which sets "
                "it; remove one of them"
            )
        parameter, zone = declared[self.parameter], zone_of(settings())
        convert = functools.partial(converted, parameter.kind)
        try:
            found = backfill_values(self.text, parameter, convert, zone, self.every)
        except OptionError as error:
            raise click.UsageError(_sentence(error)) from None
        self._confirm(len(found), command)
        values = list(found)
        largest = max(values, key=lambda one: len(one.text))
        pipeline.check_parameters(largest.given(self.parameter, others))
        return values

    def _confirm(self, number: int, command: str) -> None:
        if self.approved or number <= _MOST_VALUES:
            return
        text = f"--backfill {self.text} has {number:,} values"
        if not sys.stdin.isatty():
            raise UnconfirmedError(
                f"{text}; more than {_MOST_VALUES:,} require a confirmation, and there is no "
                "terminal",
                remedy=f"check the range; {command} --auto-approve needs no confirmation",
            )
        if not click.confirm(f"{text}. Continue?", err=True):
            raise UnconfirmedError("nothing was started", remedy="answer y to confirm")


def backfill_options(*, in_aws: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the options of backfills to a command.

    The command's function receives ``backfill``, which is ``None`` without ``--backfill``.

    Args:
        in_aws: Whether the runs are in AWS.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = (*_OPTIONS, *(_OPTIONS_IN_AWS if in_aws else ()))

        @functools.wraps(function)
        def called(**given: Any) -> None:
            names = (BACKFILL, BACKFILLED, "every", "approved", "again", "most_runs")
            taken = {name: given.pop(name, None) for name in names}
            return function(**given, backfill=_requested(**taken))

        for option in reversed(own):
            called = option(called)
        return called

    return decorate


def _requested(
    *,
    backfill: str | None,
    backfilled: str | None,
    every: int | None,
    approved: bool | None,
    again: bool | None,
    most_runs: int | None,
) -> Backfill | None:
    if backfill is None:
        for flag in given_flags():
            if flag in _WITH_BACKFILL:
                raise click.UsageError(f"{flag} requires --backfill")
        return None
    if backfilled is None:
        raise click.UsageError("--backfill requires --param NAME, the parameter with these values")
    return Backfill(
        backfill, backfilled, every, bool(approved), bool(again), most_runs or _MOST_RUNS
    )


_WITH_BACKFILL = ("--param", "--every", "--auto-approve", "--again", "--max-concurrent-runs")


def _sentence(error: LokkiError) -> str:
    return "; ".join(filter(None, (error.message, error.remedy)))


def start_backfill(
    deployed: Deployed,
    backfill: Backfill,
    values: Sequence[BackfillValue],
    others: Mapping[str, Any],
    *,
    name: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a pipeline in AWS for each value, and print how the runs have ended.

    Args:
        deployed: The pipeline.
        backfill: The options.
        values: The values.
        others: The other parameters of all runs, by name.
        name: With which the names of runs begin.
        as_json: Whether the summary is printed as JSON.
        quiet: Whether no progress is shown.

    Raises:
        SystemExit: If a run has failed.
    """
    from lokki_tf.operate import backfilling

    try:
        planned = backfilling.planned(values, backfill.parameter, others, name)
    except OptionError as error:
        raise click.UsageError(_sentence(error)) from None
    found = backfilling.found_runs(deployed, planned)
    left = sum(one.has_succeeded or (one.has_failed and not backfill.again) for one in found)
    if not quiet:
        _print_state(found, backfill)
    with (
        continued("runs that have begun continue in AWS; the same command waits for them, and"),
        progress(len(found) - left, quiet=quiet) as on_event,
    ):
        ended = {
            one.value.text: one.outcome
            for one in backfilling.backfill(
                deployed, found, most=backfill.most_runs, again=backfill.again, on_event=on_event
            )
        }
    outcomes = [ended[one.value.text] for one in planned]
    failed = [one for one in outcomes if not one.has_succeeded]
    if failed:
        command = deployed.stack.command
        words = [f"{command('start --backfill …')} --again starts the failed values anew"]
        stack = deployed.stack
        if stack.definition.cleanup is None and not stack.config.lambda_.versions:
            redrive = command(f"redrive --run {failed[0].run}")
            words.append(f"{redrive} continues one from the step that failed")
        click.echo(f"once fixed: {'; '.join(words)}", err=True)
    print_outcomes(outcomes, backfill.parameter, as_json=as_json)


def _print_state(found: Sequence[BackfillRun], backfill: Backfill) -> None:
    """Print what earlier calls have done, if anything."""
    numbers = {
        "succeeded before": sum(one.has_succeeded for one in found),
        "running": sum(one.is_running for one in found),
        "failed before": sum(one.has_failed for one in found),
    }
    parts = [f"{number:,} {words}" for words, number in numbers.items() if number]
    if parts:
        more = "; --again starts the failed ones again"
        hint = more if numbers["failed before"] and not backfill.again else ""
        click.echo(f"{count(len(found), 'run')}: {', '.join(parts)}{hint}", err=True)


@contextmanager
def continued(begun: str = "the same command") -> Iterator[None]:
    """Print how a backfill continues, if it is interrupted or fails.

    Args:
        begun: The beginning of the sentence, about runs that have begun.
    """
    try:
        yield
    except (KeyboardInterrupt, LokkiError):
        click.echo(f"\n{begun} starts the runs that are left", err=True)
        raise


def progress(
    total: int, *, quiet: bool, live: bool = True
) -> AbstractContextManager[Callable[[Event], None] | None]:
    """Return a listener that shows the runs of a backfill as steps.

    Args:
        total: Number of the runs.
        quiet: Whether nothing is shown.
        live: Whether a live display is allowed.
    """
    from lokki_tf.reporting import listener_for

    if quiet:
        return nullcontext()
    return listener_for(total=total, level=settings().logging.level, live=live)


def print_outcomes(outcomes: Sequence[BackfillOutcome], parameter: str, *, as_json: bool) -> None:
    """Print how the runs of a backfill have ended: counts, and the failed values.

    Args:
        outcomes: The outcomes.
        parameter: Name of the parameter.
        as_json: Whether everything is printed as JSON.

    Raises:
        SystemExit: If a run has failed.
    """
    failed = [one for one in outcomes if not one.has_succeeded]
    earlier = sum(one.has_succeeded and one.earlier for one in outcomes)
    numbers = {
        "succeeded": len(outcomes) - len(failed),
        "earlier": earlier,
        "failed": len(failed),
    }
    if as_json:
        runs = [one.as_json() for one in outcomes]
        write(as_json_text({"parameter": parameter, **numbers, "runs": runs}, indent=2))
    else:
        before = f" ({earlier:,} of them before)" if earlier else ""
        write(f"{numbers['succeeded']:,} succeeded{before}, {len(failed):,} failed")
        if failed:
            from .tables import backfill_table

            backfill_table(parameter, failed)
    if failed:
        raise SystemExit(FAILED)
