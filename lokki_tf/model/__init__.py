"""The definition of a pipeline: frozen data, without AWS, input or output.

Every authoring style builds a :class:`Definition`, which is all that every back-end reads.
"""

from .bindings import Binding, Group, Item, Literal, Output, Parameter, leaves, outputs_in
from .findings import Finding, Severity, findings_of, raise_errors
from .graph import (
    REQUIRED,
    Condition,
    Definition,
    FlowParameter,
    Graph,
    Map,
    Node,
    generations,
    signature,
    topological_order,
)
from .names import shortened
from .options import MapOptions, Option, PipelineOptions, StepOptions, options
from .outcomes import Outcome, Status
from .requirements import PackageSet, package_sets
from .retries import RetryConfig
from .routes import ORIGINAL_INPUT, Route, Routes, Test, Transition
from .steps import Step

__all__ = [
    "ORIGINAL_INPUT",
    "REQUIRED",
    "Binding",
    "Condition",
    "Definition",
    "Finding",
    "FlowParameter",
    "Graph",
    "Group",
    "Item",
    "Literal",
    "Map",
    "MapOptions",
    "Node",
    "Option",
    "Outcome",
    "Output",
    "PackageSet",
    "Parameter",
    "PipelineOptions",
    "RetryConfig",
    "Route",
    "Routes",
    "Severity",
    "Status",
    "Step",
    "StepOptions",
    "Test",
    "Transition",
    "findings_of",
    "generations",
    "leaves",
    "options",
    "outputs_in",
    "package_sets",
    "raise_errors",
    "shortened",
    "signature",
    "topological_order",
]
