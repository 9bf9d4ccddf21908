"""The ways to write a pipeline. Each builds a graph of the model, through one builder."""

from .builder import build_graph
from .calls import Call
from .step import StepFunction, step

__all__ = ["Call", "StepFunction", "build_graph", "step"]
