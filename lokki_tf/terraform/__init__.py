"""Generation of a pipeline's Terraform with CDKTF.

:mod:`.plan` describes the resources as data; :mod:`.content` adds what must be downloaded;
:mod:`.constructs` makes CDKTF constructs from it, with the IAM documents of :mod:`.iam`;
:mod:`.synth` writes a folder that can be moved and applied.
Only :mod:`.cdk` names the library, CDKTF or CDKTN. It starts Node (:mod:`.node`) and loads the
provider's 2,100 modules on demand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.lazy import lazy_names

if TYPE_CHECKING:
    from .constructs.construct import PipelineConstruct
    from .constructs.repository import ImageRepositoryStack
    from .constructs.stack import PipelineStack, StepInLine, rename_tf_output

_HOMES = {
    "ImageRepositoryStack": "constructs.repository",
    "PipelineConstruct": "constructs.construct",
    "PipelineStack": "constructs.stack",
    "StepInLine": "constructs.stack",
    "rename_tf_output": "constructs.stack",
}

__all__ = [
    "ImageRepositoryStack",
    "PipelineConstruct",
    "PipelineStack",
    "StepInLine",
    "rename_tf_output",
]

__getattr__ = lazy_names(__name__, _HOMES)
