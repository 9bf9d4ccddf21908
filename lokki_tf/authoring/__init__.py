"""The styles of writing a pipeline, and the one builder that makes a graph from each."""

from .builder import build_graph
from .building import kind_of
from .calls import Call, Chain, chain, part
from .flows import build_flow, checked, with_values
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
    "chain",
    "checked",
    "kind_of",
    "notice_of",
    "part",
    "step",
    "task",
    "with_values",
]
