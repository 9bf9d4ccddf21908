"""Events as inputs of runs, by the same mapping as in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.authoring.places import calling_place
from lokki_tf.errors import BindingError

if TYPE_CHECKING:
    from lokki_tf.config import Config
    from lokki_tf.model import Definition


class EventRun(NamedTuple):
    """What a trigger starts for an event.

    Args:
        trigger: Name of the trigger, ``object-1`` for example.
        name: Name of the execution.
        input: Its input.
    """

    trigger: str
    name: str
    input: dict[str, Any]


def run_of_event(
    definition: Definition, event: Any, trigger: str | None, config: Config
) -> EventRun:
    """Return what the function of triggers starts for an event.

    Args:
        definition: The pipeline without settings.
        event: EventBridge's event.
        trigger: Name of the trigger; by default the one that the event matches.
        config: Settings, as in ``lokki.toml``.

    Raises:
        BindingError: If no trigger, or several, match the event, or it lacks a parameter.
    """
    from lokki_tf.runtime.triggers import EventError, execution_name, input_of
    from lokki_tf.terraform.settings import with_settings
    from lokki_tf.terraform.triggers import matching, spec_of

    settled = with_settings(definition, config)
    specs = [spec_of(settled, number) for number in range(len(settled.triggers))]
    if not specs:
        raise _refused(
            f"pipeline {definition.name!r} has no triggers",
            "add triggers=[…] to the pipeline, or pass parameters instead of an event",
        )
    names = [spec["name"] for spec in specs]
    if trigger is not None and trigger not in names:
        raise _refused(f"there is no trigger {trigger!r}", f"the triggers are {', '.join(names)}")
    if not isinstance(event, Mapping):
        raise _refused(
            f"the event must be a JSON object, got {event!r}", "pass one event, as a dict"
        )
    event = dict(event)
    matched = matching(settled, event, config)
    found = [number for number in matched if trigger in (None, names[number])]
    if not found:
        listed = "; ".join(
            f"{name}: {one!r}" for name, one in zip(names, settled.triggers, strict=True)
        )
        raise _refused(
            "no trigger of the pipeline matches the event, which starts nothing in AWS either"
            if trigger is None
            else f"the trigger {trigger!r} does not match the event",
            f"compare the event with the triggers: {listed}",
        )
    if len(found) > 1:
        listed = ", ".join(names[number] for number in found)
        raise _refused(
            f"the event matches several triggers ({listed}); in AWS each starts a run",
            f"choose one: trigger={names[found[0]]!r}, or --trigger {names[found[0]]}",
        )
    spec = specs[found[0]]
    try:
        return EventRun(spec["name"], execution_name(spec, event), input_of(spec, event))
    except EventError as error:
        raise _refused(
            f"{spec['name']}: {error}", "in AWS such an event is sent to the dead-letter queue"
        ) from None


def _refused(message: str, remedy: str) -> BindingError:
    return BindingError(message, place=calling_place(), remedy=remedy)
