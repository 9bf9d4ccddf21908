"""Runs scripts and commands of pages in forked processes, which share imports and one local AWS.

It reads requests from its standard input, a line of JSON each, and answers with a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import forked

REGION = "eu-west-1"
LIMIT = 120  # seconds


def serve() -> None:
    """Answer requests until the input ends."""
    forked.warm_up()
    server = _share_local_aws()
    print(json.dumps({"endpoint": server.endpoint_url}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("reset"):
            server.ask("reset", {})
            answer: dict[str, Any] = {}
        else:
            answer = _in_a_child(request)
        print(json.dumps(answer), flush=True)
    server.close()


def _share_local_aws() -> Any:
    """Start the server that every ``LocalAws`` of a page then uses, and empties at its end."""
    from dataclasses import replace

    from lokki_tf.testing import LocalAws, local_aws
    from lokki_tf.testing.server_process import ServerProcess

    settings = replace(
        LocalAws()._settings, retry_delay_scale=0.0, wait_scale=1e-6, containers=False
    )
    server = ServerProcess(settings)

    class Shared:
        endpoint_url = server.endpoint_url

        def __init__(self, settings: Any) -> None: ...

        def ask(self, *args: Any, **options: Any) -> Any:
            return server.ask(*args, **options)

        def close(self) -> None:
            server.ask("reset", {})

    local_aws.ServerProcess = Shared  # type: ignore[misc, assignment]
    return server


def _in_a_child(request: dict[str, Any]) -> dict[str, Any]:
    output = Path(request["output"])
    child = os.fork()
    if child == 0:
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.alarm(LIMIT)
        forked.end_with(lambda: _run(request))
    _, code = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(code), "output": output.read_text(errors="replace")}


def _run(request: dict[str, Any]) -> None:
    """Run a file as a program, or import modules.

    Args:
        request: What is to be run, where, and in which environment.
    """
    os.chdir(request["folder"])
    if request["program"]:
        forked.run_program(request["argv"], request["environment"])
        return
    forked.use_environment(request["environment"])
    sys.path.insert(0, request["folder"])
    modules = [importlib.import_module(name) for name in request["argv"]]
    deployed(*(getattr(modules[0], name) for name in request.get("deployed", ())))


def deployed(*pipelines: Any) -> None:
    """Make pipelines exist in the account, as ``deploy`` does with Terraform.

    Args:
        pipelines: The pipelines.
    """
    if not pipelines:
        return
    from lokki_tf.testing import LocalAws

    aws = LocalAws(REGION)
    aws.__enter__()  # and no exit, which would empty the account
    # What an earlier process of the same page has registered, so that it can be changed.
    registrar, record = aws._registrar, Path(os.environ["HOME"], "registered")
    if record.exists():
        registrar._registered, registrar._arns = pickle.loads(record.read_bytes())
    for one in pipelines:
        aws.register(one)
    record.write_bytes(pickle.dumps((registrar._registered, registrar._arns)))


if __name__ == "__main__":
    serve()
