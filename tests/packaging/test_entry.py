"""The program inside images, as it comes: in subprocesses, against a Runtime API and an S3."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime_api import RuntimeApi, runtime_api

from lokki_tf.packaging.bundle.runtime_files import runtime_files
from lokki_tf.packaging.bundle.template import shipped
from lokki_tf.runtime.envelope import FORMAT
from lokki_tf.testing import LocalAws

BUCKET, JOB_ID = "jobs", "5a1f-0001"
STEP = """
import json, logging, os, sys
import beside
import lokki_runtime

logging.getLogger().setLevel(logging.INFO)

class Refused(Exception):
    pass

def deeper(frames, text):
    if frames:
        return next(deeper(frames - 1, text) for _ in "x")
    raise RecursionError(text)

def lambda_handler(event, context):
    if "deep" in event:
        deeper(200, event["deep"])
    if "raise" in event:
        raise Refused(event["raise"])
    if "exit" in event:
        sys.exit(event["exit"])
    if "sleep" in event:
        import time
        print("sleeping", flush=True)
        time.sleep(60)
    if "odd" in event:
        return {1, 2}
    logging.info("hello")
    about = {name: getattr(context, name, None) for name in
             ("aws_request_id", "function_name", "invoked_function_arn", "memory_limit_in_mb")}
    left = context.get_remaining_time_in_millis() if context else None
    return {"cwd": os.getcwd(), "beside": beside.NAME, "own": sys.path[0], "about": about,
            "left": left, "trace": os.environ.get("_X_AMZN_TRACE_ID"), "seen": event}
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image's folder, with steps that work and steps that do not load."""
    folder = tmp_path_factory.mktemp("image") / "app"
    steps = {
        "score": {"lambda_function.py": STEP, "beside.py": "NAME = 'score'\n"},
        "other": {"lambda_function.py": STEP, "beside.py": "NAME = 'other'\n"},
        "lacking": {"lambda_function.py": "import nowhere_to_be_found\n"},
        "broken": {"lambda_function.py": "def lambda_handler(:\n"},
        "packed": {"lambda_function.py": "import packed\nlambda_handler = packed.handler\n"},
    }
    for step, files in steps.items():
        whole = {**{path: text.encode() for path, text in files.items()}, **runtime_files(job=True)}
        for path, data in whole.items():
            (folder / step / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / step / path).write_bytes(data)
    (folder / ".packages").mkdir()
    (folder / ".packages/packed.py").write_text("def handler(event, context): return 'packed'\n")
    (folder / "entry.py").write_text(shipped("entry.py"))
    return folder


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with runtime_api() as found:
        yield found


def start(app: Path, step: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(app / "entry.py"), *([step] if step else [])],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def function(app: Path, api: RuntimeApi) -> Iterator[subprocess.Popen[str]]:
    """The step ``score`` in Lambda."""
    more = {"AWS_LAMBDA_FUNCTION_NAME": "daily-score", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}
    process = start(app, "score", AWS_LAMBDA_RUNTIME_API=api.address, **more)
    yield process
    process.kill()
    process.communicate()


def test_it_serves_lambda_as_lambdas_own_runtime_does(
    app: Path, api: RuntimeApi, function: subprocess.Popen[str]
) -> None:
    """Events in turn, each with its context, from the step's folder."""
    for number in (1, 2):
        api.events.put((number, {"number": number}))
        path, answer, _ = api.answers.get(timeout=20)
        assert path == f"/2018-06-01/runtime/invocation/request-{number}/response"
        assert answer["seen"] == {"number": number}
        assert answer["cwd"] == answer["own"] == str(app / "score")
        assert answer["beside"] == "score"
        assert 0 < answer["left"] <= 30_000
        assert answer["trace"] == f"Root={number}"
        assert answer["about"] == {
            "aws_request_id": f"request-{number}",
            "function_name": "daily-score",
            "invoked_function_arn": "arn:aws:lambda:::function:f",
            "memory_limit_in_mb": "512",
        }
    function.kill()
    assert "[INFO]\t" in function.communicate()[0]


def test_an_error_is_reported_by_its_classes_name_and_the_next_event_is_served(
    api: RuntimeApi, function: subprocess.Popen[str]
) -> None:
    """Errors have errorMessage, errorType and stackTrace; so has a result that is not JSON."""
    api.events.put((1, {"raise": "no änswer"}))
    path, error, headers = api.answers.get(timeout=20)
    assert path == "/2018-06-01/runtime/invocation/request-1/error"
    assert error["errorType"] == headers["Lambda-Runtime-Function-Error-Type"] == "Refused"
    assert error["errorMessage"] == "no änswer"
    assert "lambda_function.py" in error["stackTrace"][0]
    assert "entry.py" not in "".join(error["stackTrace"])
    api.events.put((2, {"odd": True}))
    assert api.answers.get(timeout=20)[1]["errorType"] == "Runtime.MarshalError"
    api.events.put((3, {}))
    assert api.answers.get(timeout=20)[0].endswith("request-3/response")


@pytest.mark.parametrize(
    ("step", "kind", "message"),
    [
        ("lacking", "Runtime.ImportModuleError", "No module named 'nowhere_to_be_found'"),
        ("broken", "Runtime.UserCodeSyntaxError", "Syntax error"),
        ("scroe", "LookupError", "no step 'scroe'; its command is one of broken, lacking, other"),
        ("../score", "LookupError", "no step '../score'"),
    ],
)
def test_a_step_that_does_not_load_is_an_init_error(
    app: Path, api: RuntimeApi, step: str, kind: str, message: str
) -> None:
    """Errors at import are posted before the first event, with the messages of Lambda's runtime."""
    process = start(app, step, AWS_LAMBDA_RUNTIME_API=api.address)
    path, error, _ = api.answers.get(timeout=20)
    assert process.wait(20) == 1
    process.communicate()
    assert path == "/2018-06-01/runtime/init/error"
    assert error["errorType"] == kind
    assert message in error["errorMessage"]


def test_an_exit_in_a_step_ends_the_process(
    api: RuntimeApi, function: subprocess.Popen[str]
) -> None:
    """sys.exit in a step ends the runtime, which Lambda reports as Runtime.ExitError."""
    api.events.put((1, {"exit": 3}))
    assert function.wait(20) == 3
    assert api.answers.empty()


def test_a_runtime_api_that_gives_up_ends_the_process(
    api: RuntimeApi, function: subprocess.Popen[str]
) -> None:
    """An answer of 500 is not recoverable, and is said."""
    api.status = 500
    api.events.put((1, {}))
    assert function.wait(20) == 1
    assert "the Runtime API answers 500" in function.communicate()[1]


def test_declared_packages_stand_beside_the_steps(app: Path, api: RuntimeApi) -> None:
    """What is installed into app/.packages is found by every step."""
    process = start(app, "packed", AWS_LAMBDA_RUNTIME_API=api.address)
    api.events.put((1, {}))
    assert api.answers.get(timeout=20)[1] == "packed"
    process.kill()
    process.communicate()


# In Batch


@pytest.fixture(scope="module")
def aws(local_aws: LocalAws) -> LocalAws:
    local_aws.client("s3").create_bucket(Bucket=BUCKET)
    return local_aws


def job(app: Path, aws: LocalAws, step: str, event: str) -> tuple[int, str]:
    process = start(
        app,
        step,
        LOKKI_EVENT=event,
        AWS_BATCH_JOB_ID=JOB_ID,
        **aws.environment,
        PYTHONPATH=boto3_folder(),
    )
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def boto3_folder() -> str:
    import boto3

    return str(Path(boto3.__file__).parents[1])


def stored(aws: LocalAws, key: str) -> Any:
    return json.loads(aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())


def put_event(aws: LocalAws, run: str, **more: Any) -> str:
    """Puts an event where a state machine would, and returns its URI."""
    event = {"store": f"s3://{BUCKET}", "run": run, "node": "it", "format": FORMAT, **more}
    key = "/".join(filter(None, ("runs/it", run, more.get("place"), "it.event.json")))
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(event).encode())
    return f"s3://{BUCKET}/{key}"


@pytest.mark.parametrize("place", [None, "items/3"])
def test_a_job_writes_its_answer_to_the_bucket(app: Path, aws: LocalAws, place: str | None) -> None:
    """The variable names the event's object; the answer is beside it, under the job's id."""
    code, said = job(app, aws, "other", put_event(aws, f"answers-{place}", place=place, x=1))
    assert code == 0, said
    folder = "/".join(filter(None, (f"runs/it/answers-{place}", place)))
    answer = stored(aws, f"{folder}/it.{JOB_ID}.answer.json")
    assert answer["seen"]["x"] == 1
    assert (answer["beside"], answer["cwd"], answer["left"]) == ("other", str(app / "other"), None)


@pytest.mark.parametrize(
    ("step", "more", "kind", "message"),
    [
        ("score", {"raise": "two\nlines"}, "Refused", "two\nlines"),
        ("score", {"odd": 1}, "TypeError", "Object of type set is not JSON serializable"),
        ("score", {"exit": 0}, "SystemExit", "0"),
        ("lacking", {}, "Runtime.ImportModuleError", None),
    ],
)
def test_a_job_that_fails_says_so_thrice(
    app: Path, aws: LocalAws, step: str, more: dict[str, Any], kind: str, message: str | None
) -> None:
    """An error is in the exit code, in an object beside the answer, and in stderr's last line."""
    code, said = job(app, aws, step, put_event(aws, f"failed-{kind}", **more))
    assert code == 1
    error = stored(aws, f"runs/it/failed-{kind}/it.{JOB_ID}.error.json")
    assert error["errorType"] == kind
    if message is not None:
        assert error["errorMessage"] == message
    assert said.splitlines()[-1].startswith(f"{kind}: ")
    assert said.splitlines()[-1] == f"{kind}: {' '.join(error['errorMessage'].split())}"
    assert "Traceback" in said


def test_a_job_reports_the_innermost_frames(app: Path, aws: LocalAws) -> None:
    """A deep traceback is cut where it begins, so that all of the error fits into a Cause."""
    code, said = job(app, aws, "score", put_event(aws, "deep", deep="ü" * 3000))
    assert code == 1, said
    key = f"runs/it/deep/it.{JOB_ID}.error.json"
    data = aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert 20_000 < len(data) < 32_768
    error = json.loads(data)
    assert error["errorType"] == "RecursionError"
    assert "raise RecursionError" in error["stackTrace"][-1]
    assert not any("lambda_handler" in frame for frame in error["stackTrace"])


@pytest.mark.parametrize(
    ("event", "last"),
    [
        ("", "LookupError: the variable LOKKI_EVENT is '', and not the URI of the job's event"),
        ("{}", "LookupError: the variable LOKKI_EVENT is '{}', and not the URI of the job's event"),
        ("s3://jobs/nowhere", "NoSuchKey: "),
    ],
)
def test_a_job_without_an_event_says_what_is_missing(
    app: Path, aws: LocalAws, event: str, last: str
) -> None:
    """Without an event, an error is reported on stderr and by the exit code."""
    code, said = job(app, aws, "score", event)
    assert code == 1
    assert said.splitlines()[-1].startswith(last)


def test_a_job_that_cannot_write_does_not_begin(app: Path, aws: LocalAws) -> None:
    """Where neither answer nor error could be written, no hours of work are lost over it."""
    event = put_event(aws, "lost", sleep=1)
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/runs/it/lost/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=policy)
    code, said = job(app, aws, "score", event)
    assert code == 1
    assert said.splitlines()[-1].startswith(("AccessDenied: ", "ClientError: "))


def test_a_job_that_is_stopped_ends_at_once(app: Path, aws: LocalAws) -> None:
    """SIGTERM, by which Batch stops a job, ends it within a moment, with an error of that name."""
    event = put_event(aws, "stopped", sleep=1)
    process = start(
        app,
        "score",
        LOKKI_EVENT=event,
        AWS_BATCH_JOB_ID=JOB_ID,
        **aws.environment,
        PYTHONPATH=boto3_folder(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "sleeping\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert stored(aws, f"runs/it/stopped/it.{JOB_ID}.error.json")["errorType"] == "Terminated"
    assert said.splitlines()[-1].startswith("Terminated: AWS Batch has stopped the job")


def test_without_a_step_it_says_which_there_are(app: Path) -> None:
    """Started with no command, it lists the steps and exits with 2."""
    process = start(app, "")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said == "usage: entry.py STEP, one of broken, lacking, other, packed, score\n"
