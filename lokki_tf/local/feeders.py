"""Generators of steps in worker processes, which make items while other workers run them.

Such a generator has a process of its own until it ends, since a pool calls any of its workers. It
sends some items at a time, see :mod:`.feeds`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from functools import partial
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any

from .calls import UNFINISHED, finished
from .feeds import MOST_AHEAD, MOST_BYTES, Feed, NotSentError, WorkerDiedError
from .frames import clock
from .identity import Identity
from .remote import ARGUMENTS, Function, Outcome, Parcel, RemoteCall, unpacked
from .shared import Packed, pack, unpack
from .strict import described

if TYPE_CHECKING:
    from .frames import Frame

SLICE = 0.02
"""Seconds after which a worker sends the items that it has made."""


class Feeders:
    """The processes of a run in which generators are.

    Args:
        start: Starts a pool of one process; also returns whether it inherits functions.
        identity: The identity of the run, for ``run_context()``.
        folders: Where processes share large buffers, see :mod:`.shared`.
        workers: How many calls can run at once.
    """

    def __init__(
        self,
        start: Callable[[], tuple[Executor, bool]],
        identity: Identity,
        folders: tuple[str, ...],
        workers: int,
    ) -> None:
        self._workers = workers
        self._start = start
        self._identity = identity
        self._folders = folders
        self._inherited = False
        self._idle: deque[Executor] = deque()
        self.pools: list[Executor] = []
        """All that were started."""

    def provide(self, count: int) -> None:
        """Start processes until some are idle.

        It must be called by the thread that runs the pipeline: a process ends with the thread that
        started it.

        Args:
            count: How many.
        """
        while len(self._idle) < count:
            pool, self._inherited = self._start()
            pool.submit(int)  # starts the process
            self.pools.append(pool)
            self._idle.append(pool)

    def begin(self, frame: Frame, index: int, *given: Any) -> Any:
        """Call a node's function in an idle process.

        Args:
            frame: The frame of the node.
            index: The node's index.
            given: Arguments by position and by name.

        Returns:
            The result, or, if it is an iterator, a feed.

        Raises:
            NotSentError: If an argument, or the result, cannot be sent.
            WorkerDiedError: If the process ended.
            BaseException: What the function raises.
        """
        pool, function = self._idle.popleft(), frame.plan.functions[index]
        asked = partial(self._asked, pool, frame, index)
        items = Made(asked, partial(self._idle.append, pool))
        value = items.asked(function, *given, kind=Beginning, inherited=self._inherited)
        if type(value) is Begun:
            return Feed(index, items)
        items.ended()
        return value

    def made(self, feed: Feed, batch_size: int) -> Iterator[Any]:
        """Yield further items of a generator, and note whether it has ended.

        Args:
            feed: Where the items are needed.
            batch_size: How many a worker takes at once.

        Raises:
            BaseException: As for :meth:`begin`.
        """
        items = feed.items
        assert isinstance(items, Made)
        most = max(MOST_AHEAD, batch_size * self._workers)
        packed, feed.is_over = items.asked(made_items, (self._folders, most), {})
        if feed.is_over:
            items.ended()
        yield from (unpack(one, owns=True) for one in packed)

    def _asked(
        self,
        pool: Executor,
        frame: Frame,
        index: int,
        function: Function,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        **how: Any,
    ) -> Any:
        plan = frame.plan
        around, context = plan.around.get(index), self._identity.sent(frame, index)
        call = RemoteCall(function, args, kwargs, around, context, folders=self._folders, **how)
        try:
            outcome: Outcome = unpacked(pool.submit(call).result())
        except BrokenExecutor as error:
            raise WorkerDiedError from error
        except Exception as error:
            raise NotSentError(ARGUMENTS, described(error)) from error
        if outcome.parts or outcome.lines:
            called = Identity.called(frame, index)
            plan.settings.recording.add(called, outcome.parts, outcome.lines)
        if outcome.kind == "stuck":
            raise NotSentError(*outcome.payload)
        if outcome.kind == "raised":
            raise outcome.payload
        return outcome.payload


class Made:
    """The items of a generator in another process.

    Args:
        asked: Calls a function in it, with the arguments by position and by name.
        ended: Called when the process has no generator any more, unless it has ended itself.
    """

    def __init__(self, asked: Callable[..., Any], ended: Callable[[], None]) -> None:
        self._asked = asked
        self._ended = ended
        self._is_over = False

    def asked(self, function: Function, *given: Any, **how: Any) -> Any:
        """Call a function in the process; an error ends the generator.

        Args:
            function: The function.
            given: Arguments by position and by name.
            how: As for :class:`.remote.RemoteCall`.
        """
        try:
            return self._asked(function, *given, **how)
        except BaseException as error:
            self.ended(died=isinstance(error, WorkerDiedError))
            raise

    def ended(self, *, died: bool = False) -> None:
        """Note that it has ended, so that another generator can use the process."""
        self._is_over = True
        if not died:
            self._ended()

    def close(self) -> None:
        """End the generator."""
        if not self._is_over:
            self.asked(end, (), {})
            self.ended()


class Begun:
    """A result that is an iterator, which remains in its process."""


class Beginning(Parcel):
    """A call whose result stays in the process if it is an iterator."""

    __slots__ = ()

    def found(self) -> Function:
        """Return what is called."""
        return partial(_begin, super().found())


_iterator: Iterator[Any] | None = None
"""The generator of this process."""


def _begin(function: Function, *args: Any, **kwargs: Any) -> Any:
    """Call a function; keep its result if that is an iterator."""
    global _iterator
    value = function(*args, **kwargs)
    if type(value) is AsyncGeneratorType:
        from lokki_tf.runtime.call import stepwise

        value = stepwise(value)
    if hasattr(type(value), "__next__"):
        _iterator = value
        return Begun()
    return finished(value) if type(value) in UNFINISHED else value


def made_items(folders: tuple[str, ...], most: int) -> tuple[list[Packed], bool]:
    """Make some items in the process of a generator.

    Args:
        folders: Where processes share large buffers, see :mod:`.shared`.
        most: How many at most.

    Returns:
        The items, and whether the generator has ended.

    Raises:
        NotSentError: If one cannot be pickled.
    """
    assert _iterator is not None
    items: list[Packed] = []
    size, until = 0, clock() + SLICE
    for item in _iterator:
        try:
            packed = pack(item, folders, changes=True)
        except Exception as error:
            raise NotSentError("an item", described(error)) from error
        items.append(packed)
        size += len(packed.data) + sum(file for _, file in packed.files)
        if len(items) >= most or size > MOST_BYTES or clock() > until:
            return items, False
    return items, True


def end() -> None:
    """Close the generator of this process."""
    close = getattr(_iterator, "close", None)
    if close is not None:
        close()
