"""Application of settings to a pipeline.

A step's own options have priority over ``[lambda]``, which has priority over the defaults.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lokki_tf.config import STAGE_VARIABLE
from lokki_tf.model import (
    AnyNode,
    Graph,
    Map,
    PipelineDone,
    Schedule,
    Step,
    StepOptions,
    Wait,
    options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lokki_tf.config import Config
    from lokki_tf.model import Definition, StartedPipeline, Trigger

PIPELINE_TAG, STAGE_TAG = "lokki:pipeline", "lokki:stage"
_OF_IMAGES = ("python_runtime", "architecture")


def options_in_effect(definition: Definition, config: Config) -> dict[Step, StepOptions]:
    """Return the options of each step under the settings.

    Args:
        definition: The pipeline without settings.
        config: Settings, as in ``lokki.toml``.
    """
    return {step: _with_defaults(step, config).options for step in definition.steps}


def with_settings(definition: Definition, config: Config) -> Definition:
    """Return the pipeline with the name, the steps' options and the tags of the settings.

    Args:
        definition: The pipeline without settings.
        config: Settings, as in ``lokki.toml``.
    """
    steps = {
        step: _with_defaults(step, config) for step in definition.steps if not step.is_condition
    }
    tags = {PIPELINE_TAG: definition.name, **config.aws.tags, **definition.tags}
    if config.stage:
        tags[STAGE_TAG] = config.stage

    def changed(step: Step) -> Step:
        if step.starts is not None:
            return _of_stage(step, step.starts, config.stage)
        return steps[step] if step.has_code else step

    routes = definition.routes
    if routes is not None:
        own = tuple(replace(one, step=changed(one.step)) for one in routes.routes)
        routes = replace(routes, routes=own)
    notified, cleanup = definition.on_failure, definition.cleanup
    return replace(
        definition,
        name=config.name_of(definition.name),
        graph=_replaced(definition.graph, changed),
        routes=routes,
        tags=tags,
        on_failure=steps[notified] if isinstance(notified, Step) else notified,
        cleanup=None if cleanup is None else replace(cleanup, step=steps[cleanup.step]),
        triggers=tuple(_trigger(one, config) for one in definition.triggers),
    )


def _trigger(trigger: Trigger, config: Config) -> Trigger:
    """Return a trigger under the settings of schedules, and of the stage."""
    if isinstance(trigger, PipelineDone):
        return replace(trigger, name=config.name_of(trigger.name))
    if not isinstance(trigger, Schedule):
        return trigger
    window, settings = trigger.flexible_window_minutes, config.schedule
    return replace(
        trigger,
        timezone=trigger.timezone or settings.timezone,
        flexible_window_minutes=settings.flexible_window_minutes if window is None else window,
    )


def _with_defaults(step: Step, config: Config) -> Step:
    settings, own = config.lambda_, step.options
    changed = _from(settings, "lambda", own.given)
    if step.is_job:
        # Jobs share the image of functions, and so its architecture; they have their own sizes.
        changed = {name: changed[name] for name in _OF_IMAGES if name in changed}
        changed |= _from(config.batch, "batch", own.given)
        changed["platform"] = changed.get("platform", own.platform).lower()
    stage = {STAGE_VARIABLE: config.stage} if config.stage else {}
    # What a step sets itself has priority over both settings.
    plain = {name: text for name, text in settings.env.items() if name not in own.secrets}
    secret = {n: text for n, text in settings.secrets.items() if n not in own.env_variables}
    variables = MappingProxyType({**stage, **plain, **own.env_variables})
    secrets = MappingProxyType({**secret, **own.secrets})
    settled = replace(own, **changed | {"env_variables": variables, "secrets": secrets})
    condition = None if step.condition is None else _with_defaults(step.condition, config)
    return replace(step, options=settled, condition=condition)


@cache
def _of_stage(step: Step, started: StartedPipeline, stage: str | None) -> Step:
    """Return the step that starts the pipeline of a stage, the same one for the same stage."""
    if started.is_arn or not stage:
        return step
    return replace(step, starts=replace(started, machine=f"{started.machine}-{stage}"))


def _from(settings: Any, table: str, given: Collection[str]) -> dict[str, Any]:
    """Return options that a step does not set, from a table of the settings."""
    return {
        name: getattr(settings, key)
        for name, declared in options(StepOptions).items()
        for at, _, key in [setting.partition(".") for setting in declared.settings]
        if at == table and name not in given
    }


def _replaced(graph: Graph, changed: Callable[[Step], Step]) -> Graph:
    def change(node: AnyNode) -> AnyNode:
        if isinstance(node, Wait):
            return node
        if isinstance(node, Map):
            return replace(node, body=_replaced(node.body, changed))
        if node.step.routed is not None:
            return replace(node, step=node.step.inside(changed))
        return replace(node, step=changed(node.step))

    return Graph(tuple(change(node) for node in graph.nodes))
