"""Application of settings to a pipeline.

A step's own options have priority over ``[lambda]``, which has priority over the defaults.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lokki_tf.config import STAGE_VARIABLE
from lokki_tf.model import Graph, Map, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Node, StepOptions

PIPELINE_TAG, STAGE_TAG = "lokki:pipeline", "lokki:stage"
# From keys of ``[lambda]`` to options of a step.
_STEP_OPTIONS = {
    "timeout": "timeout_seconds",
    "memory": "memory_size",
    "runtime": "python_runtime",
    "architecture": "architecture",
    "package_type": "package",
    "role": "role",
}
_OF_IMAGES = ("python_runtime", "architecture")
# The same for ``[batch]``.
_JOB_OPTIONS = {
    "timeout_seconds": "timeout_seconds",
    "vcpu": "vcpu",
    "memory_mb": "memory_mb",
    "platform": "platform",
    "job_queue": "job_queue",
}


def options_in_effect(definition: Definition, config: Config) -> dict[Step, StepOptions]:
    """Return the options of each step under the settings.

    Args:
        definition: The pipeline without settings.
        config: Settings.
    """
    return {step: _with_defaults(step, config).options for step in definition.steps}


def with_settings(definition: Definition, config: Config) -> Definition:
    """Return the pipeline with the name, the steps' options and the tags of the settings.

    Args:
        definition: The pipeline without settings.
        config: Settings.
    """
    steps = {
        step: _with_defaults(step, config) for step in definition.steps if not step.is_condition
    }
    tags = {PIPELINE_TAG: definition.name, **config.aws.tags, **definition.tags}
    if config.stage:
        tags[STAGE_TAG] = config.stage
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


def _with_defaults(step: Step, config: Config) -> Step:
    settings, options = config.lambda_, step.options
    given = options.given
    changed = _from(settings, _STEP_OPTIONS, given)
    if step.is_job:
        # Jobs share the image of functions, and so its architecture; they have their own sizes.
        changed = {name: changed[name] for name in _OF_IMAGES if name in changed}
        changed |= _from(config.batch, _JOB_OPTIONS, given)
        changed["platform"] = changed.get("platform", options.platform).lower()
    stage = {STAGE_VARIABLE: config.stage} if config.stage else {}
    variables = MappingProxyType({**stage, **settings.env, **options.env_variables})
    settled = replace(options, **changed, env_variables=variables)
    condition = None if step.condition is None else _with_defaults(step.condition, config)
    return replace(step, options=settled, condition=condition)


def _from(settings: Any, names: Mapping[str, str], given: Iterable[str]) -> dict[str, Any]:
    """Return options that a step does not set, from a table of the settings."""
    return {
        option: getattr(settings, name) for name, option in names.items() if option not in given
    }


def _replaced(graph: Graph, steps: dict[Step, Step]) -> Graph:
    def change(node: Node | Map) -> Node | Map:
        if isinstance(node, Map):
            return replace(node, body=_replaced(node.body, steps))
        return replace(node, step=steps[node.step])

    return Graph(tuple(change(node) for node in graph.nodes))
