"""Triggers of pipelines: what is accepted, and the runs that events start locally."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf import (
    DAG,
    EventPattern,
    MicroFunctions,
    Parameter,
    Pipeline,
    PipelineDone,
    S3Created,
    Schedule,
    flow,
    run_context,
    step,
    task,
)
from lokki_tf.config import Config
from lokki_tf.errors import BindingError, DefinitionError, OptionError, ScheduleError
from lokki_tf.model.event_patterns import matches, problem_with

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECT: dict[str, Any] = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2024-01-31T23:30:00Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:s3:::raw-data"],
    "detail": {
        "version": "0",
        "bucket": {"name": "raw-data"},
        "object": {"key": "in/a b+ü.csv", "size": 5, "etag": "e", "sequencer": "0"},
        "reason": "PutObject",
    },
}


@step
def load(key: str, size: int = 0) -> list[Any]:
    return [key, size, run_context().scheduled_at]


def pipeline(*triggers: Any, **options: Any) -> Pipeline:
    called = load(Parameter("key", str), Parameter("size", int, default=0))
    return Pipeline("triggered", steps=[called], triggers=list(triggers), **options)


EXPECTED = ["in/a b+ü.csv", 5, None]
UPLOADS = S3Created(
    "raw-data",
    prefix="in/",
    suffix=".csv",
    parameters={"key": "detail.object.key", "size": "detail.object.size"},
)


def calls() -> Any:
    return pipeline(UPLOADS)


def chained() -> Any:
    @flow(triggers=UPLOADS)
    def triggered(key: str, size: int = 0):
        return load(key, size)

    return triggered


def arrows() -> Any:
    @task()
    def first(key: str, size: int) -> list[Any]:
        return [key, size, run_context().scheduled_at]

    return DAG("triggered", tasks=[first], triggers=[UPLOADS])


def routed() -> Any:
    pipe = MicroFunctions("triggered", triggers=[UPLOADS])

    @pipe.fn(terminates=True)
    def triggered(key: str, size: int = 0):
        return {"end": [key, size, run_context().scheduled_at]}

    return pipe


@pytest.mark.parametrize("style", [calls, chained, arrows, routed])
def test_every_style_has_triggers(style: Callable[[], Any]) -> None:
    """An event gives the run its parameters, in each of the four styles."""
    result = style().local_run(event=OBJECT).result
    assert result in (EXPECTED, {"end": EXPECTED})


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Schedule.time, "2024-02-01T00:30:00+01:00"),
        (Schedule.hour, "2024-02-01T00"),
        (Schedule.day, "2024-02-01"),
        (Schedule.week, "2024-W05"),
        (Schedule.month, "2024-02"),
    ],
)
def test_a_schedule_passes_its_time_in_its_zone(form: Any, value: str) -> None:
    """The day of a run is that of the schedule's time zone, whatever it is in UTC."""
    pipe = pipeline(Schedule("rate(1 day)", timezone="Europe/Berlin", parameters={"key": form}))
    key, _, scheduled = pipe.local_run(event={"time": "2024-01-31T23:30:00Z"}).result
    assert key == value
    assert scheduled.isoformat() == "2024-01-31T23:30:00+00:00"


def test_values_of_a_schedule_have_the_types_of_parameters() -> None:
    """A schedule passes values as they are written."""
    pipe = pipeline(Schedule("rate(1 day)", parameters={"key": "a", "size": 3}))
    assert pipe.local_run(event={"time": "2024-01-31T23:30:00Z"}).result[:2] == ["a", 3]


def test_the_zone_of_a_schedule_is_that_of_the_settings() -> None:
    """``[schedule] timezone`` is the default."""
    pipe = pipeline(Schedule("rate(1 day)", parameters={"key": Schedule.day}))
    config = replace(Config(), schedule=replace(Config().schedule, timezone="Asia/Tokyo"))
    ran = pipe.local_run(event={"time": "2024-01-31T16:00:00Z"}, config=config)
    assert ran.result[0] == "2024-02-01"


def test_the_same_event_has_the_same_name() -> None:
    """The name of an execution comes from the event, so that a second delivery starts nothing."""
    pipe = pipeline(UPLOADS, Schedule("rate(1 day)", parameters={"key": Schedule.day}))
    begun = pipe.event_input(OBJECT)
    assert begun.name == f"object-1-{OBJECT['id']}"
    assert begun == pipe.event_input(OBJECT)
    assert begun.name != pipe.event_input({**OBJECT, "id": "other"}).name
    at = "2024-01-31T23:30:00Z"
    assert pipe.event_input({"time": at, "id": "1"}) == pipe.event_input({"time": at, "id": "2"})
    assert pipe.event_input({"time": at}).name == "schedule-2-2024-01-31T23-30-00Z"


def test_a_field_that_an_event_lacks_has_the_default() -> None:
    """A parameter with a default keeps it; without one the event is refused."""
    event = {**OBJECT, "detail": {**OBJECT["detail"], "object": {"key": "in/x.csv"}}}
    assert pipeline(UPLOADS).local_run(event=event).result[:2] == ["in/x.csv", 0]
    custom = EventPattern({"source": ["app"]}, parameters={"key": "detail.order.id"})
    with pytest.raises(BindingError, match=r"event-1: the event has no detail\.order\.id"):
        pipeline(custom).local_run(event={"source": "app", "id": "1", "detail": {}})


def test_paths_select_from_lists() -> None:
    """An index selects an element."""
    custom = EventPattern({"source": ["app"]}, parameters={"key": "detail.keys[1]"})
    event = {"source": "app", "id": "1", "detail": {"keys": ["a", "b"]}}
    assert pipeline(custom).local_run(event=event).result[0] == "b"


def test_another_pipelines_end_is_an_event() -> None:
    """``PipelineDone`` matches the status of executions of that pipeline alone."""
    pipe = pipeline(PipelineDone("extract", parameters={"key": "detail.name"}))

    def event(name: str, status: str) -> dict[str, Any]:
        arn = f"arn:aws:states:eu-west-1:123456789012:stateMachine:{name}"
        return {
            "id": "1",
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": {"name": "run", "status": status, "stateMachineArn": arn},
        }

    assert pipe.local_run(event=event("extract", "SUCCEEDED")).result[0] == "run"
    for other in (event("extract", "FAILED"), event("extract2", "SUCCEEDED")):
        with pytest.raises(BindingError, match="no trigger of the pipeline matches"):
            pipe.local_run(event=other)


@pytest.mark.parametrize(
    ("event", "trigger", "says"),
    [
        ({**OBJECT, "source": "aws.sqs"}, None, "no trigger of the pipeline matches the event"),
        ({**OBJECT, "detail": {"bucket": {"name": "raw"}}}, None, "no trigger"),
        (OBJECT, "object-9", "there is no trigger 'object-9'"),
        (OBJECT, None, r"matches several triggers \(object-1, object-3\)"),
        ([OBJECT], None, "must be a JSON object"),
        ({"time": "yesterday"}, "schedule-2", "must be RFC 3339, got 'yesterday'"),
        ({}, "schedule-2", "must have 'time', a text, got None"),
        ({**OBJECT, "id": 3}, "object-1", "must have 'id', a text, got 3"),
    ],
)
def test_events_that_start_nothing_are_errors(event: Any, trigger: str | None, says: str) -> None:
    """What would start nothing in AWS, or several runs, is an error with the reason."""
    pipe = pipeline(
        UPLOADS,
        Schedule("rate(1 day)", parameters={"key": Schedule.day}),
        S3Created("raw-data", parameters={"key": "id"}),
    )
    with pytest.raises(BindingError, match=says) as caught:
        pipe.local_run(event=event, trigger=trigger)
    assert caught.value.place.file == __file__
    if trigger is None and says.startswith("matches several"):
        assert pipe.local_run(event=OBJECT, trigger="object-3").result[0] == OBJECT["id"]


def test_an_event_has_all_parameters() -> None:
    """Parameters beside an event are refused, and so are events without triggers."""
    with pytest.raises(BindingError, match=r"parameters \(key\) and an event cannot be combined"):
        pipeline(UPLOADS).local_run({"key": "a"}, event=OBJECT)
    with pytest.raises(BindingError, match="has no triggers"):
        pipeline().local_run(event=OBJECT)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Schedule("rate(1 day)", flexible_window_minutes=-1), "flexible_window_minutes"),
        (lambda: Schedule("rate(1 day)", retries=186), "retries must be a whole number from 0"),
        (lambda: Schedule("rate(1 day)", max_age_seconds=59), "max_age_seconds must be"),
        (lambda: Schedule("rate(1 day)", parameters=["key"]), "parameters must be a dict"),
        (lambda: S3Created("Raw_Data"), "bucket must be the name of a bucket"),
        (lambda: S3Created("raw", parameters={"key": "object.key"}), "must be a path in the event"),
        (lambda: S3Created("raw", parameters={"key": 3}), "must be a path in the event"),
        (lambda: S3Created("raw", prefix=None), "prefix must be a text"),
        (lambda: PipelineDone("a b"), "name must be the name of a pipeline"),
        (lambda: PipelineDone("a", status="done"), "status must be one of succeeded"),
        (lambda: EventPattern({}), "must be a dict with at least one field"),
        (lambda: EventPattern({"source": "app"}), "has 'app' for source, which must be a list"),
        (lambda: EventPattern({"detail": {"n": [{"bigger": 3}]}}), "the comparisons are prefix"),
        (lambda: EventPattern({"detail": {"n": [float("nan")]}}), "must be JSON: Out of range"),
        (lambda: EventPattern({"source": ["app"]}, bus=""), "bus must be the name of an event bus"),
    ],
)
def test_invalid_triggers_are_refused_where_they_are_made(
    make: Callable[[], Any], says: str
) -> None:
    """The error names the argument and what is allowed."""
    with pytest.raises(OptionError, match=says):
        make()


@pytest.mark.parametrize(
    ("trigger", "error", "says"),
    [
        (Schedule("rate(1 dy)", parameters={"key": "a"}), ScheduleError, "minutes, hours or days"),
        (
            Schedule("rate(1 day)", timezone="Mars/Base", parameters={"key": "a"}),
            ScheduleError,
            "timezone must be a time zone",
        ),
        (Schedule("rate(1 day)"), BindingError, "lack parameter 'key'"),
        (
            Schedule("rate(1 day)", parameters={"key": "a" * 262_144}),
            BindingError,
            "aaa…: its parameters have 262,157 bytes; an execution's input has at most 262,144",
        ),
        (Schedule("rate(1 day)", parameters={"key": 3}), BindingError, "must be str, got 3"),
        (
            Schedule("rate(1 day)", parameters={"key": "a", "size": Schedule.day}),
            BindingError,
            r"'size' must be int, got Schedule\.day",
        ),
        (
            Schedule("rate(1 day)", parameters={"key": "a", "kye": 1}),
            BindingError,
            "has no parameter 'kye'",
        ),
        (
            Schedule("rate(1 day)", parameters={"key": "a", "lokki": {}}),
            BindingError,
            "'lokki' is reserved",
        ),
        (
            S3Created("raw", parameters={"key": "detail.object.name"}),
            BindingError,
            r"which such an event does not have",
        ),
        (
            S3Created("raw", parameters={"key": "detail.object.size"}),
            BindingError,
            r"'key' must be str, but detail\.object\.size is int",
        ),
        (PipelineDone("triggered", parameters={"key": "id"}), ScheduleError, "without an end"),
        (
            EventPattern({"source": ["aws.states"]}, parameters={"key": "id"}),
            ScheduleError,
            "matches the events of executions",
        ),
    ],
)
def test_triggers_are_compared_with_the_pipeline(
    trigger: Any, error: type[DefinitionError], says: str
) -> None:
    """Unknown and missing parameters, wrong types, and runs that start each other are errors."""
    with pytest.raises(error, match=says) as caught:
        pipeline(trigger)
    assert caught.value.place.file == __file__


@pytest.mark.parametrize("prefix", ["", "run", "runs/", "runs/x", "code/", "locks/"])
def test_objects_that_runs_write_start_none(prefix: str) -> None:
    """A trigger about the pipeline's own bucket must not match what its runs write there."""
    found = pipeline(S3Created(prefix=prefix, parameters={"key": "id"})).check()
    assert [one.rule for one in found if one.severity == "error"] == ["trigger"]
    own = "triggered-123456789012-eu-west-1"
    assert pipeline(S3Created(own, prefix=prefix, parameters={"key": "id"})).check()
    assert not pipeline(S3Created("other", prefix=prefix, parameters={"key": "id"})).check()
    assert not pipeline(S3Created(prefix="inbox/", parameters={"key": "id"})).check()


@pytest.mark.parametrize(
    "pattern", [{"source": ["aws.s3"]}, {"detail": {"object": {"key": [{"prefix": "runs/"}]}}}]
)
def test_patterns_of_objects_that_runs_write_are_refused(pattern: dict[str, Any]) -> None:
    """They are errors if the pipeline's bucket sends events, and only there."""
    parameters = {"key": "id"}
    by_pattern = EventPattern(pattern, parameters=parameters)
    inbox = S3Created(prefix="inbox/", parameters=parameters)
    found = pipeline(inbox, by_pattern).check()
    assert [one.message for one in found if "objects that runs write (runs/)" in one.message]
    assert not pipeline(by_pattern).check()
    own_bus = EventPattern(pattern, bus="shop", parameters=parameters)
    assert not pipeline(inbox, own_bus).check()
    other = {**pattern, "detail": {"bucket": {"name": ["other"]}}}
    assert not pipeline(inbox, EventPattern(other, parameters=parameters)).check()


def test_triggers_must_be_triggers() -> None:
    """Anything else in ``triggers=`` is an error with an example."""
    with pytest.raises(OptionError, match="triggers must contain Schedule, S3Created"):
        pipeline("rate(1 day)")


EVENT: dict[str, Any] = {
    "source": "app",
    "detail": {
        "n": 5,
        "name": "Report.CSV",
        "tags": ["a", "b"],
        "nothing": None,
        "ip": "10.0.0.7",
        "rows": [{"k": 1}, {"k": 2}],
    },
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["app", "web"]}, True),
        ({"source": ["web"]}, False),
        ({"detail": {"n": [5]}}, True),
        ({"detail": {"n": [5.0]}}, False),
        ({"detail": {"n": ["5"]}}, False),
        ({"detail": {"n": [{"numeric": [">", 4, "<=", 5]}]}}, True),
        ({"detail": {"n": [{"numeric": ["=", 5.0]}]}}, True),
        ({"detail": {"n": [{"numeric": ["<", 5]}]}}, False),
        ({"detail": {"tags": ["b"]}}, True),
        ({"detail": {"tags": [{"prefix": "a"}]}}, True),
        ({"detail": {"nothing": [None]}}, True),
        ({"detail": {"missing": [None]}}, False),
        ({"detail": {"name": [{"prefix": "Rep"}]}}, True),
        ({"detail": {"name": [{"prefix": {"equals-ignore-case": "rep"}}]}}, True),
        ({"detail": {"name": [{"suffix": ".csv"}]}}, False),
        ({"detail": {"name": [{"suffix": {"equals-ignore-case": ".csv"}}]}}, True),
        ({"detail": {"name": [{"equals-ignore-case": "report.csv"}]}}, True),
        ({"detail": {"name": [{"wildcard": "R*.C*V"}]}}, True),
        ({"detail": {"name": [{"wildcard": "R\\*"}]}}, False),
        ({"detail": {"name": [{"anything-but": ["a", "b"]}]}}, True),
        ({"detail": {"name": [{"anything-but": {"prefix": "Rep"}}]}}, False),
        ({"detail": {"name": [{"anything-but": {"wildcard": "*.csv"}}]}}, True),
        ({"detail": {"missing": [{"anything-but": "a"}]}}, False),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"detail": {"ip": [{"cidr": "10.1.0.0/24"}]}}, False),
        ({"detail": {"missing": [{"exists": False}]}}, True),
        ({"detail": {"name": [{"exists": True}]}}, True),
        ({"detail": [{"exists": True}]}, False),
        ({"detail": {"rows": {"k": [2]}}}, True),
        ({"$or": [{"source": ["web"]}, {"detail": {"n": [5]}}]}, True),
        ({"$or": [{"source": ["web"]}, {"detail": {"n": [6]}}]}, False),
    ],
)
def test_patterns_match_as_in_eventbridge(pattern: dict[str, Any], expected: bool) -> None:
    """Each comparison of EventBridge's documentation has its meaning."""
    assert problem_with(pattern) is None
    assert matches(pattern, EVENT) is expected


TEXTS = st.text("ab*\\", max_size=4)
VALUES = st.one_of(TEXTS, st.integers(0, 3), st.none())
OF_TEXT = st.tuples(st.sampled_from(["prefix", "suffix", "equals-ignore-case"]), TEXTS)
FILTERS = st.one_of(
    VALUES,
    OF_TEXT.map(lambda pair: {pair[0]: pair[1]}),
    st.booleans().map(lambda value: {"exists": value}),
    TEXTS.filter(lambda text: "**" not in text and "\\" not in text).map(
        lambda text: {"wildcard": text}
    ),
    st.lists(TEXTS, min_size=1, max_size=2).map(lambda texts: {"anything-but": texts}),
)
FIELDS = st.sampled_from(["x", "y"])
PATTERNS = st.dictionaries(
    FIELDS,
    st.one_of(
        st.lists(FILTERS, min_size=1, max_size=2),
        st.dictionaries(FIELDS, st.lists(FILTERS, min_size=1, max_size=2), min_size=1),
    ),
    min_size=1,
)
EVENTS = st.dictionaries(
    FIELDS, st.one_of(VALUES, st.lists(VALUES, min_size=1), st.dictionaries(FIELDS, VALUES))
)


@given(PATTERNS, EVENTS)
def test_patterns_match_as_in_moto(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    """An independent implementation agrees, where a pattern has no field that is an object."""
    pytest.importorskip("moto")
    from moto.events.models import EventPattern as Independent

    if any(
        isinstance(event.get(name), dict) != isinstance(one, dict) for name, one in pattern.items()
    ):
        return  # moto flattens events
    assert problem_with(pattern) is None
    assert matches(pattern, event) is Independent("", pattern).matches_event(event)
