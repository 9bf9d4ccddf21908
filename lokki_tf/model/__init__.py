"""The definition of a pipeline: frozen data, without AWS, input or output.

Every authoring style builds a :class:`Definition`, which is all that every back-end reads.
"""

from .alarms import Alarms
from .bindings import (
    Attribute,
    Binding,
    Dataset,
    Group,
    Item,
    Key,
    Literal,
    Output,
    Parameter,
    Part,
    leaves,
    outputs_in,
    parts_in,
    path_text,
    whole,
)
from .declarations import Option
from .findings import Finding, Severity, findings_of, raise_errors
from .graph import (
    AnyNode,
    Condition,
    Definition,
    Graph,
    Map,
    Node,
    UnusedLimit,
    Wait,
    generations,
    signature,
    topological_order,
)
from .names import shortened
from .options import MapOptions, PipelineOptions, StepOptions, options
from .outcomes import MapItems, Outcome, Status
from .parameters import REQUIRED, FlowParameter
from .requirements import PackageSet, package_sets
from .retries import RetryConfig
from .routes import FAILURE, ORIGINAL_INPUT, Route, Routes, Test, Transition
from .steps import IncludedPipeline, StartedPipeline, Step
from .terraform_refs import TerraformRef, TextOrRef
from .triggers import EventPattern, PipelineDone, S3Created, Schedule, Trigger

__all__ = [
    "FAILURE",
    "ORIGINAL_INPUT",
    "REQUIRED",
    "Alarms",
    "AnyNode",
    "Attribute",
    "Binding",
    "Condition",
    "Dataset",
    "Definition",
    "EventPattern",
    "Finding",
    "FlowParameter",
    "Graph",
    "Group",
    "IncludedPipeline",
    "Item",
    "Key",
    "Literal",
    "Map",
    "MapItems",
    "MapOptions",
    "Node",
    "Option",
    "Outcome",
    "Output",
    "PackageSet",
    "Parameter",
    "Part",
    "PipelineDone",
    "PipelineOptions",
    "RetryConfig",
    "Route",
    "Routes",
    "S3Created",
    "Schedule",
    "Severity",
    "StartedPipeline",
    "Status",
    "Step",
    "StepOptions",
    "TerraformRef",
    "Test",
    "TextOrRef",
    "Transition",
    "Trigger",
    "UnusedLimit",
    "Wait",
    "findings_of",
    "generations",
    "leaves",
    "options",
    "outputs_in",
    "package_sets",
    "parts_in",
    "path_text",
    "raise_errors",
    "shortened",
    "signature",
    "topological_order",
    "whole",
]
