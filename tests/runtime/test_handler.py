"""Calls of a step, as Lambda makes them."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lokki_tf.runtime import envelope, run, store
from lokki_tf.runtime.envelope import FORMAT
from lokki_tf.runtime.jobs import Job


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], bytes]:
    """Objects in memory, used instead of S3."""
    objects: dict[tuple[str, str], bytes] = {}

    class Body(bytes):
        def read(self) -> bytes:
            return bytes(self)

    class Client:
        def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
            objects[Bucket, Key] = Body

        def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
            return {"Body": Body(objects[Bucket, Key])}

    monkeypatch.setattr(store, "client", Client)
    return objects


def event(**more: Any) -> dict[str, Any]:
    return {"node": "work", "run": "r1", "store": "s3://b/p", "inline": 100, **more}


def test_arguments_and_result_travel_in_envelopes(bucket: Any) -> None:
    """Arguments are passed by position and name; a small result is returned inline."""

    def work(first: int, *rest: int, key: int) -> int:
        return first + sum(rest) + key

    sent = event(
        args={"0": {"value": 1}, "1": {"value": 2}, "2": {"value": 3}}, kwargs={"key": {"value": 4}}
    )
    assert run(work, sent) == {"value": 10}
    assert bucket == {}


def test_large_and_odd_results_go_to_the_bucket(bucket: Any) -> None:
    """A result that is large or not JSON is stored under its SHA-256, and read by the next step."""
    large = run(lambda: "x" * 200, event())
    odd = run(lambda: (1, b"2"), event(node="odd"))
    digests = [hashlib.sha256(data).hexdigest() for data in bucket.values()]
    assert large == {"ref": f"s3://b/p/runs/work/r1/{digests[0]}.json.gz"}
    assert odd == {"ref": f"s3://b/p/runs/odd/r1/{digests[1]}.pickle.gz"}
    both = run(lambda a, b: [len(a), b == (1, b"2")], event(args={"0": large, "1": odd}))
    assert both == {"value": [200, True]}


def test_a_second_delivery_replaces_nothing(bucket: Any) -> None:
    """A step that returns another value the second time leaves what the first reference says."""
    values = iter(("x" * 200, "y" * 200))
    first, second = (run(lambda: next(values), event()) for _ in range(2))
    read = run(lambda one, two: one[0] + two[0], event(args={"0": first, "1": second}))
    assert read == {"value": "xy"}


@pytest.mark.parametrize(
    "uri",
    [
        "s3://other/p/runs/work/r1/a.pickle.gz",
        "s3://b/runs/work/r1/a.pickle.gz",
        "s3://b/p-prod/runs/work/r1/a.pickle.gz",
        "s3://b/p/lambdas/a.pickle.gz",
        "s3://b/p/runs/../../q/runs/a.pickle.gz",
        "s3://b/p/runs//a.pickle.gz",
        "s3://b/p/runs",
    ],
)
@pytest.mark.parametrize("kind", ["ref", "at", "map", "routed"])
def test_references_outside_of_the_store_are_not_read(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, uri: str, kind: str
) -> None:
    """The store is that of the environment, whatever an event says; nothing is loaded."""
    monkeypatch.setenv("LOKKI_STORE", "s3://b/p")
    monkeypatch.setattr(envelope, "_unpickled", lambda *_: pytest.fail("loaded"))
    bucket[store.split(uri)] = envelope.freeze({1})[1]
    name, _, key = uri.removeprefix("s3://").partition("/")
    forged = {"ref": uri, "at": uri, "map": {"Bucket": name, "Key": key}}
    sent = event(store="s3://other/p", args={"0": {kind: forged.get(kind)}})
    if kind == "routed":
        route = {"next_key": "$next", "default": None, "targets": [], "ends": True, "limit": 25}
        sent = event(route=route, state={"each": {"one": {"ref": uri}}}, taken=1)
    with pytest.raises(store.UntrustedReferenceError, match="is not an object of the pipeline"):
        run(lambda one: one, sent)


def test_an_object_that_was_changed_is_not_loaded(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value is read if its bytes have the SHA-256 of the reference; names of before have none."""
    reference = run(lambda: b"12", event())
    (place,) = bucket
    bucket["b", "p/runs/r0/work.pickle.gz"] = bucket[place]
    bucket[place] = envelope.freeze({3})[1]
    with pytest.raises(store.UntrustedReferenceError, match="changed since it was written"):
        run(lambda one: one, event(args={"0": reference}))
    older = {"ref": "s3://b/p/runs/r0/work.pickle.gz"}
    assert run(lambda one: len(one), event(args={"0": older})) == {"value": 2}


def test_a_step_writes_below_its_own_name(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store and step are those of the environment, whatever an event says."""
    monkeypatch.setenv("LOKKI_STORE", "s3://own")
    monkeypatch.setenv("LOKKI_STEP", "score")
    written = run(lambda: "x" * 200, event(node="score2"))["ref"]
    assert written.startswith("s3://own/runs/score/r1/")


def test_a_batch_reads_what_its_items_share_once(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object outside of the items is read once per batch, and each call has its own copy."""
    table = run(lambda: list(range(100)), event(node="table"))
    items = [run(lambda n=n: str(n) * 200, event(node=f"item{n}")) for n in range(3)]
    reads: list[str] = []
    opened = store.opened
    monkeypatch.setattr(store, "opened", lambda uri: reads.append(uri) or opened(uri))

    def work(item: str, both: list[Any]) -> Any:
        both[1].append(item)
        return [item[0], len(both[1])]

    both = {"make": "list", "items": {"0": {"batch": items}, "1": table}}
    sent = event(place=["m/0", "m/1", "m/2"], args={"0": {"batch": items}}, kwargs={"both": both})
    assert run(work, sent) == {"batch": [{"value": [str(n), 101]} for n in range(3)]}
    assert sorted(reads) == sorted(one["ref"] for one in (table, *items))


def test_calls_of_a_batch_do_not_see_what_others_do_to_their_arguments() -> None:
    """Each call of a batch has its own copy of inline values, too."""

    def work(item: int, seen: list[int], given: list[int]) -> int:
        seen.append(item)
        given.append(item)
        return len(seen) + len(given)

    items = [{"value": n} for n in range(3)]
    kwargs = {"seen": {"value": []}, "given": {"parameter": "given"}}
    flow = {"names": ["given"], "signature": "flow(given)"}
    sent = event(place=["m/0", "m/1", "m/2"], args={"0": {"batch": items}}, kwargs=kwargs)
    results = run(work, {**sent, "flow": flow, "given": {"given": []}})
    assert results == {"batch": [{"value": 2}] * 3}


def test_an_event_that_is_none_says_what_is_expected() -> None:
    """A test event from the console is an error that shows the expected form."""
    with pytest.raises(ValueError, match='"node"'):
        run(print, {"key1": "value1"})


class Base(Exception): ...


class Derived(Base): ...


class TimeoutError(Exception):  # noqa: A001  # the bare name of a builtin is the point
    """A class with the name of a builtin one."""


@pytest.mark.parametrize(
    ("error", "listed", "reported"),
    [
        (Base("b"), [f"{__name__}.Base"], "Base"),
        (Derived("d"), [f"{__name__}.Base"], "Base"),
        (ConnectionResetError("c"), ["builtins.OSError"], "OSError"),
        (ValueError("v"), ["builtins.OSError"], "ValueError"),
        (TimeoutError("t"), ["builtins.TimeoutError"], f"{__name__}.TimeoutError"),
        (Derived("d"), None, "Derived"),
    ],
    ids=["itself", "subclass", "builtin", "unlisted", "namesake", "no list"],
)
def test_errors_arrive_under_the_name_that_decides_retries(
    error: Exception, listed: list[str] | None, reported: str
) -> None:
    """A subclass of a listed exception is reported under its name; a namesake is not."""

    def work() -> None:
        raise error

    with pytest.raises(Exception) as caught:  # noqa: PT011  # its name is what is tested
        run(work, event(retry=listed))
    assert type(caught.value).__name__ == reported
    assert str(error) in str(caught.value)


class Limited:
    """Lambda's context, of a call that has little time left."""

    aws_request_id = "1"

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


def test_a_call_ends_before_lambda_ends_it() -> None:
    """A little before its time is over, a call raises ``TimeoutError``, by a listed base's name."""

    def sleeps() -> None:
        time.sleep(10)

    event = {"node": "sleeps", "run": "r", "store": "s3://b", "inline": 100}
    before = signal.getsignal(signal.SIGALRM)
    for listed, name in (([], "TimeoutError"), (["builtins.OSError"], "OSError")):
        with pytest.raises(Exception, match="longer than timeout_seconds") as caught:
            run(sleeps, {**event, "retry": listed}, Limited(50))
        assert type(caught.value).__name__ == name
    assert run(lambda: 1, event, Limited(50)) == {"value": 1}
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_calls_outside_of_the_main_thread_have_no_timer() -> None:
    """Where no signal arrives, what ends the process has the last word."""
    event = {"node": "one", "run": "r", "store": "s3://b", "inline": 100}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, lambda: 1, event, Limited(50)).result() == {"value": 1}


@pytest.mark.parametrize(
    ("form", "answer"), [({}, "slow.answer.json"), ({"format": FORMAT}, "slow.7-8.answer.json")]
)
def test_each_try_of_a_job_has_its_time(
    monkeypatch: pytest.MonkeyPatch, form: dict[str, int], answer: str
) -> None:
    """A job ends a try itself, and tries again where timeouts are retried.

    Its answer is beside its event, under its id but for state machines of earlier versions.
    """
    stored: dict[str, bytes] = {}
    event = {
        "node": "slow", "run": "r", "store": "s3://b", "inline": 100, "seconds": 0.2,
        "retry": ["builtins.TimeoutError"], "again": {"retries": 1, "delay": 0.0}, **form,
    }  # fmt: skip
    stored["s3://b/runs/slow/r/slow.event.json"] = json.dumps(event).encode()
    monkeypatch.setattr(store, "read", stored.__getitem__)
    monkeypatch.setattr(store, "write", stored.__setitem__)
    tries = []

    def slow() -> int:
        tries.append(1)
        if len(tries) == 1:
            time.sleep(10)
        return len(tries)

    uri = "s3://b/runs/slow/r/slow.event.json"
    job = Job({"LOKKI_EVENT": uri, "AWS_BATCH_JOB_ID": "7-8"})
    job.perform(lambda event, context: run(slow, event, context))
    assert json.loads(stored[f"s3://b/runs/slow/r/{answer}"]) == {"value": 2}


@pytest.mark.parametrize(
    ("form", "array"),
    [({"format": FORMAT}, "split.7-8.items.json"), ({}, "split/items.json")],
    ids=["this version", "earlier"],
)
def test_the_items_of_a_job_are_where_its_state_machine_expects_them(
    monkeypatch: pytest.MonkeyPatch, form: dict[str, int], array: str
) -> None:
    """The array of items is named by the job's id, or has the name of earlier versions."""
    stored: dict[str, bytes] = {}
    event = {"node": "split", "run": "r", "store": "s3://b", "inline": 100, **form}
    event["items"] = {"inline": 100}
    stored["s3://b/runs/r/split.event.json"] = json.dumps(event).encode()

    def write(uri: str, data: bytes) -> str:
        stored[uri] = data
        return uri

    monkeypatch.setattr(store, "read", stored.__getitem__)
    monkeypatch.setattr(store, "write", write)
    monkeypatch.setattr(store, "write_parts", lambda uri, parts: write(uri, b"".join(parts)))
    job = Job({"LOKKI_EVENT": "s3://b/runs/r/split.event.json", "AWS_BATCH_JOB_ID": "7-8"})
    job.perform(lambda event, context: run(lambda: [1, 2], event, context))
    assert json.loads(stored[f"s3://b/runs/r/{array}"]) == [{"value": 1}, {"value": 2}]


def test_a_job_that_was_submitted_twice_replaces_nothing(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own answer and items, and values are stored under their digests."""
    uri = "s3://b/p/runs/work/r1/work.event.json"
    sent = event(format=FORMAT, items={"inline": 10})
    bucket["b", "p/runs/work/r1/work.event.json"] = json.dumps(sent).encode()
    values = iter((["x" * 200], ["y" * 200]))
    for number in (1, 2):
        job = Job({"LOKKI_EVENT": uri, "AWS_BATCH_JOB_ID": f"id{number}"})
        job.perform(lambda event, context: run(lambda: next(values), event, context))
    at = [{"at": uri.replace("event.json", f"id{number}.answer.json")} for number in (1, 2)]
    read = run(lambda one, two: one[0][0] + two[0][0], event(args={"0": at[0], "1": at[1]}))
    assert read == {"value": "xy"}
    items = [json.loads(bucket["b", f"p/runs/work/r1/work.id{n}.items.json"]) for n in (1, 2)]
    assert items[0] != items[1]


def test_events_of_a_newer_format_are_refused() -> None:
    """Code of an earlier version says so; events without a format are those of earlier versions."""
    assert run(lambda: 1, {**event(), "format": FORMAT}) == run(lambda: 1, event())
    with pytest.raises(ValueError, match="newer than this code: deploy the pipeline again"):
        run(lambda: 1, {**event(), "format": FORMAT + 1})
