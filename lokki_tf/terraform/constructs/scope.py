"""The scope of a pipeline's resources: their ids, tags and files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from lokki_tf.asl.text import escaped
from lokki_tf.model.names import unique
from lokki_tf.terraform.cdk import Construct, construct_id, core
from lokki_tf.terraform.settings import PIPELINE_TAG, STAGE_TAG

from .bucket import BUCKET_PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping


class PipelineScope(Construct):
    """The construct that contains a pipeline's resources.

    Args:
        scope: The stack, or a construct in it.
        id: Unique in its scope.
        tags: Tags of every resource.
        folder: The folder of the pipeline's files in the stack's folder; empty if it is the same.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # CDKTF's own name for it
        tags: Mapping[str, str],
        folder: str,
    ) -> None:
        super().__init__(scope, id)
        # Ids of the pipeline itself; a step with such a name gets another id.
        self._ids = {"Default", "bucket", *BUCKET_PARTS}
        self._tags = {key: escaped(text) for key, text in tags.items()}
        self._files = f"${{path.module}}/{folder}/" if folder else "${path.module}/"

    def tags(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a resource's tags: the pipeline's name, stage and tags, and the resource's own."""
        extra = {key: escaped(text) for key, text in (own or {}).items()}
        # Policies select the pipeline's functions and jobs by these tags: steps cannot change them.
        fixed = {key: text for key, text in self._tags.items() if key in (PIPELINE_TAG, STAGE_TAG)}
        return {**self._tags, **extra, **fixed}

    def resource_id(self, name: str) -> str:
        """Return an id that is unique in the pipeline and that Terraform accepts.

        Source: Terraform's language, "Identifiers": the first character is a letter or
        an underscore.
        """
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        plain = plain if re.match("[A-Za-z_]", plain) else f"_{plain}"
        name = unique(construct_id(plain), self._ids, 200)
        self._ids.add(name)
        return name

    def variable(self, name: str, description: str) -> str:
        """Return the reference to a Terraform variable, which the stack declares once.

        Args:
            name: The variable's name.
            description: Its purpose.
        """
        stack = core.TerraformStack.of(self)
        known = stack.node.try_find_child(f"variable_{name}")
        if known is None:
            known = core.TerraformVariable(
                stack, f"variable_{name}", type="string", description=description
            )
            known.override_logical_id(name)
        return str(cast("core.TerraformVariable", known).string_value)

    def file(self, path: str) -> str:
        """Return the path of a file in the pipeline's folder, as a Terraform expression."""
        return f"{self._files}{path}"
