"""How a node is called: from its arguments to its place in the journal."""

from __future__ import annotations

from .bind import Arguments, Binder
from .calls import UNFINISHED, finished
from .journal import Journal
from .strict import Wire


class Work:
    """The nodes of a run, ready to be called. Who is called when, others decide.

    Args:
        journal: Records what happens.
        wire: Through which values travel, or ``None``.

    Raises:
        SerializationError: If there is a wire, and a literal cannot travel.
    """

    def __init__(self, journal: Journal, wire: Wire | None) -> None:
        self.journal = journal
        self.nodes = journal.nodes
        binder = Binder(self.nodes, wire)
        self._gather = [binder.gather(node) for node in self.nodes]
        self._functions = [node.step.function for node in self.nodes]
        self._sources = journal.sources
        self._sources.extend(binder.literals)

    def arguments(self, index: int) -> Arguments:
        """A node's arguments; its predecessors have ended."""
        return self._gather[index](self._sources)

    def attempt(self, index: int) -> float | None:
        """Call a node's function once, in this thread, and record what comes of it.

        Returns:
            Seconds until it is to be tried again, or ``None`` if the node has ended.

        Raises:
            KeyboardInterrupt: If that was raised: it ends the run, not the node.
        """
        journal = self.journal
        journal.begin(index)
        try:
            args, kwargs = self._gather[index](self._sources)
            value = self._functions[index](*args, **kwargs)
            if type(value) in UNFINISHED:
                value = finished(value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: it is the step that ends, not the run
            return journal.failed(index, error)
        journal.done(index, value)
        return None
