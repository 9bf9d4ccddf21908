"""Results of a pipeline's execution as values, from its output, the bucket and its maps.

Loading a pickle can run any code, with the rights of the operator. So pickles are loaded only if
the operator allows it, except those that name no class or function, such as pickled tuples, sets
and bytes: these contain no code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError, SerializationError
from lokki_tf.runtime.store import UntrustedReferenceError, refuse_outside, verified

if TYPE_CHECKING:
    from lokki_tf.runtime.envelope import Envelope

    from .deployed import Deployed
    from .runs import AwsRun

_AT_ONCE = 16  # objects that are read at the same time


class NotLoaded:
    """The placeholder of a value that is not loaded.

    Args:
        module: The first module that its pickle names.
    """

    def __init__(self, module: str) -> None:
        self.module = module

    def __repr__(self) -> str:
        return f"<not loaded: a pickle with classes of {self.module}; --allow-pickle loads it>"


class _ClassRefusedError(Exception):
    """A pickle names a class or function."""


class _NoModules(dict[str, str]):
    def get(self, module: str, default: Any = None) -> Any:
        raise _ClassRefusedError(module)


class Reader:
    """Reads values of a pipeline's executions from its bucket.

    Args:
        read: Returns the bytes of an object by its URI.
        allow_pickle: Whether pickles with classes are loaded; a :class:`NotLoaded` replaces them
            otherwise.
        size: Returns the number of bytes of an object, without reading it.
    """

    def __init__(
        self,
        read: Callable[[str], bytes],
        *,
        allow_pickle: bool = False,
        size: Callable[[str], int] = lambda uri: 0,
    ) -> None:
        from lokki_tf.packaging import main_module

        self.read, self.size = read, size
        self.allows_pickle = allow_pickle
        self._modules: Mapping[str, str] = (
            {main_module(): "__main__"} if allow_pickle else _NoModules()
        )

    @classmethod
    def of(cls, deployed: Deployed, *, allow_pickle: bool = False) -> Reader:
        """Return a reader that refuses what no step of a deployed pipeline has written.

        Args:
            deployed: The pipeline.
            allow_pickle: Whether pickles with classes are loaded.
        """
        store = deployed.store

        def read(uri: str) -> bytes:
            refuse_outside(uri, store)
            return verified(uri, deployed.aws.read(uri))

        return cls(read, allow_pickle=allow_pickle, size=lambda uri: deployed.aws.size(uri))

    def read_all(self, uris: Iterable[str]) -> dict[str, bytes]:
        """Return the bytes of several objects, read in parallel."""
        wanted = list(dict.fromkeys(uris))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(wanted, pool.map(self.read, wanted), strict=True))

    def expanded(self, envelope: Envelope) -> Envelope:
        """Return an envelope in which results of maps and jobs are their envelopes."""
        from lokki_tf.runtime.maps import expanded

        return expanded(envelope, self.read, self.read_all)

    def value(self, envelope: Envelope, wholes: Mapping[str, Any] | None = None) -> Any:
        """Return the value of an envelope.

        Args:
            envelope: An expanded envelope.
            wholes: The values of which parts are selected.
        """
        from lokki_tf.runtime.envelope import unpack

        try:
            return unpack(envelope, self.read, self._modules, wholes)
        except _ClassRefusedError as refused:
            return NotLoaded(str(refused))


@contextmanager
def readable_here(what: str) -> Iterator[None]:
    """Explain errors of values that cannot be read, within the context.

    Args:
        what: What is read: ``the result of run x``.

    Raises:
        SerializationError: If a value cannot be deserialized, or an object was changed or is not
            the pipeline's.
    """
    try:
        yield
    except LokkiError:
        raise
    except UntrustedReferenceError as error:
        raise SerializationError(
            f"{what} is not loaded: {error}",
            remedy="find out who wrote it: it was not a step of this pipeline",
        ) from None
    except Exception as error:
        raise SerializationError(
            f"{what} cannot be read here: {type(error).__name__}: {error}",
            remedy="its classes and packages must be importable here, as they were in the step",
        ) from None


def values(
    output: Mapping[str, Any], read: Callable[[str], bytes], *, allow_pickle: bool = False
) -> dict[str, Any]:
    """Return the results of a pipeline's last steps, by name, wherever they are stored.

    A skipped step has no result, as in a local run.

    Args:
        output: The execution's output: envelopes, by name.
        read: Returns the bytes of an object by its URI.
        allow_pickle: As for :class:`Reader`.
    """
    return _values(output, Reader(read, allow_pickle=allow_pickle))


def _values(output: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    envelopes = {name: reader.expanded(one) for name, one in output.items()}
    return {
        name: reader.value(one)
        for name, one in envelopes.items()
        if "skipped" not in one  # of a job, only the expanded envelope contains it
    }


def result(deployed: Deployed, run: AwsRun, *, allow_pickle: bool = False) -> Any:
    """Return a run's result as a local run has it: the last step's, or a dict if several are last.

    Args:
        deployed: The pipeline.
        run: A run that has succeeded.
        allow_pickle: As for :class:`Reader`.

    Raises:
        AwsError: If an object cannot be read.
        SerializationError: If a value cannot be deserialized, or an object was changed or is not
            the pipeline's.
    """
    output = json.loads(run.output or "{}")
    with readable_here(f"the result of run {run.name}"):
        found = _values(output, Reader.of(deployed, allow_pickle=allow_pickle))
    if len(output) == 1:
        return found.get(next(iter(output)))
    return found
