"""The styles of writing a pipeline, and the one builder that makes a graph from each."""

from .builder import built, ends_of
from .calls import Call, Chain, chain, part
from .cleanups import cleanup_of, routed_cleanup
from .failure_notices import OnFailure, notice_of
from .flows import build_flow, checked, with_values
from .parameters import declarations, hints_of, kind_of
from .step import StepFunction, step
from .tasks import Task, task

__all__ = [
    "Call",
    "Chain",
    "OnFailure",
    "StepFunction",
    "Task",
    "build_flow",
    "built",
    "chain",
    "checked",
    "cleanup_of",
    "declarations",
    "ends_of",
    "hints_of",
    "kind_of",
    "notice_of",
    "part",
    "routed_cleanup",
    "step",
    "task",
    "with_values",
]
