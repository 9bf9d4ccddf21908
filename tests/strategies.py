"""Random pipelines, and what it means that two runs of one agree."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
import io
import itertools
import json
import math
import os
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import library
from hypothesis import assume
from hypothesis import strategies as st

from lokki_tf import (
    DAG,
    Failure,
    Flow,
    Parameter,
    Pipeline,
    RetryConfig,
    S3Csv,
    S3Json,
    S3JsonLines,
    TerraformRef,
    flow,
    part,
    start_pipeline,
    step,
    task,
    wait,
)
from lokki_tf.asl.text import escaped
from lokki_tf.authoring import Chain
from lokki_tf.authoring.arguments import argument as argument_of
from lokki_tf.authoring.arrows import task_of
from lokki_tf.authoring.options import retriers as made_retriers
from lokki_tf.authoring.tasks import Task
from lokki_tf.config.local_refs import variable_of
from lokki_tf.errors import OptionError, Place
from lokki_tf.model import REQUIRED, Literal
from lokki_tf.pipeline import FlowPipeline
from lokki_tf.runtime.envelope import json_text

PLACE = Place("strategies.py", 1)
_AWKWARD = st.sampled_from(
    [
        "echo", "pair", "listing", "$", "$.Payload", "$$.Execution.Name", "{% $x %}", "${store}",
        "%{ if true }", "$${x}", "$$$", 'a"b', "back\\slash", "line\nend", "\x00", "\u2028", "é😀",
        "\ud800", "States.Format('{}', 1)", "", "s3://bucket/key", "</script>", "'",
    ]
)  # fmt: skip
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(),
    st.text(max_size=8),
    _AWKWARD,
    st.binary(max_size=8),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.builds(complex, st.integers(-9, 9), st.integers(-9, 9)),
)
_keys = st.one_of(
    st.text(max_size=4),
    st.sampled_from(["value", "ref", "pickle", "make", "items", "a.$", ".$", "x.$", "node"]),
)
values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(_keys, inner, max_size=3),
        st.dictionaries(st.integers(-3, 3), inner, max_size=2),
        st.frozensets(st.one_of(st.integers(), st.text(max_size=3)), max_size=3),
        st.sets(st.text(max_size=3), max_size=3),
        st.builds(library.Box, inner),
    ),
    max_leaves=6,
)
_KNOWN = {
    "var.plain": "plain",
    "local.awkward": 'a"b, back\\slash, line\nend, ${x} $${y} %{ if } é😀 </script>',
    "local.listed[0]": "$.x",
}
_locals = {"awkward": escaped(_KNOWN["local.awkward"]), "listed": [_KNOWN["local.listed[0]"]]}
DECLARED = json.dumps({"variable": {"plain": {"default": "plain"}}, "locals": _locals})
"""What the references of random pipelines name, in the JSON of Terraform."""
os.environ.update({variable_of(TerraformRef(one)): text for one, text in _KNOWN.items()})
_refs: st.SearchStrategy[Any] = st.sampled_from(
    [*map(TerraformRef, _KNOWN), "<" + TerraformRef("local.awkward") + "$.x>"]
)
# Around the limits: of one result (some 260,000 bytes), of two that meet, of three.
_sizes = st.one_of(
    st.integers(0, 300),
    st.sampled_from([64_000, 86_000, 87_000, 129_000, 131_000, 257_000, 260_000, 262_144, 300_000]),
)


@st.composite
def pipelines(
    draw: st.DrawFn,
    most: int = 9,
    *,
    jobs: bool = False,
    numbered: bool = False,
    required: bool = False,
    answered: bool = False,
    started: bool = False,
) -> Pipeline:
    """Pipelines of up to ``most`` nodes: any graph, any literal, results of any size; waits, polls.

    With ``jobs``, some of the steps are jobs of Batch; ``numbered`` ones differ in their names;
    ``required`` ones may have a parameter without default; some steps of ``answered`` ones have
    ``callback=True``; ``started`` ones may start others.
    """
    calls: list[Any] = []
    parts: list[Any] = []
    pauses: list[Any] = []
    moment = Parameter("moment", default=draw(_moments))
    declared = [Parameter(name, default=draw(values)) for name in ("one", "two")]
    parameters = [*declared, *([Parameter("required")] * required)]

    def argument() -> Any:
        kind = draw(st.integers(0, 7))
        if kind == 7:
            return draw(st.sampled_from(parameters))
        if parts and kind == 6:
            return draw(st.sampled_from(parts))
        if calls and kind >= 2:
            return draw(st.sampled_from(calls))
        if calls and kind == 1:
            inside = st.one_of(st.sampled_from([*calls, *parts, *parameters]), values, _refs)
            return draw(
                st.one_of(
                    st.lists(inside, min_size=1, max_size=3),
                    st.tuples(inside, inside),
                    st.dictionaries(_keys, inside, min_size=1, max_size=2),
                )
            )
        return draw(st.one_of(values, values, _refs))

    def time() -> dict[str, Any]:
        return draw(
            st.sampled_from([{"until": moment}, {"until": library.due(argument())}, None])
        ) or draw(_times)

    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.integers(0, 15 if started else 13))
        if kind > 13:
            calls.append(draw(_starts(argument)))
            continue
        if kind == 13:
            calls.append(draw(st.sampled_from(library.SUB_PIPELINES))(value=argument()))
            continue
        if kind == 1:
            pauses.append(wait(**time()))
            if calls:
                pauses[-1].after(draw(st.sampled_from([*calls, *pauses[:-1]])))
            continue
        waiting = [one for one in calls if not isinstance(one, FlowPipeline)]
        if kind == 2 and waiting:
            calls.append(draw(st.sampled_from(waiting)).wait(**time()))
            continue
        if kind == 3:
            calls.append(library.polled(argument(), draw(_scripts)))
            parts += [select(calls[-1]) for select in library.PARTS[library.polled]]
            continue
        if kind == 4 and answered:
            asked = draw(st.sampled_from((library.asked, library.asked_caught)))
            calls.append(asked(argument()))
            continue
        step = draw(st.sampled_from(library.STEPS))
        if jobs and step not in (library.text, library.accents) and draw(st.booleans()):
            job = next(one for one in library.JOBS if one.step.function is step.step.function)
        else:
            job = step
        if step in (library.text, library.accents):
            call = job(draw(_sizes))
        elif step is library.pair:
            call = job(argument(), second=argument())
        elif step is library.listing:
            call = job(*[argument() for _ in range(draw(st.integers(0, 4)))])
        elif step is library.keyed:
            call = job(argument(), right=argument(), more=argument())
        else:
            call = job(argument())
        before = [*calls, *pauses]
        if before and draw(st.integers(0, 9)) == 0:
            call.after(draw(st.sampled_from(before)))
        calls.append(call)
        parts += [select(call) for select in library.PARTS.get(step, ())]
    if not calls:
        calls.append(library.echo(1))
    before = [*calls, *pauses]
    ends = [*draw(st.lists(st.sampled_from(before), min_size=1, max_size=3)), calls[-1]]
    return Pipeline(f"random-{next(_numbers)}" if numbered else "random", steps=ends)


@st.composite
def _starts(draw: st.DrawFn, argument: Any, name: str | None = None) -> Any:
    """The start of a pipeline, whose failures are results."""
    child = draw(st.sampled_from(library.CHILDREN))
    given = {"value": argument()}
    if child is library.child_default:
        given["other"] = argument()
    for one in [one for one in given if _is_optional(child, one)]:
        if draw(st.integers(0, 3)) == 0:
            del given[one]
    again = RetryConfig(retries=1, delay=0, exceptions=(library.PipelineFailed,))
    # Not all steps can import the class of "child-boxed".
    trust = child.name != "child-boxed" and draw(st.booleans())
    options: dict[str, Any] = {
        "name": name or f"{child.name}-trusted" * trust or None,
        "trust": trust,
        "retry": draw(st.sampled_from((None, None, again))),
        "catch": library.ENDED,
    }
    # A literal that is not JSON is refused when the pipeline is made.
    fitting = {key: one if _may_be_given(one) else draw(_json) for key, one in given.items()}
    return start_pipeline(child.name, fitting, **options)


def _may_be_given(value: Any) -> bool:
    if isinstance(task_of(value), Task):
        return True
    made = argument_of(value, Place(__file__, 1))
    return not isinstance(made, Literal) or json_text(made.value) is not None


def _is_optional(child: Any, name: str) -> bool:
    declared = {one.name: one for one in child.definition.parameters}
    return declared[name].default is not REQUIRED


_json_scalars = st.one_of(st.none(), st.booleans(), st.integers(-99, 99), st.text(max_size=5))
_json: st.SearchStrategy[Any] = st.recursive(
    st.one_of(_json_scalars, st.just("é" * 9_000)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=3)),
    max_leaves=4,
)
_cells = st.text(st.characters(codec="utf-8", exclude_characters="\\\r\0"), max_size=5)
_moments = st.sampled_from(
    [library.PAST, "2020-01-31T09:00:00+01:00", "2019-02-28T23:59:59Z", "2020-01-01T00:00:00.5Z"]
)
_times = st.sampled_from([{"seconds": 0}, {"seconds": 7}, {"hours": 24}, {"until": library.PAST}])
_scripts = st.sampled_from(
    [(), ("NotReady",), ("NotReady",) * 3, ("Refused",), ("NotReady", "Refused", "NotReady")]
)


class Reply:
    """Refuse the first attempts, and then return the context with a value."""

    def __init__(self, refusals: int, value: Any) -> None:
        self.refusals = refusals
        self.value = value

    def __repr__(self) -> str:
        return f"Reply({self.refusals}, {self.value!r})"

    def __call__(self, context: Any) -> Any:
        if context.attempt <= self.refusals:
            raise LookupError(f"attempt {context.attempt}")
        known = [context.item_index, context.step, context.attempt, sorted(context.parameters)]
        return [*known, self.value]


@st.composite
def answers(draw: st.DrawFn, pipeline: Any) -> dict[str, Any]:
    """Answers for all nodes with ``callback=True``, some of them by functions that may refuse."""
    found: dict[str, Any] = {}
    for node in pipeline.graph.walk():
        if node.step.options.callback:
            refusals = st.integers(0, 2 if node.catch else 1)
            found[node.name] = draw(st.one_of(_json, st.builds(Reply, refusals, _json)))
    return found


_texts = st.sampled_from(["1", "", "two words", "é", "${x}", "a=b", "line\nend"])
_ERRORS: list[tuple[type[Exception], ...]] = [
    (TimeoutError,), (OSError,), (Exception,), (ValueError,), (ValueError, OSError)
]  # fmt: skip


@st.composite
def with_variables(draw: st.DrawFn) -> Pipeline:
    """Pipelines whose steps return the environment variables that they see."""
    calls: list[Any] = []
    for number in range(draw(st.integers(1, 5))):
        chosen = st.dictionaries(st.sampled_from(["MODE", "ONLY", "SHARED"]), _texts, max_size=3)
        one = step(name=f"v{number}", env_variables=draw(chosen))(library.variables)
        taken = draw(st.sampled_from(calls)) if calls and draw(st.booleans()) else number
        calls.append(one(taken))
    return Pipeline("variables", steps=calls)


@st.composite
def with_limits(draw: st.DrawFn) -> tuple[Any, int, bool]:
    """A step with a time limit and retries, how many calls take too long, and whether it fails."""
    exceptions, retries = draw(st.sampled_from(_ERRORS)), draw(st.integers(0, 1))
    slow = draw(st.integers(0, 2))
    retry = RetryConfig(retries=retries, delay=0, exceptions=exceptions)
    tries = 1 + retries * any(issubclass(TimeoutError, one) for one in exceptions)
    return step(timeout_seconds=1, retry=retry)(library.late), slow, slow >= tries


_LISTED = [
    *((one,) for one in library.ERRORS),
    *((library.Early, ValueError), (library.Late, OSError), ("States.TaskFailed",)),
    *((Exception,), ("States.ALL",), ("States.Timeout", "Lambda.Unknown")),
]


@st.composite
def retriers(draw: st.DrawFn, most: int = 3) -> list[RetryConfig]:
    """Retriers of which each may apply: errors, names of AWS, and numbers of retries."""
    found: list[RetryConfig] = []
    for listed in draw(st.lists(st.sampled_from(_LISTED), min_size=1, max_size=most)):
        more = RetryConfig(draw(st.integers(0, 2)), delay=0, exceptions=listed)
        try:
            made_retriers([*found, more], PLACE)
        except OptionError:
            continue  # those before it include all its errors
        found.append(more)
    return found


@st.composite
def inputs(draw: st.DrawFn, pipeline: Pipeline) -> dict[str, Any]:
    """Values of a pipeline's parameters: of all that are required, and of some others."""
    declared = pipeline.definition.parameters
    chosen = [one.name for one in declared if one.default is REQUIRED or draw(st.booleans())]
    times = _moments.filter(lambda one: isinstance(one, str))
    special = {"moment": times, "limit": st.integers(0, 3)}
    return {name: draw(special.get(name, _json_scalars)) for name in chosen}


@st.composite
def chains(
    draw: st.DrawFn,
    *,
    jobs: bool = False,
    answered: bool = False,
    started: bool = False,
    read: bool = False,
) -> tuple[Any, dict[str, Any]]:
    """Flows with maps: over anything, inside each other, with arguments from outside; with waits.

    With ``jobs``, some of the steps are jobs of Batch; some of ``answered`` ones have
    ``callback=True``; some of ``started`` ones start others; ``read`` ones run over datasets.

    The second is what a run is given for the flow's parameters.
    """
    defaults = [*draw(st.lists(values, min_size=2, max_size=2)), draw(_moments)]
    pipeline = draw(
        st.just(None).flatmap(lambda _: _chain(defaults, jobs, answered, started, read))
    )
    return pipeline, draw(inputs(pipeline))


CONTENTS: dict[str, str] = {}
"""The files of random datasets, by key."""
DATASETS = "random-datasets"


@st.composite
def _datasets(draw: st.DrawFn) -> Any:
    """A dataset of up to four items, whose location a step may return."""
    items, most = draw(st.lists(_json, max_size=4)), draw(st.sampled_from((None, None, 1, 3)))
    kind = draw(st.sampled_from((S3Json, S3JsonLines, S3Csv)))
    if kind is S3Csv:
        file = io.StringIO()
        rows = draw(st.lists(st.lists(_cells, min_size=2, max_size=2), max_size=4))
        csv.writer(file, lineterminator="\n").writerows([["a", "b"], *rows])
        text = file.getvalue()
    elif kind is S3JsonLines:
        text = "".join(f"{json.dumps(one)}\n" for one in items)
    else:
        text = json.dumps(draw(st.sampled_from((items, {"a": items, "ref": 1}))))
    key = sha256(text.encode()).hexdigest()
    CONTENTS[key] = text
    return kind(DATASETS, draw(st.sampled_from((key, library.echo(key)))), max_items=most)


@st.composite
def _chain(
    draw: st.DrawFn, defaults: list[Any], jobs: bool, answered: bool, started: bool, read: bool
) -> Any:
    def written(
        one: Any = defaults[0],
        two: Any = defaults[1],
        moment: Any = defaults[2],
        limit: int = 2,
    ) -> list[Any]:
        return _written(draw, one, two, moment, limit, jobs, answered, started, read)

    return _Fixed(written)


class _Fixed(FlowPipeline):
    """A flow that is written once: drawing it again would make another."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._made = super().definition

    @property
    def definition(self) -> Any:
        return self._made


def _written(
    draw: st.DrawFn,
    one: Any,
    two: Any,
    moment: Any,
    limit: int,
    jobs: bool,
    answered: bool,
    started: bool,
    read: bool,
) -> list[Any]:
    items = [draw(st.one_of(values, values, _refs)) for _ in range(draw(st.integers(0, 4)))]
    if draw(st.integers(0, 4)) == 0:
        items.append("x" * draw(_sizes))
    whole = library.parted(draw(values))
    outside = draw(st.sampled_from([library.echo(draw(values)), *_parts_of(whole)]))
    source = draw(st.sampled_from((library.listing, library.flowing)))(*items)
    if draw(st.integers(0, 3)) == 0:
        source = library.parted(library.listing(*items))["a"]

    large = any(isinstance(i, str) and len(i) > 300 for i in items) and not read
    dataset = draw(_datasets()) if read else None

    def options() -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        if not jobs and draw(st.integers(0, 3)) == 0 and not large:
            chosen["mode"] = "inline"
        if draw(st.integers(0, 2)) == 0:
            chosen["concurrency_limit"] = draw(st.one_of(st.integers(1, 3), st.just(limit)))
        if "mode" not in chosen and not jobs and draw(st.integers(0, 2)) == 0:
            chosen["execution_type"] = "express"
        return chosen

    def link() -> tuple[Any, dict[str, Any]]:
        if express:
            second = st.one_of(values, st.sampled_from([outside, one, two]))
            taken = draw(st.one_of(st.just({}), st.builds(dict, second=second)))
            return (library.pair if taken else draw(st.sampled_from(library.ONE_ARGUMENT))), taken
        if not (jobs or batched) and draw(st.integers(0, 5)) == 0:
            starts = library.STARTS if started and draw(st.booleans()) else ()
            return draw(st.sampled_from(starts or library.SUB_PIPELINES)), {}
        if draw(st.integers(0, 2)) == 0:
            second = draw(st.one_of(values, _refs, st.sampled_from([outside, one, two])))
            return library.pair, {"second": second}
        kind = draw(st.integers(0, 7))
        if kind == 0 and not batched:
            return library.polled, {"script": draw(_scripts)}
        if kind == 1 and answered and not batched and not crowded:
            return draw(st.sampled_from((library.asked, library.asked_caught))), {}
        steps = library.ONE_ARGUMENT_JOBS if jobs and draw(st.booleans()) else library.ONE_ARGUMENT
        return draw(st.sampled_from(steps)), {}

    def grown(chain: Any) -> Any:
        for _ in range(draw(st.integers(0, 2))):
            if express and draw(st.integers(0, 4)) == 0:
                chain = chain.wait(
                    **draw(st.sampled_from([{"seconds": 7}, {"until": library.PAST}]))
                )
                continue
            if not express and draw(st.integers(0, 4)) == 0:
                until = st.sampled_from((moment, library.due(outside)))
                chain = chain.wait(**draw(st.one_of(_times, st.builds(dict, until=until))))
                continue
            step, kwargs = link()
            chain = chain.next(step, **kwargs)
        return chain

    nested = draw(st.booleans())
    batch = {} if nested or jobs else {"batch_size": draw(st.sampled_from([1, 1, 2, 3]))}
    own = {**options(), **batch}
    if read:
        own.pop("mode", None)
    if own.get("mode") == "inline":
        own.pop("batch_size", None)
    batched = own.get("batch_size", 1) > 1
    # An answer may have 65,536 bytes, and those of an inline map are in one state.
    crowded = own.get("mode") == "inline" and len(items) > 3
    if nested and large:  # the inner map would have to be within the execution
        own.pop("execution_type", None)
    express = "execution_type" in own
    step, kwargs = link()
    if dataset is None:
        chain = source.map(step, **kwargs, **own)
    elif draw(st.booleans()):
        chain = dataset.map(step, **kwargs, **own)
    else:
        chain = source.map(step, over=dataset, **kwargs, **own)
    chain = grown(chain)
    if nested:
        inside = {"mode": "inline"} if express else options()
        crowded = "mode" in own or "mode" in inside
        opened, express = chain.next(library.counted), express or "execution_type" in inside
        step, kwargs = link()
        inner = grown(opened.map(step, **kwargs, **inside))
        express = "execution_type" in own
        chain = inner.agg(draw(st.sampled_from(library.OF_RESULTS)))
    if draw(st.booleans()):
        express = False
        chain = grown(chain.agg(draw(st.sampled_from(library.OF_RESULTS))))
    ends: list[Any] = [chain]
    if draw(st.booleans()):
        ends.append(library.echo(source))
    if isinstance(chain, Chain) and items and not read and draw(st.booleans()):
        ends.append(library.echo(chain[-1]))
    return ends


def _parts_of(whole: Any) -> list[Any]:
    return [select(whole) for select in library.PARTS[library.parted]]


@st.composite
def failing(draw: st.DrawFn, *, jobs: bool = False) -> tuple[Pipeline, str | None]:
    """Pipelines with a step that fails, among others, or in a map; or that is skipped.

    It may poll first, or be refused from outside. With ``jobs``, some of the steps, that one among
    them, are jobs of Batch.

    The second is the error of an execution, ``None`` where the step is skipped.
    """
    kinds = (library.echo, library.as_job(library.echo)) if jobs else (library.echo,)
    retried = draw(st.booleans())
    retry = RetryConfig(retries=1, delay=0.01, exceptions=(LookupError,)) if retried else None
    skipped = draw(st.integers(0, 3)) == 0
    options: dict[str, Any] = draw(st.sampled_from([{}, {}, {"poll": 600}, {"callback": True}]))
    if jobs and draw(st.booleans()):
        options = {"job_type": "batch"}
    functions = {"poll": library.refusing_late, "callback": library.gathered}
    function = functions.get("".join(options), library.refusing)
    fails = step(name="fails", retry=retry, when=library.never if skipped else None, **options)(
        function
    )
    error = "LookupError" if retried and "callback" not in options else "Refused"
    before = [draw(st.sampled_from(kinds))(draw(values)) for _ in range(draw(st.integers(0, 2)))]
    beside = [draw(st.sampled_from(kinds))(one) for one in before[:1]]
    mode = draw(st.sampled_from((None, None, "inline", "distributed")))
    if mode is None:
        failed = fails(*before)
    else:
        own = {"mode": mode}
        if mode == "distributed" and not options and draw(st.booleans()):
            own["execution_type"] = "express"
        failed = library.listing(1, *before).map(fails, **own).agg(library.echo)
        error = error if mode == "inline" else "States.ExceedToleratedFailureThreshold"
    after = library.pair(failed, second=1) if draw(st.booleans()) else failed
    # Another pipeline of the name would replace roles while a failed map's other items still run.
    name = f"failing-{next(_numbers)}"
    return Pipeline(name, steps=[after, *beside]), None if skipped else error


@st.composite
def with_cleanup(draw: st.DrawFn, *, jobs: bool = False) -> tuple[Pipeline, str | None]:
    """Pipelines of any graph with a cleanup step, of which one step may fail; with waits and polls.

    Some have a limit of runs. With ``jobs``, some of the steps are jobs of Batch. The second is the
    name of the step that fails, ``None`` if all succeed.
    """
    kinds = (library.listing, library.as_job(library.listing)) if jobs else (library.listing,)
    count = draw(st.integers(1, 7))
    failing, caught = draw(st.none() | st.integers(0, count - 1)), draw(st.integers(0, 3)) == 0
    as_job = jobs and draw(st.booleans())
    fails = step(name="fails", **({"job_type": "batch"} if as_job else {}))(library.refusing)
    calls: list[Any] = []
    for number in range(count):
        before = draw(st.lists(st.sampled_from(calls), max_size=2, unique_by=id)) if calls else []
        if number == failing:
            calls.append(fails(*before, **({"catch": LookupError} if caught else {})))
        elif before and draw(st.integers(0, 4)) == 0:
            mode = draw(st.sampled_from(("inline", "distributed")))
            calls.append(library.listing(1, *before).map(library.echo, mode=mode).agg(library.echo))
        elif before and draw(st.integers(0, 4)) == 0:
            calls.append(before[0].wait(**draw(_times)))
        elif draw(st.integers(0, 4)) == 0:
            calls.append(library.polled((number, *before[:1]), draw(_scripts)))
        else:
            calls.append(draw(st.sampled_from(kinds))(number, *before[:1]))
        for one in before[1:]:
            calls[-1].after(one)
    known = [one for one in calls if draw(st.booleans())]
    chosen = [draw(st.sampled_from((one, [one], {"a": one}))) for one in known]
    cleanup = library.cleaned(*chosen, 7) if draw(st.booleans()) else library.cleaned(more=chosen)
    name = f"cleaned-{next(_numbers)}"
    limit = draw(st.sampled_from((None, None, 1)))
    pipeline = Pipeline(name, steps=calls, cleanup=cleanup, max_concurrent_runs=limit)
    return pipeline, None if failing is None or caught else "fails"


_numbers = itertools.count()


@st.composite
def drawn(
    draw: st.DrawFn,
    *,
    jobs: bool = False,
    required: bool = False,
    answered: bool = False,
    started: bool = False,
) -> DAG:
    """Graphs of tasks and pipelines that arrows join, with conditions, waits and polls.

    With ``jobs``, some of the tasks are jobs of Batch; ``required`` ones may have parameters; some
    of ``answered`` ones have ``callback=True``; ``started`` ones may start others.
    """
    tasks: list[Any] = []
    for index in range(draw(st.integers(1, 8))):
        takes = draw(st.integers(0, min(3, len(tasks))))
        before = draw(st.permutations(tasks))[:takes]
        if (before or required) and draw(st.integers(0, 5)) == 0:
            subs = (*library.sub_pipelines(), flow(name="ends")(library.with_two_ends))
            sub = draw(st.sampled_from(subs))
            for other in before[: len(sub.definition.parameters)]:
                pauses = [wait(**draw(_times))] if draw(st.integers(0, 3)) == 0 else []
                last = draw(st.sampled_from((other, *_task_parts(other))))
                for following in (*pauses, sub):
                    last = last >> following
            tasks.append(sub)
            continue
        functions = {
            0: (*library.SOURCES, *([library.only, library.couple] * required)),
            1: (library.only, library.couple),
            2: (library.couple,),
        }  # fmt: skip
        more = (library.gathered, library.gathered_late, library.gathered_identity, library.moment)
        function = draw(st.sampled_from((*functions.get(takes, ()), *more)))
        when = draw(st.sampled_from(library.CONDITIONS if takes else (None, None, library.never)))
        options: dict[str, Any] = {}
        if function is library.gathered_late:
            options = {"poll": 5}
        elif jobs and draw(st.booleans()):
            options = {"job_type": "batch"}
        elif answered and draw(st.integers(0, 7)) == 0:
            options = {"callback": True, "retry": library.REFUSED}
        name = f"{'job' if 'job_type' in options else 't'}{index}"
        one = task(name=name, when=when, **options)(function)
        moments = [other for other in tasks if isinstance(other, Task) and _is_moment(other)]
        until = st.builds(dict, until=st.sampled_from(moments)) if moments else _times
        pause = [wait(**draw(st.one_of(_times, until)))] if draw(st.integers(0, 3)) == 0 else []
        if started and before and draw(st.integers(0, 3)) == 0:
            known = [other for other in before if isinstance(other, Task)]
            known += _task_parts(before[0])
            given = st.one_of(_json, st.sampled_from(known)) if known else _json
            pause.append(draw(_starts(lambda given=given: draw(given), f"start{index}")))
        if before:
            last: Any = [draw(st.sampled_from((other, *_task_parts(other)))) for other in before]
            for following in (*pause, one):
                last = last >> following
        elif tasks and draw(st.booleans()) and function in library.SOURCES:
            last = draw(st.sampled_from(tasks))  # an order alone
            for following in (*pause, one):
                last = last >> following
        tasks.append(one)
    return DAG("drawn", tasks=tasks)


def _is_moment(one: Any) -> bool:
    return one.step.function is library.moment and not (
        one.step.is_job or one.step.options.callback
    )


def _task_parts(one: Any) -> list[Any]:
    """Parts that the task's result has for any arguments."""
    if not isinstance(one, Task):
        return []
    function = one.step.function
    if one.step.options.callback:
        return []
    if function is library.tagged:
        return [part(one, "content")[1][0]]
    return [one[0]] if function in (library.only, library.couple) else []


@st.composite
def built(draw: st.DrawFn, *, answered: bool = False, started: bool = False) -> Flow:
    """Flows of single tasks, pipelines and branches, with conditions, waits and polls.

    Some tasks of ``answered`` ones have ``callback=True``; ``started`` ones may start others.
    """
    names = list(draw(st.permutations(library.NAMES)))
    made = Flow("built")
    first = True
    known: list[Any] = []
    while names:
        count = draw(st.integers(1, min(3, len(names))))
        stage = []
        for name in (names.pop() for _ in range(count)):
            if draw(st.integers(0, 5)) == 0:
                stage.append(wait(**draw(_times)))
                continue
            if started and draw(st.integers(0, 3)) == 0:
                given = st.one_of(_json, st.sampled_from(known)) if known else _json
                stage.append(draw(_starts(lambda given=given: draw(given), name)))
                continue
            if draw(st.integers(0, 4)) == 0:
                needs_one = first or any(other.name == "one" for other in known)
                subs = (library.by_name, *([library.after_one] * needs_one))
                stage.append(flow(name=name)(draw(st.sampled_from(subs))))
                continue
            sources = (*library.SOURCES, library.gathered_late, library.identity)
            function = draw(st.sampled_from(sources if first else library.MIXED))
            conditions = (None, None, library.never, library.has_one)
            when = draw(st.sampled_from(conditions[:3] if first else conditions))
            options: dict[str, Any] = {}
            if function in (library.gathered_late, library.mixed_late):
                options = {"poll": 5}
            elif answered and draw(st.integers(0, 7)) == 0:
                options = {"callback": True, "retry": library.REFUSED}
            stage.append(task(name=name, when=when, **options)(function))
        made.branch(*stage) if count > 1 else made.add(*stage)
        first = False
        known += [one for one in stage if isinstance(one, Task)]
        if draw(st.integers(0, 3)) == 0:
            break
    return made


_LENGTHS = (3, 8_000, 16_300, 16_384, 16_500, 70_000, 199_000, 300_000)
_HEAD = """from lokki_tf import (
    ConditionalReturns, MicroFunctions, NotReady, PipelineFailed, RetryConfig, ReturnUpdates,
    run_context,
)

pipe = MicroFunctions("s0", max_steps={limit})
"""
_FUNCTION = """

@pipe.fn({options})
def {name}(*, script, failure=None, **state):
    {body}
    return {returned}
"""
_EXPRESSIONS = ("1", "None", "(1, (2,))", "{1: 2}", "b'x'", "[1.5, {'a': None}]")
_modules = itertools.count()
_folder = tempfile.TemporaryDirectory()


@st.composite
def routed(
    draw: st.DrawFn,
    *,
    jobs: bool = False,
    started: bool = False,
    answered: bool = False,
    included: bool = False,
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Steps that lead anywhere, back too, as a script of letters says; a run's input and answers.

    Their returns update, remove, clear, keep and wait; values are small, odd, or as long as a state
    may just be. Some steps poll; some of ``answered`` ones have ``callback=True``; ``started`` ones
    may start others, ``included`` ones contain others.
    """
    names = [f"s{number}" for number in range(draw(st.integers(2, 4)))]
    text = _HEAD.format(limit=draw(st.sampled_from([3, 6, 25])))
    starts, includes = started and draw(st.booleans()), included and draw(st.integers(0, 2))
    inner = [f"i{number}" for number in range(includes or 0)]
    for name in names:
        targets = [*names, *(["p0"] if starts else []), *inner, "end"]
        if answered and draw(st.booleans()):
            text += _asking_step(draw, name, targets)
        else:
            text += _routed_step(draw, name, targets, st.booleans() if jobs else st.just(False))
    if starts:
        child = draw(st.sampled_from(library.CHILDREN)).name
        given = {"value": draw(st.sampled_from(["x0", "x1", "script"]))}
        result, target = draw(st.sampled_from([None, "x0", "x2"])), draw(st.sampled_from(names))
        caught = draw(st.sampled_from([None, "PipelineFailed", "Exception", "TypeError"]))
        catch = f"catch={{{caught}: {draw(st.sampled_from(names))!r}}}" if caught else ""
        target = draw(st.sampled_from([target, target, None]))
        text += f"\n\npipe.start_pipeline({child!r}, {given}, name='p0', result={result!r}, "
        text += f"next={target!r}, {catch})\n"
    text += "\n\n@pipe.fn(terminates=True)\ndef end(**state):\n    return ReturnUpdates(None)\n"
    given = {
        "script": draw(st.lists(st.sampled_from("abcabcz012"), min_size=1, max_size=9)),
        "x0": draw(_small),
    }
    pipe = imported(text).pipe
    for name in inner:
        others, errors = (
            st.sampled_from([*names, *inner, None]),
            (LookupError, library.Refused, Exception),
        )
        pipe.include(
            draw(st.sampled_from(library.INCLUDED)),
            {"value": draw(st.sampled_from(["x0", "x1", "script", "failure"]))},
            name=name,
            result=draw(st.sampled_from([None, "x0", "x2", "i0"])),
            next=draw(others),
            catch={draw(st.sampled_from(errors)): draw(st.sampled_from(names))}
            if draw(st.booleans())
            else None,
        )
    # A pipeline with a run that can never end is an error, which synth does not write.
    assume(all(finding.severity != "error" for finding in pipe.early_findings()))
    replies = st.one_of(
        st.sampled_from(
            [None, 5, {"script": "zzz"}, {"ref": "s3://a/b"}, "x" * 16_400, "é" * 40_000]
        ),
        st.sampled_from([ValueError("no"), _is_answered_later, _context_of]),
    )
    return pipe, given, {node.name: draw(replies) for node in pipe.definition.asking}


@st.composite
def routed_nodes(draw: st.DrawFn) -> tuple[Pipeline, dict[str, Any], dict[str, Any]]:
    """A routed pipeline that is a node of a graph, perhaps in a map, or caught."""
    pipe, given, replies = draw(routed(started=True, answered=True))
    script = given["script"]
    caught = draw(st.sampled_from([{}, {"catch": True}, {"catch": (KeyError, ValueError)}]))
    form = draw(st.sampled_from(["result", "parameter", "distributed", "inline"]))
    parameters = {}
    if form == "result":
        call = pipe(script=library.echo(script), **caught)
    elif form == "parameter":
        call, parameters = pipe(script=Parameter("script", list), **caught), {"script": script}
    else:
        items = library.listing(script, script[1:], ["0"])
        call = items.map(pipe, mode=form, **caught).agg(library.echo)
    pipeline = Pipeline("around", steps=[library.echo(call), library.echo(script)])
    assume(all(finding.severity != "error" for finding in pipeline.check()))
    answers = {one.name: replies[one.step.own_name] for one in pipeline.definition.asking}
    return pipeline, parameters, answers


def _is_answered_later(context: Any) -> Any:
    if context.attempt < 3:
        raise KeyError
    return context.attempt


def _context_of(context: Any) -> Any:
    return [context.step, context.attempt, sorted(context.parameters)]


def _asking_step(draw: st.DrawFn, name: str, names: list[str]) -> str:
    target = draw(st.sampled_from([*names, None]))
    options = ["callback=True", f"default_next={target!r}" if target else "terminates=True"]
    retries = "retry=RetryConfig(retries=2, delay=1, exceptions=(LookupError,))"
    options += [retries] * draw(st.booleans())
    if draw(st.booleans()):
        options.append(f'catch={{Exception: "{draw(st.sampled_from(names))}"}}')
    body = draw(st.sampled_from(["pass", "state.clear()", "script.append('z')"]))
    return _FUNCTION.format(name=name, options=", ".join(options), body=body, returned=None)


def _routed_step(
    draw: st.DrawFn, name: str, names: list[str], jobs: st.SearchStrategy[bool]
) -> str:
    def updates() -> str:
        found = ["script=script[1:]"]
        for variable in draw(st.lists(st.sampled_from(["x0", "x1", "x2"]), unique=True)):
            length = draw(st.sampled_from(_LENGTHS))
            long = (f"'é' * {length // 6}", f"'x' * {length}", f"['y' * {length}]")
            value = draw(st.sampled_from((*_EXPRESSIONS, *long)))
            found.append(f"{variable}={value}")
        if draw(st.booleans()):
            found.append("seen=str(failure)")
        if draw(st.integers(0, 3)) == 0:
            found.append(
                "own=[run_context().step, run_context().attempt, run_context().parameters]"
            )
        if draw(st.integers(0, 3)) == 0:
            found.append(draw(st.sampled_from(["after=0", "after=60", "after=2 ** len(script)"])))
        return ", ".join(found)

    def way(target: str | None = None) -> str:
        target = target or draw(st.sampled_from(names[:-1]))
        removed = draw(st.sampled_from(["", "", '"*", ', '"x0", ', '"x1", "x2", ']))
        return f'ReturnUpdates("{target}", {removed}{updates()})'

    terminates = draw(st.booleans())
    kind = draw(st.sampled_from(["always", "dict", "choice", "choice", "choice", "truth"]))
    if kind == "dict":
        returned = f'{{"$next": "{draw(st.sampled_from(names))}", "script": script[1:]}}'
    elif kind == "always":
        returned = way()
    else:
        ways = [way("end"), *(f"{letter}={way()}" for letter in draw(_LETTERS))]
        if kind == "truth":
            ways.append(f"true={way()}")
        returned = f"ConditionalReturns(script[0] if script else '', {', '.join(ways)})"
    changes = "[one.append(1) for one in state.values() if isinstance(one, list)]"
    body, caught = draw(st.sampled_from(["pass", changes])), []
    if draw(st.booleans()):
        error = draw(st.sampled_from(["KeyError", "ValueError", "TimeoutError"]))
        condition = f"script[0] == '{name[-1]}'" if draw(st.booleans()) else "not script"
        body = f"if {condition}:\n        raise {error}(f'{{failure}} of {{script}}')"
        errors = ["KeyError", "LookupError", "OSError", "(ValueError, KeyError)", "Exception"]
        keys = draw(st.lists(st.sampled_from([*errors, '"States.Timeout"']), unique=True))
        routes = ", ".join(f'{key}: "{draw(st.sampled_from(names))}"' for key in _reachable(keys))
        caught = [f"catch={{{routes}}}"] * bool(routes)
    is_job = draw(jobs)
    polls = not is_job and draw(st.integers(0, 3)) == 0
    if polls:
        ready = f"run_context().attempt < {draw(st.integers(2, 4))}"
        body = f"if {ready}:\n        raise NotReady('later')\n    {body}"
    options = {'job_type="batch"': is_job, "terminates=True": terminates, "poll=600": polls}
    return _FUNCTION.format(
        name=name,
        options=", ".join([*(one for one, has in options.items() if has), *caught]),
        body=body,
        returned=returned,
    )


def _reachable(keys: list[str]) -> list[str]:
    """Errors of which none is included in those before it."""
    order = ["KeyError", "(ValueError, KeyError)", "LookupError", '"States.Timeout"', "OSError"]
    return sorted(keys, key=[*order, "Exception"].index)


_LETTERS = st.lists(st.sampled_from("abc"), unique=True, min_size=2)
_small = st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=5), st.just("x" * 16_400))


def imported(text: str) -> Any:
    name = f"routed_{next(_modules)}"
    path = Path(_folder.name, f"{name}.py")
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type, all the way down; NaN equals itself, -0.0 is not 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            same(a, b) and same(left[a], right[b]) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, Failure):  # its traceback contains places
        return (left.error, left.message, left.step) == (right.error, right.message, right.step)
    if isinstance(left, library.Box):
        return same(left.content, right.content)
    if isinstance(left, dt.datetime):
        return left == right and left.fold == right.fold
    return bool(left == right)
