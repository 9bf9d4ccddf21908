"""A pipeline as a CDKTF construct."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.config import Config
from lokki_tf.packaging import LayerBuilder
from lokki_tf.terraform.cdk import Construct, core, use_library_of
from lokki_tf.terraform.checking import checked_plan
from lokki_tf.terraform.content import resolve, write_content
from lokki_tf.terraform.files import TERRAFORM
from lokki_tf.tracebacks import ends_at_caller

from .network import Vpc
from .render import render
from .scope import PipelineScope

if TYPE_CHECKING:
    from lokki_tf.model import TextOrRef
    from lokki_tf.terraform.plan import HasDefinition


class PipelineConstruct(PipelineScope):
    """A pipeline inside a stack: functions, roles, bucket, state machine, schedule.

    The stack must have an AWS provider. Its resources can be used by other constructs:
    ``state_machine``, ``functions`` and ``roles`` (by step name; only roles that it creates),
    ``bucket``.

    Args:
        scope: The stack, or a construct in it.
        id: Unique in its scope.
        pipeline: The pipeline.
        template_file: A Lambda template instead of the default one.
        vpc_id: A VPC for the functions.
        subnet_filter: Chooses the VPC's subnets.
        outbound_cidr: Addresses to which functions in a VPC may connect.
        layer_builder: Makes the layers of declared packages; by default with the locks of earlier
            synths, in the stack's folder.
        config: Settings, as in ``lokki.toml``; by default the default settings.

    Raises:
        DefinitionError: If the pipeline has errors; nothing is written then.
        MissingToolError: If declared packages cannot be downloaded; nothing is written then.
    """

    @ends_at_caller
    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # CDKTF's own name for it
        pipeline: HasDefinition,
        *,
        template_file: str | Path | None = None,
        vpc_id: TextOrRef | None = None,
        subnet_filter: Any = None,
        outbound_cidr: list[str] | None = None,
        layer_builder: LayerBuilder | None = None,
        config: Config | None = None,
    ) -> None:
        use_library_of(scope)
        config = config or Config()
        name = "" if id == "Default" else id.replace("/", "--")
        stack_folder = _stack_folder(scope)
        folder = stack_folder / name
        vpc = None if vpc_id is None else Vpc(vpc_id, subnet_filter, outbound_cidr)

        plan = checked_plan(pipeline.definition, config, template_file)
        content = resolve(plan, config, layer_builder or LayerBuilder(locks=folder))
        super().__init__(scope, id, plan.definition.tags, name)
        rendered = render(self, content, vpc)
        write_content(content, folder, stack_folder / TERRAFORM, in_vpc=vpc is not None)

        self.content = content
        self.bucket = rendered.bucket
        self.functions = rendered.functions
        self.roles = rendered.roles
        self.role_arns = rendered.role_arns
        self.state_machine = rendered.state_machine


def _stack_folder(scope: Construct) -> Path:
    app = scope.node.root
    outdir = app.outdir if isinstance(app, core.App) else "cdktf.out"
    return Path(outdir, "stacks", core.TerraformStack.of(scope).node.id)
