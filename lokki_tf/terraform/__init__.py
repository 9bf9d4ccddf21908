"""From a pipeline to Terraform, through CDKTF.

:mod:`.plan` says what is to be in AWS, as data; :mod:`.constructs` makes CDKTF's
constructs of it, with the IAM documents of :mod:`.iam`; :mod:`.synth` writes a folder that
applies wherever it is moved. :mod:`.cdk` is the one module that names the library, CDKTF or
CDKTN; it starts Node (:mod:`.node`) and keeps the provider's 2,100 modules from loading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .constructs.construct import PipelineConstruct
    from .constructs.repository import ImageRepositoryStack
    from .constructs.stack import PipelineStack, StepInLine, rename_tf_output

_HOMES = {
    "ImageRepositoryStack": "repository",
    "PipelineConstruct": "construct",
    "PipelineStack": "stack",
    "StepInLine": "stack",
    "rename_tf_output": "stack",
}

__all__ = [
    "ImageRepositoryStack",
    "PipelineConstruct",
    "PipelineStack",
    "StepInLine",
    "rename_tf_output",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".constructs.{_HOMES[name]}", __name__), name)
