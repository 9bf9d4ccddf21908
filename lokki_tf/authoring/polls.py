"""Options of steps that poll or are answered, which belong together."""

from __future__ import annotations

from math import ceil, inf, log
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model.retries import Poll
from lokki_tf.runtime.polls import NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.errors import Place
    from lokki_tf.model import RetryConfig, StepOptions


def refuse_contradictions(values: Mapping[str, Any], place: Place) -> None:
    """Raise an error for options of polls and callbacks that contradict each other.

    Args:
        values: Options by name, in the types of the model.
        place: Source location of the step.

    Raises:
        OptionError: If ``poll=`` is missing or longer than ``poll_timeout=``, ``callback=`` is
            missing, both are given, or ``heartbeat_seconds=`` is not below ``timeout_seconds=``.
    """
    if values.get("callback") and "poll" in values:
        raise OptionError(
            "callback=True and poll= are both given",
            place=place,
            remedy="keep poll= if the step checks by itself, callback= if it is answered",
        )
    if "heartbeat_seconds" in values and not values.get("callback"):
        raise OptionError(
            "heartbeat_seconds= is given without callback=True",
            place=place,
            remedy="write callback=True as well, or remove it",
        )
    heartbeat = values.get("heartbeat_seconds")
    if heartbeat is not None and heartbeat >= values.get("timeout_seconds", inf):
        # Amazon States Language, "Timeouts": HeartbeatSeconds must be below TimeoutSeconds.
        raise OptionError(
            f"heartbeat_seconds={heartbeat} must be below "
            f"timeout_seconds={values['timeout_seconds']}",
            place=place,
            remedy="write fewer seconds between heartbeats, or a longer time limit",
        )
    lonely = [name for name in ("poll_timeout", "poll_backoff") if name in values]
    if lonely and "poll" not in values:
        raise OptionError(
            f"{lonely[0]}= is given without poll=",
            place=place,
            remedy="write the seconds between attempts as well: poll=30",
        )
    if "poll" in values and values["poll"] > values.get("poll_timeout", values["poll"]):
        raise OptionError(
            f"poll={values['poll']} is longer than poll_timeout={values['poll_timeout']}",
            place=place,
            remedy="write fewer seconds between attempts, or a longer time limit",
        )


def with_poll(options: StepOptions, retry: tuple[RetryConfig, ...]) -> tuple[RetryConfig, ...]:
    """Return a step's retriers, with the one that repeats polls first.

    Args:
        options: Options of the step.
        retry: The other retriers.
    """
    if options.poll is None:
        return retry
    delay, factor = options.poll, options.poll_backoff
    # So many delays take at least the time limit, after which the runtime raises TimeoutError.
    most = options.poll_timeout / delay
    if factor > 1:
        most = log(most * (factor - 1) + 1, factor)
    retries = ceil(most) + 1
    poll = Poll(retries, delay, factor, exceptions=(NotReady,), timeout=options.poll_timeout)
    return (poll, *retry)
