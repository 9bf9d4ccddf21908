"""Findings of ``check``: why each rule exists, and code that it reports.

``reference.py`` runs the code and writes ``docs/reference/findings.md`` with what ``check`` says. A
step named ``work`` without a pipeline is put into one.
"""

from __future__ import annotations

import ast
import importlib.util
import linecache
import os
import re
import runpy
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

from lokki_tf.config import load_config
from lokki_tf.errors import DefinitionError
from lokki_tf.model.findings import Finding, findings_of

ROOT = Path(__file__).parents[1]
HEAD = "from lokki_tf import *\nfrom lokki_tf import Alarms, part\n"
_PREFIX = "example_of_"
_CELL = "<ipython-input-1-0123456789ab>"
FOOT = '\npipe = Pipeline("daily", steps=[work()])\n'


class Example(NamedTuple):
    """A rule.

    Args:
        why: Why it exists.
        code: Code that it reports, see ``files``; empty if a short example is not possible.
        run: How Python runs it.
    """

    why: str
    code: str = ""
    run: Literal["module", "script", "notebook"] = "module"


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
            "Further arguments of a map over a dataset leave an item little room.",
            """
@step
def rate() -> float:
    return 1.5

@step
def work(rows: list[dict[str, str]], rates: list[float]) -> int:
    return len(rows)

rates = [rate() for _ in range(290)]
pipe = Pipeline("daily", steps=[S3Csv("raw", "a.csv").map(work, rates=rates, batch_size=2)])
""",
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
            "The code of a step is taken from its source, in a file or a cell of yours. A cell with `%%time` "
            "has none, and a file that changed since it was imported has another.",
            """
from statistics import mean

work = step(mean)
pipe = Pipeline("daily", steps=[work([1, 2])])
""",
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
            "An open connection or a lock cannot be deployed.",
            """
import sqlite3

connection = sqlite3.connect(":memory:")

@step
def work() -> list[tuple[int]]:
    return connection.execute("select 1").fetchall()
""",
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
            "A password that is typed in must not become part of the code.",
            """
import getpass

PASSWORD = getpass.getpass()

@step
def work() -> int:
    return len(PASSWORD)
""",
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
            "Lambda has the value of the statement, not the later one.",
            """
LEVEL = 1

@step
def work() -> int:
    return LEVEL

@flow
def pipe():
    global LEVEL
    LEVEL = 2
    return work()
""",
        ),
        "capture-notebook": Example(
            "`get_ipython`, `display`, `In` and `Out` exist only in notebooks.",
            """
@step
def work() -> None:
    get_ipython().run_line_magic("matplotlib", "inline")
""",
            "notebook",
        ),
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
            "A statement that acts by being run needs something that Lambda does not have.",
            """
from rich import traceback

traceback.install()

@step
def work() -> None: ...
""",
        ),
        "import-reads": Example(
            "A module reads at import a file that is not deployed, or a property of this computer.",
            """
import settings

@step
def work() -> str:
    return settings.NAME
# file: settings.py
NAME = open("/etc/hostname").read()
""",
        ),
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
            "A connection at import is opened in each new Lambda.",
            """
import db

@step
def work() -> list[tuple[int]]:
    return db.connection.execute("select 1").fetchall()
# file: db.py
import sqlite3

connection = sqlite3.connect(":memory:")
""",
        ),
        "module-name": Example(
            "A module's file would hide another module in Lambda.",
            """
import profile

@step
def work() -> str:
    return profile.CUSTOMER
# file: profile.py
CUSTOMER = "Ann"
""",
        ),
        "module-twice": Example(
            "A script is imported under its own name too: Python has it twice here.",
            """
import rows

class Row: ...

@step
def work() -> bool:
    return isinstance(rows.first(), Row)
# file: rows.py
def first():
    from pipeline import Row

    return Row()
""",
            "script",
        ),
        "subclass-missing": Example(
            "A subclass that is looked up is not deployed.",
            """
import importlib

import sources

importlib.import_module("source_" + "csv")

@step
def work() -> list[str]:
    return [kind.__name__ for kind in sources.Source.__subclasses__()]
# file: sources.py
class Source: ...
# file: source_csv.py
from sources import Source

class Csv(Source): ...
""",
        ),
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
        "secret-exposed": Example(
            "The value of a secret is in code, a literal, an option or a trigger. `check` knows the values that "
            "environment variables of the same names have, here `DB_PASSWORD`.",
            """
import os

@step(secrets={"DB_PASSWORD": "prod/db#password"})
def work(password: str) -> None: ...

pipe = Pipeline("daily", steps=[work(os.environ["DB_PASSWORD"])])
""",
        ),
        "logging-config": Example(
            "Lambda's root logger already has a handler.",
            """
import logging

@step
def work() -> None:
    logging.basicConfig(level="INFO")
""",
        ),
        "template": Example(
            "A template of your own lacks a placeholder. Here it is given by "
            "`check --template-file template.py`.",
            """
@step
def work() -> None: ...
# file: template.py
def lambda_handler(event, context):
    return "{{PUT_FUNCTION_NAME_HERE}}"(*event["args"])
""",
        ),
        "references": Example(
            "A `TerraformRef` is used where its value must be known before.",
            """
@step(package="image")
def work() -> None: ...
# file: lokki.toml
[aws]
kms_key = { ref = "aws_kms_key.data.arn" }
""",
        ),
        "state-machine": Example(
            "The compiled state machine is not valid. Only an error of lokki_tf causes this, so there is no "
            "example; please report it."
        ),
        "definition": Example(
            "Any other error in how the pipeline is written; here an `if` of Python, which needs a value.",
            """
@step
def load() -> int:
    return 1

@step
def work() -> None: ...

@flow
def pipe():
    if load() > 0:
        return work()
""",
        ),
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
        "python-version": Example(
            "A module or syntax that the step's `python_runtime` does not have.",
            """
@step(python_runtime="python3.9")
def work(row: dict[str, int]) -> int:
    match row:
        case {"price": price}:
            return price
    return 0

pipe = Pipeline("daily", steps=[work({"price": 1})])
""",
        ),
        "version-differs": Example(
            "An installed package has another version than `requirements=` pins.",
            """
@step(requirements=["shapes==1.0"])
def work() -> None: ...
# file: shapes-1.2.dist-info/METADATA
Metadata-Version: 2.1
Name: shapes
Version: 1.2
""",
        ),
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


def files(code: str) -> dict[str, str]:
    """Return the texts of an example's files by their names, ``pipeline.py`` first.

    Args:
        code: The example; a line ``# file: NAME`` begins another file than ``pipeline.py``.
    """
    first, *others = re.split(r"^# file: (.+)\n", code.strip() + "\n", flags=re.MULTILINE)
    return {"pipeline.py": first, **dict(zip(others[::2], others[1::2], strict=True))}


def found(rule: str, example: Example) -> str:
    """Return what ``check`` says of an example, as if it was in a folder of its author's.

    Args:
        rule: The rule that must report it.
        example: The example.
    """
    texts = files(example.code)
    script = HEAD + texts["pipeline.py"]
    texts["pipeline.py"] = script + ("" if "pipe = " in script or "def pipe" in script else FOOT)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        reported = _check(Path(folder), example.run)
    for one in reported:
        if one.rule == rule:
            text = f"{one.severity}: {one.message}\n  {one.remedy or ''}"
            text = text.replace(f"{_PREFIX}{Path(folder).name}", "pipeline")
            return text.rstrip().replace(folder, "/home/ann/daily")
    raise AssertionError(f"{rule}: found {[(one.rule, one.message) for one in reported]}")


def _check(folder: Path, run: str) -> list[Finding]:
    template, settings = folder / "template.py", folder / "lokki.toml"
    with _imported(folder):
        try:
            pipe: Any = _RUN[run](folder / "pipeline.py")["pipe"]
            return list(
                pipe.check(
                    template if template.exists() else None,
                    config=load_config(folder, {"HOME": str(folder)})
                    if settings.exists()
                    else None,
                )
            )
        except DefinitionError as error:
            return findings_of(error)


@contextmanager
def _imported(folder: Path) -> Iterator[None]:
    """Let modules of a folder be imported, and forget them, and what they set, afterwards."""
    before, main = set(sys.modules), sys.modules["__main__"]
    own = {one.stem for one in folder.glob("*.py")} & before
    hidden = {name: sys.modules.pop(name) for name in own}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        with (
            patch.dict(os.environ, DB_PASSWORD="typed in"),
            patch("getpass.getpass", return_value="typed in"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path.remove(str(folder))
        linecache.cache.pop(_CELL, None)
        sys.modules["__main__"] = main
        for name in set(sys.modules) - before | own:
            if str(folder) in str(getattr(sys.modules.get(name), "__file__", "")):
                del sys.modules[name]
        sys.modules.update(hidden)


def _as_module(file: Path) -> dict[str, Any]:
    name = f"{_PREFIX}{file.parent.name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def _as_script(file: Path) -> dict[str, Any]:
    names = runpy.run_path(str(file), run_name="__main__")
    script = sys.modules["__main__"] = types.ModuleType("__main__")
    vars(script).update(names)
    return names


def _as_notebook(file: Path) -> dict[str, Any]:
    """Run a text as a notebook's cell, which has no file, and is known to ``linecache``."""
    text = file.read_text(encoding="utf-8")
    linecache.cache[_CELL] = (len(text), None, text.splitlines(keepends=True), _CELL)
    notebook = sys.modules["__main__"] = types.ModuleType("__main__")
    names = vars(notebook)
    names["In"] = ["", text]
    exec(compile(text, _CELL, "exec"), names)
    return names


_RUN: dict[str, Callable[[Path], dict[str, Any]]] = {
    "module": _as_module,
    "script": _as_script,
    "notebook": _as_notebook,
}


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
                    yield str(first.value)
