"""Executions whose input and name were made to be mistaken for something else."""

from __future__ import annotations

import json
import pickle
from base64 import b64encode
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thorough import TIMES

from lokki_tf import MicroFunctions, ReturnUpdates, flow, step
from lokki_tf.errors import BindingError
from lokki_tf.runtime.envelope import compress

if TYPE_CHECKING:
    from deployment import Deployment

QUIET = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
ELSEWHERE = "elsewhere-123456789012"
OWN = "{}-123456789012-us-east-1"
MARKER = Path(mkdtemp(prefix="forged-"), "a_pickle_was_loaded")
"""Functions can write there: they share folders that tests have made."""


class Bomb:
    """An object whose pickle creates a file when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (MARKER,)


BOMB = pickle.dumps(Bomb())


@step
def echo(data: Any) -> Any:
    return data


@step
def as_items(data: Any) -> list[Any]:
    return [data, [data], {"value": data}]


@step
def both(one: Any, other: Any) -> Any:
    return [one, other]


@flow(name="forged-map")
def mapped(data: Any = None):
    return as_items(data).map(echo).agg(echo)


@flow(name="forged-inline")
def inline(data: Any = None):
    return as_items(data).map(echo, mode="inline").agg(echo)


@flow(name="forged-graph")
def graph(data: Any = None):
    made = echo(data)
    return both(made, [made, {"data": data}])


routed = MicroFunctions("first", name="forged-routes")


@routed.fn()
def first(*, data: Any = None) -> Any:
    return ReturnUpdates("last", kept=data, more=[data])


@routed.fn(terminates=True)
def last(*, kept: Any, more: Any, data: Any = None) -> Any:
    return {"kept": kept, "more": more, "data": data}


STYLES: dict[str, Any] = {"graph": graph, "map": mapped, "inline": inline, "routes": routed}

uris = st.sampled_from(
    [
        f"s3://{ELSEWHERE}/bomb.pickle.gz",
        f"s3://{ELSEWHERE}/secret.json.gz",
        *(f"s3://{OWN.format(one.name)}/runs/bomb.pickle.gz" for one in STYLES.values()),
        "s3://../x.json.gz",
        "file:///etc/passwd",
        "",
    ]
)
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | uris
envelopes = st.recursive(
    plain
    | st.builds(lambda uri: {"ref": uri}, uris)
    | st.builds(lambda uri: {"at": uri}, uris)
    | st.builds(lambda uri: {"map": uri}, uris)
    | st.builds(lambda uri: {"gathered": uri}, uris)
    | st.just({"pickle": b64encode(BOMB).decode()}),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.builds(lambda value: {"value": value}, inner)
        | st.builds(lambda value: {"value": value, "skipped": True}, inner)
        | st.builds(lambda one: {"make": "list", "items": {"0": one}}, inner)
        | st.builds(lambda one: {"make": "dict", "items": {"0": one}, "keys": one}, inner)
        | st.builds(lambda one: {"batch": [one]}, inner)
        | st.builds(lambda one: {"parameter": "data", "default": one}, inner)
        | st.builds(lambda one: {"items": one, "inline": 0}, inner)
        | st.builds(lambda one: {"a.$": "$", "data": one}, inner)
    ),
    max_leaves=4,
)
KEYS = (
    *("node", "run", "store", "place", "inline", "args", "kwargs", "retry", "main", "given"),
    *("flow", "items", "when", "asks", "route", "format", "log_level", "again", "seconds"),
    *("lokki", "Payload", "data.$", "$", "__proto__", "constructor", ""),
)
arguments = st.builds(lambda data: {"data": data}, envelopes)
more = st.builds(
    lambda known, key, value: {**known, key: value},
    arguments,
    st.sampled_from(KEYS) | st.text(max_size=3),
    envelopes,
)
inputs = st.sampled_from([arguments, arguments, arguments, more, envelopes]).flatmap(lambda of: of)


DIRECT: list[Any] = [
    {"pickle": b64encode(BOMB).decode()},
    *({kind: f"s3://{ELSEWHERE}/bomb.pickle.gz"} for kind in ("ref", "at", "map", "gathered")),
    *({"ref": f"s3://{OWN.format(one.name)}/runs/bomb.pickle.gz"} for one in STYLES.values()),
    {"value": 1},
    {"value": None, "skipped": True},
    {"make": "list", "items": {"0": {"pickle": b64encode(BOMB).decode()}}},
    {"batch": [{"value": 1}]},
    {"parameter": "data"},
]


@pytest.fixture(scope="module", autouse=True)
def bombs(deployment: Deployment) -> Any:
    """Pickles outside of a run, in a foreign bucket and in the pipelines' own."""
    s3 = deployment.aws.client("s3")
    s3.create_bucket(Bucket=ELSEWHERE)
    s3.put_object(Bucket=ELSEWHERE, Key="secret.json.gz", Body=compress(b'"a secret"'))
    s3.put_object(Bucket=ELSEWHERE, Key="bomb.pickle.gz", Body=compress(BOMB))
    for pipeline in STYLES.values():
        deployment.aws.register(pipeline)
        bucket = OWN.format(pipeline.name)
        s3.put_object(Bucket=bucket, Key="runs/bomb.pickle.gz", Body=compress(BOMB))
    yield
    rmtree(MARKER.parent)


def here(pipeline: Any, data: Any) -> Any:
    """The results of a local run, or ``None`` if it refuses the input."""
    try:
        return pipeline.local_run(data).outputs
    except BindingError:
        return None


def requests(deployment: Deployment) -> list[tuple[str, str | None]]:
    """What was asked of S3 for the roles, with its resource."""
    found = deployment.aws.iam_decisions
    return [(one.action, one.resource) for one in found if one.action.startswith("s3:")]


@pytest.mark.parametrize("style", STYLES)
def test_forged_inputs_are_data(style: str, deployment: Deployment) -> None:
    """An input is refused as by a local run, or arrives unchanged, whatever it resembles.

    No pickle in it, or that it refers to, is loaded, and no other bucket is asked for anything.
    """
    pipeline, aws = STYLES[style], deployment.aws
    machine = aws.register(pipeline)
    tried = {"refused": 0, "arrived": 0}

    def agree(data: Any) -> None:
        expected = here(pipeline, data) if isinstance(data, dict) else None
        there = aws.execute(machine, data)
        tried["refused" if expected is None and data is not None else "arrived"] += 1
        if data is None:
            return  # an execution without an input
        assert there.succeeded == (expected is not None), (data, there.error, there.cause)
        if expected is not None:
            values = aws.values(there)
            assert values == {name: expected[name] for name in values}
        assert not MARKER.exists()

    for envelope in DIRECT:
        agree({"data": envelope})
    drawn = settings(max_examples=10 * TIMES, derandomize=True, **QUIET)  # type: ignore[arg-type]
    drawn(given(data=inputs)(agree))()
    print(f"{style}: {tried}")
    assert not [one for one in requests(deployment) if ELSEWHERE in str(one[1])]


names = st.text(
    st.characters(codec="ascii", categories=["L", "N"], include_characters="-_.=+@()!'"),
    min_size=1,
    max_size=40,
)
STRANGE = [
    "..",
    ".",
    "...",
    "-",
    "runs",
    "..-..",
    "=",
    "@",
    "a" * 80,
    "'",
    "(x)",
    "literals",
    "lokki",
]
INVALID = [
    "",
    "a/b",
    "../a",
    "a b",
    "a*",
    "a?",
    "x" * 81,
    "a\\b",
    "a:b",
    "a\n",
    "a#b",
    "a|b",
    "%2e",
]


@step
def large(data: Any) -> Any:
    return [data, ["x" * 300_000]]


@flow(name="forged-names")
def named(data: int):
    return echo(large(data))


def test_names_of_executions_stay_in_their_folder(deployment: Deployment) -> None:
    """Whatever an execution is called, its results are its own, below ``runs/``.

    One that is called like a parent folder fails where a step reads a reference.
    """
    aws = deployment.aws
    machine, s3 = aws.register(named), aws.client("s3")
    bucket, numbers = OWN.format("forged-names"), count()
    before, taken = {*keys(s3, bucket)}, set()

    def run(name: str) -> None:
        if name in taken:
            return
        taken.add(name)
        number = next(numbers)
        there = aws.execute(machine, {"data": number}, name=name)
        if name in (".", ".."):
            assert there.error == "UntrustedReferenceError"
            return
        assert aws.values(there) == {"echo": [number, ["x" * 300_000]]}

    @given(name=names)
    @settings(max_examples=10 * TIMES, derandomize=True, **QUIET)  # type: ignore[arg-type]
    def drawn(name: str) -> None:
        run(name)

    for name in STRANGE:
        run(name)
    drawn()
    made = [key for key in keys(s3, bucket) if key not in before]
    assert all(key.startswith("runs/") for key in made)
    assert len(made) == 2 * len(taken - {".", ".."}) + 2
    print(f"names: {len(taken)}")


@pytest.mark.parametrize("name", INVALID)
def test_names_that_step_functions_refuses(name: str, deployment: Deployment) -> None:
    """Separators, blanks and wildcards are in no execution's name, here as in AWS."""
    machine = deployment.aws.register(graph)
    states = deployment.aws.client("stepfunctions")
    with pytest.raises(
        Exception, match=r"InvalidName|Invalid length|valid min length|ValidationEx"
    ):
        states.start_execution(stateMachineArn=machine, name=name, input=json.dumps({}))


def keys(s3: Any, bucket: str) -> list[str]:
    """The keys of a bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [one["Key"] for page in pages for one in page.get("Contents", ())]
