"""Lambda functions in worker processes behave as in Lambda."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from lokki_tf.testing import LocalAws

Zip = Callable[..., bytes]
Invoke = Callable[..., dict[str, Any]]
_number = count()


@pytest.fixture
def invoke(local_aws: LocalAws, zip_of: Zip) -> Invoke:
    """Create a function of its source and invoke it."""

    def run(source: str, event: Any = None, **options: Any) -> dict[str, Any]:
        name = f"function-{next(_number)}"
        local_aws.create_function(name, zip_of(source), "handler.handler", **options)
        answer = local_aws.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps(event), LogType="Tail"
        )
        text = answer["Payload"].read()
        return {**answer, "name": name, "text": text, "value": json.loads(text)}

    return run


def test_result(invoke: Invoke) -> None:
    """A function gets its event and answers with its result."""
    found = invoke("def handler(event, context): return {'got': event}", [1, "é", None])
    assert found["value"] == {"got": [1, "é", None]}
    assert "FunctionError" not in found
    assert found["StatusCode"] == 200


def test_only_lambdas_own_packages(invoke: Invoke) -> None:
    """boto3 can be imported, but not lokki_tf and other packages installed here."""
    source = """
    import importlib.util
    def handler(event, context):
        return {name: importlib.util.find_spec(name) is not None for name in event}
    """
    names = [
        "boto3",
        "botocore",
        "urllib3",
        "dateutil",
        "lokki_tf",
        "moto",
        "pytest",
        "pip",
        "yaml",
    ]
    found = invoke(source.replace("\n    ", "\n"), names)["value"]
    assert [name for name, there in found.items() if there] == names[:4]


def test_context(invoke: Invoke) -> None:
    """The context object tells name, ARN, memory, log and remaining time."""
    source = """
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return [context.function_name, context.invoked_function_arn, context.memory_limit_in_mb,
            context.log_group_name, bool(context.log_stream_name), bool(context.aws_request_id),
            8000 < left <= 9000]
"""
    found = invoke(source, memory_size=256, timeout=9)
    name = found["name"]
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert found["value"] == [name, arn, "256", f"/aws/lambda/{name}", True, True, True]


def test_environment(invoke: Invoke, local_aws: LocalAws) -> None:
    """The environment has the function's variables, its name, the region and the endpoint."""
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    found = invoke(source, environment={"MINE": "ö"})
    wanted = {
        "MINE": "ö",
        "AWS_LAMBDA_FUNCTION_NAME": found["name"],
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": local_aws.endpoint_url,
    }
    assert wanted.items() <= found["value"].items()
    assert "VIRTUAL_ENV" not in found["value"]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("class Mine(KeyError): pass\ndef handler(e, c): raise Mine('x')", "Mine", "'x'"),
        ("import nowhere", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("def handler(e, c: pass", "Runtime.UserCodeSyntaxError", "handler.py, line 1"),
        ("def other(e, c): pass", "Runtime.HandlerNotFound", "Handler 'handler' missing"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
        ("def handler(e, c): return {1, 2}", "Runtime.MarshalError", "set is not JSON"),
        ("import os\ndef handler(e, c): os._exit(3)", "Runtime.ExitError", "exit status 3"),
        ("import sys\ndef handler(e, c): sys.exit(4)", "Runtime.ExitError", "exit status 4"),
        ("def handler(e, c): return 'x' * 6300000", "Function.ResponseSizeTooLarge", "6291556"),
    ],
)
def test_errors(invoke: Invoke, source: str, kind: str, message: str) -> None:
    """A failure is Unhandled, with Lambda's name for it; a class by its bare name."""
    found = invoke(source)
    assert found["FunctionError"] == "Unhandled"
    assert found["value"]["errorType"] == kind
    assert message in found["value"]["errorMessage"]


def test_timeout(invoke: Invoke, local_aws: LocalAws) -> None:
    """A function that takes too long is killed and reported; the next event finds a new worker."""
    source = (
        "import time\ndef handler(e, c):\n  print('begun')\n  time.sleep(9999 if e is None else 0)"
    )
    found = invoke(source, timeout=1)  # a test that waited for it would fail after 600 s
    assert found["value"]["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in found["value"]["errorMessage"]
    assert "begun" in local_aws.logs(found["name"])
    again = local_aws.client("lambda").invoke(FunctionName=found["name"], Payload="1")
    assert "FunctionError" not in again


def test_stack_trace(invoke: Invoke) -> None:
    """The stack trace shows the function's own lines."""
    found = invoke("def inner():\n    raise ValueError('deep')\ndef handler(e, c):\n    inner()")
    assert [line.splitlines()[1].strip() for line in found["value"]["stackTrace"]] == [
        "inner()",
        "raise ValueError('deep')",
    ]


def test_logs(invoke: Invoke, local_aws: LocalAws) -> None:
    """What a function prints, logs and lets a subprocess print is in CloudWatch Logs."""
    source = """
import logging, subprocess, sys
def handler(event, context):
    print("out", "ü")
    print("err", file=sys.stderr)
    logging.warning("careful %s", 1)
    logging.info("not shown")
    subprocess.run(["echo", "from a child"])
"""
    found = invoke(source)
    lines = local_aws.logs(found["name"])
    assert lines[0].startswith("START RequestId: ")
    assert {"out ü", "err", "from a child"} <= set(lines)
    assert any(line.startswith("[WARNING]") and line.endswith("careful 1") for line in lines)
    assert "not shown" not in "".join(lines)
    assert [line.split()[0] for line in lines[-2:]] == ["END", "REPORT"]
    assert "out ü" in base64.b64decode(found["LogResult"]).decode()


def test_workers_stay_warm(local_aws: LocalAws, zip_of: Zip) -> None:
    """A function keeps its process; one of equal code has another, with its own credentials."""
    code = zip_of(
        "import os\nseen = []\ndef handler(e, c):\n seen.append(e)\n return [os.getpid(), seen]"
    )
    functions = local_aws.client("lambda")
    found = []
    for name in ("warm-a", "warm-b", "warm-a"):
        local_aws.create_function(name, code, "handler.handler")
        found.append(json.load(functions.invoke(FunctionName=name, Payload=f'"{name}"')["Payload"]))
    assert found[0][0] == found[2][0] != found[1][0]
    assert found[2][1] == ["warm-a", "warm-a"]


def test_a_log_may_be_longer_than_a_pipe(invoke: Invoke, local_aws: LocalAws) -> None:
    """A function that prints more than a pipe has room for ends, and its whole log is kept."""
    source = """
def handler(event, context):
    for number in range(3000):
        print(number, "x" * 100)
    return event
"""
    found = invoke(source, 7)
    assert found["value"] == 7
    lines = [line.split()[0] for line in local_aws.logs(found["name"]) if line.endswith("x")]
    assert lines == [str(number) for number in range(3000)]


def test_concurrent_events(local_aws: LocalAws, zip_of: Zip) -> None:
    """Events that arrive at the same time run at the same time, each in its own process."""
    source = """
import os, time
def handler(event, context):
    open(os.path.join(event, str(os.getpid())), "w").close()
    while len(os.listdir(event)) < 8:
        time.sleep(0.005)
    return os.getpid()
"""
    local_aws.create_function("meet", zip_of(source), "handler.handler", timeout=20)
    import tempfile

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(8) as threads:
        call = local_aws.client("lambda").invoke
        answers = threads.map(
            lambda _: json.load(call(FunctionName="meet", Payload=json.dumps(folder))["Payload"]),
            range(8),
        )
        assert len(set(answers)) == 8


def test_code_from_s3_layers_and_updates(local_aws: LocalAws, zip_of: Zip) -> None:
    """Code may come from S3, layers lie on the path, and new code takes effect."""
    s3, functions = local_aws.client("s3"), local_aws.client("lambda")
    s3.create_bucket(Bucket="code")
    s3.put_object(
        Bucket="code", Key="f.zip", Body=zip_of("import extra\ndef handler(e, c): return extra.X")
    )
    layer = functions.publish_layer_version(
        LayerName="extra",
        Content={"ZipFile": zip_of(files={"python/extra.py": "X = 'from the layer'"})},
    )
    local_aws.create_function("s3-function", zip_of("pass"), "handler.handler")
    functions.update_function_configuration(
        FunctionName="s3-function", Layers=[layer["LayerVersionArn"]]
    )
    functions.update_function_code(FunctionName="s3-function", S3Bucket="code", S3Key="f.zip")
    assert json.load(functions.invoke(FunctionName="s3-function")["Payload"]) == "from the layer"
    functions.update_function_code(
        FunctionName="s3-function", ZipFile=zip_of("def handler(e, c): return 'new'")
    )
    assert json.load(functions.invoke(FunctionName="s3-function")["Payload"]) == "new"


def test_boto3_inside(invoke: Invoke, local_aws: LocalAws) -> None:
    """boto3 inside a function reaches the same account, without any configuration."""
    source = """
import boto3
def handler(event, context):
    boto3.client("s3").create_bucket(Bucket="made-inside")
"""
    assert invoke(source)["value"] is None
    names = [bucket["Name"] for bucket in local_aws.client("s3").list_buckets()["Buckets"]]
    assert "made-inside" in names


def test_event_invocation(local_aws: LocalAws, zip_of: Zip) -> None:
    """An Event invocation answers at once and runs later."""
    source = "import boto3\ndef handler(e, c): boto3.client('s3').create_bucket(Bucket='later')"
    local_aws.create_function("later", zip_of(source), "handler.handler")
    answer = local_aws.client("lambda").invoke(FunctionName="later", InvocationType="Event")
    assert answer["StatusCode"] == 202
    waiter = local_aws.client("s3").get_waiter("bucket_exists")
    waiter.wait(Bucket="later", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})


def test_unknown_function(local_aws: LocalAws) -> None:
    """A function that does not exist is a ResourceNotFoundException."""
    functions = local_aws.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.invoke(FunctionName="ghost")


@pytest.mark.parametrize(
    ("runtime", "text"), [("python3.11", b'["\\u00fc", 1]'), ("python3.13", '["ü", 1]'.encode())]
)
def test_json_of_the_runtime(invoke: Invoke, runtime: str, text: bytes) -> None:
    """JSON is written as the function's runtime writes it: ASCII until Python 3.11, then UTF-8."""
    found = invoke("def handler(e, c): return ['ü', 1]", runtime=runtime)
    assert found["text"] == text


@pytest.fixture
def small() -> Iterator[LocalAws]:
    """A local AWS with room for two workers."""
    with LocalAws(workers=2) as aws:
        yield aws


def test_cap(small: LocalAws, zip_of: Zip) -> None:
    """More functions than workers take turns."""
    for number in range(5):
        source = f"def handler(e, c): return {number}"
        small.create_function(f"f{number}", zip_of(source), "handler.handler")
    call = small.client("lambda").invoke
    with ThreadPoolExecutor(5) as threads:
        names = [f"f{number}" for number in range(5)] * 3
        found = list(threads.map(lambda n: json.load(call(FunctionName=n)["Payload"]), names))
    assert found == [0, 1, 2, 3, 4] * 3


def test_own_modules_come_first(local_aws: LocalAws, zip_of: Zip) -> None:
    """A module in the zip is found before one of Lambda's or of the standard library."""
    code = zip_of(
        "import boto3, calendar\ndef handler(e, c): return [boto3.MINE, calendar.MINE]",
        {"boto3/__init__.py": "MINE = 1", "calendar.py": "MINE = 2"},
    )
    local_aws.create_function("own-modules", code, "handler.handler")
    answer = local_aws.client("lambda").invoke(FunctionName="own-modules")
    assert json.load(answer["Payload"]) == [1, 2]


def test_equal_modules_are_compiled_once(local_aws: LocalAws, zip_of: Zip) -> None:
    """Functions share the compiled code of equal modules, whose tracebacks name each one's file."""
    source = """
import os, shared
def handler(event, context):
    try:
        shared.fail()
    except ValueError as error:
        file = error.__traceback__.tb_next.tb_frame.f_code.co_filename
    return file == f"{os.getcwd()}/shared.py", sorted(os.listdir("../compiled"))
"""
    kept = []
    for number in range(2):
        code = zip_of(f"{source}# {number}", {"shared.py": "def fail():\n    raise ValueError\n"})
        local_aws.create_function(f"equal-{number}", code, "handler.handler")
        answer = local_aws.client("lambda").invoke(FunctionName=f"equal-{number}")
        own, files = json.load(answer["Payload"])
        assert own
        kept.append(set(files))
    assert len(kept[1] - kept[0]) == 1  # of the second function's own module


def test_boto3_is_not_loaded_until_it_is_imported(invoke: Invoke) -> None:
    """A function that does not import boto3 does not have it in sys.modules."""
    source = "import sys\ndef handler(e, c): return [n for n in sys.modules if 'boto' in n]"
    assert invoke(source)["value"] == []


def test_a_worker_that_died_is_replaced(invoke: Invoke, local_aws: LocalAws) -> None:
    """A worker that ends between two events is not seen: the next event finds another one."""
    source = """
import os, threading
def handler(event, context):
    threading.Timer(0.01, os._exit, [1]).start()
    return os.getpid()
"""
    found = invoke(source)
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{found['value']}/exe") and time.monotonic() < deadline:
        os.sched_yield()
    again = local_aws.client("lambda").invoke(FunctionName=found["name"], Payload="1")
    assert json.load(again["Payload"]) != found["value"]


def test_one_log_stream_a_worker(invoke: Invoke, local_aws: LocalAws) -> None:
    """The events that a warm worker handles are in one log stream."""
    found = invoke("def handler(e, c): return c.log_stream_name")
    again = local_aws.client("lambda").invoke(FunctionName=found["name"], Payload="1")
    assert json.load(again["Payload"]) == found["value"]
    group = f"/aws/lambda/{found['name']}"
    streams = local_aws.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == [found["value"]]


def test_foreign_layers(local_aws: LocalAws, zip_of: Zip) -> None:
    """A layer of another account is accepted and empty; other values are refused."""
    code = zip_of("import sys\ndef handler(e, c): return 1")
    foreign = "arn:aws:lambda:us-east-1:336392948345:layer:AWSSDKPandas-Python311:1"
    own = "arn:aws:lambda:us-east-1:123456789012:layer:mine"
    local_aws.create_function("foreign", code, "handler.handler", layers=[foreign])
    functions = local_aws.client("lambda")
    assert json.load(functions.invoke(FunctionName="foreign")["Payload"]) == 1
    described = functions.get_function_configuration(FunctionName="foreign")
    assert [layer["Arn"] for layer in described["Layers"]] == [foreign]
    with pytest.raises(
        functions.exceptions.InvalidParameterValueException,
        match="must be the ARN of a layer version",
    ):
        local_aws.create_function("bad", code, "handler.handler", layers=[own])


def test_each_function_has_a_tmp_of_its_own(local_aws: LocalAws, zip_of: Zip) -> None:
    """What a function writes in /tmp stays for its later events, and no other function sees it."""
    source = """
import os, pathlib, shutil, tempfile
def handler(event, context):
    folder = pathlib.Path("/tmp/lokki-kept")
    before = folder.exists() and (folder / "x.txt").read_text()
    if event == "write":
        os.makedirs(folder, exist_ok=True)
        (folder / "y.txt").write_text("kept")
        os.rename(folder / "y.txt", folder / "x.txt")
        with tempfile.NamedTemporaryFile() as file, open(file.name, "rb") as same:
            shutil.copyfileobj(same, file)
        os.chdir("/tmp")
        open("relative.txt", "w").close()
    return before, sorted(name for name in os.listdir("/tmp") if "lokki" in name or "rel" in name)
"""
    functions = local_aws.client("lambda")

    def ask(name: str, event: str) -> Any:
        return json.load(functions.invoke(FunctionName=name, Payload=f'"{event}"')["Payload"])

    for name in ("tmp-a", "tmp-b"):
        local_aws.create_function(name, zip_of(source), "handler.handler")
    assert ask("tmp-a", "write") == [False, ["lokki-kept", "relative.txt"]]
    assert ask("tmp-a", "read") == ["kept", ["lokki-kept", "relative.txt"]]
    assert ask("tmp-b", "read") == [False, []]
    assert not os.path.exists("/tmp/lokki-kept")


@pytest.mark.parametrize(
    "write",
    [
        "open('out.csv', 'w')",
        "open(__file__, 'a')",
        "os.mkdir('data')",
        "os.remove('handler.py')",
        "os.rename('handler.py', '/tmp/handler.py')",
        "pathlib.Path(__file__).with_name('x').write_text('')",
        "os.open('x', os.O_CREAT | os.O_WRONLY)",
    ],
)
def test_code_cannot_be_written(invoke: Invoke, write: str) -> None:
    """A function's own folder, which is its working directory, is read-only, as in Lambda."""
    found = invoke(f"import os, pathlib\ndef handler(e, c):\n    {write}")
    assert found["value"]["errorType"] == "OSError"
    assert found["value"]["errorMessage"].startswith("[Errno 30] Read-only file system")
    assert invoke("def handler(e, c): return open('handler.py').read()")["value"]


@pytest.mark.parametrize("where", ["import", "call"])
def test_another_python_than_a_layers_is_named(
    local_aws: LocalAws, zip_of: Zip, where: str
) -> None:
    """If a compiled module cannot be imported, the error names both Python versions."""
    layer = local_aws.client("lambda").publish_layer_version(
        LayerName="compiled",
        Content={
            "ZipFile": zip_of(
                files={
                    "python/fast/__init__.py": "import fast.core",
                    "python/fast/core.cpython-309-x86_64-linux-gnu.so": "",
                }
            )
        },
    )["LayerVersionArn"]
    source = "def handler(e, c):\n    import fast"
    source = source if where == "call" else "import fast\n" + source
    local_aws.create_function(
        f"compiled-{where}", zip_of(source), "handler.handler", layers=[layer], runtime="python3.9"
    )
    answer = local_aws.client("lambda").invoke(FunctionName=f"compiled-{where}", Payload="1")
    error = json.load(answer["Payload"])
    assert "No module named 'fast.core'" in error["errorMessage"]
    here = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"runtime is python3.9, but the local AWS runs {here}" in error["errorMessage"]
