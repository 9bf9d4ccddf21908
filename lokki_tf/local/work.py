"""Execution of tasks: from a node's arguments to its result in the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, ConfigError, MissingToolError, SerializationError
from lokki_tf.model import AnyNode, Dataset, Map, Node, Output, Wait, whole
from lokki_tf.runtime.context import CURRENT
from lokki_tf.runtime.moments import instant, seconds_until

from .bind import Arguments
from .calls import UNFINISHED, call, finished
from .copies import warn_of_change
from .failures import step_failed
from .frames import Frame, Items, MapRun
from .journal import Journal
from .result import NOTHING
from .strict import RoundTripSerializer, label, not_serializable

if TYPE_CHECKING:
    from .answers import Answers
    from .bounds import Bounds
    from .cache import Cache
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
            if self.files is not None:
                value = self._watched(self.files, frame, index, args, kwargs)
            elif index in plan.around:
                value = plan.around[index].call(plan.functions[index], args, kwargs, here=self.here)
            else:
                value = plan.functions[index](*args, **kwargs)
                if type(value) in UNFINISHED:
                    value = finished(value)
            if plan.callbacks and index in plan.callbacks:
                value = self.answer(frame, index)
            if self.bounds is not None or plan.instants:
                self.refuse(frame, index, value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: it ends the step, not the run
            return journal.failed(frame, index, error)
        finally:
            CURRENT.reset(token)
        if self.cache is not None and not journal.is_overdue(frame, index):
            self.cache.keep(frame, index, value)
        return journal.done(frame, index, value)

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
        node = frame.plan.nodes[index]
        assert isinstance(node, Node)
        around, function = frame.plan.around.get(index), frame.plan.functions[index]

        def watched() -> Any:  # in the thread in which the step runs
            with files.of(node.step):
                return call(function, args, kwargs)

        return watched() if around is None else around.call(watched, (), {}, here=self.here)

    def holds(
        self, frame: Frame, index: int, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> bool:
        """Return whether a node's condition is true, if it has one."""
        condition = frame.plan.conditions.get(index)
        if condition is None:
            return True
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
            if isinstance(node, Map) and isinstance(node.items, Dataset):
                items = self._read(frame, node, given)
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
        if run.total:
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
        if run.stopped:
            self.journal.map_failed(run)
        elif not run.frame.is_stopped() or run.is_complete:
            results = run.results
            if run.failures:
                results = [one for one in results if one is not NOTHING]
            if self.cache is not None:
                self.cache.map_done(run)
            self.journal.map_done(run, results)

    def _sent(self, node: AnyNode, what: str, value: Any) -> Any:
        assert self._serializer is not None
        try:
            return self._serializer.freeze(value)
        except Exception as error:
            raise not_serializable(node, what, error) from error


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
