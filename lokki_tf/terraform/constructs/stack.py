"""A pipeline as its own stack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.config import Config
from lokki_tf.terraform.cdk import Construct, TerraformStack, core
from lokki_tf.terraform.files import FOLDERS, MACHINE
from lokki_tf.tracebacks import ends_at_caller

from .construct import PipelineConstruct
from .network import subnets_named
from .provider import VERSIONS_WITH_RUNTIME, add_backend, add_provider, require_provider

if TYPE_CHECKING:
    from lokki_tf.packaging import LayerBuilder
    from lokki_tf.terraform.plan import HasDefinition


class PipelineStack(TerraformStack):
    """A stack with one pipeline, provider, backend and outputs.

    The state is stored in the configuration's folder (``terraform.tfstate``); to store it
    elsewhere, add a CDKTF backend construct. ``pipeline`` is the construct inside.

    Args:
        scope: The app.
        id: The name of the stack, and of its folder in ``stacks``.
        pipeline: The pipeline.
        region: AWS region; by default the environment's (``AWS_REGION``).
        template_file: A Lambda template instead of the default one.
        vpc_id: A VPC for the functions.
        subnet_filter: Chooses the VPC's subnets.
        outbound_cidr: Addresses to which functions in a VPC may connect.
        layer_builder: Makes the layers of declared packages; by default with the locks of earlier
            synths, in the stack's folder.
        config: Settings, as in ``lokki.toml``; by default the default settings.

    Raises:
        DefinitionError: If the pipeline has errors; nothing is written then.
    """

    @ends_at_caller
    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # CDKTF's own name for it
        pipeline: HasDefinition,
        region: str | None = None,
        template_file: str | Path | None = None,
        vpc_id: str | None = None,
        subnet_filter: Any = None,
        outbound_cidr: list[str] | None = None,
        layer_builder: LayerBuilder | None = None,
        config: Config | None = None,
    ) -> None:
        super().__init__(scope, id)
        config = (config or Config()).in_region(region)
        add_backend(self, config)
        add_provider(self, config.aws)
        vpc = config.aws.vpc
        self.pipeline = PipelineConstruct(
            self,
            "Default",  # CDKTF omits this id from the names of the resources inside
            pipeline,
            template_file=template_file,
            vpc_id=vpc_id or vpc.id,
            subnet_filter=subnet_filter or subnets_named(vpc.subnets),
            outbound_cidr=outbound_cidr or list(vpc.outbound_cidr) or None,
            layer_builder=layer_builder,
            config=config,
        )
        for step in self.pipeline.content.plan.definition.steps:
            if versions := VERSIONS_WITH_RUNTIME.get(step.options.python_runtime):
                require_provider(self, versions)
        self.state_machine = self.pipeline.state_machine
        self.functions = self.pipeline.functions
        self.roles = self.pipeline.roles
        self.bucket = self.pipeline.bucket
        self._add_outputs()

    def _add_outputs(self) -> None:
        values: dict[str, tuple[str, Any]] = {
            "state_machine_arn": ("Starts with it: start-execution", self.state_machine.arn),
            "bucket": ("Code, literals and large results", self.bucket.bucket),
            "function_arns": (
                "Lambda functions, by step",
                {name: function.arn for name, function in self.functions.items()},
            ),
            "role_arns": ("Roles, by step", self.pipeline.role_arns),
        }
        for name, (description, value) in values.items():
            # An id that differs from the resources' ids; the name in Terraform is unchanged.
            output = core.TerraformOutput(
                self, f"output-{name}", value=value, description=description
            )
            output.override_logical_id(name)


StepInLine = PipelineStack
"""The name of :class:`PipelineStack` in step-in-line."""


@ends_at_caller
def rename_tf_output(path: Path | str) -> None:
    """Copy a stack's Terraform, and the files to which it refers, into the current folder.

    HCL files keep the suffix ``.tf``; JSON files get ``.tf.json``, which Terraform reads.

    Args:
        path: The stack's folder, ``Path(app.outdir, "stacks", name)``.
    """
    folder, here = Path(path), Path.cwd()
    if folder.resolve() == here.resolve():
        return
    for file in sorted([*folder.glob("*.tf"), *folder.glob("*.tf.json")]):
        text = file.read_text()
        name = file.name.removesuffix(".json").removesuffix(".tf")
        shutil.copyfile(file, here / (f"{name}.tf.json" if _is_json(text) else f"{name}.tf"))
    for name in (MACHINE, *FOLDERS):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, here / name, dirs_exist_ok=True)
        elif (folder / name).exists():
            shutil.copyfile(folder / name, here / name)


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")
