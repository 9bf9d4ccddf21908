"""Check the fields of a Map state in a definition."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lokki_tf.testing.state_machines.findings import SCHEMA, Finding
from lokki_tf.testing.state_machines.limits import MAP_LABEL_CHARACTERS, PAYLOAD_BYTES
from lokki_tf.testing.state_machines.map_fields import processor_of
from lokki_tf.testing.state_machines.path_rules import (
    examine_either,
    examine_path,
    examine_template,
)
from lokki_tf.testing.state_machines.values import Json, is_number

State = dict[str, Any]

_LABEL = re.compile(r"[^\s?*<>{}\[\]:;,\\|^~$#%&`\"/\x00-\x1f\x7f-\x9f]+\Z")
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
    "ItemReader": {"Resource", "Parameters", "Arguments", "ReaderConfig"},
    "ResultWriter": {"Resource", "Parameters", "Arguments", "WriterConfig"},
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
_NUMBERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "MaxConcurrency": ("an integer from 0", lambda n: isinstance(n, int) and n >= 0),
    "ToleratedFailureCount": ("an integer from 0", lambda n: isinstance(n, int) and n >= 0),
    "ToleratedFailurePercentage": ("a number from 0 to 100", lambda n: 0 <= n <= 100),
    "MaxItems": ("an integer from 0", lambda n: isinstance(n, int) and n >= 0),
    "MaxItemsPerBatch": ("an integer from 1", lambda n: isinstance(n, int) and n > 0),
    "MaxInputBytesPerBatch": (
        f"an integer from 1 to {PAYLOAD_BYTES}",
        lambda n: isinstance(n, int) and 0 < n <= PAYLOAD_BYTES,
    ),
}


def examine_map(state: State, location: str, language: str) -> Iterator[Finding]:
    """Yield findings for the fields of a Map state."""
    processor = processor_of(state)
    if not processor:
        message = "A Map state must have an ItemProcessor, which must be a JSON object"
        yield Finding(SCHEMA, message, f"{location}/ItemProcessor")
        return
    yield from _examine_mode(state, processor, location, language)
    for field, other in (("ItemProcessor", "Iterator"), ("ItemSelector", "Parameters")):
        yield from examine_either(state, field, other, location)
    yield from _examine_label(state, location)
    yield from _examine_numbers(state, location)
    for field, allowed in _HOLDERS.items():
        if field in state:
            yield from _examine_holder(state[field], field, allowed, f"{location}/{field}")


def _examine_mode(
    state: State, processor: Mapping[str, Json], location: str, language: str
) -> Iterator[Finding]:
    config = processor.get("ProcessorConfig", {})
    here = f"{location}/ItemProcessor/ProcessorConfig"
    mode = config.get("Mode", "INLINE") if isinstance(config, dict) else config
    if mode not in ("INLINE", "DISTRIBUTED"):
        yield Finding(SCHEMA, "Mode must be INLINE or DISTRIBUTED", here)
    elif mode == "DISTRIBUTED" and config.get("ExecutionType") not in ("STANDARD", "EXPRESS"):
        yield Finding(SCHEMA, "ExecutionType must be STANDARD or EXPRESS", here)
    # Inline maps in JSONata may have tolerances, observed.
    tolerated = state.get("QueryLanguage", language) == "JSONata"
    fields = [f for f in _DISTRIBUTED if not (tolerated and f.startswith("Tolerated"))]
    for field in fields if mode == "INLINE" else ():
        if field in state:
            message = f"Field '{field}' is supported in Distributed Maps only"
            yield Finding(SCHEMA, message, f"{location}/{field}")


def _examine_label(state: State, location: str) -> Iterator[Finding]:
    label = state.get("Label")
    if label is not None and not (
        isinstance(label, str) and 0 < len(label) <= MAP_LABEL_CHARACTERS and _LABEL.match(label)
    ):
        message = (
            f"Label must be a string of at most {MAP_LABEL_CHARACTERS} characters, "
            "without whitespace, wildcards, brackets and special characters"
        )
        yield Finding(SCHEMA, message, f"{location}/Label")


def _examine_numbers(holder: State, location: str) -> Iterator[Finding]:
    for field, (wanted, test) in _NUMBERS.items():
        found = holder.get(field, 1)
        if not is_number(found) or not test(found):
            message = f"{field} must be {wanted}, got {found}"
            yield Finding(SCHEMA, message, f"{location}/{field}")
        yield from examine_either(holder, field, f"{field}Path", location)
        if f"{field}Path" in holder:
            yield from examine_path(holder[f"{field}Path"], f"{location}/{field}Path")


def _examine_holder(holder: Json, name: str, allowed: set[str], location: str) -> Iterator[Finding]:
    if not isinstance(holder, dict) or not holder:
        yield Finding(SCHEMA, f"{name} must be a JSON object that is not empty", location)
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
    if isinstance(holder.get("ReaderConfig"), dict):
        yield from _examine_numbers(holder["ReaderConfig"], f"{location}/ReaderConfig")
