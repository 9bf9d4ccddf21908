"""The styles of writing a pipeline, and the one builder that makes a graph from each."""

from .builder import build_graph
from .calls import Call, Chain
from .flows import build_flow, checked, kind_of, with_values
from .notices import OnFailure, notice_of
from .step import StepFunction, step
from .tasks import Task, task

__all__ = [
    "Call",
    "Chain",
    "OnFailure",
    "StepFunction",
    "Task",
    "build_flow",
    "build_graph",
    "checked",
    "kind_of",
    "notice_of",
    "step",
    "task",
    "with_values",
]
