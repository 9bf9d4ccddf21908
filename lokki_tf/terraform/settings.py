"""Settings, as they change a pipeline before it becomes Terraform.

What a step says itself stands above ``[lambda]``, and that above the defaults.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import ConfigError
from lokki_tf.model import Graph, Map, Step

if TYPE_CHECKING:
    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Node

# Of ``[lambda]``, to the options of a step.
_STEP_OPTIONS = {
    "timeout": "timeout_seconds",
    "memory": "memory_size",
    "runtime": "python_runtime",
    "architecture": "architecture",
    "role": "role",
}


def with_settings(definition: Definition, config: Config) -> Definition:
    """The pipeline with what the settings say of its name, steps and tags.

    Args:
        definition: As it was written.
        config: Settings.

    Raises:
        ConfigError: If a setting wants what cannot be made.
    """
    _refuse_unmade(config)
    steps = {step: _with_defaults(step, config) for step in definition.steps}
    tags = {**config.aws.tags, **definition.tags}
    if config.stage:
        tags["lokki:stage"] = config.stage
    routes = definition.routes
    if routes is not None:
        changed = tuple(replace(one, step=steps[one.step]) for one in routes.routes)
        routes = replace(routes, routes=changed)
    told = definition.on_failure
    return replace(
        definition,
        name=config.name_of(definition.name),
        graph=_replaced(definition.graph, steps),
        routes=routes,
        tags=tags,
        on_failure=steps[told] if isinstance(told, Step) else told,
    )


def _refuse_unmade(config: Config) -> None:
    if config.lambda_.package_type == "image":
        raise ConfigError(
            'package_type = "image" in [lambda]: container images cannot be made yet',
            remedy='write package_type = "zip"',
        )


def _with_defaults(step: Step, config: Config) -> Step:
    settings, options = config.lambda_, step.options
    changed: dict[str, Any] = {
        option: getattr(settings, name)
        for name, option in _STEP_OPTIONS.items()
        if option not in options.given
    }
    variables = MappingProxyType({**settings.env, **options.env_variables})
    return replace(step, options=replace(options, **changed, env_variables=variables))


def _replaced(graph: Graph, steps: dict[Step, Step]) -> Graph:
    def change(node: Node | Map) -> Node | Map:
        if isinstance(node, Map):
            return replace(node, body=_replaced(node.body, steps))
        return replace(node, step=steps[node.step])

    return Graph(tuple(change(node) for node in graph.nodes))
