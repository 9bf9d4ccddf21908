"""Findings of ``check``: why each rule exists, and code that it reports.

``reference.py`` runs the code and writes ``docs/reference/findings.md`` with what ``check`` says. A
step named ``work`` without a pipeline is put into one.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lokki_tf.errors import DefinitionError
from lokki_tf.model.findings import Finding, findings_of

ROOT = Path(__file__).parents[1]
HEAD = "from lokki_tf import *\nfrom lokki_tf import Alarms, part\n"
_PREFIX = "example_of_"
FOOT = '\npipe = Pipeline("daily", steps=[work()])\n'


class Example(NamedTuple):
    """A rule.

    Args:
        why: Why it exists.
        code: Code that it reports; empty if a short example is not possible.
    """

    why: str
    code: str = ""


GROUPS: dict[str, dict[str, Example]] = {
    "The pipeline": {
        "arguments": Example(
            "A task needs more arguments than it has predecessors.",
            """
@task
def load() -> int:
    return 1

@task
def add(first: int, second: int) -> int:
    return first + second

load >> add
pipe = DAG("daily", tasks=[add])
""",
        ),
        "annotations": Example(
            "Annotations certainly contradict each other. Python does not enforce them, so it is a "
            "warning.",
            """
@step
def score() -> int:
    return 1

@step
def report(text: str) -> str:
    return text

pipe = Pipeline("daily", steps=[report(score())])
""",
        ),
        "parts": Example(
            "A part of a result that its annotation excludes fails in every run.",
            """
@step
def split() -> tuple[int, int]:
    return 1, 2

@step
def show(value: int) -> None: ...

pipe = Pipeline("daily", steps=[show(split()[2])])
""",
        ),
        "name": Example(
            "Names become names of AWS resources, which allow certain characters and lengths.",
            """
@step
def work() -> None: ...

pipe = Pipeline("every day", steps=[work()])
""",
        ),
        "tags": Example(
            "AWS refuses some tags.",
            """
@step(tags={"aws:team": "data"})
def work() -> None: ...
""",
        ),
        "schedule": Example(
            "EventBridge Scheduler has three forms of expressions.",
            """
@step
def work() -> None: ...

pipe = Pipeline("daily", steps=[work()], schedule="cron(0 9 * * *)")
""",
        ),
        "trigger": Example(
            "A trigger must give each required parameter a value of its type, and must not be caused by "
            "the runs that it starts.",
            """
@step
def work(day: str) -> None: ...

pipe = Pipeline("daily", steps=[work(Parameter("day", str))], triggers=S3Created("raw"))
""",
        ),
        "concurrency": Example(
            "`when_busy=` says what happens beyond `max_concurrent_runs=`.",
            """
@step
def work() -> None: ...

pipe = Pipeline("daily", steps=[work()], when_busy="skip")
""",
        ),
        "unused-limit": Example(
            "A pipeline that is part of another one has no execution of its own, whose time could be "
            "limited.",
            """
@step
def load() -> int:
    return 1

@flow(timeout_seconds=600)
def monthly():
    return load()

@flow
def pipe():
    return monthly()
""",
        ),
        "wait": Example(
            "Only a step in Lambda can give the state machine the time until which it waits.",
            """
from datetime import datetime

@step(job_type="batch")
def deadline() -> datetime: ...

@step
def work() -> None: ...

pipe = Pipeline("daily", steps=[work().after(wait(until=deadline()))])
""",
        ),
        "start": Example(
            "A pipeline that is started has a signature, and results and parameters of bounded size.",
            """
@step
def bill(amount: int) -> int:
    return amount

billing = Pipeline("billing", steps=[bill(Parameter("amount", int))])
pipe = Pipeline("orders", steps=[start_pipeline("billing", {"amuont": 5})])
""",
        ),
    },
    "Options of steps": {
        "lambda-limits": Example(
            "Lambda limits memory, time, layers and the size of the environment.",
            """
@step(memory_size=64)
def work() -> None: ...
""",
        ),
        "lambda-runtime": Example(
            "Lambda offers certain versions of Python.",
            """
@step(python_runtime="python3.8")
def work() -> None: ...
""",
        ),
        "lambda-runtime-deprecated": Example(
            "A deprecated runtime receives no security patches.",
            """
@step(python_runtime="python3.9")
def work() -> None: ...
""",
        ),
        "batch": Example(
            "Fargate has certain pairs of processors and memory; some options are only for jobs, or only "
            "for functions.",
            """
@step(job_type="batch", vcpu=1, memory_mb=999)
def work() -> None: ...
""",
        ),
        "retry": Example(
            "Step Functions limits retries and delays.",
            """
@step(retry=RetryConfig(retries=1, delay=40_000_000))
def work() -> None: ...
""",
        ),
        "error-class": Example(
            "An error under two unrelated listed classes has no certain name in Step Functions.",
            """
class Slow(TimeoutError, ValueError): ...

@step(retry=[RetryConfig(retries=1, exceptions=TimeoutError), RetryConfig(retries=2, exceptions=ValueError)])
def work() -> None:
    raise Slow
""",
        ),
        "policy": Example(
            "IAM would refuse the document.",
            """
@step(policies=[{"Effect": "Allow", "Action": "s3:GetObject"}])
def work() -> None: ...
""",
        ),
        "policy-pattern": Example(
            "`StringEquals` compares `*` literally.",
            """
@step(policies=[allow("s3:ListBucket", "arn:aws:s3:::raw", {"StringEquals": {"s3:prefix": "in/*"}})])
def work() -> None: ...
""",
        ),
        "role": Example(
            "A role is named by its ARN.",
            """
@step(role="my-role")
def work() -> None: ...
""",
        ),
        "secrets": Example(
            "A place of a secret that the services do not have.",
            """
@step(secrets={"TOKEN": "ssm:app token"})
def work() -> None: ...
""",
        ),
        "requirements": Example(
            "A layer can be made of wheels only.",
            """
@step(requirements=["git+https://example.com/mine.git"])
def work() -> None: ...
""",
        ),
        "requirements-open": Example(
            "Without an exact version, a later `synth` may take another one.",
            """
@step(requirements=["polars"])
def work() -> None:
    import polars
""",
        ),
        "include": Example(
            "A pattern that matches nothing is probably misspelt.",
            """
@step(include=["no-such-file.csv"])
def work() -> None: ...
""",
        ),
        "modules": Example(
            "`modules=` names modules of the project.",
            """
@step(modules=["no_such_module"])
def work() -> None: ...
""",
        ),
        "poll": Example(
            "Attempts of a poll must fit into the history of an execution.",
            """
@step(poll=1, poll_timeout=86_400)
def work() -> None:
    raise NotReady
""",
        ),
        "callback": Example(
            "Only a function of Lambda can be answered, one item at a time.",
            """
@step(callback=True)
def ask() -> list[int]: ...

@step
def work(item: int) -> int:
    return item

@flow
def pipe():
    return ask().map(work)
""",
        ),
    },
    "Maps and datasets": {
        "concurrency-limit": Example(
            "The parameter of a limit is an `int`.",
            """
@step
def items() -> list[int]:
    return [1]

@step
def work(item: int) -> int:
    return item

@flow
def pipe(limit: str):
    return items().map(work, concurrency_limit=limit)
""",
        ),
        "map-runs": Example(
            "An account has at most 1,000 open Map Runs; further ones wait, perhaps for each other.",
            """
@step
def items() -> list[int]:
    return [1]

@step
def more(item: int) -> list[int]:
    return [item]

@step
def work(item: int) -> int:
    return item

@flow
def pipe():
    return items().map(more).map(work, concurrency_limit=5)
""",
        ),
        "express": Example(
            "An Express execution ends after 5 minutes, and contains no jobs, callbacks or started "
            "pipelines.",
            """
@step
def items() -> list[int]:
    return [1]

@step(timeout_seconds=600)
def work(item: int) -> int:
    return item

@flow
def pipe():
    return items().map(work, execution_type="express")
""",
        ),
        "dataset": Example(
            "Buckets and keys must be known to the state machine.",
            """
@step(job_type="batch")
def key() -> str:
    return "a.csv"

@step
def work(row: dict[str, str]) -> int:
    return 1

pipe = Pipeline("daily", steps=[S3Csv("raw", key()).map(work)])
""",
        ),
        "item-size": Example(
            "Further arguments of a map over a dataset leave an item little room."
        ),
        "compressed": Example(
            "Step Functions reads the object as it is.",
            """
@step
def work(row: dict[str, str]) -> int:
    return 1

pipe = Pipeline("daily", steps=[S3Csv("raw", "a.csv.gz").map(work)])
""",
        ),
    },
    "Routed pipelines": {
        "routes": Example(
            "The next functions are read from the source.",
            """
pipe = MicroFunctions("start", name="daily")

@pipe.fn()
def start(name: str):
    return ReturnUpdates(name)
""",
        ),
        "missing-argument": Example(
            "On some path a function does not receive a required argument.",
            """
pipe = MicroFunctions("tea", name="drinks")

@pipe.fn()
def tea(**kwargs: object) -> dict[str, object]:
    return {"$next": "coffee"}

@pipe.fn(terminates=True)
def coffee(*, beans: int, **kwargs: object) -> dict[str, object]:
    return {}
""",
        ),
        "unexpected-argument": Example(
            "On some path a function receives an argument that it does not have.",
            """
pipe = MicroFunctions("tea", name="drinks")

@pipe.fn()
def tea() -> ReturnUpdates:
    return ReturnUpdates("drink", milk=True)

@pipe.fn(terminates=True)
def drink() -> dict[str, object]:
    return {}
""",
        ),
        "default-argument": Example(
            "No step ever passes an argument that has a default.",
            """
pipe = MicroFunctions("tea", name="drinks")

@pipe.fn()
def tea() -> dict[str, object]:
    return {"$next": "drink"}

@pipe.fn(terminates=True)
def drink(milk: bool = False) -> dict[str, object]:
    return {}
""",
        ),
        "no-start": Example(
            "The first function does not exist.",
            """
pipe = MicroFunctions("begin", name="drinks")

@pipe.fn(terminates=True)
def tea(**kwargs: object) -> dict[str, object]:
    return {}
""",
        ),
        "no-such-step": Example(
            "A next function does not exist.",
            """
pipe = MicroFunctions("tea", name="drinks")

@pipe.fn()
def tea(**kwargs: object) -> dict[str, object]:
    return {"$next": "cofee"}
""",
        ),
        "no-end": Example(
            "No path leads to an end.",
            """
pipe = MicroFunctions("tea", name="drinks")

@pipe.fn()
def tea(**kwargs: object) -> dict[str, object]:
    return {"$next": "tea"}
""",
        ),
        "unreachable": Example(
            "No path leads to a function.",
            """
pipe = MicroFunctions("tea", name="drinks")

@pipe.fn(terminates=True)
def tea(**kwargs: object) -> dict[str, object]:
    return {}

@pipe.fn(terminates=True)
def coffee(**kwargs: object) -> dict[str, object]:
    return {}
""",
        ),
    },
    "Code that is deployed": {
        "capture-source": Example(
            "The code of a step is taken from its source."
        ),
        "capture-pipeline": Example(
            "Pipelines exist only while they are built.",
            """
@step
def load() -> int:
    return 1

other = Pipeline("other", steps=[load()])

@step
def work() -> str:
    return other.name
""",
        ),
        "capture-live": Example(
            "An open connection or a lock cannot be deployed."
        ),
        "capture-file": Example(
            "Lambda does not have the files of this computer.",
            """
from pathlib import Path

@step
def work() -> str:
    return Path("/etc/hostname").read_text()
""",
        ),
        "capture-secret": Example(
            "A password that is typed in must not become part of the code."
        ),
        "capture-dynamic": Example(
            "A name that no statement at the top of the module sets, or only under a condition.",
            """
import sys

setattr(sys.modules[__name__], "table", object())

@step
def work() -> str:
    return str(table)
""",
        ),
        "capture-changed": Example(
            "Lambda has the value of the statement, not the later one."
        ),
        "capture-notebook": Example("`get_ipython`, `display`, `In` and `Out` exist only in notebooks."),
        "capture-undefined": Example(
            "A name that is not defined fails when the step runs.",
            """
@step
def work() -> float:
    return rate
""",
        ),
        "capture-by-name": Example(
            "Names that are made by strings are not seen.",
            """
@step
def work() -> int:
    return eval("1 + 1")
""",
        ),
        "capture-differs": Example(
            "Each Lambda imports the module, and computes another value.",
            """
import uuid

RUN = uuid.uuid4()

@step
def work() -> str:
    return str(RUN)
""",
        ),
        "code-left-out": Example(
            "A statement that acts by being run needs something that Lambda does not have."
        ),
        "import-reads": Example("A module reads a file at import, which is not deployed."),
        "import-computed": Example(
            "Modules that are imported by computed names are not seen.",
            """
import importlib

@step
def work(name: str = "json") -> str:
    return importlib.import_module(name).__name__
""",
        ),
        "import-connects": Example(
            "A connection at import is opened in each new Lambda."
        ),
        "module-name": Example("A module's file would hide another module in Lambda."),
        "module-twice": Example("A script is imported under its own name too: Python has it twice here."),
        "subclass-missing": Example("A subclass that is looked up is not deployed."),
        "package-missing": Example(
            "Lambda has Python's library and boto3, and what you declare.",
            """
@step
def work() -> int:
    import polars
    return polars.Series([1, 2]).sum()
""",
        ),
        "distribution-missing": Example(
            "The metadata of a package is missing in Lambda.",
            """
from importlib.metadata import version

@step
def work() -> str:
    return version("rich")
""",
        ),
        "variable-unset": Example(
            "An environment variable that nothing sets in AWS.",
            """
import os

@step
def work() -> str:
    return os.environ["TABLE"]
""",
        ),
        "variable-early": Example(
            "Locally, variables of a step are set when it runs, after its module was imported.",
            """
import os

TABLE = os.environ.get("TABLE")

@step(env_variables={"TABLE": "rows"})
def work() -> str:
    return str(TABLE)
""",
        ),
        "secret-early": Example(
            "A secret that is read at import keeps its first value.",
            """
import os

TOKEN = os.environ.get("TOKEN")

@step(secrets={"TOKEN": "ssm:/token"})
def work() -> str:
    return str(TOKEN)
""",
        ),
        "secret-exposed": Example("The value of a secret is in code, a literal, an option or a trigger."),
        "logging-config": Example(
            "Lambda's root logger already has a handler.",
            """
import logging

@step
def work() -> None:
    logging.basicConfig(level="INFO")
""",
        ),
        "template": Example("A template of your own lacks a placeholder."),
        "references": Example("A `TerraformRef` is used where its value must be known before."),
        "state-machine": Example(
            "The compiled state machine is not valid: an error of lokki_tf, which should be reported."
        ),
        "definition": Example("Any other error in how the pipeline is written."),
    },
    "Code that behaves differently in AWS": {
        "time-zone": Example(
            "AWS is in UTC.",
            """
from datetime import datetime

@step
def work() -> str:
    return datetime.now().isoformat()
""",
        ),
        "locale": Example(
            "Lambda has few locales.",
            """
import locale

@step
def work() -> None:
    locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
""",
        ),
        "computer": Example(
            "Folders, users, host names, processors and terminals are those of the computer.",
            """
import os

@step
def work() -> str:
    return os.getcwd()
""",
        ),
        "write": Example(
            "Lambda can write to `/tmp` only.",
            """
@step
def work() -> None:
    with open("result.txt", "w") as file:
        file.write("done")
""",
        ),
        "shared-file": Example(
            "In AWS each step has its own files.",
            """
@step
def save() -> None:
    with open("/tmp/rows.txt", "w") as file:
        file.write("1")

@step
def load() -> str:
    return open("/tmp/rows.txt").read()

pipe = Pipeline("daily", steps=[load().after(save())])
""",
        ),
        "streams": Example(
            "A parameter annotated as `Iterable` or `Iterator` reads the results of a map one by "
            "one: there is no length and there are no indices.",
            """
from collections.abc import Iterable

@step
def days() -> list[int]:
    return [1, 2]

@step
def count(day: int) -> int:
    return day

@step
def mean(counts: Iterable[int]) -> float:
    return sum(counts) / len(counts)

pipe = Pipeline("daily", steps=[days().map(count).agg(mean)])
""",
        ),
        "shared-state": Example(
            "In AWS each step has its own modules.",
            """
seen: list[int] = []

@step
def save() -> None:
    seen.append(1)

@step
def load() -> int:
    return len(seen)

pipe = Pipeline("daily", steps=[load().after(save())])
""",
        ),
        "process-state": Example(
            "Steps of a local run share a process.",
            """
import random

@step
def work() -> float:
    random.seed(1)
    return random.random()
""",
        ),
        "signals": Example(
            "Local steps run in threads.",
            """
import signal

@step
def work() -> None:
    signal.alarm(5)
""",
        ),
        "exit": Example(
            "It ends the whole run here.",
            """
import os

@step
def work() -> None:
    os._exit(1)
""",
        ),
        "left-running": Example(
            "Lambda freezes the process when a step returns.",
            """
import threading

@step
def work() -> None:
    threading.Thread(target=print).start()
""",
        ),
        "program": Example(
            "Lambda may not have the program.",
            """
import subprocess

@step
def work() -> None:
    subprocess.run(["ffmpeg", "-version"])
""",
        ),
        "multiprocessing": Example(
            "Lambda does not have `/dev/shm`.",
            """
import multiprocessing

@step
def work() -> None:
    multiprocessing.Pool(2)
""",
        ),
        "installed": Example(
            "Lambda has the declared packages only.",
            """
from importlib.metadata import entry_points

@step
def work() -> int:
    return len(entry_points())
""",
        ),
        "hash": Example(
            "The hash of a text differs in each process.",
            """
@step
def work() -> int:
    return hash("text")
""",
        ),
        "python-version": Example("A module or syntax that the step's `python_runtime` does not have."),
        "version-differs": Example("An installed package has another version than `requirements=` pins."),
        "decorator": Example(
            "A decorator above `@step` is not part of the step.",
            """
from functools import cache

@cache
@step
def work() -> int:
    return 1

pipe = Pipeline("daily", steps=[work()])
""",
        ),
    },
}  # fmt: skip


def found(rule: str, code: str) -> str:
    """Return what ``check`` says of an example, as if it was in a folder of its author's.

    Args:
        rule: The rule that must report it.
        code: The example.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pipeline.py")
        text = HEAD + code + ("" if "pipe = " in code or "def pipe" in code else FOOT)
        file.write_text(text, encoding="utf-8")
        reported = _check(file)
    for one in reported:
        if one.rule == rule:
            text = f"{one.severity}: {one.message}\n  {one.remedy or ''}"
            text = text.replace(f"{_PREFIX}{Path(folder).name}", "pipeline")
            return text.rstrip().replace(folder, "/home/ann/daily")
    raise AssertionError(f"{rule}: found {[(one.rule, one.message) for one in reported]}")


def _check(file: Path) -> list[Finding]:
    name = f"{_PREFIX}{file.parent.name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
            pipe: Any = module.pipe
            return list(pipe.check())
    except DefinitionError as error:
        return findings_of(error)
    finally:
        del sys.modules[name]


def rules_in_code() -> set[str]:
    """Return the ids of all rules, read from the source."""
    return set(_rules(ROOT / "lokki_tf"))


def _rules(package: Path) -> Iterator[str]:
    from lokki_tf.checks.code import differences
    from lokki_tf.packaging.findings import _TABLE

    yield "definition"
    yield from (rule.partition(" ")[2] for rule, _, _ in _TABLE.values())
    yield from (one.id for one in differences._ALL)
    for file in package.rglob("*.py"):
        if "testing" in file.parts:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RULE":
                yield ast.literal_eval(node.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield first.value
