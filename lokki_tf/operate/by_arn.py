"""The report of an execution that is known by its ARN only: without the pipeline's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lokki_tf.config import AwsConfig, Config
from lokki_tf.model import Definition, Graph
from lokki_tf.reporting.page import to_html

from . import runs
from .clients import Aws
from .deployed import Deployed
from .execution import Execution
from .following import history
from .plain import plain_report
from .read_back import definition_in, functions_in, is_pipeline, store_in
from .report import report_of
from .stack import Stack


@dataclass(frozen=True, slots=True)
class _ReadBack(Deployed):
    """A pipeline that was found by its state machine.

    Args:
        objects: ``s3://bucket/prefix`` under which it stores all objects.
    """

    objects: str = ""

    @property
    def store(self) -> str:
        """``s3://bucket/prefix`` under which the pipeline stores all objects."""
        return self.objects


def report_by_arn(endpoint: str, region: str, arn: str) -> str:
    """Return the report of an execution of any state machine as HTML.

    That of a pipeline is like ``show --report``, without source locations and conditions of steps;
    pickles are not loaded. That of another state machine shows its states.

    Args:
        endpoint: The URL of the AWS that contains it, on this computer.
        region: The region's name.
        arn: The execution's ARN.

    Raises:
        AwsError: If AWS refuses or cannot be reached.
    """
    aws = Aws(Config(aws=AwsConfig(endpoint=endpoint, region=region)))
    found = aws.call("stepfunctions", "describe_state_machine_for_execution", executionArn=arn)
    name, machine = str(found["name"]), json.loads(found["definition"])
    own = is_pipeline(machine)
    definition = definition_in(name, machine) if own else Definition(name, Graph(()))
    deployed = _deployed(aws, definition, str(found["stateMachineArn"]), machine)
    run = runs.describe(deployed, arn)
    if not own:
        return to_html(plain_report(name, machine, run, list(history(deployed, arn))))
    return to_html(report_of(Execution(deployed, run)))


def _deployed(aws: Aws, definition: Definition, arn: str, machine: Mapping[str, Any]) -> Deployed:
    stack = Stack(definition, aws.config, Path(), "python pipeline.py")
    functions = functions_in(machine, definition)
    return _ReadBack(stack, arn, functions, aws, objects=store_in(machine))
