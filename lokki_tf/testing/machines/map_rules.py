"""What the fields of a Map state must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lokki_tf.testing.machines.findings import SCHEMA, Finding
from lokki_tf.testing.machines.limits import MAP_LABEL_CHARACTERS
from lokki_tf.testing.machines.map_fields import processor_of
from lokki_tf.testing.machines.path_rules import examine_path, examine_template
from lokki_tf.testing.machines.values import Json, is_number

State = dict[str, Any]

_LABEL = re.compile(r"[^\s?*<>{}\[\]:;,\\|^~$#%&`\"/\x00-\x1f\x7f-\x9f]+$")
_DISTRIBUTED = (
    "ItemBatcher",
    "ItemReader",
    "Label",
    "ResultWriter",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
)
_HOLDERS: dict[str, set[str]] = {
    "ItemReader": {"Resource", "Parameters", "ReaderConfig"},
    "ResultWriter": {"Resource", "Parameters", "WriterConfig"},
    "ItemBatcher": {
        "BatchInput",
        "MaxItemsPerBatch",
        "MaxItemsPerBatchPath",
        "MaxInputBytesPerBatch",
        "MaxInputBytesPerBatchPath",
    },
}
_RESOURCES = {
    "ItemReader": (":states:::s3:getObject", ":states:::s3:listObjectsV2"),
    "ResultWriter": (":states:::s3:putObject",),
}
_NUMBERS: dict[str, Callable[[Any], bool]] = {
    "MaxConcurrency": lambda number: isinstance(number, int) and number >= 0,
    "ToleratedFailureCount": lambda number: isinstance(number, int) and number >= 0,
    "ToleratedFailurePercentage": lambda number: 0 <= number <= 100,
    "MaxItemsPerBatch": lambda number: isinstance(number, int) and number > 0,
    "MaxInputBytesPerBatch": lambda number: isinstance(number, int) and 0 < number <= 262_144,
}


def examine_map(state: State, location: str) -> Iterator[Finding]:
    """Yield what is wrong with the fields of a Map state."""
    processor = processor_of(state)
    if not processor:
        yield Finding(SCHEMA, "A Map state has an ItemProcessor", f"{location}/ItemProcessor")
        return
    yield from _examine_mode(state, processor, location)
    yield from _examine_label(state, location)
    yield from _examine_numbers(state, location)
    for field, allowed in _HOLDERS.items():
        if field in state:
            yield from _examine_holder(state[field], field, allowed, f"{location}/{field}")


def _examine_mode(state: State, processor: Mapping[str, Json], location: str) -> Iterator[Finding]:
    config = processor.get("ProcessorConfig", {})
    here = f"{location}/ItemProcessor/ProcessorConfig"
    mode = config.get("Mode", "INLINE") if isinstance(config, dict) else config
    if mode not in ("INLINE", "DISTRIBUTED"):
        yield Finding(SCHEMA, "Mode is INLINE or DISTRIBUTED", here)
    elif mode == "DISTRIBUTED" and config.get("ExecutionType") not in ("STANDARD", "EXPRESS"):
        yield Finding(SCHEMA, "ExecutionType is STANDARD or EXPRESS", here)
    for field in _DISTRIBUTED if mode == "INLINE" else ():
        if field in state:
            yield Finding(SCHEMA, f"Only a Distributed Map has a {field}", f"{location}/{field}")


def _examine_label(state: State, location: str) -> Iterator[Finding]:
    label = state.get("Label")
    if label is not None and not (
        isinstance(label, str) and 0 < len(label) <= MAP_LABEL_CHARACTERS and _LABEL.match(label)
    ):
        message = "A label has 40 characters at most, none special"
        yield Finding(SCHEMA, message, f"{location}/Label")


def _examine_numbers(holder: State, location: str) -> Iterator[Finding]:
    for field, test in _NUMBERS.items():
        found = holder.get(field, 1)
        if not is_number(found) or not test(found):
            yield Finding(SCHEMA, f"{field} is out of its range", f"{location}/{field}")
        if f"{field}Path" in holder:
            yield from examine_path(holder[f"{field}Path"], f"{location}/{field}Path")


def _examine_holder(holder: Json, name: str, allowed: set[str], location: str) -> Iterator[Finding]:
    if not isinstance(holder, dict) or not holder:
        yield Finding(SCHEMA, "This is a JSON object", location)
        return
    for field in sorted(set(holder) - allowed):
        yield Finding(SCHEMA, f"Field '{field}' is not supported", f"{location}/{field}")
    for field in ("Parameters", "BatchInput"):
        yield from examine_template(holder.get(field, {}), f"{location}/{field}")
    resource = holder.get("Resource")
    known = isinstance(resource, str) and resource.endswith(_RESOURCES.get(name, ()))
    if "Resource" in holder and not known:
        yield Finding(SCHEMA, f"The resource '{resource}' is not supported", f"{location}/Resource")
    yield from _examine_numbers(holder, location)
