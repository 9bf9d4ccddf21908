"""Each rule refuses what AWS would refuse, and lets pass what AWS takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import lokki_tf
from lokki_tf import DAG, Flow, MicroFunctions, Parameter, Pipeline, RetryConfig, flow, step, task
from lokki_tf.checks import check_definition
from lokki_tf.checks.schedule import problem_with
from lokki_tf.config import BatchConfig, Config
from lokki_tf.errors import DefinitionError, NamingError, OptionError, ScheduleError
from lokki_tf.model import Definition, Graph


def pipeline(name: str = "p", schedule: str | None = None, **options: Any) -> Pipeline:
    @step(**options)
    def work() -> None: ...

    return Pipeline(name, steps=[work()], schedule=schedule)


STATEMENT = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": STATEMENT})


@pytest.mark.parametrize(
    "options",
    [
        {"memory_size": 128},
        {"memory_size": 10_240},
        {"timeout_seconds": 900},
        {"ephemeral_storage": 10_240},
        {"python_runtime": "python3.11"},
        {"python_runtime": "python3.14"},
        {"architecture": "arm64"},
        {"policies": [POLICY, ""]},
        {"layers": ["arn:aws:lambda:us-east-2:123456789012:layer:example-layer:3"]},
        {"layers": ["${aws_lambda_layer_version.mine.arn}"]},
        {"env_variables": {"A": "1"}},
        {"secrets": {"A": "prod/db", "B": "prod/db#a key", "C": "ssm:/app/token", "D": "ssm:name"}},
        {"secrets": {"A": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf#key"}},
        {"expected_seconds": 0.5},
        {"retry": RetryConfig(retries=3, max_delay=60)},
    ],
    ids=str,
)
def test_what_lambda_takes_passes(options: dict[str, Any]) -> None:
    """Options within Lambda's bounds have no findings."""
    assert pipeline(**options).early_findings() == []


@pytest.mark.parametrize(
    ("runtime", "date"), [("python3.9", "15 December 2025"), ("python3.10", "31 October 2026")]
)
def test_a_deprecated_runtime_is_a_warning(runtime: str, date: str) -> None:
    """A runtime that AWS no longer patches can be used, and the warning has the date."""
    (finding,) = pipeline(python_runtime=runtime).early_findings()
    assert (finding.rule, finding.severity) == ("lambda-runtime-deprecated", "warning")
    assert f"{runtime!r}, which AWS deprecated on {date}" in finding.message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"memory_size": 127}, "memory_size=127"),
        ({"memory_size": 10_241}, "128 to 10,240 MiB"),
        ({"memory_size": 512.5}, "memory_size=512.5"),
        ({"memory_size": True}, "memory_size=True"),
        ({"timeout_seconds": 901}, "1 to 900 seconds"),
        ({"timeout_seconds": 0}, "timeout_seconds=0"),
        ({"ephemeral_storage": 100}, "512 to 10,240 MiB"),
        ({"python_runtime": "python2.7"}, "python2.7"),
        ({"python_runtime": "3.12"}, "python3.12"),
        ({"architecture": "x86"}, "x86_64, arm64"),
        ({"policies": ["{"]}, "is not valid JSON"),
        ({"policies": ["{}"]}, "must have a Statement"),
        ({"policies": ['{"Statement": [{"Effect": "Maybe"}]}']}, "Allow or Deny"),
        ({"policies": ['{"Statement": [{"Effect": "Deny"}]}']}, "without Action"),
        ({"policies": [{**STATEMENT, "Principal": "*"}]}, "a statement with Principal"),
        ({"policies": [{**STATEMENT, "Conditions": {}}]}, "a statement with Conditions"),
        ({"layers": ["numpy"]}, "must be a layer's ARN"),
        ({"layers": ["arn:aws:lambda:us-east-2:123456789012:layer:a:1"] * 6}, "6 layers"),
        ({"env_variables": {"AWS_REGION": "x"}}, "Lambda reserves"),
        ({"env_variables": {"1A": "x"}}, "is not a valid name"),
        ({"env_variables": {"A": "x" * 4096}}, "environment variables"),
        ({"secrets": {"AWS_SECRET_ACCESS_KEY": "a"}}, "which is reserved"),
        ({"secrets": {"LOKKI_STORE": "a"}}, "which is reserved"),
        ({"secrets": {"": "a"}}, "is not a valid name"),
        ({"secrets": {"1A": "a"}}, "is not a valid name"),
        ({"secrets": {"A": ""}}, "which contains no name"),
        ({"secrets": {"A": "#key"}}, "which contains no name"),
        ({"secrets": {"A": "ssm:"}}, "which contains no name"),
        ({"secrets": {"A": "prod/db#"}}, "no key after the #"),
        ({"secrets": {"A": "ssm:/app/token#"}}, "no key after the #"),
        (
            {"secrets": {"A": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db"}},
            "an ARN without its end",
        ),
        ({"secrets": {"PATH": "prod/db"}}, "'PATH', which is reserved"),
        ({"secrets": {"A": "my secret"}}, "not the name or ARN of a secret"),
        ({"secrets": {"A": "arn:aws:s3:::bucket"}}, "not the name or ARN of a secret"),
        ({"secrets": {"A": "ssm:/app//token"}}, "not the name of a parameter"),
        (
            {"secrets": {"A": "a"}, "env_variables": {"A": "b"}},
            "'A' as an environment variable and as a secret",
        ),
        ({"secrets": {"AWS_REGION": "a"}, "job_type": "batch"}, "which is reserved"),
        ({"expected_seconds": -1}, "must be a duration"),
        ({"retry": RetryConfig(retries=10**9)}, "99,999,999"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_lambda_does_not_have_is_refused(options: dict[str, Any], says: str) -> None:
    """Options out of Lambda's bounds are errors with place and remedy, when written."""
    with pytest.raises(OptionError, match=says) as caught:
        pipeline(**options)
    assert caught.value.remedy
    assert caught.value.place is not None


def test_a_layer_without_version_is_a_warning() -> None:
    """The layer of step-in-line's README has no version, which AWS would refuse."""
    layer = "arn:aws:lambda:us-east-2:123456789012:layer:example-layer"
    findings = pipeline(layers=[layer]).early_findings()
    assert [finding.severity for finding in findings] == ["warning"]


@pytest.mark.parametrize("name", ["a b", "a.b", "ä", "a/b", "x" * 81])
def test_names_that_aws_refuses_are_refused(name: str) -> None:
    """A pipeline's and a step's name have only characters and lengths that AWS takes."""
    for options in ({"name": name}, {"step": name}):
        with pytest.raises(NamingError, match="AWS") as caught:
            named(**options)
        assert caught.value.remedy


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_pipeline_needs_a_name(name: Any) -> None:
    """A name that is empty or no string is an error."""
    with pytest.raises(NamingError, match="a string that is not empty"):
        named(name=name)


def test_steps_that_differ_in_case_alone_are_refused() -> None:
    """Their roles would have one name in IAM."""

    @lokki_tf.step(name="Load")
    def first() -> None: ...

    @lokki_tf.step(name="load")
    def second() -> None: ...

    with pytest.raises(NamingError, match="differ only in case"):
        Pipeline("p", steps=[first(), second()])


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"aws:mine": "x"}, "1 to 128"), ({"": "x"}, "1 to 128"), ({"k" * 129: "x"}, "1 to 128"),
        ({"k": "v" * 257}, "257 characters"), ({"k": 1}, "must be a dict of strings"),
        (["ab"], "must be a dict of strings"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_tags_that_aws_refuses_are_refused(tags: Any, says: str) -> None:
    """Tags of the pipeline and of its steps have the lengths and types that AWS takes."""
    with pytest.raises(OptionError, match=says):
        pipeline(tags=tags)
    with pytest.raises(OptionError, match=says):
        Pipeline("p", steps=[lokki_tf.step(name="plain")(lambda: None)()], tags=tags)


def named(name: Any = "p", step: str = "work") -> Pipeline:
    @lokki_tf.step(name=step)
    def work() -> None: ...

    return Pipeline(name, steps=[work()])


@pytest.mark.parametrize(
    "schedule",
    [
        "rate(1 hour)", "rate(30 minutes)", "rate(1 day)", "rate(2 minutes)",
        "cron(0 9 * * ? *)", "cron(0/15 8-18 ? * MON-FRI *)", "cron(0 8 1 JAN,JUL ? 2026-2030)",
        "cron(0 12 L * ? *)", "cron(0 12 ? * 6L *)", "cron(0 12 ? * MON#2 *)",
        "cron(0 0 15W * ? *)",
        "at(2030-01-31T09:00:00)",
    ],
)  # fmt: skip
def test_schedules_that_aws_takes_pass(schedule: str) -> None:
    """Rates, crons with six fields and points in time are schedules."""
    assert problem_with(schedule) is None


@pytest.mark.parametrize(
    "schedule",
    [
        "", "every day", "rate()", "rate(0 hours)", "rate(1 week)", "rate(1.5 hours)",
        "rate(1hour)",
        "cron(0 9 * * *)", "cron(0 9 * * * *)", "cron(0 9 ? * ? *)", "cron(60 9 * * ? *)",
        "cron(0 24 * * ? *)", "cron(0 9 32 * ? *)", "cron(0 9 * 13 ? *)", "cron(0 9 ? * 8 *)",
        "cron(0 9 * * ? 1969)", "cron(a 9 * * ? *)", "cron(1-2-3 9 * * ? *)", "cron(0/0 9 * * ? *)",
        "at(2030-02-30T09:00:00)", "at(tomorrow)", "at(2030-01-31T09:00:00Z)", " rate(1 hour)", 5,
    ],
)  # fmt: skip
def test_schedules_that_aws_refuses_are_refused(schedule: Any) -> None:
    """Whatever EventBridge Scheduler would refuse is refused when it is written."""
    with pytest.raises(ScheduleError, match="for example"):
        pipeline(schedule=schedule)


def test_several_errors_are_reported_at_once() -> None:
    """A pipeline with three faults has an error that lists three."""
    with pytest.raises(DefinitionError, match="3 errors in the pipeline") as caught:
        pipeline("a b", "daily", memory_size=1)
    assert all(word in str(caught.value) for word in ("'a b'", "memory_size=1", "'daily'"))


@pytest.mark.parametrize(
    ("conditions", "patterns"),
    [
        ({"StringEquals": {"aws:SourceArn": "arn:aws:s3:::a*"}}, 1),
        ({"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": ["a", "b?", "c*"]}}, 2),
        ({"StringNotEqualsIgnoreCase": {"aws:PrincipalTag/team": "*"}}, 1),
        ({"StringLike": {"aws:SourceArn": "arn:*"}, "ArnEquals": {"aws:SourceArn": "arn:*"}}, 0),
        ({"StringEquals": {"s3:prefix": ["a${*}b${?}", "${aws:username}"]}}, 0),
    ],
)
def test_patterns_under_exact_operators_are_warned_of(
    conditions: dict[str, Any], patterns: int
) -> None:
    """IAM compares wildcards literally under StringEquals and its relatives, and nowhere else."""
    statement = {**json.loads(POLICY)["Statement"], "Condition": conditions}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    @step(policies=[policy])
    def work() -> None: ...

    found = [one for one in Pipeline("p", steps=[work()]).check() if one.rule == "policy-pattern"]
    assert [one.severity for one in found] == ["warning"] * patterns


def refused(pipe: Any) -> str:
    """The errors of a check, as text."""
    return "\n".join(str(one) for one in pipe.check() if one.severity == "error")


@step
def taking(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    "schedule", ["rate(1 day)", "cron(0 9 * * ? *)", "at(2030-01-31T09:00:00)"]
)
def test_a_schedule_needs_defaults(schedule: str) -> None:
    """A schedule starts runs without parameters, so a required one of a flow is an error."""

    def chain(day: str, hour: int = 0):
        return taking(day).next(taking)

    with pytest.raises(ScheduleError, match="'day' must have a value"):
        _ = lokki_tf.flow(schedule=schedule)(chain).definition
    assert refused(lokki_tf.flow()(chain)) == ""
    assert refused(lokki_tf.flow(schedule=schedule)(chain)("monday")) == ""


def test_a_schedule_needs_what_first_steps_require() -> None:
    """What a flow's first step requires and the flow does not give is required of the input."""

    def chain():
        return taking()

    with pytest.raises(ScheduleError, match="'value' must have a value"):
        _ = lokki_tf.flow(schedule="rate(1 day)")(chain).definition


def test_a_schedule_needs_defaults_of_the_first_function() -> None:
    """The parameters of a routed pipeline are those of its first function."""

    def made(schedule: str | None) -> Any:
        pipe = lokki_tf.MicroFunctions("start", schedule=schedule)

        @pipe.fn(terminates=True)
        def start(*, day: str, hour: int = 0) -> Any:
            return {"day": day}

        return pipe

    assert "'day' must have a value" in refused(made("rate(1 day)"))
    assert refused(made(None)) == ""


def job(**options: Any) -> Pipeline:
    return pipeline(job_type="batch", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vcpu": 8}, "memory_mb=2048 with vcpu=8"),
        ({"vcpu": 16}, "memory_mb=2048 with vcpu=16"),
        ({"memory_mb": 100}, "memory_mb=100 with vcpu=1"),
        ({"memory_mb": 2049}, "memory_mb=2049 with vcpu=1"),
        ({"vcpu": 3}, "vcpu=3, which Fargate does not offer"),
        ({"vcpu": "2"}, "vcpu='2'"),
        ({"memory_mb": 0}, "memory_mb=0"),
        ({"vcpu": 0.5, "platform": "ec2"}, "EC2 requires a whole number"),
    ],
    ids=str,
)
def test_half_a_size_of_a_job_is_checked_with_its_default(
    options: dict[str, Any], message: str
) -> None:
    """What a step says of its size is held together with the defaults, or the settings."""
    assert message in refused(job(**options))


def test_settings_complete_the_size_of_a_job() -> None:
    """A pair of which the settings give one half is judged as a pair."""
    config = Config(batch=BatchConfig(memory_mb=16_384))
    assert not [one for one in job(vcpu=8).check(config=config) if one.severity == "error"]
    assert "with vcpu=1" in str(job().check(config=config))
    assert refused(job(vcpu=0.5)) == ""
    assert refused(job()) == ""


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({f"k{n}": "v" for n in range(51)}, "53 tags"),
        ({f"k{n}": "v" for n in range(49)}, "51 tags"),
        ({"team": "a,b"}, "with ','"),
        ({"team": "a\nb"}, r"with '\\n'"),
        ({"mail": "me#you!"}, "with '#!'"),
        ({"k*": "v"}, "with '*'"),
        ({"t\u200b": "v"}, r"with '\\u200b'"),
        ({"": "v"}, "1 to 128"),
        ({"k" * 129: "v"}, "1 to 128"),
        ({"k": "v" * 257}, "AWS allows 256"),
        ({"aws:k": "v"}, "not begin with aws:"),
        ({"AWS:k": "v"}, "not begin with aws:"),
        ({"k": "aws:v"}, "begins with aws:"),
        ({"Team": "a", "team": "b"}, "'Team' and 'team'"),
        ({"Lokki:Step": "a"}, "'Lokki:Step' and 'lokki:step'"),
        ({"__proto__": "v"}, "CDKTF cannot write"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_tags_that_aws_refuses(tags: dict[str, str], message: str) -> None:
    """Numbers, lengths, characters and keys that a resource of a step cannot have."""
    found = str([str(one) for one in check_definition(unchecked(tags))])
    assert message in found


def unchecked(tags: dict[str, str], of_pipeline: dict[str, str] | None = None) -> Definition:
    made = pipeline().definition
    step = replace(made.steps[0], options=replace(made.steps[0].options, tags=tags))
    node = replace(made.graph.nodes[0], step=step)
    return replace(made, graph=Graph((node,)), tags=of_pipeline or {})


def test_tags_that_aws_takes() -> None:
    """48 tags beside lokki_tf's own two, in any script, with spaces and signs, pass."""
    tags = {f"k{n}": "v" for n in range(46)} | {"größe 1": "東京 _.:/=+-@", "empty": ""}
    assert check_definition(unchecked(tags)) == []


def test_tags_of_pipeline_and_step_are_counted_together() -> None:
    """A step's resources have the pipeline's tags as well; the same key counts once."""
    most = {f"p{n}": "v" for n in range(40)}
    (finding,) = check_definition(unchecked({f"s{n}": "v" for n in range(9)}, most))
    assert "51 tags" in finding.message
    assert check_definition(unchecked({f"p{n}": "w" for n in range(9)}, most)) == []


def test_a_step_is_not_called_proto() -> None:
    """``__proto__`` is a name that Terraform's generator cannot write as a key."""

    @step(name="__proto__")
    def work() -> None: ...

    with pytest.raises(NamingError, match="a step cannot have the name '__proto__'"):
        Pipeline("p", steps=[work()])


class Slow(TimeoutError): ...


class Refused(ValueError, Slow): ...


def test_a_class_under_two_listed_ones_is_a_warning() -> None:
    """It counts as the first listed one of its bases, unless it is listed itself."""
    retry = [{"retries": 1, "exceptions": (OSError,)}, {"retries": 2, "exceptions": (ValueError,)}]
    # Packages that other tests import may define such classes, too.
    found = [one for one in pipeline(retry=retry).early_findings() if "Refused" in one.message]
    (finding,) = found
    assert (finding.rule, finding.severity) == ("error-class", "warning")
    assert "test_rules.Refused is a subclass of ValueError and of OSError" in finding.message
    assert "counts as ValueError only" in finding.message
    retry[1]["exceptions"] = (ValueError, Refused)
    assert not any("Refused" in one.message for one in pipeline(retry=retry).early_findings())


def test_a_class_under_a_retrier_and_a_catcher_is_a_warning() -> None:
    """Errors that are retried and caught as different classes count as the first of these."""
    options = {"retry": {"retries": 1, "exceptions": (OSError,)}, "catch": ValueError}
    found = pipeline(**options).early_findings()
    assert any(one.rule == "error-class" and "Refused" in one.message for one in found)
    found = pipeline(**options | {"catch": (ValueError, Refused)}).early_findings()
    assert not any("Refused" in one.message for one in found)


@step
def loaded(day: str = "x") -> int:
    return len(day)


@flow(timeout_seconds=600)
def limited(day: str = "x") -> int:
    return loaded(day)


@flow
def nested() -> int:
    return limited("y")


@step
def days() -> list[str]:
    return ["x"]


@flow
def for_each() -> list[int]:
    return days().map(limited)


@task
def day() -> str:
    return "x"


arrowed = Pipeline("limited", steps=[loaded(Parameter("day", str))], timeout_seconds=600)
day >> arrowed


def _routed() -> MicroFunctions:
    pipe = MicroFunctions("limited", name="routed")
    pipe.include(limited, next="nested")
    pipe.include(nested)
    return pipe


@pytest.mark.parametrize(
    ("pipeline", "names"),
    [
        (nested, ["limited"]),
        (for_each, ["limited"]),
        (Pipeline("calls", steps=[limited(Parameter("day", str))]), ["limited"]),
        (Pipeline("flows", steps=[nested()]), ["nested.limited"]),
        (DAG("dag", tasks=[arrowed]), ["limited"]),
        (Flow("built").add(arrowed), ["limited"]),
        (_routed(), ["limited", "nested.limited"]),
        (limited, []),
    ],
)
def test_the_time_limit_of_an_included_pipeline_is_a_warning(
    pipeline: Any, names: list[str]
) -> None:
    """In every style, check says where a pipeline is included whose limit has no effect."""
    found = [one for one in pipeline.check() if one.rule == "unused-limit"]
    assert [one.message.split("'")[1] for one in found] == names
    assert all(one.severity == "warning" and one.place.file == __file__ for one in found)
