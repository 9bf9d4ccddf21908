"""What a pipeline's execution gives, as values: of its own output, of the bucket, of maps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LokkiError, SerializationError

if TYPE_CHECKING:
    from .runs import AwsRun
    from .stack import Deployed

_AT_ONCE = 16  # objects that are read side by side


def values(output: Mapping[str, Any], read: Callable[[str], bytes]) -> dict[str, Any]:
    """The results of a pipeline's last steps, by name, wherever they are kept.

    A step that was skipped has none, as in a local run.

    Args:
        output: The execution's output: envelopes, by name.
        read: Gives the bytes of an object by its URI.
    """
    from lokki_tf.packaging import main_module
    from lokki_tf.runtime.envelope import unpack
    from lokki_tf.runtime.maps import expanded

    def read_all(uris: Iterable[str]) -> dict[str, bytes]:
        wanted = list(dict.fromkeys(uris))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(wanted, pool.map(read, wanted), strict=True))

    modules = {main_module(): "__main__"}
    envelopes = {name: expanded(one, read, read_all) for name, one in output.items()}
    return {
        name: unpack(one, read, modules)
        for name, one in envelopes.items()
        if "skipped" not in one  # which of a job only its answer says
    }


def result(deployed: Deployed, run: AwsRun) -> Any:
    """A run's result as a local run's: of the last step, or a dict where several are last.

    Args:
        deployed: The pipeline.
        run: One that has succeeded.

    Raises:
        AwsError: If what it refers to cannot be read.
        SerializationError: If a value cannot be made from what was kept.
    """
    output = json.loads(run.output or "{}")
    try:
        found = values(output, deployed.aws.read)
    except LokkiError:
        raise
    except Exception as error:
        raise SerializationError(
            f"the result of run {run.name} cannot be read here: {type(error).__name__}: {error}",
            remedy="its classes and packages must be importable here, as they were in the step",
        ) from None
    if len(output) == 1:
        return found.get(next(iter(output)))
    return found
