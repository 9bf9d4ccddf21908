"""Values of references to Terraform in local runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Dataset, Graph, Group, Literal, Map, Node, TerraformRef, leaves
from lokki_tf.model.terraform_refs import refs_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config import Config
    from lokki_tf.model import AnyNode, Binding, Definition, Step, StepOptions


def local_ref(config: Config, variables: Mapping[str, str], ref: TerraformRef) -> str:
    """Return the value of a reference for a pipeline that is registered without Terraform.

    Args:
        config: Settings, as in ``lokki.toml``.
        variables: Values of Terraform variables.
        ref: The reference.

    Raises:
        ConfigError: If it has no value.
    """
    from lokki_tf.config import local_value

    kind, _, name = ref.address.partition(".")
    if kind == "var" and name in variables:
        return ref.filled(variables[name])
    return local_value(ref, config, "the pipeline without Terraform")


def values_of_refs(
    definition: Definition, options: Mapping[Step, StepOptions], config: Config
) -> dict[TerraformRef, str]:
    """Return the values of the references in arguments, datasets and environment variables.

    Args:
        definition: The pipeline.
        options: The options in effect by step.
        config: Settings, as in ``lokki.toml``.

    Raises:
        ConfigError: If a reference has no value.
    """
    from lokki_tf.config import local_value

    values: dict[TerraformRef, str] = {}
    for node in definition.whole.walk():
        for ref in (one for binding in node.bindings for one in leaves(binding)):
            if isinstance(ref, TerraformRef):
                what = f"an argument of {node.name!r}"
                values[ref] = local_value(ref, config, what, node.place)
    for made, dataset in definition.datasets:
        for ref in leaves(dataset.location):
            if isinstance(ref, TerraformRef):
                what = f"the location of {dataset.name}"
                values[ref] = local_value(ref, config, what, made.place)
    for step, own in options.items():
        for ref in refs_in(own.env_variables):
            what = f"the environment of step {step.name!r}"
            values[ref] = local_value(ref, config, what, step.place)
    return values


def with_known_variables(options: StepOptions, values: Mapping[TerraformRef, str]) -> StepOptions:
    """Return options with values in the place of references in environment variables.

    Args:
        options: Options of a step.
        values: Values by reference.
    """
    own = options.env_variables.items()
    if not any(isinstance(text, TerraformRef) for _, text in own):
        return options
    known = {name: text if isinstance(text, str) else values[text] for name, text in own}
    return replace(options, env_variables=known)


def with_known_arguments(definition: Definition, values: Mapping[TerraformRef, str]) -> Definition:
    """Return a pipeline with values in the place of references in arguments and datasets.

    Args:
        definition: The pipeline.
        values: Values by reference.
    """
    if not values:
        return definition
    cleanup = definition.cleanup
    return replace(
        definition,
        graph=_graph(definition.graph, values),
        cleanup=None if cleanup is None else _node(cleanup, values),
    )


def _graph(graph: Graph, values: Mapping[TerraformRef, str]) -> Graph:
    def known(one: AnyNode) -> AnyNode:
        if isinstance(one, Map):
            items = one.items
            if isinstance(items, Dataset):
                items = replace(items, location=_binding(items.location, values))
            return replace(one, items=items, body=_graph(one.body, values))
        return _node(one, values) if isinstance(one, Node) else one

    return Graph(tuple(map(known, graph.nodes)))


def _node(node: Node, values: Mapping[TerraformRef, str]) -> Node:
    return replace(
        node,
        args=tuple(_binding(one, values) for one in node.args),
        kwargs=tuple((name, _binding(one, values)) for name, one in node.kwargs),
    )


def _binding(binding: Binding, values: Mapping[TerraformRef, str]) -> Any:
    if isinstance(binding, TerraformRef):
        return Literal(values[binding])
    if isinstance(binding, Group):
        return replace(binding, members=tuple(_binding(one, values) for one in binding.members))
    return binding
