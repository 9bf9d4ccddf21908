"""Cancel scopes: what stops a running execution or branch."""

from __future__ import annotations

from threading import Event, Lock

from lokki_tf.testing.state_machines.failures import Stopped


class CancelScope:
    """Stops an execution or a branch together with everything that runs inside it.

    Running code calls ``check`` or ``wait``, which raise ``Stopped`` after ``revoke``.

    Args:
        outer: The cancel scope that contains this one.
    """

    def __init__(self, outer: CancelScope | None = None) -> None:
        self._is_revoked = False
        self._revoked: Event | None = None
        self._inner: set[CancelScope] = set()
        self._lock = Lock()
        self._outer = outer
        if outer is not None:
            outer._add(self)

    def _add(self, inner: CancelScope) -> None:
        with self._lock:
            self._inner.add(inner)
            revoked = self._is_revoked
        if revoked:
            inner.revoke()

    def inner(self) -> CancelScope:
        """Return a cancel scope that is also revoked when this one is."""
        return CancelScope(self)

    def revoke(self) -> None:
        """Stop everything that runs in this scope and in the scopes inside it."""
        with self._lock:
            self._is_revoked = True
            if self._revoked is not None:
                self._revoked.set()
            inner = list(self._inner)
        for cancel_scope in inner:
            cancel_scope.revoke()

    def close(self) -> None:
        """Remove this scope from its outer scope, because its branch has ended."""
        if self._outer is not None:
            with self._outer._lock:
                self._outer._inner.discard(self)

    def check(self) -> None:
        """Return if the scope has not been revoked.

        Raises:
            Stopped: If the scope has been revoked.
        """
        if self._is_revoked:
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Wait, at most until the scope is revoked.

        Raises:
            Stopped: If the scope has been revoked.
        """
        if seconds > 0:
            with self._lock:
                if self._revoked is None:
                    self._revoked = Event()
                if self._is_revoked:
                    self._revoked.set()
            self._revoked.wait(seconds)
        self.check()
