"""Plain Python functions become AWS Step Functions pipelines, as Terraform that is yours.

::

    from lokki_tf import Pipeline, main, step

    @step
    def load(day: str) -> list[int]: ...

    @step(memory_size=1024)
    def total(rows: list[int]) -> int: ...

    pipe = Pipeline("daily", steps=[total(load("2024-01-01"))], schedule="rate(1 day)")
    pipe.local_run()  # here

    if __name__ == "__main__":
        main(pipe)  # python pipeline.py synth, then terraform init && terraform apply
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from .authoring import Task, chain, part, step, task
    from .errors import LokkiError, MissingArgument, StepFailed
    from .model import Alarms, EventPattern, PipelineDone, RetryConfig, S3Created, Schedule
    from .pipeline import DAG, Flow, Pipeline, flow
    from .version import __version__ as __version__
except KeyboardInterrupt as interrupt:  # without the lines of the modules that were loading
    raise interrupt.with_traceback(None) from None

if TYPE_CHECKING:
    from .authoring.calls import Parameter as Parameter
    from .authoring.calls import wait as wait
    from .authoring.datasets import S3Csv as S3Csv
    from .authoring.datasets import S3Inventory as S3Inventory
    from .authoring.datasets import S3Json as S3Json
    from .authoring.datasets import S3JsonLines as S3JsonLines
    from .authoring.datasets import S3Object as S3Object
    from .authoring.datasets import S3Objects as S3Objects
    from .authoring.policies import allow as allow
    from .authoring.starts import start_pipeline as start_pipeline
    from .cli import main as main
    from .local.state import StateManager as StateManager
    from .operate.execution import Execution as Execution
    from .pipeline.routed import Functions as Functions
    from .pipeline.routed import MicroFunctions as MicroFunctions
    from .pipeline.templates import build_terraform as build_terraform
    from .reporting import LogLevel as LogLevel
    from .reporting import configure_logging as configure_logging
    from .runtime.callbacks import answer as answer
    from .runtime.callbacks import heartbeat as heartbeat
    from .runtime.callbacks import refuse as refuse
    from .runtime.context import run_context as run_context
    from .runtime.failure import Failure as Failure
    from .runtime.failure import PipelineFailed as PipelineFailed
    from .runtime.polls import NotReady as NotReady
    from .runtime.routes import ConditionalReturns as ConditionalReturns
    from .runtime.routes import ReturnUpdates as ReturnUpdates
    from .terraform import PipelineConstruct as PipelineConstruct
    from .terraform import PipelineStack as PipelineStack
    from .terraform import StepInLine as StepInLine
    from .terraform import rename_tf_output as rename_tf_output

    class TerraformRef(str):
        """To type checkers a reference is a text, as which steps receive it."""

        def __new__(cls, address: str, before: str = ..., after: str = ...) -> TerraformRef: ...


# Names whose modules are large, or need CDKTF, click, logging or hashlib, load when first used.
_LAZY = {
    "ConditionalReturns": "runtime.routes",
    "Execution": "operate.execution",
    "Failure": "runtime.failure",
    "Functions": "pipeline.routed",
    "LogLevel": "reporting",
    "MicroFunctions": "pipeline.routed",
    "Parameter": "authoring.calls",
    "NotReady": "runtime.polls",
    "PipelineConstruct": "terraform",
    "PipelineFailed": "runtime.failure",
    "PipelineStack": "terraform",
    "ReturnUpdates": "runtime.routes",
    "S3Csv": "authoring.datasets",
    "S3Inventory": "authoring.datasets",
    "S3Json": "authoring.datasets",
    "S3JsonLines": "authoring.datasets",
    "S3Object": "authoring.datasets",
    "S3Objects": "authoring.datasets",
    "StateManager": "local.state",
    "StepInLine": "terraform",
    "TerraformRef": "model",
    "build_terraform": "pipeline.templates",
    "configure_logging": "reporting",
    "main": "cli",
    "rename_tf_output": "terraform",
    "allow": "authoring.policies",
    "answer": "runtime.callbacks",
    "heartbeat": "runtime.callbacks",
    "refuse": "runtime.callbacks",
    "run_context": "runtime.context",
    "start_pipeline": "authoring.starts",
    "wait": "authoring.calls",
}

# Constructs can be imported too, but not by *: they take most of a second.
__all__ = [
    "DAG",
    "Alarms",
    "ConditionalReturns",
    "EventPattern",
    "Execution",
    "Failure",
    "Flow",
    "Functions",
    "LogLevel",
    "LokkiError",
    "MicroFunctions",
    "MissingArgument",
    "NotReady",
    "Parameter",
    "Pipeline",
    "PipelineDone",
    "PipelineFailed",
    "RetryConfig",
    "ReturnUpdates",
    "S3Created",
    "S3Csv",
    "S3Inventory",
    "S3Json",
    "S3JsonLines",
    "S3Object",
    "S3Objects",
    "Schedule",
    "StateManager",
    "StepFailed",
    "Task",
    "TerraformRef",
    "allow",
    "answer",
    "build_terraform",
    "chain",
    "configure_logging",
    "flow",
    "heartbeat",
    "main",
    "part",
    "refuse",
    "run_context",
    "start_pipeline",
    "step",
    "task",
    "wait",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    except KeyboardInterrupt:
        if name == "main":  # a script of a command line ends as its commands do
            raise SystemExit(130) from None
        raise


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
