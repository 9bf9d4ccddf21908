"""The intrinsic functions of ASL, such as ``States.Format``, as Python functions."""

from __future__ import annotations

import base64
import hashlib
import math
import random
import re
import uuid
from collections.abc import Callable
from typing import Any

from lokki_tf.testing.state_machines.values import Json, dump, is_integer, is_number, load

_TEXT_LIMIT = 10_000
_RANGE_LIMIT = 1_000


class IntrinsicFailure(Exception):
    """An intrinsic function received invalid arguments."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise IntrinsicFailure(message)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else dump(value)


def _shown(value: Json) -> str:
    """Return a value as States.Format shows it: Java's text of objects and arrays, observed."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return _text(value)


def _integer(value: Json, name: str) -> int:
    """Return a number rounded half up, as Java does; also one that is given as text, observed."""
    try:
        _require(isinstance(value, str) or is_number(value), "")
        return math.floor(float(value) + 0.5) if not is_integer(value) else int(value)
    except (ValueError, OverflowError, IntrinsicFailure):
        raise IntrinsicFailure(
            f"the arguments of States.{name} must be numbers, got {_text(value)}"
        ) from None


def _format(template: Json, *values: Json) -> str:
    _require(isinstance(template, str), "the first argument of States.Format must be a string")
    rest = list(values)

    def replace(match: re.Match[str]) -> str:
        if match[0] != "{}":
            return match[0][1]
        _require(bool(rest), "States.Format needs a value for each {}, got too few")
        return _shown(rest.pop(0))

    text = re.sub(r"\\[{}\\]|\{\}", replace, template)
    _require(not rest, "States.Format needs one value for each {}, got too many")
    return text


def _string_to_json(text: Json) -> Json:
    _require(isinstance(text, str), "the argument of States.StringToJson must be a string")
    if not text.strip():
        return None
    try:
        return load(text)
    except ValueError as error:
        raise IntrinsicFailure(f"States.StringToJson: {error}") from None


def _first_array(name: str) -> str:
    return f"the first argument of States.{name} must be an array"


def _partition(items: Json, length: Json) -> Json:
    _require(isinstance(items, list), _first_array("ArrayPartition"))
    _require(
        is_integer(length) and length > 0,
        "the second argument of States.ArrayPartition must be a positive integer",
    )
    return [items[begin : begin + length] for begin in range(0, len(items), length)]


def _contains(items: Json, wanted: Json) -> bool:
    _require(isinstance(items, list), _first_array("ArrayContains"))
    return any(dump(item) == dump(wanted) for item in items)


def _range(first: Json, last: Json, step: Json) -> Json:
    _require(
        all(map(is_integer, (first, last, step))),
        "the arguments of States.ArrayRange must be integers",
    )
    _require(step != 0, "the step of States.ArrayRange must not be 0")
    items = range(first, last + (1 if step > 0 else -1), step)
    _require(
        len(items) <= _RANGE_LIMIT,
        f"States.ArrayRange returns at most {_RANGE_LIMIT} items, got a range of {len(items)}",
    )
    return list(items)


def _get_item(items: Json, index: Json) -> Json:
    _require(isinstance(items, list), _first_array("ArrayGetItem"))
    _require(
        is_integer(index) and 0 <= index < len(items),
        f"the index of States.ArrayGetItem must be at least 0 and less than {len(items)}, "
        f"got {index}",
    )
    return items[index]


def _array_length(items: Json) -> int:
    _require(isinstance(items, list), _first_array("ArrayLength"))
    return len(items)


def _unique(items: Json) -> Json:
    _require(isinstance(items, list), _first_array("ArrayUnique"))
    return list({dump(item): item for item in items}.values())


def _require_short_text(text: Json, name: str) -> None:
    _require(
        isinstance(text, str) and len(text) <= _TEXT_LIMIT,
        f"the argument of States.{name} must be a string of at most {_TEXT_LIMIT} characters",
    )


def _encode(text: Json) -> str:
    _require_short_text(text, "Base64Encode")
    return base64.b64encode(text.encode()).decode()


def _decode(text: Json) -> str:
    _require_short_text(text, "Base64Decode")
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError as error:
        raise IntrinsicFailure(f"States.Base64Decode: {error}") from None


def _hash(data: Json, algorithm: Json) -> str:
    known = {"MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"}
    _require(
        algorithm in known,
        f"the algorithm of States.Hash must be one of {', '.join(sorted(known))}, got {algorithm}",
    )
    _require(
        len(_text(data)) <= _TEXT_LIMIT,
        f"the data for States.Hash must have at most {_TEXT_LIMIT} characters",
    )
    return hashlib.new(algorithm.replace("-", ""), _text(data).encode()).hexdigest()


def _merge(first: Json, second: Json, deep: Json) -> Json:
    _require(
        isinstance(first, dict) and isinstance(second, dict),
        "the first two arguments of States.JsonMerge must be objects",
    )
    _require(deep is False, "the third argument of States.JsonMerge must be false")
    return {**first, **second}


def _random(first: Json, last: Json, *seed: Json) -> int:
    begin, end = _integer(first, "MathRandom"), _integer(last, "MathRandom")
    _require(begin < end, "the second argument of States.MathRandom must be larger than the first")
    return random.Random(seed[0] if seed else None).randrange(begin, end)


def _add(first: Json, second: Json) -> int:
    return _integer(first, "MathAdd") + _integer(second, "MathAdd")


def _split(text: Json, separators: Json) -> Json:
    _require(
        isinstance(text, str) and isinstance(separators, str),
        "the arguments of States.StringSplit must be strings",
    )
    if not separators:
        return [text]
    return [part for part in re.split(f"[{re.escape(separators)}]", text) if part]


def _new_id() -> str:
    return str(uuid.uuid4())


def _checked(function: Any, name: str) -> Callable[..., Json]:
    def call(*arguments: Json) -> Json:
        try:
            return function(*arguments)
        except TypeError:
            message = f"{name} got {len(arguments)} arguments, which is not a valid number"
            raise IntrinsicFailure(message) from None

    return call


FUNCTIONS: dict[str, Callable[..., Json]] = {
    name: _checked(function, name)
    for name, function in {
        "States.Format": _format,
        "States.StringToJson": _string_to_json,
        "States.JsonToString": dump,
        "States.Array": lambda *items: list(items),
        "States.ArrayPartition": _partition,
        "States.ArrayContains": _contains,
        "States.ArrayRange": _range,
        "States.ArrayGetItem": _get_item,
        "States.ArrayLength": _array_length,
        "States.ArrayUnique": _unique,
        "States.Base64Encode": _encode,
        "States.Base64Decode": _decode,
        "States.Hash": _hash,
        "States.JsonMerge": _merge,
        "States.MathRandom": _random,
        "States.MathAdd": _add,
        "States.StringSplit": _split,
        "States.UUID": _new_id,
    }.items()
}
