"""Pipelines: the objects that wire authoring, local runs, ASL and Terraform.

``base`` has all that a pipeline can do; the other files make one of what the styles write:
``flows`` of functions under ``@flow``, ``operators`` of tasks, ``routed`` of functions that
return the next one. ``notices`` calls ``on_failure=`` when a local run fails.
"""

from .base import Pipeline
from .flows import FlowPipeline, flow
from .operators import DAG, Flow

__all__ = [
    "DAG",
    "Flow",
    "FlowPipeline",
    "Pipeline",
    "flow",
]
