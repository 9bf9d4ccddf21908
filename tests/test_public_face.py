"""What users may import, and what that costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lokki_tf

PUBLIC = {
    "Alarms",
    "ConditionalReturns",
    "EventPattern",
    "Execution",
    "Failure",
    "Functions",
    "MicroFunctions",
    "MissingArgument",
    "ReturnUpdates",
    "TerraformRef",
    "allow",
    "S3Created",
    "Schedule",
    "build_terraform",
    "answer",
    "chain",
    "DAG",
    "Flow",
    "LogLevel",
    "LokkiError",
    "NotReady",
    "Parameter",
    "Pipeline",
    "PipelineDone",
    "PipelineFailed",
    "RetryConfig",
    "S3Csv",
    "S3Inventory",
    "S3Json",
    "S3JsonLines",
    "S3Object",
    "S3Objects",
    "StateManager",
    "StepFailed",
    "Task",
    "configure_logging",
    "flow",
    "heartbeat",
    "main",
    "part",
    "refuse",
    "run_context",
    "start_pipeline",
    "step",
    "task",
    "wait",
}


CONSTRUCTS = {"PipelineConstruct", "PipelineStack", "StepInLine", "rename_tf_output"}


def test_public_names_are_pinned() -> None:
    """The names that lokki_tf exports are these and no others; constructs are not imported by *."""
    assert set(lokki_tf.__all__) == PUBLIC
    assert set(dir(lokki_tf)) > PUBLIC | CONSTRUCTS


@pytest.mark.parametrize("name", sorted(PUBLIC | CONSTRUCTS))
def test_every_public_name_is_there(name: str) -> None:
    """Each exported name can be imported from lokki_tf itself."""
    assert getattr(lokki_tf, name) is not None


def test_unknown_names_are_attribute_errors() -> None:
    """A name that is not there is an AttributeError, lazy names notwithstanding."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = lokki_tf.nonsense


def test_import_loads_nothing_heavy() -> None:
    """Importing lokki_tf loads no CDKTF, no boto3, no rich, no click, no logging, no SQLite.

    Importing all its names loads click, for ``main``, and no CDKTF, boto3 or SQLite.
    """
    heavy = "'cdktf', 'jsii', 'boto3', 'botocore', 'moto', 'sqlite3'"
    every = f"import sys\nfrom lokki_tf import *\nprint([m for m in ({heavy}) if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", every], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = (
        "import sys, lokki_tf\n"
        "print([m for m in ('cdktf', 'jsii', 'boto3', 'botocore', 'rich', 'click', 'asyncio',"
        " 'logging', 'moto', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_stands_in_the_tree() -> None:
    """The tree in the docstring of lokki_tf.errors names every exception there is."""
    from lokki_tf import errors

    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert classes
    assert all(name in (errors.__doc__ or "") for name in classes)
