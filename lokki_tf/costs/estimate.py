"""What a run and a month of a pipeline cost, part by part, and what would save most.

Not counted: free tiers, discounts, taxes, data transfer, EventBridge, X-Ray, keys, NAT gateways,
started pipelines, initialisation of functions, and instances of jobs on EC2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lokki_tf.checks.express import fits
from lokki_tf.errors import OptionError
from lokki_tf.model import Map, Wait
from lokki_tf.model.wording import count

from .rates import runs_a_month
from .result import Estimate, Saving
from .usage import Usage
from .walk import Changed, Scope, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.config import Config
    from lokki_tf.model import Step
    from lokki_tf.terraform.plan import StackPlan

    from .prices import Prices

USUAL_ITEMS, USUAL_SECONDS, USUAL_RUNS = 100.0, 1.0, 30.0
REST = "state machine"
_MOST = 1e15
_BATCH = 50
_SAVINGS, _LEAST_SHARE = 3, 0.01
_LEAST_MB, _ROOM = 128, 1.5  # of a function, and how much more than it has used
_NAMED = 5  # steps in a note
_HELPER_SECONDS, _HELPER_MB = 0.1, 128
_LOG_BYTES_OF_CALL = 1_000  # Lambda's three lines, and those of the step's runtime
_LOG_BYTES_OF_TRANSITION = 2_000  # some events of a state machine that logs all
_EXPRESS_GB = 64 / 1024  # memory of Express executions is billed in chunks of 64 MB
_LEAST_JOB_SECONDS = 60  # AWS Fargate pricing: one minute at least
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not known before a run.

    Args:
        items: Number of items of each map, by its name; under an empty name, that of all others.
        seconds: Seconds of a call (or of an item of a batch), by step; under an empty name, those
            of all steps without ``expected_seconds=``.
        calls: How often a step is called where it is entered once: polls, retries, loops.
        runs: Runs a month; by default those of the pipeline's schedules, else 30.
        stored_mb: Megabytes that a run stores in the bucket.
        observed: The number of real runs from which calls, durations and items are.
        used_mb: The most memory that a call has used, in MB, by step, where it is known.
    """

    items: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, float] = field(default_factory=dict)
    runs: float | None = None
    stored_mb: float = 0.0
    observed: int = 0
    used_mb: Mapping[str, float] = field(default_factory=dict)

    def items_of(self, name: str) -> float:
        """Return the number of items of a map."""
        return self.items.get(name, self.items.get("", USUAL_ITEMS))


def estimate(
    plan: StackPlan, config: Config, prices: Prices, assumed: Assumptions | None = None
) -> Estimate:
    """Return what a run and a month of a pipeline cost, from its compiled state machine.

    Args:
        plan: The stack plan of the pipeline.
        config: Settings, as in ``lokki.toml``.
        prices: The prices of its region.
        assumed: What is not known before a run.

    Raises:
        OptionError: If an assumption is about a step or map that does not exist, or not a number
            of at least 0.
    """
    found = _Estimator(plan, config, prices, assumed or Assumptions())
    found.check()
    rows = found.rows()
    runs, why = found.runs()
    made = Estimate(plan.definition.name, prices, rows, runs, (*found.notes(), why))
    return replace(made, savings=found.savings(made.run_usd))


def steps_by_placeholder(plan: StackPlan) -> dict[str, Step]:
    """Return the steps of a plan by the placeholders of their functions and jobs."""
    return {one.placeholder: one.step for one in plan.parts}


def step_of(state: Mapping[str, Any], steps: Mapping[str, Step]) -> Step | None:
    """Return the step that a state runs; ``None`` for other states."""
    given = state.get("Parameters", {})
    named = given.get("FunctionName", given.get("JobDefinition"))
    match = _PLACEHOLDER.search(named) if isinstance(named, str) else None
    return steps.get(match[1]) if match else None


def scopes_of(plan: StackPlan, assumed: Assumptions, changed: Changed | None = None) -> list[Scope]:
    """Return how often the states of a pipeline are entered.

    Args:
        plan: The stack plan of the pipeline.
        assumed: The items of maps, and how often steps are called.
        changed: A change to one of its maps.
    """
    steps = steps_by_placeholder(plan)

    def visits(state: Mapping[str, Any]) -> float | None:
        step = step_of(state, steps)
        return None if step is None else assumed.calls.get(step.name, 1.0)

    machine = plan.state_machine.definition
    return walk(machine, assumed.items_of, visits, changed)


@dataclass(frozen=True)
class _Estimator:
    plan: StackPlan
    config: Config
    prices: Prices
    assumed: Assumptions

    @cached_property
    def steps(self) -> dict[str, Step]:
        return steps_by_placeholder(self.plan)

    @cached_property
    def maps(self) -> dict[str, Map]:
        graph = self.plan.definition.graph
        return {one.name: one for one in graph.every() if isinstance(one, Map)}

    def check(self) -> None:
        names = {one.name for one in self.steps.values()}
        for what, given, known in (
            ("items", self.assumed.items, set(self.maps)),
            ("seconds", self.assumed.seconds, names),
            ("calls", self.assumed.calls, names),
        ):
            for name, number in given.items():
                if name and name not in known:
                    kind = "map" if what == "items" else "step"
                    raise OptionError(
                        f"{what} of {name!r}: the pipeline has no such {kind}",
                        place=self.plan.definition.place,
                        remedy=f"its {kind}s are {', '.join(sorted(known)) or 'none'}",
                    )
                _refuse_negative(f"{what} of {name!r}" if name else what, number)
        _refuse_negative("stored_mb", self.assumed.stored_mb)
        if self.assumed.runs is not None:
            _refuse_negative("runs", self.assumed.runs)

    def rows(
        self,
        changed: Changed | None = None,
        *,
        arm: bool = False,
        memory: Mapping[str, int] = MappingProxyType({}),
    ) -> tuple[Usage, ...]:
        found: dict[str, Usage] = {}
        for scope in scopes_of(self.plan, self.assumed, changed):
            for name, often in scope.entered.items():
                self._add_state(found, name, scope, often, arm=arm, memory=memory)
            if scope.map:
                self._add_children(found, scope)
        return tuple(self._with_storage(found).values())

    def _seconds(self, step: Step) -> float:
        given = self.assumed.seconds.get(step.name, step.options.expected_seconds)
        return self.assumed.seconds.get("", USUAL_SECONDS) if given is None else given

    def _add_state(
        self,
        found: dict[str, Usage],
        name: str,
        scope: Scope,
        often: float,
        *,
        arm: bool,
        memory: Mapping[str, int],
    ) -> None:
        state = scope.states[name]
        step = step_of(state, self.steps)
        owner = step.name if step else name if state["Type"] == "Map" else REST
        row = found.setdefault(owner, Usage(owner))
        if not scope.express:
            row.add("transition", often)
            if self.config.state_machine.log_level == "ALL":
                row.add("log_gb", often * _LOG_BYTES_OF_TRANSITION / 1e9)
        if step is not None:
            seconds = often * self._seconds(step) * scope.items
            options = step.options
            options = replace(options, architecture="arm64") if arm else options
            options = replace(options, memory_size=memory.get(step.name, options.memory_size))
            _add_calls(row, replace(step, options=options), often, seconds)
        elif "FunctionName" in state.get("Parameters", {}):  # a helper's function
            row.add_lambda("x86_64", often, often * _HELPER_SECONDS, _HELPER_MB)
        resource = str(state.get("Resource", ""))
        row.add("s3_put", often * resource.endswith("s3:putObject"))
        row.add("s3_get", often * resource.endswith("s3:getObject"))
        row.add("s3_get", often * ("ItemReader" in state))
        # The list of items, the results and the manifest that names them.
        row.add("s3_put", often * (("ItemReader" in state) + 2 * ("ResultWriter" in state)))

    def _add_children(self, found: dict[str, Usage], scope: Scope) -> None:
        row = found[scope.map]
        row.add("transition", scope.children)
        if scope.express:
            called = (
                (step, often)
                for name, often in scope.entered.items()
                if (step := step_of(scope.states[name], self.steps)) is not None
            )
            seconds = sum(often * self._seconds(step) * scope.items for step, often in called)
            row.add("express_request", scope.children)
            row.add("express_gb_second", seconds * _EXPRESS_GB)

    def _with_storage(self, found: dict[str, Usage]) -> dict[str, Usage]:
        if self.assumed.stored_mb:
            row = found.setdefault(REST, Usage(REST))
            days = self.config.aws.run_data_days or 30
            row.add("s3_gb_month", self.assumed.stored_mb / 1024 * days / 30)
        return found

    def runs(self) -> tuple[float, str]:
        if self.assumed.runs is not None:
            return self.assumed.runs, f"{self.assumed.runs:g} runs a month were given"
        scheduled = runs_a_month(self.plan.definition)
        if scheduled:
            return scheduled, f"its schedules start about {scheduled:,.0f} runs a month"
        return USUAL_RUNS, f"{USUAL_RUNS:g} runs a month are assumed (--runs)"

    def notes(self) -> Iterator[str]:
        if self.assumed.observed:
            what = "calls, billed durations and items are those of"
            yield f"{what} {count(self.assumed.observed, 'real run')}"
        open_maps = [name for name in self.maps if name not in self.assumed.items]
        if open_maps:
            number = f"{self.assumed.items_of(''):,g} items"
            yield f"{number} are assumed for {', '.join(open_maps)} (--items MAP=N)"
        unknown = [
            step.name
            for step in self.steps.values()
            if step.name not in self.assumed.seconds and step.options.expected_seconds is None
        ]
        if unknown:
            names = ", ".join(unknown[:5]) + (
                f" and {len(unknown) - 5} more" if unknown[5:] else ""
            )
            number = f"{self.assumed.seconds.get('', USUAL_SECONDS):g} s a call"
            yield f"{number} are assumed for {names} (--seconds STEP=N, expected_seconds=)"
        polls = [one.name for one in self.steps.values() if one.options.poll is not None]
        if any(name not in self.assumed.calls for name in polls):
            yield f"one call of a poll is assumed for {', '.join(polls)} (--calls STEP=N)"
        if self.plan.definition.routes is not None and not self.assumed.calls:
            yield "each step is assumed to run once (--calls STEP=N)"
        if any(one.step.options.platform == "ec2" for one in self.plan.jobs):
            yield "instances of jobs on EC2 are not included"
        if self.prices.asked != self.prices.region:
            yield (
                f"there are no prices for {self.prices.asked}: those of {self.prices.region} are "
                "shown (--prices FILE)"
            )

    def savings(self, whole: float) -> tuple[Saving, ...]:
        found = [
            Saving(change, saved, saved / whole)
            for change, rows in self._changes()
            if (saved := whole - sum(one.usd(self.prices) for one in rows)) >= _LEAST_SHARE * whole
            and saved > 0
        ]
        found.sort(key=lambda one: -one.usd)
        return tuple(found[:_SAVINGS])

    def _changes(self) -> Iterator[tuple[str, tuple[Usage, ...]]]:
        before = _transitions(self.rows())
        for name, one in self.maps.items():
            if _may_batch(one):
                rows = self.rows(Changed(name, batch=_BATCH))
                share = 1 - _transitions(rows) / before
                number = f"{self.assumed.items_of(name):,g} items"
                yield (
                    f"batch_size={_BATCH} of map {name} ({number}): {share:.0%} fewer transitions",
                    rows,
                )
            if one.options.execution_type != "express" and fits(one) and _is_distributed(one):
                rows = self.rows(Changed(name, express=True))
                yield f'execution_type="express" of map {name}, whose items may run twice', rows
        if any(one.step.options.architecture == "x86_64" for one in self.plan.functions):
            yield 'architecture = "arm64" under [lambda]', self.rows(arm=True)
        for name, used in self.assumed.used_mb.items():
            step = next((one for one in self.steps.values() if one.name == name), None)
            least = max(_LEAST_MB, ceil(used * _ROOM / 64) * 64)
            if step is not None and not step.is_job and least < step.options.memory_size:
                change = f"memory_size={least} of step {name}, which used {used:,.0f} MB at most"
                yield f"{change} (less memory has less processor)", self.rows(memory={name: least})


def _add_calls(row: Usage, step: Step, calls: float, seconds: float) -> None:
    """Add calls of a step's function, or its jobs, which take some seconds together."""
    options = step.options
    row.calls += calls
    row.seconds += seconds
    row.add("log_gb", calls * _LOG_BYTES_OF_CALL / 1e9)
    if not step.is_job:
        row.add_lambda(options.architecture, calls, seconds, options.memory_size)
    elif options.platform != "ec2":
        hours = max(seconds, calls * _LEAST_JOB_SECONDS) / 3600
        row.add("fargate_vcpu_hour", hours * options.vcpu)
        row.add("fargate_gb_hour", hours * options.memory_mb / 1024)


def _transitions(rows: tuple[Usage, ...]) -> float:
    return sum(one.units["transition"] for one in rows)


def _is_distributed(one: Map) -> bool:
    return one.options.mode == "distributed"


def _may_batch(one: Map) -> bool:
    """Return whether a map accepts ``batch_size=``, by the rules of ``check``."""
    options = one.options
    if not _is_distributed(one) or options.batch_size > 1:
        return False
    if options.tolerated_failure_count is not None or options.tolerated_failure_percentage:
        return False
    return not any(
        isinstance(node, Map | Wait)
        or node.step.is_job
        or node.step.options.callback
        or node.step.options.poll is not None
        or not node.step.has_code
        for node in one.body.every()
    )


def _refuse_negative(what: str, number: float) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < _MOST:
        raise OptionError(f"{what} must be a number of at least 0, got {number!r}")
