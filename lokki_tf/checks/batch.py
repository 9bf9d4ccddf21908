"""Options of steps that run as jobs of AWS Batch, and options that only Batch or Lambda supports.

Source: AWS Batch User Guide, "Job definition parameters": Fargate's pairs of processors and memory,
graphics processors only on EC2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding, Map, Node, StepOptions, TerraformRef, options
from lokki_tf.model.declarations import BATCH, LAMBDA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition, Graph, Step

# By number of processors: the least and the most memory in megabytes, and the step between sizes.
_FARGATE = {
    0.25: (512, 2_048, 512),
    0.5: (1_024, 4_096, 1_024),
    1: (2_048, 8_192, 1_024),
    2: (4_096, 16_384, 1_024),
    4: (8_192, 30_720, 1_024),
    8: (16_384, 61_440, 4_096),
    16: (32_768, 122_880, 8_192),
}


def check(definition: Definition) -> Iterator[Finding]:
    """Check each step's kind of work and the options that it supports."""
    for step in definition.steps:
        if step.is_job:
            yield from _job(step)
            if {"vcpu", "memory_mb"} <= step.options.given:
                yield from _size(step)
        else:
            for name, declared in options(StepOptions).items():
                if declared.only == BATCH and name in step.options.given:
                    message = f"step {step.name!r} has {name}=, which only jobs of Batch support"
                    yield _finding(step, message, 'write job_type="batch" too')
    yield from _batches(definition.graph)


def _job(step: Step) -> Iterator[Finding]:
    """Check the options of a job: those that Batch does not have, its limits, and processors."""
    own = step.options
    for name in sorted(own.given):
        declared, value = options(StepOptions)[name], getattr(own, name)
        rule = declared.refused_by(value, BATCH)
        if declared.only == LAMBDA:
            message = f"step {step.name!r} is a job and has {name}=, which only Lambda supports"
            yield _finding(step, message, declared.instead)
        elif rule is not None:
            message = f"step {step.name!r} has {name}={value!r}; Batch requires {rule.expected}"
            yield _finding(step, message, f"write {name}={rule.low}")
    queue = own.job_queue
    if isinstance(queue, TerraformRef) and queue.address.endswith(".name"):
        message = f"step {step.name!r} has job_queue={queue!r}, which must be the queue's ARN"
        yield _finding(step, message, "refer to its ARN: replace .name by .arn")
    if own.gpu and own.platform != "ec2":
        message = f"step {step.name!r} has gpu={own.gpu!r}, which Fargate does not support"
        yield _finding(step, message, 'write platform="ec2"')
    if own.gpu and own.architecture == "arm64":
        message = f"step {step.name!r} has gpu={own.gpu!r} and architecture='arm64'"
        yield _finding(step, message, "remove architecture=: instances with a GPU are x86")


def check_sizes(definition: Definition) -> Iterator[Finding]:
    """Check processors and memory of jobs, after the settings have been applied."""
    for step in definition.steps:
        if step.is_job:
            yield from _size(step)


def _size(step: Step) -> Iterator[Finding]:
    """Check processors and memory: Fargate accepts only some pairs."""
    vcpu, memory = step.options.vcpu, step.options.memory_mb
    numbers = all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in (vcpu, memory)
    )
    if not numbers or vcpu <= 0 or memory <= 0 or memory != int(memory):
        message = f"step {step.name!r} has vcpu={vcpu!r} and memory_mb={memory!r}"
        yield _finding(step, message, "write numbers above 0, memory in whole megabytes")
    elif step.options.platform == "ec2":
        if vcpu != int(vcpu):
            message = f"step {step.name!r} has vcpu={vcpu!r}; EC2 requires a whole number"
            yield _finding(step, message, "write a whole number, or a platform of Fargate")
    elif vcpu not in _FARGATE:
        message = f"step {step.name!r} has vcpu={vcpu!r}, which Fargate does not offer"
        yield _finding(step, message, f"write one of {', '.join(map(str, _FARGATE))}")
    else:
        first, last, by = _FARGATE[vcpu]
        if memory not in range(first, last + 1, by):
            message = (
                f"step {step.name!r} has memory_mb={memory!r} with vcpu={vcpu!r}; Fargate then "
                f"requires {first:,} to {last:,} in steps of {by:,}"
            )
            nearest = min(range(first, last + 1, by), key=lambda size: abs(size - memory))
            yield _finding(step, message, f"write memory_mb={nearest}, or another vcpu=")


def _batches(graph: Graph) -> Iterator[Finding]:
    """Check that maps over jobs have no batches: a job receives one item."""
    for one in graph.nodes:
        if not isinstance(one, Map):
            continue
        yield from _batches(one.body)
        jobs = [node for node in one.body.nodes if isinstance(node, Node) and node.step.is_job]
        if one.options.batch_size > 1 and jobs:
            message = f"batch_size={one.options.batch_size} with step {jobs[0].step.name!r}"
            message += ", a job of Batch, which receives one item"
            yield Finding("batch", message, one.place, "remove batch_size", error=OptionError)


def _finding(step: Step, message: str, remedy: str) -> Finding:
    return Finding("batch", message, step.place, remedy, error=OptionError)
