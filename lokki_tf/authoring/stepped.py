"""Functions as steps, as far as all decorators make them alike."""

from __future__ import annotations

import functools
import inspect
import sys
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from lokki_tf.errors import BindingError
from lokki_tf.model.signatures import signature_of
from lokki_tf.tracebacks import ends_at_caller

if TYPE_CHECKING:
    from lokki_tf.model import Step

_STEP_CODE: WeakSet[CodeType] = WeakSet()
"""The code objects of all steps, which identify a running step."""
_IMPORTLIB = "<frozen importlib._bootstrap>"


def inside_step() -> bool:
    """Return whether the caller runs inside a step; a call of a step is then a plain call.

    A module that a step imports defines its own steps and pipelines, so its statements do not count
    as inside. A task of asyncio counts, although its frames do not include the step's.
    """
    runtime = sys.modules.get("lokki_tf.runtime.call")
    drive = runtime.drive.__code__ if runtime is not None else None
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code in _STEP_CODE or frame.f_code is drive:
            return True
        if frame.f_code.co_filename == _IMPORTLIB:
            return False
        frame = frame.f_back
    return False


@ends_at_caller
class Stepped:
    """A function as a step, whose calls become nodes.

    Args:
        step: The step.
    """

    __lokki_step__ = True
    __name__: str

    def __init__(self, step: Step) -> None:
        functools.update_wrapper(cast("Any", self), step.function)
        self.step = step
        # Not the code of a decorator's wrapper, which other functions share.
        code = getattr(inspect.unwrap(step.function), "__code__", None)
        if code is not None:
            _STEP_CODE.add(code)

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """The signature of the step's function."""
        return signature_of(self.step.function)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        raise BindingError(
            f"step {self.step.name!r} is a method, whose instance cannot be sent to Lambda",
            place=self.step.place,
            remedy="make it a function of the module, and pass what it needs as arguments",
        )

    def __repr__(self) -> str:
        return f"<step {self.step.name!r} at {self.step.place}>"
