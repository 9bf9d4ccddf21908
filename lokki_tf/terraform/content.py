"""The content of a stack: its plan, with everything that must be downloaded for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .files import FOLDERS, stack_files, write_files
from .images import Image, make_image
from .layers import build_layers
from .required import required_policies
from .template_values import longest_values

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.config import Config
    from lokki_tf.packaging import Layer, LayerBuilder

    from .plan import StackPlan


@dataclass(frozen=True, slots=True)
class Content:
    """All that a stack contains, before constructs are made.

    Args:
        plan: The stack plan.
        config: Settings, as in ``lokki.toml``.
        machine_text: The template of the state machine.
        layers: The layers of declared packages.
        image: The image of the steps that run in one, if there are any.
    """

    plan: StackPlan
    config: Config
    machine_text: str
    layers: tuple[Layer, ...]
    image: Image | None


def resolve(plan: StackPlan, config: Config, builder: LayerBuilder) -> Content:
    """Return the content of a stack; packages are resolved and downloaded where that is needed.

    Args:
        plan: The stack plan.
        config: Settings, as in ``lokki.toml``.
        builder: Makes the layers of declared packages, and resolves those of the image.

    Raises:
        LimitError: If the state machine's text, or a function with its packages, is too large.
        MissingToolError: If declared packages cannot be downloaded.
        OptionError: If steps cannot share an image.
    """
    values = longest_values(plan.definition, plan.state_machine, config)
    return Content(
        plan,
        config,
        plan.state_machine.text(values),
        tuple(build_layers(plan, builder)),
        make_image(plan.definition.name, plan.in_image, config, builder),
    )


def write_content(content: Content, folder: Path, terraform: Path, *, in_vpc: bool = False) -> None:
    """Write a pipeline's files and remove those of steps that no longer exist.

    Args:
        content: The content of the stack.
        folder: The stack's folder, or one in it.
        terraform: The stack's Terraform JSON, which CDKTF writes afterwards.
        in_vpc: Whether the functions are in a VPC.

    Raises:
        OutputError: If the folder cannot be written.
    """
    plan, image = content.plan, content.image
    files = {
        **stack_files(plan, content.machine_text, content.layers),
        **required_policies(plan, content.config, in_vpc=in_vpc),
        **(image.files if image else {}),
    }
    write_files(folder, files, owned=FOLDERS, terraform=terraform)
