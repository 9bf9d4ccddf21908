"""The Terraform of a routed pipeline in one call, where orchwipy wrote CloudFormation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lokki_tf.authoring.options import step_options
from lokki_tf.authoring.places import calling_place
from lokki_tf.authoring.routes import options_of
from lokki_tf.errors import BindingError
from lokki_tf.tracebacks import ends_at_caller

from .routed import MicroFunctions

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.model import Step
    from lokki_tf.terraform.synth import Synthesized


@ends_at_caller
def build_terraform(
    *,
    plant: MicroFunctions,
    layers: Sequence[str | Mapping[str, str]] = (),
    policies: Sequence[str | Mapping[str, Any]] = (),
    environment: Mapping[str, str] | None = None,
    timeout: int | None = None,
    runtime: str | None = None,
    max_steps_in_run: int | None = None,
    outdir: str | Path | None = None,
    region: str | None = None,
) -> Synthesized:
    """Write a routed pipeline's Terraform into ``terraform-out``.

    ``template_props`` of a function override ``timeout``, ``runtime`` and ``environment``; layers
    and policies are combined.

    Args:
        plant: The pipeline.
        layers: For every function: ARNs, or names of Terraform variables that contain one.
        policies: For every function's role: IAM policy documents or statements.
        environment: Environment variables of every function.
        timeout: Longest duration of one call, in seconds.
        runtime: Name of the Lambda runtime.
        max_steps_in_run: Largest number of steps in one run, instead of the pipeline's own limit.
        outdir: The output folder; by default ``build_dir`` of the settings.
        region: AWS region; by default that of the settings or the environment.

    Raises:
        OptionError: If an option has the wrong type.
        DefinitionError: If the pipeline has errors; nothing is written then.
    """
    place = calling_place()
    if not isinstance(plant, MicroFunctions):
        raise BindingError(
            f"plant must be a MicroFunctions, got {plant!r}",
            place=place,
            remedy="convert Functions with MicroFunctions.from_functions(…)",
        )
    named = [one if _is_no_name(one) else {"Ref": one} for one in layers]
    properties = {"Layers": named, "Policies": list(policies)}
    common = step_options(options_of(properties, {}, place), place)
    own = {"timeout_seconds": timeout, "python_runtime": runtime, "env_variables": environment}
    default = step_options({**own}, place)

    def changed(step: Step) -> Step:
        options = step.options
        filled = {name: getattr(default, name) for name in default.given - options.given}
        filled["env_variables"] = {**default.env_variables, **options.env_variables}
        return replace(
            step,
            options=replace(
                options,
                **filled,
                layers=(*common.layers, *options.layers),
                policies=(*common.policies, *options.policies),
                given=options.given | default.given,
            ),
        )

    return plant.changed(changed, max_steps_in_run).synth(outdir, region=region)


def _is_no_name(layer: Any) -> bool:
    return not isinstance(layer, str) or layer.startswith("arn:") or "${" in layer
