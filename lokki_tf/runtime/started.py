"""Parameters, results and failures of pipelines that ``start_pipeline`` starts, here and in AWS."""

from __future__ import annotations

import json
import re

from .envelope import freeze, json_text, thaw, unpack
from .failure import cut_text, message_of, own_error
from .parameters import json_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from .envelope import Envelope

LARGEST = 128_000
"""Bytes of the parameters, and of the result, as JSON: the state that starts a pipeline has both
in its result (Step Functions Developer Guide, "startExecution.sync:2"), which has at most 262,144
bytes."""
LARGEST_TOGETHER = 256_000
"""Bytes of the parameters and the inline results together: the rest of the state's result has the
names and times of the execution."""
TIMED_OUT, TOO_LARGE = "States.Timeout", "States.DataLimitExceeded"
_ENVELOPES = {"value", "ref", "map", "gathered", "at", "failed", "make"}
"""Keys of envelopes, of which each result of a pipeline has one."""
_STATUS = re.compile(r'"Status":\s*"(\w+)"')
_ERROR = re.compile(r'"Error":\s*"((?:[^"\\]|\\.)*)"')


class ClassRefused(Exception):
    """A pickle names a class or function."""


class NoClasses(dict):  # type: ignore[type-arg]  # runs on Python 3.9 in Lambda
    """Names of modules for :func:`.envelope.thaw` that refuse every class and function."""

    def get(self, module: str, default: Any = None) -> Any:
        """Raise an error for any module.

        Raises:
            ClassRefused: With the module's name.
        """
        raise ClassRefused(module)


def input_of(pipeline: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the input of a pipeline that is started, if it is JSON.

    Args:
        pipeline: The pipeline's name.
        values: Its parameters, by name.

    Raises:
        TypeError: If one is not JSON.
        ValueError: If they are too large.
    """
    for name, value in values.items():
        if json_text(value) is None:
            raise not_json(pipeline, name)
    size = json_bytes(values)
    if size > LARGEST:
        raise ValueError(
            f"the parameters of pipeline {pipeline!r} have {size:,} bytes; start_pipeline allows "
            f"{LARGEST:,}: store large data in S3 and pass its URI"
        )
    return values


def taken(pipeline: str, takes: Mapping[str, str], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a pipeline from the state of a routed pipeline.

    Args:
        pipeline: The pipeline's name.
        takes: Its parameters, each with the name of the value in the state.
        state: The values, or their envelopes, by name.

    Raises:
        TypeError: If the state has no value of a name.
    """
    for name, source in takes.items():
        if source not in state:
            raise not_in_state(source, name, pipeline)
    return {name: state[source] for name, source in takes.items()}


def not_in_state(source: str, name: str, pipeline: str) -> TypeError:
    """Return the error for a parameter that is not in the state of a routed pipeline.

    Args:
        source: The name that the state does not have.
        name: The parameter's name.
        pipeline: The pipeline's name.
    """
    return TypeError(
        f"the state has no {source!r}, which is parameter {name!r} of pipeline {pipeline!r}"
    )


def has_objects(value: Any) -> bool:
    """Return whether a value contains instances of classes, which the function cannot unpickle.

    Args:
        value: Any value.
    """
    if json_text(value) is not None:
        return False
    try:
        thaw(*freeze(value), NoClasses())
    except Exception:
        return True
    return False


def not_json(pipeline: str, name: str) -> TypeError:
    """Return the error for a parameter that is not JSON, or a part of something that is not.

    Args:
        pipeline: The pipeline's name.
        name: The parameter's name.
    """
    return TypeError(
        f"parameter {name!r} of pipeline {pipeline!r} must be JSON, and no part of an object: "
        "texts, numbers, lists and dicts with texts as keys, which the producing step returns"
    )


def last_results(pipeline: str, output: Any, read: Callable[[str], bytes]) -> dict[str, Envelope]:
    """Return the envelopes of the last steps, without those of skipped steps if it has several.

    Args:
        pipeline: The pipeline's name.
        output: Its output.
        read: Returns the bytes of an object by its URI.

    Raises:
        TypeError: If it is not the output of a pipeline of lokki_tf.
    """
    from . import maps

    def read_all(uris: Iterable[str]) -> dict[str, bytes]:
        return {uri: read(uri) for uri in dict.fromkeys(uris)}

    _refuse_foreign(pipeline, output)
    known = {name: maps.expanded(one, read, read_all) for name, one in output.items()}
    return {name: one for name, one in known.items() if len(known) == 1 or "skipped" not in one}


def combined(output: Mapping[str, Any], values: dict[str, Any]) -> Any:
    """Return the result of a pipeline: that of its one last step, or a dict.

    Args:
        output: Something for each of the last steps, by name.
        values: Their results.
    """
    return values[next(iter(output))] if len(output) == 1 else values


def result_of(pipeline: str, output: Any) -> Any:
    """Return the result in the output of a pipeline: its last step's, or a dict if several are.

    Args:
        pipeline: The pipeline's name.
        output: Its output: envelopes of the last steps, by name.

    Raises:
        TypeError: If it is not inline JSON, or not that of a pipeline.
        ValueError: If it is too large.
    """

    def refuse(uri: str) -> bytes:
        raise not_inline(pipeline)

    known = last_results(pipeline, output, refuse)
    values = {name: unpack(one, refuse, NoClasses()) for name, one in known.items()}
    if any(json_text(value) is None for value in values.values()):
        raise not_inline(pipeline)
    size = json_bytes(output)
    if size > LARGEST:
        raise ValueError(
            f"the result of pipeline {pipeline!r} has {size:,} bytes; start_pipeline allows "
            f"{LARGEST:,}, and any size with trust=True"
        )
    return combined(output, values)


def not_inline(pipeline: str) -> TypeError:
    """Return the error for a result that is not inline JSON.

    Args:
        pipeline: The pipeline's name.
    """
    return TypeError(
        f"the result of pipeline {pipeline!r} is no JSON in its output: let its last step return "
        "small JSON, or allow to read its objects, which may be pickles, with trust=True"
    )


def too_large_together(pipeline: str) -> ValueError:
    """Return the error for parameters and results that exceed the limit of a state.

    Args:
        pipeline: The pipeline's name.
    """
    return ValueError(
        f"the parameters and the result of pipeline {pipeline!r} have more than "
        f"{LARGEST_TOGETHER:,} bytes together: store large data in S3 and pass its URI"
    )


def _refuse_foreign(pipeline: str, output: Any) -> None:
    """Raise an error for an output that no pipeline of lokki_tf makes.

    Args:
        pipeline: The pipeline's name.
        output: The output of its execution.

    Raises:
        TypeError: If it has no envelope for each of the last steps.
    """
    known = isinstance(output, dict) and all(
        isinstance(one, dict) and _ENVELOPES.intersection(one) for one in output.values()
    )
    if not known:
        raise TypeError(
            f"the output of {pipeline!r} is not that of a pipeline of lokki_tf: call such a state "
            "machine from a step, with boto3"
        )


def failed_text(pipeline: str, error: str, cause: str | None) -> str:
    """Return the message of :class:`.failure.PipelineFailed`.

    Args:
        pipeline: The pipeline's name.
        error: Step Functions' error of the task.
        cause: Its cause: the failed execution as JSON, which is cut after 32,768 characters, or
            text if it did not start.
    """
    text = cause or ""
    try:
        execution = json.loads(text)
    except ValueError:
        status, error_name = _STATUS.search(text), _ERROR.search(text)
        if status is None and error_name is None:
            return f"pipeline {pipeline!r} was not started: {error}: {cut_text(text)}"
        found = {"Status": status, "Error": error_name}
        execution = {key: match[1] for key, match in found.items() if match is not None}
    if execution.get("Status") == "ABORTED":
        return failure_text(pipeline, "Aborted", execution.get("Cause") or "")
    name, own = own_error(execution.get("Error"), execution.get("Cause"))
    return failure_text(pipeline, name or TIMED_OUT, message_of(own or ""))


def failure_text(pipeline: str, error: str, message: str) -> str:
    """Return the message of :class:`.failure.PipelineFailed`.

    Args:
        pipeline: The pipeline's name.
        error: Name of its error.
        message: The error's text.
    """
    return f"pipeline {pipeline!r} failed: {error}" + (f": {cut_text(message)}" if message else "")
