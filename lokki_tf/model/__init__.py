"""What a pipeline is: frozen data, without AWS, without input or output.

Every authoring style builds a :class:`Definition`; every back-end reads nothing else.
"""

from .bindings import Binding, Group, Literal, Output, outputs_in
from .findings import Finding, Severity, raise_errors
from .graph import Definition, Graph, Node, generations, topological_order
from .names import shortened
from .steps import RetryConfig, Step, StepOptions

__all__ = [
    "Binding",
    "Definition",
    "Finding",
    "Graph",
    "Group",
    "Literal",
    "Node",
    "Output",
    "RetryConfig",
    "Severity",
    "Step",
    "StepOptions",
    "generations",
    "outputs_in",
    "raise_errors",
    "shortened",
    "topological_order",
]
