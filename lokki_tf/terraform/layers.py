"""The layers of a pipeline: its functions' declared packages, resolved and zipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.packaging import check_size

if TYPE_CHECKING:
    from lokki_tf.packaging import Layer, LayerBuilder

    from .plan import StackPlan


def build_layers(plan: StackPlan, builder: LayerBuilder) -> list[Layer]:
    """Make the layers of a pipeline, and check the size of each function with its layer.

    Args:
        plan: The pipeline.
        builder: Resolves the packages and makes the zips.

    Raises:
        LimitError: If a function and its packages exceed Lambda's limit.
        LokkiError: As for :meth:`LayerBuilder.build`.
    """
    layers = []
    for packages, functions in plan.layers.items():
        layer = builder.build(packages, functions[0].step)
        for function in functions:
            code = sum(len(data) for data in function.package.files.values())
            check_size(function.step, code, layer.sizes)
        layers.append(layer)
    return layers
