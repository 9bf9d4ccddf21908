"""Envelopes that are completed when a step is called: flow parameters, and items of a batch."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .envelope import Envelope

# Types by their names in a flow's signature; a whole number is accepted as a float.
KINDS = {
    "int": (int,), "float": (int, float), "str": (str,), "bool": (bool,),
    "list": (list,), "dict": (dict,),
}  # fmt: skip


MOST_AT_ONCE = 10_000
"""The most executions of a Distributed Map at once."""
RESERVED = "lokki"
"""The name in an execution's input that triggers use, and no parameter has."""
SCHEDULED = "scheduled_at"
"""The name in that part of the time for which a schedule has started the execution (RFC 3339)."""


def refuse_strangers(given: Any, flow: dict[str, Any]) -> None:
    """Raise an error for an input that is not an object, is too large, or has unknown names.

    Args:
        given: The execution's input.
        flow: ``names`` of the pipeline's parameters, if it has any, its ``signature``, the ``most``
            bytes, and ``limits``: the names of the parameters that limit how many items of a map
            run at once, each with whether it is required.

    Raises:
        TypeError: If the input, or its reserved part, is not an object, or a limit is not a number.
        ValueError: If it is too large, has an unknown name, or a limit that is not allowed.
    """
    signature = flow["signature"]
    if not isinstance(given, dict):
        raise TypeError(f"the execution's input must be an object; the flow is {signature}")
    if not isinstance(given.get(RESERVED, {}), dict):
        raise TypeError(f"{RESERVED!r} in the execution's input is reserved and must be an object")
    refuse_large(given, flow.get("most"))
    unknown = [name for name in given if name not in (*flow.get("names", ()), RESERVED)]
    if unknown:
        raise ValueError(f"the execution's input has {unknown[0]!r}; the flow is {signature}")
    for name, required in flow.get("limits", {}).items():
        envelope = {"parameter": name, "kind": "int"}
        limit = filled(envelope if required else {**envelope, "default": {"value": 0}}, given)
        refuse_limit(name, limit["value"])


def refuse_limit(name: str, limit: int) -> None:
    """Raise an error for a number of items at once that Step Functions does not allow.

    Source: Step Functions Developer Guide, "Using Map state in Distributed mode": at most 10,000
    executions of a map run at once, and 0 is the same.

    Args:
        name: The parameter's name.
        limit: Its value.

    Raises:
        ValueError: If it is too small or too large.
    """
    if not 0 <= limit <= MOST_AT_ONCE:
        raise ValueError(
            f"{name!r} is the concurrency_limit of a map and must be from 0, for no limit, to "
            f"{MOST_AT_ONCE:,}, got {limit}"
        )


def scheduled_input(at: str) -> dict[str, Any]:
    """Return the part of an input that contains the time for which an execution is started.

    Args:
        at: The time, in RFC 3339.
    """
    return {RESERVED: {SCHEDULED: at}}


def without_reserved(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an input, without the part that is reserved for triggers."""
    return {name: value for name, value in given.items() if name != RESERVED}


def refuse_large(given: Any, most: int | None) -> None:
    """Raise an error if the parameters are too large for a state.

    Args:
        given: The execution's input.
        most: The most bytes that it may have; ``None`` in events of older state machines.

    Raises:
        ValueError: If it has more.
    """
    size = 0 if most is None else json_bytes(given)
    if most is not None and size > most:
        raise ValueError(
            f"the parameters have {size:,} bytes; this pipeline allows {most:,}: a state of "
            f"Step Functions has 262,144 for parameters and results; store large data in S3 and "
            f"pass its URI, or load it in a step"
        )


def json_bytes(value: Any) -> int:
    """Return the size of a value as Step Functions counts it: compact JSON in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))


def filled(envelope: Envelope, given: Mapping[str, Any] | None) -> Envelope:
    """Replace parameters in an envelope by their values.

    Args:
        envelope: Any envelope.
        given: The execution's input.

    Raises:
        ValueError: If a required parameter is missing.
        TypeError: If a parameter has the wrong type.
    """
    if "parameter" in envelope:
        return _parameter(envelope, given or {})
    if "make" in envelope:
        items = {key: filled(one, given) for key, one in envelope["items"].items()}
        return {**envelope, "items": items}
    return envelope


def own(value: Any) -> Any:
    """Return a copy of a value from JSON, for one argument that a step may change."""
    return json.loads(json.dumps(value)) if isinstance(value, (list, dict)) else value


def of_item(envelope: Envelope, batch: int) -> Envelope:
    """Replace the placeholder of a batch in an envelope by an item's part, and its own values.

    Args:
        envelope: Any envelope.
        batch: Index of the item in the batch.
    """
    if "value" in envelope:
        return {"value": own(envelope["value"])}
    if "batch" in envelope:
        part: Envelope = envelope["batch"][batch]
        return part
    if "make" in envelope:
        items = {key: of_item(one, batch) for key, one in envelope["items"].items()}
        return {**envelope, "items": items}
    return envelope


def _parameter(envelope: Envelope, given: Mapping[str, Any]) -> Envelope:
    name, kind = envelope["parameter"], envelope.get("kind")
    if "packed" in envelope:  # of an included pipeline
        packed: Envelope = given[name]
        return {"value": own(packed["value"])} if "value" in packed else packed
    if name not in given:
        if "default" not in envelope:
            raise ValueError(f"the execution's input has no {name!r}, which the flow requires")
        default: Envelope = envelope["default"]
        return default
    if given[name] is None and envelope.get("default") == {"value": None}:
        return {"value": None}
    if not fits(given[name], kind):
        raise TypeError(f"{name!r} in the execution's input must be {kind}, got {given[name]!r}")
    return {"value": own(given[name])}


def fits(value: Any, kind: str | None) -> bool:
    """Return whether a value has the type with this name; ``bool`` does not count as ``int``."""
    if kind not in KINDS:
        return True
    return isinstance(value, KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))
