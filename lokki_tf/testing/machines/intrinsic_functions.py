"""The intrinsic functions, one Python function each."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import uuid
from collections.abc import Callable
from typing import Any

from lokki_tf.testing.machines.values import Json, dump, is_integer, load

_TEXT_LIMIT = 10_000
_RANGE_LIMIT = 1_000


class IntrinsicFailure(Exception):
    """A function refuses its arguments."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise IntrinsicFailure(message)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else dump(value)


def _format(template: Json, *values: Json) -> str:
    _require(isinstance(template, str), "States.Format takes a template string first")
    _require(
        not any(isinstance(value, list | dict) for value in values),
        "States.Format cannot insert arrays and objects",
    )
    rest = list(values)

    def replace(match: re.Match[str]) -> str:
        if match[0] != "{}":
            return match[0][1]
        _require(bool(rest), "States.Format has fewer values than {}")
        return _text(rest.pop(0))

    text = re.sub(r"\\[{}\\]|\{\}", replace, template)
    _require(not rest, "States.Format has more values than {}")
    return text


def _string_to_json(text: Json) -> Json:
    _require(isinstance(text, str), "States.StringToJson takes a string")
    try:
        return load(text)
    except ValueError as error:
        raise IntrinsicFailure(f"States.StringToJson: {error}") from None


def _partition(items: Json, length: Json) -> Json:
    _require(isinstance(items, list), "States.ArrayPartition takes an array first")
    _require(is_integer(length) and length > 0, "States.ArrayPartition takes a positive integer")
    return [items[begin : begin + length] for begin in range(0, len(items), length)]


def _contains(items: Json, wanted: Json) -> bool:
    _require(isinstance(items, list), "States.ArrayContains takes an array first")
    return any(dump(item) == dump(wanted) for item in items)


def _range(first: Json, last: Json, step: Json) -> Json:
    _require(all(map(is_integer, (first, last, step))), "States.ArrayRange takes integers")
    _require(step != 0, "States.ArrayRange takes a step other than 0")
    items = range(first, last + (1 if step > 0 else -1), step)
    _require(len(items) <= _RANGE_LIMIT, "States.ArrayRange makes 1000 items at most")
    return list(items)


def _get_item(items: Json, index: Json) -> Json:
    _require(isinstance(items, list), "States.ArrayGetItem takes an array first")
    _require(is_integer(index) and 0 <= index < len(items), "States.ArrayGetItem: no such index")
    return items[index]


def _array_length(items: Json) -> int:
    _require(isinstance(items, list), "States.ArrayLength takes an array")
    return len(items)


def _unique(items: Json) -> Json:
    _require(isinstance(items, list), "States.ArrayUnique takes an array")
    return list({dump(item): item for item in items}.values())


def _encode(text: Json) -> str:
    _require(
        isinstance(text, str) and len(text) <= _TEXT_LIMIT, "States.Base64Encode: 10000 characters"
    )
    return base64.b64encode(text.encode()).decode()


def _decode(text: Json) -> str:
    _require(
        isinstance(text, str) and len(text) <= _TEXT_LIMIT, "States.Base64Decode: 10000 characters"
    )
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError as error:
        raise IntrinsicFailure(f"States.Base64Decode: {error}") from None


def _hash(data: Json, algorithm: Json) -> str:
    known = {"MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"}
    _require(algorithm in known, f"States.Hash knows {', '.join(sorted(known))}")
    _require(len(_text(data)) <= _TEXT_LIMIT, "States.Hash takes 10000 characters at most")
    return hashlib.new(algorithm.replace("-", ""), _text(data).encode()).hexdigest()


def _merge(first: Json, second: Json, deep: Json) -> Json:
    _require(isinstance(first, dict) and isinstance(second, dict), "States.JsonMerge takes objects")
    _require(deep is False, "States.JsonMerge merges shallowly only: the third argument is false")
    return {**first, **second}


def _random(first: Json, last: Json, *seed: Json) -> int:
    _require(
        is_integer(first) and is_integer(last) and first < last,
        "States.MathRandom takes integers",
    )
    return random.Random(seed[0] if seed else None).randrange(first, last)


def _add(first: Json, second: Json) -> int:
    _require(is_integer(first) and is_integer(second), "States.MathAdd takes integers")
    return int(first + second)


def _split(text: Json, separators: Json) -> Json:
    _require(
        isinstance(text, str) and isinstance(separators, str), "States.StringSplit takes strings"
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
            raise IntrinsicFailure(f"{name} does not take {len(arguments)} arguments") from None

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
