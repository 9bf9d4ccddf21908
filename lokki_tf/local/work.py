"""Execution of tasks: from a node's arguments to its result in the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, ConfigError, MissingToolError, SerializationError
from lokki_tf.model import AnyNode, Dataset, Map, Node, Output, Wait, whole
from lokki_tf.runtime.context import CURRENT
from lokki_tf.runtime.moments import instant, seconds_until

from .bind import Arguments
from .calls import UNFINISHED, begun, call, finished, loop_is_running, overdue
from .copies import warn_of_change
from .failures import step_failed
from .feeds import (
    MOST_AHEAD,
    MOST_BYTES,
    SLICE,
    Feed,
    NotSentError,
    WorkerDiedError,
)
from .frames import Frame, Items, MapRun, clock
from .journal import Journal
from .result import NOTHING
from .spool import Spool, Spooled
from .strict import RoundTripSerializer, label, not_sent, not_serializable

if TYPE_CHECKING:
    from .answers import Answers
    from .bounds import Bounds
    from .cache import Cache
    from .feeders import Feeders
    from .files import FileWatch
    from .identity import Identity

Stuck = tuple[Frame, int, float]
"""An item that is to be retried: its frame, the index of the node, the delay in seconds."""


class Work:
    """The operations of a run, without their scheduling.

    Args:
        journal: Records what happens.
        identity: The identity of the run, for ``run_context()``.
        serializer: Serializes values, or ``None``.
        cache: Results of earlier runs, or ``None``.
        bounds: What maps within the execution leave in AWS, or ``None``.
        files: Watches the files that steps open, or ``None``.
        answers: The answers of steps that wait for one, or ``None``.
    """

    def __init__(
        self,
        journal: Journal,
        identity: Identity,
        serializer: RoundTripSerializer | None,
        cache: Cache | None = None,
        bounds: Bounds | None = None,
        files: FileWatch | None = None,
        answers: Answers | None = None,
    ) -> None:
        self.journal = journal
        self.identity = identity
        self._context = identity.of_node
        self.cache = cache
        self.bounds = bounds
        self.files = files
        self.interrupts: list[Callable[[], None]] = []
        """Called when the run is to end at once: they end waits for other processes."""
        self.answers = answers
        self.feeders: Feeders | None = None
        """The processes of generators that feed maps; without them, generators are here."""
        self.here = False
        """Whether calls stay in the thread that makes them, for debugging."""
        self._serializer = serializer

    def wake(self) -> None:
        """End waits for other processes, because the run is to end at once."""
        for end in self.interrupts:
            end()

    def arguments(self, frame: Frame, index: int) -> Arguments:
        """Return a node's arguments; its predecessors have ended."""
        gather = frame.plan.careful if frame.kept else frame.plan.gather
        return gather[index](frame.values)

    def attempt(self, frame: Frame, index: int) -> float | None:
        """Call a node's function once, in this thread, and record the outcome.

        Returns:
            Seconds until it is to be tried again, or ``None`` if the node has ended.

        Raises:
            KeyboardInterrupt: If the function raised it: it ends the run, not the node.
        """
        journal, plan = self.journal, frame.plan
        if plan.functions[index] is None:
            return self.wait(frame, index)
        if self.cache is not None and self.recall(frame, index):
            return None
        journal.begin(frame, index)
        token = CURRENT.set((self._context, frame, index))
        try:
            gather = plan.careful if frame.kept else plan.gather
            args, kwargs = gather[index](frame.values)
            if plan.conditions and not self.holds(frame, index, args, kwargs):
                self.skip(frame, index)
                return None
            if index in plan.streaming and (self.feeders is None or index not in plan.fed):
                args, kwargs = begun(args, kwargs)
            if plan.walks and index in plan.walks:
                value = self.walk(frame, index, kwargs)
            elif index in plan.fed:
                value = self._fed(frame, index, args, kwargs)
                if type(value) is Feed:
                    frame.values[index] = value  # the map begins, and ends this attempt
                    return None
            elif self.files is not None:
                value = self._watched(self.files, frame, index, args, kwargs)
            elif index in plan.around:
                value = plan.around[index].call(plan.functions[index], args, kwargs, here=self.here)
            else:
                value = plan.functions[index](*args, **kwargs)
                if type(value) in UNFINISHED:
                    value = finished(value)
            if plan.callbacks and index in plan.callbacks:
                value = self.answer(frame, index)
            elif index in plan.mapped:
                value = listed(value)
            if self.bounds is not None or plan.instants:
                self.refuse(frame, index, value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: it ends the step, not the run
            return self.failed(frame, index, error)
        finally:
            CURRENT.reset(token)
        if self.cache is not None and not journal.is_overdue(frame, index):
            self.cache.keep(frame, index, value)
        return journal.done(frame, index, value)

    def failed(
        self, frame: Frame, index: int, error: BaseException, seconds: float | None = None
    ) -> float | None:
        """Record that an attempt raised, or that its process could not make it.

        Args:
            frame: The frame of the node.
            index: The node's index.
            error: The error.
            seconds: Duration of the attempt, if it was measured elsewhere.

        Returns:
            Seconds until the next attempt, or ``None`` if this was the last.
        """
        if isinstance(error, WorkerDiedError):
            return self.journal.died(frame, index, error.__cause__ or error, seconds)
        if isinstance(error, NotSentError):
            refused = not_sent(frame.plan.nodes[index], error.what, error.reason)
            self.journal.give_up(frame, index, refused, seconds)
            return None
        return self.journal.failed(frame, index, error, seconds)

    def walk(self, frame: Frame, index: int, kwargs: Mapping[str, Any]) -> Any:
        """Return the result of a routed pipeline that is a node.

        Args:
            frame: The frame of the node.
            index: The node's index.
            kwargs: Its arguments.

        Raises:
            Exception: If one of its steps fails, or there are too many.
        """
        from .inner import Around, walk  # imported here: few graphs have any

        journal = self.journal
        around = Around(
            journal.definition.name,
            self.identity,
            journal.listener,
            self._serializer,
            self.cache,
            self.files,
            self.answers,
        )
        return walk(around, frame, index, kwargs)

    def answer(self, frame: Frame, index: int) -> Any:
        """Return the answer to a step whose function has returned.

        Args:
            frame: The frame of the node.
            index: The node's index.

        Raises:
            Exception: If it is refused.
        """
        node = frame.plan.nodes[index]
        assert isinstance(node, Node)
        assert self.answers is not None
        context = self.identity.of_node(frame, index)
        return self.answers.of(node, context, frame.is_stopped)

    def refuse(self, frame: Frame, index: int, value: Any) -> None:
        """Refuse a result that a step's runtime would refuse in AWS.

        Args:
            frame: The frame of the node.
            index: The node's index.
            value: The result.

        Raises:
            Exception: As the runtime raises.
        """
        if self.bounds is not None:
            self.bounds.refuse(frame, index, value)
        if index in frame.plan.instants:
            instant(value)

    def wait(self, frame: Frame, index: int) -> float | None:
        """Begin or end a wait.

        Returns:
            The seconds until it is to be called again; ``None`` if it has ended.
        """
        node = frame.plan.nodes[index]
        assert isinstance(node, Wait)
        skipped = frame.skipped or ()
        names = {frame.plan.nodes[one].name for one in skipped}
        try:
            _, given = self.arguments(frame, index)
            if frame.starts[index] is None:
                self.journal.wait_begun(frame, index)
                until = None if names.intersection(_times(node)) else given.get("until")
                seconds: float = node.seconds or 0
                if until is not None:
                    seconds = seconds_until(instant(until))
                delay = seconds * frame.plan.settings.wait_scale
                if delay > 0:
                    return delay
        except Exception as error:
            self.journal.give_up(frame, index, step_failed(frame, index, error))
            return None
        value = None if node.value is None else node.value.node
        self.journal.wait_done(frame, index, given.get("value"), skipped=value in names)
        return None

    def _watched(
        self,
        files: FileWatch,
        frame: Frame,
        index: int,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        function = frame.plan.functions[index]
        return self._within(files, frame, index, lambda: call(function, args, kwargs))

    def _within(
        self, files: FileWatch | None, frame: Frame, index: int, give: Callable[[], Any]
    ) -> Any:
        """Call a function with all that a node's own function has around it."""
        node, around = frame.plan.nodes[index], frame.plan.around.get(index)
        assert isinstance(node, Node)

        def watched() -> Any:  # in the thread in which the step runs
            if files is None:
                return give()
            with files.of(node.step):
                return give()

        return watched() if around is None else around.call(watched, (), {}, here=self.here)

    def _fed(self, frame: Frame, index: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return a node's result, which only a map takes: a feed, if it is an iterator."""
        function = frame.plan.functions[index]
        if self.feeders is not None:
            return self.feeders.begin(frame, index, args, kwargs)
        # In a list, so that a generator is not made one.
        (value,) = self._within(self.files, frame, index, lambda: [function(*args, **kwargs)])
        if type(value) is AsyncGeneratorType and not loop_is_running():
            from lokki_tf.runtime.call import stepwise

            value = stepwise(value)
        if hasattr(type(value), "__next__"):
            return Feed(index, value)
        return finished(value) if type(value) in UNFINISHED else value

    def pull(self, run: MapRun) -> None:
        """Make items of a map, until there are some, or the generator ends or raises.

        Args:
            run: The map.

        Raises:
            KeyboardInterrupt: If the generator raised it.
        """
        feed, frame = run.feed, run.frame
        assert feed is not None
        began = clock()
        token = CURRENT.set((self._context, frame, feed.producer))
        error: BaseException | None = None
        try:
            if run.is_stopped():
                pass
            elif self.feeders is not None:
                for item in self.feeders.made(feed, run.node.options.batch_size):
                    self._add(run, feed, item)
            else:
                self._within(self.files, frame, feed.producer, lambda: self._slice(run, feed))
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            feed.is_over, error = True, raised
        finally:
            CURRENT.reset(token)
            feed.seconds += clock() - began
        if self.journal.is_late(frame, feed.producer, feed.seconds):
            error = overdue()
        if error is not None:
            self._broken(run, feed, error)
        elif feed.is_over and not run.stopped:
            values = feed.kept.values()
            if self.cache is not None:
                self.cache.keep(frame, feed.producer, self._plain(list(values)))
            self.journal.fed(frame, feed.producer, values, feed.seconds)

    def _slice(self, run: MapRun, feed: Feed) -> None:
        until, most = clock() + SLICE, feed.kept.bytes + MOST_BYTES
        for item in feed.items:
            self._add(run, feed, item)
            if len(feed.waiting) >= MOST_AHEAD or feed.kept.bytes > most or clock() > until:
                return
        feed.is_over = True

    def _add(self, run: MapRun, feed: Feed, item: Any) -> None:
        if self._serializer is not None:
            item = self._sent(run.node, f"item {feed.taken}", item)
        feed.add(item)

    def _plain(self, values: list[Any]) -> list[Any]:
        return values if self._serializer is None else self._serializer.thaw(values)

    def _broken(self, run: MapRun, feed: Feed, error: BaseException) -> None:
        """Record that a generator has raised: its items are nothing then, as in AWS."""
        frame, producer = run.frame, feed.producer
        feed.close()
        run.stopped = True
        if isinstance(error, SerializationError):
            self.journal.give_up(frame, run.index, error)
            return
        feed.again = self.failed(frame, producer, error, feed.seconds)

    def refeed(self, run: MapRun) -> tuple[float | None, bool]:
        """Call the function of a step again whose generator has raised.

        Args:
            run: The map over its items, all of which have ended.

        Returns:
            The seconds until it is to be tried again, or ``None``; and whether the map restarts.
        """
        frame, producer = run.frame, _producer(run)
        self.journal.forget_items(run)
        delay = self.attempt(frame, producer)
        if delay is not None or frame.is_stopped():
            return delay, False
        value = frame.values[producer]
        if type(value) is not Feed:  # this time, the function has returned a list
            value = [*frame.plan.thawed(value)]
            if self._serializer is not None:
                value = [self._sent(run.node, f"item {n}", one) for n, one in enumerate(value)]
        run.take_items(value)
        return None, True

    def holds(
        self, frame: Frame, index: int, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> bool:
        """Return whether a node's condition is true, if it has one."""
        condition = frame.plan.conditions.get(index)
        if condition is None:
            return True
        if index in frame.plan.streaming:
            args, kwargs = begun(args, kwargs)
        token = CURRENT.set((self._context, frame, index))
        try:
            return condition(args, kwargs)
        finally:
            CURRENT.reset(token)

    def recall(self, frame: Frame, index: int) -> bool:
        """Use a node's result from an earlier run, if the cache has it."""
        node = frame.plan.nodes[index]
        if self.answers is not None and isinstance(node, Node) and self.answers.has(node):
            return False
        kept = None if self.cache is None else self.cache.recall(frame, index)
        if kept is None:
            return False
        self.journal.cached(frame, index, kept.value, skipped=kept.skipped)
        return True

    def skip(self, frame: Frame, index: int) -> None:
        """Record that a node's condition is false."""
        if self.cache is not None:
            self.cache.keep(frame, index, None, skipped=True)
        self.journal.skipped(frame, index)

    def done(self, frame: Frame, index: int, value: Any, seconds: float | None = None) -> None:
        """Record that a node's function has returned.

        Args:
            frame: The frame of the node.
            index: The node's index.
            value: The return value.
            seconds: Duration of the call, if it was measured elsewhere.
        """
        if self.cache is not None:
            self.cache.keep(frame, index, value)
        self.journal.done(frame, index, value, seconds)

    def open(self, frame: Frame, index: int) -> MapRun | None:
        """Read a map's items.

        Returns:
            The map, or ``None`` if it has ended: it has no items, or it has failed.
        """
        node = frame.plan.nodes[index]
        frame.begin(index)
        try:
            (given,), arguments = self.arguments(frame, index)
            items: Items | Feed
            if isinstance(node, Map) and isinstance(node.items, Dataset):
                items = self._read(frame, node, given)
            elif type(given) is Feed:
                items = given
            else:
                items = [] if _of_skipped(frame, node) else _listed(node, given)
                if self._serializer is not None:
                    items = [self._sent(node, f"item {n}", item) for n, item in enumerate(items)]
            if self._serializer is not None:
                arguments = {name: self._sent(node, name, arguments[name]) for name in arguments}
        except KeyboardInterrupt:
            raise
        except (SerializationError, MissingToolError, AwsError, ConfigError) as error:
            self.journal.give_up(frame, index, error)
            return None
        except BaseException as error:  # from the user's iterator
            self.journal.give_up(frame, index, step_failed(frame, index, error))
            return None
        run = MapRun(frame, index, items, arguments)
        self.journal.opened(run)
        if run.total or run.feed is not None:
            return run
        self.close(run)
        return None

    def _read(self, frame: Frame, node: Map, location: Mapping[str, str]) -> Items:
        """Read the items of a dataset; they are serialized one after another."""
        from .datasets import spooled  # imported here: few runs need json and files

        made = None
        if self._serializer is not None:

            def made(number: int, item: Any) -> Any:
                return self._sent(node, f"item {number}", item)

        return spooled(node, location, frame.plan.settings, made)

    def sweep(self, run: MapRun, is_pressing: Callable[[], bool]) -> Stuck | None:
        """Run items of a map whose body is a chain, until all items have begun.

        Args:
            run: The map.
            is_pressing: Returns whether there is something more urgent.

        Returns:
            An item that waits for a retry, which ended this sweep; else ``None``.

        Raises:
            KeyboardInterrupt: If a step raised it.
        """
        for frame in iter(run.claim, None):
            for index in range(len(run.plan.nodes)):
                delay = self.attempt(frame, index)
                if delay is not None:
                    frame.skip_to(index)
                    return frame, index, delay
                if frame.is_stopped():
                    break
            run.take(frame)
            if is_pressing() or run.is_stopped():
                break
        return None

    def close(self, run: MapRun) -> None:
        """Combine the results of a map whose items have all ended."""
        for name in run.changed if run.kept else ():
            warn_of_change(f"argument {name!r} of {label(run.node)}", run.node.place, "its items")
        is_partial = run.feed is not None and not run.feed.is_over
        if run.feed is not None:
            if is_partial:
                run.feed.close()
            elif run.failures and not run.stopped and run.fails_with(len(run.failures)):
                self.journal.too_many(run)  # only now their share is known
        if run.stopped:
            self.journal.map_failed(run)
        elif not is_partial and (not run.frame.is_stopped() or run.is_complete):
            results: list[Any] | Spooled
            if isinstance(run.results, Spool):
                results = run.results.values()
            elif run.failures or run.feed is not None:
                results = [one for one in run.results if one is not NOTHING]
            else:
                results = run.results
            if self.cache is not None:
                self.cache.map_done(run)
            self.journal.map_done(run, results)

    def _sent(self, node: AnyNode, what: str, value: Any) -> Any:
        assert self._serializer is not None
        try:
            return self._serializer.freeze(value)
        except Exception as error:
            raise not_serializable(node, what, error) from error


def listed(value: Any) -> Any:
    """Return a result over which a map runs: an iterator, which has one pass, as a list."""
    return list(value) if hasattr(type(value), "__next__") else value


def _producer(run: MapRun) -> int:
    """Return the index of the node whose items a map takes."""
    source = run.node.items
    assert isinstance(source, Output)
    names = [node.name for node in run.frame.plan.nodes]
    return names.index(source.node)


def _times(node: Wait) -> set[str]:
    """Return the name of the node until whose result a wait waits."""
    return {node.until.node} if isinstance(node.until, Output) else set()


def _of_skipped(frame: Frame, node: AnyNode) -> bool:
    """Return whether a map runs over the result of a skipped node, so that it has no items."""
    if frame.skipped is None or not isinstance(node, Map):
        return False
    source = whole(node.source)
    return isinstance(source, Output) and source.node in {
        frame.plan.nodes[index].name for index in frame.skipped
    }


def _listed(node: AnyNode, given: Any) -> Items:
    """Return the items as a list that no other code can change."""
    if type(given) is tuple or type(given) is range:
        return given
    try:
        items = iter(given)
    except TypeError:
        got = type(given).__qualname__
        if got == "Failure":
            got = f"a Failure: {given}"
        raise TypeError(
            f"map {node.name!r} requires a list or another iterable, got {got}"
        ) from None
    return list(items)
