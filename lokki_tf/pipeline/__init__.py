"""Pipelines: the objects that connect authoring, local runs, ASL and Terraform.

``base`` has all methods of a pipeline. The other modules make pipelines from each style: ``flows``
from functions under ``@flow``, ``operators`` from tasks, ``routed`` from functions that return the
next one. ``notices`` calls ``on_failure=`` when a local run fails.
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
