"""Lambda functions that are images run as processes, from the folder of their image."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lokki_tf.testing import LocalAws, LocalAwsError

Invoke = Callable[..., dict[str, Any]]
HERE = Path(__file__).parent
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
_number = count()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image is made of."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(HERE / "entry.py", folder)
    return folder


@pytest.fixture(scope="module")
def account(app: Path) -> Iterator[LocalAws]:
    """An account with the registered image."""
    with LocalAws(retry_delay_scale=0.0, containers=False) as aws:
        aws.register_image("functions:1", app)
        yield aws


@pytest.fixture
def invoke(account: LocalAws) -> Invoke:
    """Create a function of the image and invoke it with some events, one after the other."""

    def run(*events: Any, command: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        name = create(account, command=command, **more)
        answers = [call(account, name, event) for event in events]
        return {**answers[-1], "name": name, "values": [each["value"] for each in answers]}

    return run


def create(
    aws: LocalAws, image: str = "functions:1", command: tuple[str, ...] = (), **more: Any
) -> str:
    """Create a function of an image and return its name."""
    name = f"image-{next(_number)}"
    config = {"ImageConfig": {"Command": list(command)}} if command else {}
    aws.client("lambda").create_function(
        FunctionName=name,
        PackageType="Image",
        Role=aws.admin_role,
        Code={"ImageUri": f"{REGISTRY}/{image}"},
        **config,
        **more,
    )
    return name


def call(aws: LocalAws, name: str, event: Any) -> dict[str, Any]:
    """Invoke a function."""
    answer = aws.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event), LogType="Tail"
    )
    return {**answer, "value": json.loads(answer["Payload"].read())}


def test_result(invoke: Invoke, app: Path) -> None:
    """A function gets its events through the Runtime API, in one warm process, and its command."""
    found = invoke([1, "é"], None, command=("step",))
    folder = str(app)
    assert found["values"] == [
        {"event": [1, "é"], "count": 1, "command": ["step"], "folder": folder},
        {"event": None, "count": 2, "command": ["step"], "folder": folder},
    ]
    assert "FunctionError" not in found


def test_logs(invoke: Invoke, account: LocalAws) -> None:
    """What the program prints is in its log, between START and END, and in the tail."""
    found = invoke("a", "b")
    tail = base64.b64decode(found["LogResult"]).decode().splitlines()
    assert [line.split()[0] for line in tail] == ["START", "event", "END", "REPORT"]
    assert tail[1] == "event 2"
    assert [line for line in account.logs(found["name"]) if line.startswith("event")] == [
        "event 1",
        "event 2",
    ]


def test_environment(invoke: Invoke, account: LocalAws) -> None:
    """The environment has the function's variables, its name and the account, no more."""
    found = invoke("environment", Environment={"Variables": {"MINE": "ö"}}, MemorySize=256)
    wanted = {
        "MINE": "ö",
        "AWS_LAMBDA_FUNCTION_NAME": found["name"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_ENDPOINT_URL": account.endpoint_url,
    }
    assert wanted.items() <= found["value"].items()
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(found["value"])


def test_headers(invoke: Invoke) -> None:
    """An event comes with its request's id, the function's ARN and the time it has."""
    found = invoke("headers", Timeout=9)
    headers = found["value"]
    assert headers["Lambda-Runtime-Invoked-Function-Arn"].endswith(f":{found['name']}")
    left = int(headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time()
    assert 5 < left <= 9
    answered = found["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert headers["Lambda-Runtime-Aws-Request-Id"] in answered


@pytest.mark.parametrize(
    ("command", "event", "kind", "message"),
    [
        ("", "raise", "KeyError", "'missing'"),
        ("", "exit", "Runtime.ExitError", "exit status 4"),
        ("", "large", "Function.ResponseSizeTooLarge", "6291556"),
        ("exits", "a", "Runtime.ExitError", "exit status 3"),
        ("broken", "a", "Broken", "at init"),
    ],
)
def test_errors(invoke: Invoke, command: str, event: str, kind: str, message: str) -> None:
    """A failure is Unhandled, with the name that the program or Lambda gives it."""
    found = invoke(event, command=(command,) if command else ())
    assert found["FunctionError"] == "Unhandled"
    assert found["value"]["errorType"] == kind
    assert message in found["value"]["errorMessage"]


def test_timeout(invoke: Invoke, account: LocalAws) -> None:
    """A program that exceeds the time limit is killed; the next event starts a new one."""
    found = invoke("a", "sleep", Timeout=1)  # a test that waited for it would fail after 600 s
    assert found["value"]["errorType"] == "Sandbox.Timedout"
    assert call(account, found["name"], "b")["value"]["count"] == 1


def test_in_parallel(invoke: Invoke, account: LocalAws) -> None:
    """Events at the same time have processes of their own."""
    name = invoke("a")["name"]
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda event: call(account, name, event)["value"], range(8)))
    assert [each["event"] for each in found] == list(range(8))


def test_unknown_image(account: LocalAws) -> None:
    """The error for a function with a missing image contains the remedy."""
    from botocore.exceptions import ClientError

    name = create(account, "nowhere:1")
    with pytest.raises(ClientError, match=r"register_image\(\)"):
        call(account, name, None)


def test_in_a_state_machine(account: LocalAws) -> None:
    """A Task invokes such a function, and sees its errors by name."""
    name = create(account)
    parameters = {"FunctionName": name, "Payload.$": "$"}
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters,
        "End": True,
    }
    account.create_state_machine("images", {"StartAt": "A", "States": {"A": state}})
    assert account.execute("images", {"a": 1}).output["Payload"]["event"] == {"a": 1}
    assert account.execute("images", '"raise"').error == "KeyError"


@pytest.mark.parametrize("text", ["{", "[1]", '{"app": "app"}', '{"uri": "a:1", "app": "no"}'])
def test_image_file(account: LocalAws, tmp_path: Path, text: str) -> None:
    """An invalid image.json is refused before the deployment starts."""
    (tmp_path / "image.json").write_text(text)
    with pytest.raises(LocalAwsError):
        account.deploy(tmp_path)


@pytest.mark.terraform
def test_terraform(account: LocalAws, tmp_path: Path) -> None:
    """Terraform deploys functions that are images, with an empty plan, updates and destroys."""
    shutil.copytree(HERE / "terraform" / "image", tmp_path, dirs_exist_ok=True)
    shutil.copytree(HERE, tmp_path / "image" / "app", ignore=lambda *_: _others())
    image = {"app": "image/app", "entry": "entry.py"}
    images = [{"uri": f"functions:{tag}", **image} for tag in ("1", "2")]
    (tmp_path / "image.json").write_text(json.dumps(images))
    second = {"tag": "2", "word": "second", "value": "two"}
    for variables in ({}, second):
        account.deploy(tmp_path, variables)
        assert account.plan_is_empty(tmp_path, variables)
        found = call(account, "image", 1)["value"]
        assert found["command"] == [variables.get("word", "first")]
        assert found["folder"] == str(tmp_path / "image" / "app")
    assert call(account, "image", "environment")["value"]["VALUE"] == "two"
    assert call(account, "plain", 1)["value"]["command"] == []
    account.destroy(tmp_path, second)


def _others() -> list[str]:
    return [each.name for each in HERE.iterdir() if each.name != "entry.py"]
