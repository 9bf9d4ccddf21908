"""Literals of a state machine: in the definition if they fit, else in the bucket."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import Place, SerializationError
from lokki_tf.model.names import digest, identifier
from lokki_tf.model.steady import steady_pickle
from lokki_tf.runtime.envelope import JSON, PICKLE, compress, json_text, pickled

from .text import RefTemplate, Template

if TYPE_CHECKING:
    from lokki_tf.model import Node, Step, TerraformRef
    from lokki_tf.runtime.envelope import Envelope

REF_BYTES = 2_048  # of the text of a reference to Terraform, as JSON
INLINE_BYTES = 4_096  # longer ones would make the definition hard to read, and its size is limited
# Placeholders of the template: s3://bucket/prefix, and its parts.
STORE_VARIABLE, BUCKET_VARIABLE, PREFIX_VARIABLE = "store", "bucket", "prefix"


@dataclass(slots=True)
class Literals:
    """Collects objects that must be in the bucket before a run.

    Args:
        objects: From key below the pipeline's prefix to bytes.
        of_main: Nodes with a literal that refers to the module ``__main__``.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    of_main: set[str] = field(default_factory=set)

    def envelope(self, value: Any, node: Node | Step) -> Envelope:
        """Return the envelope of a literal.

        Args:
            value: Any value that JSON or pickle can represent.
            node: The node, or step, with the argument, for the error.

        Raises:
            SerializationError: If the value cannot be pickled.
        """
        text = json_text(value)
        if text is not None and len(text) <= INLINE_BYTES and not _has_path_key(value):
            return {"value": value}
        if text is not None:
            return self._stored(JSON, text.encode())
        data = literal_pickle(value, node.name, node.place)
        if b"__main__" in data:
            self.of_main.add(node.name)
        if len(data) * 4 // 3 <= INLINE_BYTES:
            return {"pickle": base64.b64encode(data).decode()}
        return self._stored(PICKLE, data)

    def reference(self, ref: TerraformRef) -> Envelope:
        """Return the envelope of a value that only Terraform knows: a text.

        Args:
            ref: The reference to it.
        """
        return {"value": RefTemplate(f"${{{ref_placeholder(ref)}}}")}

    def _stored(self, form: str, plain: bytes) -> Envelope:
        key = f"literals/{hashlib.sha256(plain).hexdigest()[:32]}.{form}"
        self.objects[key] = compress(plain)
        return {"ref": Template(f"${{{STORE_VARIABLE}}}/{key}")}


def ref_placeholder(ref: TerraformRef) -> str:
    """Return the template's placeholder for the value of a reference to Terraform.

    Args:
        ref: The reference.
    """
    return f"ref_{identifier(ref.address)}_{digest(ref.expression)}"


def _has_path_key(value: Any) -> bool:
    """Return whether Step Functions would interpret a key of the value as a path."""
    if '.$"' not in json.dumps(value):
        return False
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            if any(key.endswith(".$") for key in current):
                return True
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
    return False


def literal_pickle(value: Any, node: str, place: Place | None) -> bytes:
    """Return the value as a pickle that is the same in every run.

    Args:
        value: A literal argument.
        node: The node with the argument, for the error.
        place: Its source location, for the error.

    Raises:
        SerializationError: If the value cannot be pickled.
    """
    try:
        return steady_pickle(value, pickled)
    except Exception as error:
        raise SerializationError(
            f"{node!r} has an argument of type {type(value).__name__} that cannot be "
            f"serialized: {error}",
            place=place,
            remedy="pass plain data, and create the object inside a step",
        ) from error
