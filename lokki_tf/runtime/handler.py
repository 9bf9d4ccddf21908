"""One call of a step: read the arguments, call the function, return the result.

The state machine sends::

    {"format": 1,
     "node": "score", "run": "<execution's name>", "store": "s3://bucket", "inline": 20000,
     "args": {"0": envelope, …}, "kwargs": {"rows": envelope, …}, "wholes": {"0": envelope, …},
     "retry": ["builtins.OSError", …], "main": "pipeline", "given": {…}, "place": "…",
     "items": {…}, "when": {…}, "context": {…}, "caught": true, "catch": {…}}

and gets the envelope of the result. Only ``node``, ``run``, ``store`` and ``inline`` are required:

- ``format``: the version of this format, :data:`.envelope.FORMAT`; events of earlier versions have
  none. An execution keeps its definition, so newer code reads older events;
- ``inline``: the longest JSON, in bytes, that may be in the envelope; ``bounded``, if a reference
    must not be longer either;
- ``retry``: full names of the exceptions that the state machine retries, and ``States.Timeout`` if
  it retries the step's time limit under that name;
- ``main``: the zip's name of the module that was ``__main__`` when the pipeline was
  written;
- ``given``: the execution's input, where flow parameters are looked up, and ``flow``: their
  names and the flow's signature;
- ``args`` and ``kwargs`` may contain ``{"stream": envelope, "once": true}``, of a parameter that
  reads a map's results one after another, see :mod:`.streams`; ``once`` if it is an iterator;
- ``wholes``: values of which arguments are parts, see :mod:`.parts`;
- ``place``: inside a map, the item path; a list for a batch of items, whose envelopes
  ``{"batch": [envelope, …]}`` are in the same order;
- ``items``: how the result is to be laid out for a map, ``{"inline": bytes}`` an item for the
  bucket, ``{"room": bytes, "events": number, …}`` for a map within the execution, see
  :func:`.maps.in_state`; ``"alone"`` if no other node takes the result, so that the items of a
  generator are written one by one; ``parts``: the same for maps over parts of the result, by the
  key for their items, each with its ``"part"``;
- ``when``: which arguments the step's condition takes, ``{"args": [0], "kwargs": {"n": "rows"}}``;
- ``asks``: only the condition is called, since a job is submitted only if it is true; the result is
  ``{"met": true, "result": null}``, or ``false`` with the envelope of the job's result;
- ``at``: of a job, the beginning of the names of its own objects, see :mod:`.jobs`;
- ``context``: what :func:`.context.run_context` returns in addition to the fields above: the
  pipeline's name, ``started``, the ``attempt`` from 0, and envelopes of ``parameters``, which are
  looked up in ``given``, or in its part that ``around`` names; in events
  of steps whose code contains that name; and the ``token`` of a step with ``callback=True``, whose
  result is the answer to it;
- ``instant``: the result is a time until which a state waits; the envelope contains it as well;
- ``texts``: the result, or parts of it, are locations in S3 from which a map reads its items; the
  envelope contains them as well, see :mod:`.texts`;
- ``poll``: of a step with ``poll=``, its ``timeout`` and when its state was ``entered``;
- ``route``, ``answer`` or ``cleanup``: of a routed pipeline, described in :mod:`.routed`;
- ``caught``: errors are reported with short messages and tracebacks, since the state machine keeps
  them as values;
- ``catch``: of a batch, the names of ``errors`` that make a :class:`.failure.Failure` of an item,
  the batch's retriers, ``again`` (see :mod:`.jobs`), the number of its earlier attempts,
  ``attempt``, and the name of the ``step``;
- ``log_level``: the lowest level that :class:`.log.StepLog` writes.
"""

from __future__ import annotations

from functools import cache, partial

from .arguments import arguments, shared_part
from .call import OVERDUE, REPORTED_TIMEOUT, SKIPPED, TIMEOUT, call
from .deadline import OutOfTime, deadline, seconds_left
from .envelope import FORMAT, pack
from .log import NO_TEXT, OWN, StepLog, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from .arguments import Shared
    from .envelope import Envelope, Frozen
    from .store import Uploads


def run(function: Callable[..., Any], event: dict[str, Any], context: Any = None) -> Envelope:
    """Call the function as the event describes.

    Args:
        function: The step's function.
        event: As described at the top of this module.
        context: Lambda's context, for the log; templates may omit it.

    Returns:
        The envelope of the function's result.

    Raises:
        Exception: The error of the function, see :func:`_as_listed`.
    """
    if "node" not in event:
        raise ValueError(
            "this function is a step of a state machine and expects its event: "
            '{"node": …, "run": …, "inline": …, "kwargs": {"name": {"value": …}}}'
        )
    if event.get("format", 0) > FORMAT:
        raise ValueError("the event is newer than this code: deploy the pipeline again")
    if "answer" in event:
        from .routed import answered

        return answered(event, partial(keep_object, event), node_envelope)
    item_path, shared = event.get("place"), partial(shared_part, event)
    with deadline(seconds_left(context)):
        if not isinstance(item_path, list):
            return _logged(function, event, context, item_path, shared)
        once = cache(shared)
        with Objects(event) as objects:
            calls = [InBatch(n, objects.keep) for n in range(len(item_path))]
            called = partial(_logged, function, event, context)
            results = [called(path, once, one) for path, one in zip(item_path, calls)]
        return {"batch": results}


class InBatch:
    """The call for one item of a batch.

    Args:
        index: Index of the item.
        write: As of :func:`.envelope.pack`, for objects that are stored when the batch ends.
    """

    def __init__(self, index: int, write: Callable[[str, Frozen], str]) -> None:
        self.index = index
        self.write = write


def _write_of(batch: InBatch | None) -> Callable[[str, Frozen], str] | None:
    return None if batch is None else batch.write


class Objects:
    """Objects that a call stores together, at its end at the latest.

    Args:
        event: As described at the top of this module.
    """

    def __init__(self, event: dict[str, Any]) -> None:
        self._event = event
        self._uploads: Uploads | None = None

    def keep(self, form: str, data: Frozen) -> str:
        """Store an object and return the reference to it.

        Args:
            form: The ending of its name.
            data: Its bytes or blocks.
        """
        if self._uploads is None:
            from . import store  # imported here like maps: small plain results never need it

            self._uploads = store.Uploads(store.folder_of(self._event))
        return self._uploads.keep(form, data)

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *raised: Any) -> None:
        if self._uploads is not None:
            self._uploads.__exit__(*raised)


def _logged(
    function: Callable[..., Any],
    event: dict[str, Any],
    context: Any,
    item_path: str | None,
    shared: Callable[[], Shared],
    batch: InBatch | None = None,
) -> Envelope:
    log, late = StepLog(event, context, item_path), None
    log.start()
    try:
        try:
            called = partial(_one, function, event, shared, batch)
            if "context" in event:
                from .event_context import in_context

                called = partial(in_context, called, event, item_path)
            result = called()
        except OutOfTime as raised:
            late = raised
            raise _overdue(late, event.get("retry", ())) from None
        except BaseException as error:
            if isinstance(error, Exception) and text_of(error) != NO_TEXT:
                raise
            # Lambda would end the process with Runtime.ExitError; a run here reports the own name.
            raise _reportable(error, event) from error.__cause__
    except BaseException as error:
        log.fail(error)
        if "caught" not in event:
            raise
        from .failure import is_final, short_traceback

        catch = event.get("catch")
        if late is None and catch is not None and is_final(type(error).__name__, catch):
            return _failed(error, event, batch)
        raise _short(error).with_traceback(short_traceback(error)) from error.__cause__
    log.end(result)
    if "skipped" in result and _is_answered(event):
        # So that the state machine waits for no answer.
        raise _named(RuntimeError(SKIPPED), SKIPPED, "the condition is false")
    return result


def _is_answered(event: dict[str, Any]) -> bool:
    """Return whether the step's result is an answer from outside, and not that of its function."""
    return "token" in event.get("context", ())


def _failed(error: BaseException, event: dict[str, Any], batch: InBatch | None) -> Envelope:
    """Return the failure of an item whose batch continues."""
    from .failure import failure_of

    failure = failure_of(getattr(error, OWN, error), event["catch"]["step"])
    return result_envelope(failure, event, skipped=False, write=_write_of(batch))


def _short(error: BaseException) -> BaseException:
    """Return an error whose text is short enough for a state, under the same name."""
    from .failure import cut_text

    whole = text_of(getattr(error, OWN, error))
    short = cut_text(whole)
    if short == whole:
        return error
    text = text_of(error)
    return _named(error, type(error).__name__, text[: len(text) - len(whole)] + short)


def _one(
    function: Callable[..., Any],
    event: dict[str, Any],
    shared: Callable[[], Shared],
    batch: InBatch | None,
) -> Envelope:
    """Call the function once."""
    if "route" in event or "cleanup" in event:
        return _routed(function, event)
    asks = event.get("asks", False)
    skipped, value, known = False, None, shared()
    try:
        args, kwargs = arguments(event, known, None if batch is None else batch.index)
        if "when" in event:
            from .conditions import WHEN, is_met

            asked = _begun(args, kwargs, event)
            skipped = not is_met(getattr(function, WHEN), event["when"], *asked)
        if not skipped and not asks:
            value = call(function, *_begun(args, kwargs, event), whole=not _streams(event))
            if "items" in event and hasattr(value, "__next__") and not _streams(event):
                value = list(value)  # which several take, and an iterator has one pass
    except Exception as error:
        raise _reported(error, event) from error.__cause__
    if asks and not skipped:
        return {"met": True, "result": None}
    if _is_answered(event):
        return {"skipped": True} if skipped else {}
    envelope = node_envelope(value, event, skipped=skipped, write=_write_of(batch))
    if not skipped:
        return envelope
    envelope = {**envelope, "skipped": True}
    return {"met": False, "skipped": True, "result": envelope} if asks else envelope


def node_envelope(
    value: Any,
    event: dict[str, Any],
    *,
    skipped: bool = False,
    write: Callable[[str, Frozen], str] | None = None,
) -> Envelope:
    """Return the envelope of a node's result, with all that others read there.

    Args:
        value: The result.
        event: As described at the top of this module.
        skipped: Whether the step was skipped.
        write: As of :func:`result_envelope`.
    """
    more = {**_instant(value, event, skipped=skipped), **_texts(value, event)}
    return {**result_envelope(value, event, skipped, write), **more}


def _begun(
    args: list[Any], kwargs: dict[str, Any], event: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments for one call, which may take iterators over a map's results."""
    if not any("stream" in one for one in _given(event)):
        return args, kwargs
    from .results import begun

    return [begun(one) for one in args], {name: begun(one) for name, one in kwargs.items()}


def _given(event: dict[str, Any]) -> list[Envelope]:
    return [*event.get("args", {}).values(), *event.get("kwargs", {}).values()]


def _streams(event: dict[str, Any]) -> bool:
    """Return whether only a map takes the result, so that a generator's items are written singly.

    Not of a part of the result.
    """
    layout = event.get("items", {})
    return "parts" not in event and "alone" in layout and "part" not in layout


def _instant(value: Any, event: dict[str, Any], *, skipped: bool) -> dict[str, str]:
    if "instant" not in event:
        return {}
    from .moments import PAST, instant

    return {"instant": PAST if skipped else instant(value)}


def _texts(value: Any, event: dict[str, Any]) -> dict[str, str]:
    if "texts" not in event:
        return {}
    from .texts import texts_of

    return texts_of(value, event["texts"], event["node"])


def _routed(function: Callable[..., Any], event: dict[str, Any]) -> Envelope:
    from .routed import cleaned, routed
    from .routes import TooManySteps

    try:
        if "cleanup" in event:
            return cleaned(function, event)
        return routed(function, event, partial(keep_object, event), node_envelope)
    except TooManySteps:
        raise  # an error of the run, under its own name
    except Exception as error:
        raise _reported(error, event) from error.__cause__


def result_envelope(
    value: Any,
    event: dict[str, Any],
    skipped: bool,
    write: Callable[[str, Frozen], str] | None = None,
) -> Envelope:
    """Return the envelope of a result, and the arrays for maps over it.

    Args:
        value: The result.
        event: As described at the top of this module.
        skipped: Whether the step was skipped.
        write: As of :func:`.envelope.pack`, if the objects of several results are stored together.
    """
    whole = {"items": event["items"]} if "items" in event else {}
    layouts = {**whole, **event.get("parts", {})}
    with Objects(event) as objects:
        keep = write or objects.keep
        items = {key: _items(key, value, one, event, skipped, keep) for key, one in layouts.items()}
    alone = any(layout.get("alone") for layout in layouts.values())
    return {**({} if alone else _stored(value, event, write)), **items}


def _items(
    key: str,
    value: Any,
    layout: dict[str, Any],
    event: dict[str, Any],
    skipped: bool,
    write: Callable[[str, Frozen], str],
) -> dict[str, Any]:
    """Return the items of a result, or of a part of it, for a map."""
    from . import maps

    node = event["node"]
    members: Iterable[Any] = ()
    if not skipped and "part" in layout:
        from .parts import selected

        part = layout["part"]
        members = maps.items_of(selected(value, part), part["what"])
    elif not skipped:
        members = _raising(maps.items_of(value, f"the result of {node!r}"), event)
    if "room" in layout:
        packed = partial(maps.packed_items, write=write)
        return maps.in_state(members, layout, node, packed)
    from . import store

    form, chunks = f"{key}.json", maps.in_array(members, layout["inline"], write, node)
    if "at" in event:  # where the state machine expects items of a job
        uri = store.write_parts(f"{event['at']}{form}", chunks)
    else:
        uri = store.keep_parts(store.folder_of(event), form, chunks)
    bucket, name = store.split(uri)
    return {"Bucket": bucket, "Key": name}


def _raising(items: Iterable[Any], event: dict[str, Any]) -> Iterable[Any]:
    """Return items whose iterator raises the errors of the step as its function does."""
    if hasattr(items, "__len__"):
        return items

    def raising() -> Iterator[Any]:
        try:
            yield from items
        except Exception as error:
            raise _reported(error, event) from error.__cause__

    return raising()


def _stored(
    value: Any, event: dict[str, Any], write: Callable[[str, Frozen], str] | None
) -> Envelope:
    # The key "items" is that of a container's members as well.
    parts = "items" not in event
    envelope = pack(value, event["inline"], write or partial(keep_object, event), parts=parts)
    if event.get("bounded") and "ref" in envelope:
        from . import maps

        maps.refuse_long_reference(envelope["ref"], event["inline"], event["node"])
    return envelope


def keep_object(event: dict[str, Any], form: str, data: Frozen) -> str:
    """Store an object of a result and return its URI.

    Args:
        event: As described at the top of this module.
        form: The ending of its name.
        data: Its bytes or blocks.
    """
    from . import store

    return store.keep(store.folder_of(event), form, data)


def _reported(error: Exception, event: dict[str, Any]) -> BaseException:
    """Return a step's error as the state machine receives it."""
    if "poll" in event:
        from .polls import timely

        error = timely(error, event["poll"])
    return _as_listed(error, event.get("retry"))


def _overdue(late: OutOfTime, listed: Sequence[str]) -> BaseException:
    """Return the error of a step whose time limit has passed, as the state machine receives it."""
    error = TimeoutError(OVERDUE).with_traceback(late.__traceback__)
    return _renamed(error, REPORTED_TIMEOUT) if TIMEOUT in listed else _as_listed(error, listed)


def _reportable(error: BaseException, event: dict[str, Any]) -> BaseException:
    """Return an error that Lambda can report, for one with no text or that is no ``Exception``."""
    listed = _as_listed(error, event.get("retry"))
    return _named(error, type(error).__name__, text_of(error)) if listed is error else listed


def _as_listed(error: BaseException, listed: Sequence[str] | None) -> BaseException:
    """Rename an error so that the state machine's retrier selects it correctly.

    Lambda reports an error by the bare name of its class, and Step Functions compares names. So a
    subclass of a listed exception is reported under the name of the most specific listed one, and
    a class under its full name if another one that is listed has the same bare name. The message
    contains the original name, which :func:`.failures.own_error` restores.
    """
    if not listed:
        return error
    kind, names = type(error), [name.rpartition(".")[2] for name in listed]
    match = next((base for base in kind.__mro__ if _full_name(base) in listed), None)
    shown = match or kind
    if names.count(shown.__name__) > (match is not None):
        return _renamed(error, _full_name(shown))
    return error if shown is kind else _renamed(error, shown.__name__)


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _renamed(error: BaseException, name: str) -> Exception:
    return _named(error, name, f"{type(error).__name__}, reported as {name}: {text_of(error)}")


def _named(error: BaseException, name: str, text: str) -> Exception:
    named: type[Exception] = type(name, (Exception,), {OWN: error})
    return named(text).with_traceback(error.__traceback__)
