"""Secrets are environment variables of their steps, here as in AWS, and nowhere else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack
from ways import WAYS

from lokki_tf import (
    DAG,
    Flow,
    MicroFunctions,
    Parameter,
    Pipeline,
    ReturnUpdates,
    Schedule,
    flow,
    step,
    task,
)
from lokki_tf.errors import DefinitionError, OptionError, SecretError, StepFailed
from lokki_tf.packaging import cut, package

if TYPE_CHECKING:
    from deployment import Deployment

    from lokki_tf.testing import LocalAws

TESTS = Path(__file__).parents[1]
PASSWORD, WHOLE, TOKEN = (
    f"secret-{name}-{token_hex(8)}" for name in ("password", "whole", "token")
)
SECRETS = {
    "DB_PASSWORD": "test/db#password",
    "DB_PORT": "test/db#port",
    "WHOLE": "test/whole",
    "TOKEN": "ssm:/test/token",
}


def seen() -> dict[str, str]:
    """Digests of the secrets that a step sees, so that its result contains no value."""
    found = {name: os.environ.get(name, "") for name in SECRETS}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items() if text}


@step(secrets=SECRETS)
def every(rest: Any = None) -> dict[str, str]:
    return seen()


@step(secrets={"TOKEN": "ssm:/test/token"})
def single(rest: Any = None) -> dict[str, str]:
    return seen()


@step
def none(rest: Any = None) -> dict[str, str]:
    return seen()


@step(secrets={"WHOLE": "test/whole"}, when=lambda rest: os.environ["WHOLE"] != "")
def asked(rest: Any) -> dict[str, str]:
    return seen()


@step(job_type="batch", secrets=SECRETS)
def job(rest: Any = None) -> dict[str, str]:
    return seen()


@step(package="image", secrets=SECRETS)
def in_image(rest: Any = None) -> dict[str, str]:
    return seen()


@step
def several() -> list[int]:
    return [1, 2, 3]


@task(secrets={"TOKEN": "ssm:/test/token"})
def one_task() -> dict[str, str]:
    return seen()


@task()
def following(one_task: Any) -> list[Any]:
    return [one_task, seen()]


routed = MicroFunctions("begin", name="secrets-routed")


@routed.fn(secrets=SECRETS)
def begin() -> Any:
    return ReturnUpdates("end", before=seen())


@routed.fn(terminates=True)
def end(*, before: Any) -> Any:
    return {"before": before, "after": seen()}


@flow
def secret_map():
    return several().map(single).agg(every)


PIPELINES: dict[str, Any] = {
    "calls": Pipeline("secrets", steps=[every(), single(), none(every(single())), asked(1)]),
    "jobs": Pipeline("secrets-jobs", steps=[job(in_image()), none()]),
    "flow": secret_map,
    "arrows": DAG("secrets-arrows", tasks=[one_task]),
    "builder": Flow("secrets-builder").add(one_task).add(following),
    "routed": routed,
}


def fill(aws: LocalAws) -> None:
    """Create the secrets in an account, if they are not there."""
    manager, ssm = aws.client("secretsmanager"), aws.client("ssm")
    texts = {"test/db": json.dumps({"password": PASSWORD, "port": 5432}), "test/whole": WHOLE}
    known = {one["Name"] for one in manager.list_secrets()["SecretList"]}
    for name, text in texts.items():
        if name not in known:
            manager.create_secret(Name=name, SecretString=text)
    ssm.put_parameter(Name="/test/token", Value=TOKEN, Type="SecureString", Overwrite=True)


@pytest.fixture
def account(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """The local AWS with the secrets, which is the user's account."""
    fill(deployment.aws)
    for name, text in deployment.aws.environment.items():
        monkeypatch.setenv(name, text)
    return deployment.aws


@pytest.mark.parametrize("style", PIPELINES)
def test_secrets_are_those_of_aws(style: str, account: LocalAws, deployment: Deployment) -> None:
    """Threads, processes, one after another and strict: what each Lambda and job sees."""
    pipeline = PIPELINES[style]
    there = deployment.run(pipeline)
    assert hashlib.sha256(TOKEN.encode()).hexdigest() in json.dumps(there)
    for options in WAYS:
        if style == "routed" and options.get("executor") == "process":
            continue
        here = pipeline.local_run(**options).outputs
        assert {name: here[name] for name in there} == there, options
    assert not seen()


def test_values_are_text(account: LocalAws, deployment: Deployment) -> None:
    """A value of a JSON object is a string, or JSON; a whole secret is its text."""
    expected = {"DB_PASSWORD": PASSWORD, "DB_PORT": "5432", "WHOLE": WHOLE, "TOKEN": TOKEN}
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in expected.items()}
    pipeline = Pipeline("secrets-text", steps=[every()])
    assert pipeline.local_run().outputs["every"] == digests
    assert deployment.run(pipeline) == {"every": digests}


def test_a_secret_may_be_an_arn(account: LocalAws, deployment: Deployment) -> None:
    """With or without a key, also of a secret whose name another one continues."""
    manager = account.client("secretsmanager")
    manager.create_secret(Name="test/db-longer", SecretString="other")
    arn = manager.describe_secret(SecretId="test/db")["ARN"]
    reader = step(name="reader", secrets={"DB_PASSWORD": f"{arn}#password"})(none.__wrapped__)
    pipeline = Pipeline("secrets-arn", steps=[reader()])
    expected = {"reader": {"DB_PASSWORD": hashlib.sha256(PASSWORD.encode()).hexdigest()}}
    assert pipeline.local_run().outputs == deployment.run(pipeline) == expected


def test_settings_have_secrets_for_all_steps(
    account: LocalAws, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``[lambda] secrets``, jobs included; what a step writes itself has priority."""
    (tmp_path / "lokki.toml").write_text(
        '[lambda.secrets]\nTOKEN = "test/whole"\nWHOLE = "test/whole"\nDB_PORT = "test/db#port"\n'
    )
    monkeypatch.chdir(tmp_path)
    plain = step(name="plain", env_variables={"DB_PORT": "1"})(none.__wrapped__)
    pipeline = Pipeline("secrets-settings", steps=[none(), single(), job(), plain()])
    whole, token = (hashlib.sha256(one.encode()).hexdigest() for one in (WHOLE, TOKEN))
    there = deployment.run(pipeline)
    assert there["none"]["TOKEN"] == there["none"]["WHOLE"] == whole
    assert (there["single"]["TOKEN"], there["job"]["TOKEN"]) == (token, token)
    assert there["plain"]["DB_PORT"] == hashlib.sha256(b"1").hexdigest()
    assert pipeline.local_run().outputs == there


def test_the_environment_comes_first_in_local_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that are set need no account: nothing is fetched."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in SECRETS:
        monkeypatch.setenv(name, "own")
    pipeline = Pipeline("secrets-own", steps=[every()])
    own = hashlib.sha256(b"own").hexdigest()
    for options in WAYS:
        assert pipeline.local_run(**options).outputs == {"every": dict.fromkeys(SECRETS, own)}


@pytest.mark.parametrize(
    ("source", "here", "there"),
    [
        ("test/missing", "can't find the specified secret", ""),  # access is denied there
        ("test/deleted", "marked", "marked"),
        ("ssm:/test/missing", "not found", "ParameterNotFound"),
        ("test/whole#key", "is not a JSON object", "is not a JSON object"),
        ("test/db#missing", "without the key 'missing'", "without the key 'missing'"),
        ("test/binary", "is binary", "is binary"),
    ],
)
def test_a_secret_that_cannot_be_read_is_an_error(
    source: str, here: str, there: str, account: LocalAws, deployment: Deployment
) -> None:
    """Locally before any step runs, with the place; in AWS before the step's code is imported."""
    manager = account.client("secretsmanager")
    if source == "test/binary":
        manager.create_secret(Name=source, SecretBinary=PASSWORD.encode())
    if source == "test/deleted":
        manager.create_secret(Name=source, SecretString=PASSWORD)
        manager.delete_secret(SecretId=source)
    ran = []

    @step(name="before")
    def before() -> int:
        ran.append(1)
        return 1

    reader = step(name="reader", secrets={"TOKEN": source})(none.__wrapped__)
    with pytest.raises(SecretError, match=here) as caught:
        Pipeline("secrets-missing", steps=[reader(before())]).local_run()
    assert not ran
    assert caught.value.place is not None
    assert caught.value.place.file == __file__
    assert "TOKEN" in (caught.value.remedy or "")
    assert PASSWORD not in str(caught.value)
    assert WHOLE not in str(caught.value)
    if there:
        execution = deployment.execute(Pipeline("secrets-missing", steps=[reader()]))
        assert (execution.status, execution.error) == ("FAILED", "SecretError")
        assert there in str(execution.cause)
        assert PASSWORD not in str(execution.cause)
        assert WHOLE not in str(execution.cause)


def test_without_credentials_a_local_run_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the step's line, the secret, and the variable to set instead."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(SecretError, match="there are no AWS credentials") as caught:
        Pipeline("secrets-unknown", steps=[single()]).local_run()
    assert "'ssm:/test/token'" in caught.value.message
    assert caught.value.place is not None


def test_settings_that_are_wrong_are_refused_here_too(tmp_path: Path) -> None:
    """A source of ``[lambda] secrets`` is checked before a local run fetches anything."""
    from lokki_tf.config import load_config

    (tmp_path / "lokki.toml").write_text('[lambda]\nsecrets = { TOKEN = "a#" }\n')
    config = load_config(tmp_path, environ={})
    with pytest.raises(OptionError, match="no key after the #"):
        Pipeline("secrets-wrong", steps=[none()]).local_run(config=config)


PROGRAM = """
import json, sys, time
import boto3, botocore
calls = []
make = botocore.client.BaseClient._make_api_call
def counted(self, operation, given):
    calls.append(operation)
    return make(self, operation, given)
botocore.client.BaseClient._make_api_call = counted
now = time.time
import lambda_function
event = {"node": "single", "run": "r", "store": "s3://none", "inline": 1000}
def result():
    return lambda_function.lambda_handler(event, None)["value"]["TOKEN"]
found = [result()]
boto3.client("ssm").put_parameter(
    Name="/test/rotated", Value="second", Type="SecureString", Overwrite=True
)
for later in (0, 290, 310, 320):
    time.time = lambda: now() + later
    found.append(result())
print(json.dumps([found, calls.count("GetParameter")]))
"""


def test_a_rotated_secret_is_fetched_after_five_minutes(account: LocalAws, tmp_path: Path) -> None:
    """A warm Lambda uses a value for five minutes, and fetches it once for that time."""
    given = {"Name": "/test/rotated", "Type": "SecureString", "Overwrite": True}
    account.client("ssm").put_parameter(Value="first", **given)
    reader = step(name="single", secrets={"TOKEN": "ssm:/test/rotated"})(single.__wrapped__)
    for path, data in package(
        cut(Pipeline("r", steps=[reader()]).definition.steps[0])
    ).files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, **account.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = (hashlib.sha256(one).hexdigest() for one in (b"first", b"second"))
    assert json.loads(done.stdout.splitlines()[-1]) == [[first, first, first, second, second], 2]


def test_secrets_are_there_when_user_code_is_imported(
    account: LocalAws, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that the step imports sees them at import, however its code is deployed."""
    for form in ("cut", "module"):
        name = f"importing_{form}"
        (tmp_path / f"{name}_conf.py").write_text(
            'import os\nFOUND = os.environ.get("TOKEN", "")\n'
        )
        (tmp_path / f"{name}.py").write_text(
            f'"""A pipeline."""\nfrom __future__ import annotations\nimport {name}_conf\n'
            "from lokki_tf import Pipeline, step\n"
            f'@step(code="{form}", secrets={{"TOKEN": "ssm:/test/token"}})\n'
            f"def length() -> int:\n    return len({name}_conf.FOUND)\n"
            f'pipeline = Pipeline("secrets-{form}", steps=[length()])\n'
        )
        monkeypatch.syspath_prepend(tmp_path)
        pipeline = __import__(name).pipeline
        assert deployment.run(pipeline) == {"length": len(TOKEN)}
        (finding,) = pipeline.check()
        assert (finding.rule, finding.severity) == ("secret-early", "warning")
        assert (finding.place.file, finding.place.line) == (str(tmp_path / f"{name}_conf.py"), 2)


def test_steps_without_secrets_have_no_code_for_them() -> None:
    """Only a step with secrets has the module that fetches them, and a handler that calls it."""
    steps = {one.name: one for one in PIPELINES["calls"].definition.steps}
    with_code, without = (package(cut(steps[name])).files for name in ("every", "none"))
    own = {"lokki_runtime/secrets.py", "lokki_runtime/secret_sources.py"}
    assert set(with_code) - set(without) == own
    assert b"secrets" in with_code["lambda_function.py"]
    assert b"secrets" not in without["lambda_function.py"].replace(b"the secrets", b"")


def captured(text: str) -> Any:
    """A step whose deployed code contains a value of this process."""

    @step(name="captured")
    def length() -> int:
        return len(text)

    return length


@step
def takes(text: Any) -> int:
    return len(text)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda text: [captured(text)()], "the file lambda_function.py of step 'captured'"),
        (lambda text: [takes(f"user:{text}")], "the state machine"),
        (lambda text: [takes({text})], "the state machine"),
        (lambda text: [takes([text] * 20_000)], "the object literals/"),
        (
            lambda text: [step(name="set", env_variables={"URL": text})(none.__wrapped__)()],
            "an environment variable of step 'set'",
        ),
    ],
    ids=["code", "literal", "pickled literal", "large literal", "variable"],
)
def test_a_value_that_would_be_deployed_is_an_error(
    make: Any, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was made from a secret of the environment is found, and named without its value."""
    text = 'it\'s "a" secret'
    monkeypatch.setenv("TOKEN", text)
    pipeline = Pipeline("exposed", steps=[single(), takes(None), *make(text)])
    (finding,) = pipeline.check()
    assert finding.rule == "secret-exposed"
    assert finding.message.startswith(where)
    assert finding.message.endswith("contains the value of the secret 'TOKEN'")
    with pytest.raises(DefinitionError, match="the value of the secret 'TOKEN'") as caught:
        pipeline.synth(tmp_path)
    assert text not in str(caught.value)
    assert not (tmp_path / "stacks" / "exposed" / "cdk.tf.json").exists()
    monkeypatch.delenv("TOKEN")
    assert list(pipeline.check()) == []


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"triggers": Schedule("rate(1 day)", parameters={"n": "Kx7-secret"})}, "a trigger"),
        ({"tags": {"n": "Kx7-secret"}}, "a tag"),
        ({"description": "Kx7-secret"}, "the state machine"),
    ],
    ids=["trigger", "tag", "description"],
)
def test_options_of_the_pipeline_contain_no_secret(
    options: dict[str, Any], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deployed beside the steps is searched as well."""
    monkeypatch.setenv("TOKEN", "Kx7-secret")
    given = takes(Parameter("n", str, default="none"))
    (finding,) = Pipeline("exposed", steps=[single(), given], **options).check()
    assert finding.message == f"{where} contains the value of the secret 'TOKEN'"
    tagged = step(name="set", tags={"of": "Kx7-secret"})(takes.__wrapped__)
    (finding,) = Pipeline("exposed", steps=[single(), tagged(1)]).check()
    assert finding.message == "an option of step 'set' contains the value of the secret 'TOKEN'"


# --- nowhere else -----------------------------------------------------------------------


@step(secrets=SECRETS)
def reads(size: int) -> list[dict[str, str]]:
    print("reading", len(os.environ["TOKEN"]))
    return [{**seen(), "more": "x" * size}]


@step(secrets=SECRETS, retry={"retries": 1, "delay": 0})
def fails(rest: Any) -> None:
    password = os.environ["DB_PASSWORD"]
    raise LookupError(f"a password of {len(password)} characters")


@step(job_type="batch", secrets=SECRETS)
def fails_too(rest: Any) -> None:
    raise LookupError(f"a token of {len(os.environ['TOKEN'])} characters")


@step(secrets=SECRETS)
def notified(failure: dict[str, Any]) -> None:
    print("notified of", failure["error"])


def leaking() -> Pipeline:
    """Steps that succeed, fail and are retried, a job, and a notice."""
    rows = reads(300_000)
    return Pipeline("leaking", steps=[fails(rows), fails_too(rows)], on_failure=notified)


@stack
def leaking_stack(aws: LocalAws, folder: Path) -> Path:
    """A stack of steps with secrets."""
    fill(aws)
    made = leaking().synth(folder)
    return made.folder


def holders(texts: dict[str, Any]) -> list[str]:
    """The names of those texts that contain a secret."""
    found = []
    for name, text in texts.items():
        data = text.encode() if isinstance(text, str) else text
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        if any(one.encode() in data for one in (PASSWORD, WHOLE, TOKEN)):
            found.append(name)
    return found


def test_no_secret_leaves_the_process_in_aws(applied: Applied, tmp_path: Path) -> None:
    """State, plan, files, zips, logs, history and objects contain names of secrets, not values."""
    aws = applied.aws
    execution = applied.execute("leaking_stack")
    assert execution.status == "FAILED"
    texts: dict[str, Any] = {"execution": repr(execution)}
    plan = Path(shutil.copy(applied.plan()[0], tmp_path / "plan.zip"))
    state = aws._terraform(applied.root)._scratch / "terraform.tfstate"
    files = [plan, state, *(one for one in applied.root.rglob("*") if one.is_file())]
    for path in files:
        texts[str(path)] = path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                texts |= {f"{path}/{one}": archive.read(one) for one in archive.namelist()}
    code = f"{applied.root}/leaking_stack/lambdas/reads/code.zip/lambda_function.py"
    for name in (str(state), f"{plan}/tfstate", code):
        assert b"test/db" in texts[name]
    states, logs, s3 = (aws.client(name) for name in ("stepfunctions", "logs", "s3"))
    history = states.get_paginator("get_execution_history")
    pages = history.paginate(executionArn=execution.arn)
    texts["history"] = "".join(repr(page) for page in pages)
    for group in logs.describe_log_groups()["logGroups"]:
        found = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        texts[group["logGroupName"]] = "".join(repr(page) for page in found)
    assert "reading" in texts["/aws/lambda/leaking-reads"]
    bucket = applied.outputs["leaking_stack"]["bucket"]
    for one in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        texts[one["Key"]] = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
    for function in aws.client("lambda").list_functions()["Functions"]:
        texts[function["FunctionName"]] = repr(function)
    assert len(texts) > 30
    assert holders(texts) == []


def test_no_secret_leaves_the_process_in_local_runs(
    account: LocalAws, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Output, errors, the state file and pictures contain no value."""
    pipeline, state = leaking(), tmp_path / "state.db"
    texts: dict[str, Any] = {}
    for options in WAYS:
        events: list[Any] = []
        with pytest.raises(StepFailed) as caught:
            pipeline.local_run(state=state, on_event=events.append, **options)
        error = caught.value
        run = error.run
        texts |= {
            f"error {options}": str(error) + repr(error) + repr(error.__cause__),
            f"run {options}": repr(run) + str(run),
            f"events {options}": repr(events),
            f"picture {options}": pipeline.to_svg(run) + pipeline._repr_svg_(),
        }
    texts["output"], texts["errors"] = capfd.readouterr()
    script = (
        "from agreement.test_secrets import leaking; from lokki_tf import main; main(leaking())"
    )
    arguments = ["run", "--resume", "--log-format", "json", "--log-level", "DEBUG"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--gantt", str(tmp_path / "run.svg")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "a password of" in done.stderr
    texts |= {"output of the command": done.stdout, "errors of the command": done.stderr}
    for path in (one for one in tmp_path.rglob("*") if one.is_file()):
        texts[path.name] = path.read_bytes()
    assert "reading" in texts["output"]
    assert {"state.db", "run.svg"} <= texts.keys()
    assert holders(texts) == []
