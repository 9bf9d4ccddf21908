"""Load the state of the account when the server starts, and save it while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from threading import Event, Lock, Thread
from typing import Any

from lokki_tf.testing.account import Account
from lokki_tf.testing.errors import LocalAwsError
from lokki_tf.testing.persistence.folder import StateFolder
from lokki_tf.testing.persistence.pickles import dump, load

SECONDS = 2.0
"""How long after a change it is saved at the latest, if saving takes no longer than that."""
_SHARE = 5.0
"""Between two saves at least so many times the duration of the last one passes."""
_ATTEMPTS = 20


class Saver:
    """Keeps the state of an account in a folder.

    Args:
        account: The account.
        folder: The folder.
        prepare: Loads a service of moto with its gaps closed.
    """

    def __init__(
        self, account: Account, folder: StateFolder, prepare: Callable[[str], None]
    ) -> None:
        self._account = account
        self._folder = folder
        self._prepare = prepare
        self._lock = Lock()
        self._ended = Event()
        self._saved_changes = -1
        self._unsaved: set[str] = set()

    def restore(self) -> None:
        """Read the state into the account.

        Raises:
            LocalAwsError: If the folder's state cannot be read.
        """
        pickles = self._folder.read()
        for service in sorted({name.partition("/")[0] for name in pickles}):
            self._prepare(service)
        for name, data in pickles.items():
            try:
                load(data, _find, self._folder.get)
            except LocalAwsError:
                raise
            except Exception as error:
                raise LocalAwsError(
                    f"the resources of {name} in {self._folder.path} cannot be read: "
                    f"{type(error).__name__}: {error}",
                    remedy="move the folder away to start with an empty account",
                ) from error
        runs = [run for backend in _state_machines() for run in backend.restored()]
        self._account.archive.keep(runs)

    def start(self) -> None:
        """Save in the background whenever something has changed."""
        Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Save a last time."""
        self._ended.set()
        self.save()

    def save(self) -> None:
        """Save the state, if it has changed."""
        with self._lock:
            changes = self._account.changes
            if changes == self._saved_changes:
                return
            self._folder.begin()
            pickles: dict[str, bytes] = {}
            complete = True
            for name, backend in _backends():
                data = self._dumped(name, backend)
                if data is None:
                    complete = False
                elif data:
                    pickles["/".join(name)] = data
            self._account.archive.commit()
            if complete:
                self._folder.write(pickles)
                self._saved_changes = changes

    def _dumped(self, name: tuple[str, ...], backend: Any) -> bytes | None:
        """Return the pickle of a backend; None if it changed at each attempt.

        The resources of a service that cannot be written are reported once, and not kept.
        """
        for _ in range(_ATTEMPTS):
            try:
                return dump(backend, name, _names(), self._folder.put)
            except RuntimeError as error:  # a dict changed during the iteration
                problem: Exception = error
                time.sleep(0.01)
            except Exception as error:
                self._report("/".join(name), error)
                return b""
        self._report("/".join(name), problem)
        return None

    def _report(self, name: str, problem: Exception) -> None:
        if name not in self._unsaved:
            self._unsaved.add(name)
            text = f"local-aws: the state of {name} could not be saved: {problem}"
            print(text, file=sys.stderr, flush=True)

    def _run(self) -> None:
        pause = SECONDS
        while not self._ended.wait(pause):
            start = time.monotonic()
            try:
                self.save()
            except Exception as error:  # a resource that cannot be written
                self._report("the account", error)
            pause = max(SECONDS, _SHARE * (time.monotonic() - start))


def _backends() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield all backends of moto that are in use, with service, account and region.

    The dicts that contain them come before them; that of S3 has attributes of its own.
    """
    for dictionary in _dictionaries():
        if dictionary.service_name in _PASSIVE:
            continue
        yield (dictionary.service_name,), dictionary
        for account, regions in list(dictionary.items()):
            for region, backend in list(regions.items()):
                yield (dictionary.service_name, account, region), backend


def _dictionaries() -> list[Any]:
    """Return the dicts of all services of moto that are in use."""
    from moto.core import base_backend

    return list(vars(base_backend.BackendDict)["_instances"])


_PASSIVE = ("sts", "moto_api")
"""Services without resources of the user's."""


def _names() -> dict[int, tuple[str, ...]]:
    """Return the names of all backends and of the dicts that contain them, by ``id``."""
    names: dict[int, tuple[str, ...]] = {}
    for dictionary in _dictionaries():
        names[id(dictionary)] = (dictionary.service_name,)
        for account, regions in list(dictionary.items()):
            names[id(regions)] = (dictionary.service_name, account)
            for region, backend in list(regions.items()):
                names[id(backend)] = (dictionary.service_name, account, region)
    return names


def _find(name: tuple[str, ...]) -> Any:
    from moto.backends import get_backend

    found: Any = get_backend(name[0])  # type: ignore[call-overload]  # names are literals
    for key in name[1:]:
        found = found[key]
    return found


def _state_machines() -> list[Any]:
    from moto.stepfunctions.models import stepfunctions_backends

    return [backend for _, _, backend in stepfunctions_backends.iter_backends()]
