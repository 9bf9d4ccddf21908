"""Limits of retries in Step Functions, and errors that two retriers list.

Source: Amazon States Language, "Retrying after error". The limits are declared with the options, in
:class:`lokki_tf.model.RetryConfig`. Errors are identified by the name of their class without its
module.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeAlias

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding, RetryConfig, options
from lokki_tf.model.declarations import STEP_FUNCTIONS
from lokki_tf.model.retries import full_name, listed_classes, lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition
    from lokki_tf.model.retries import ErrorType

Kind: TypeAlias = "type[BaseException]"


def check(definition: Definition) -> Iterator[Finding]:
    """Check each node's retry configuration."""
    uses = [(n.step, one, n.place) for n in definition.whole.walk() for one in n.retry]
    if definition.routes is not None:
        steps = definition.routes.steps
        uses += [(step, one, step.place) for step in steps for one in step.options.retry]
    for step, retry, place in uses:
        for name, declared in options(RetryConfig).items():
            value = getattr(retry, name)
            rule = declared.refused_by(value, STEP_FUNCTIONS)
            if rule is not None:
                yield Finding(
                    "retry",
                    f"step {step.name!r} has RetryConfig({name}={value!r}); Step Functions "
                    f"allows at most {rule.high:,}",
                    place,
                    "write a smaller number",
                    error=OptionError,
                )


def check_classes(definition: Definition) -> Iterator[Finding]:
    """Warn of classes of the user's that are under two listed ones, of which only one applies."""
    uses = [(node.step, node.listed, node.place) for node in definition.whole.walk()]
    if definition.routes is not None:
        uses += [(one.step, one.listed, one.step.place) for one in definition.routes.routes]
    for step, listed, place in dict.fromkeys(uses):
        for kind, used, other in _ambiguous(listed):
            yield Finding(
                "error-class",
                f"{full_name(kind)} is a subclass of {used.__name__} and of {other.__name__}, "
                f"which step {step.name!r} lists in different places; it counts as "
                f"{used.__name__} only, the first of its bases",
                place,
                f"list {kind.__name__} itself where it belongs",
                severity="warning",
            )


def _ambiguous(every: tuple[tuple[ErrorType, ...], ...]) -> Iterator[tuple[Kind, Kind, Kind]]:
    """Yield classes that a list would include which does not include the class they count as."""
    listed = listed_classes(every)
    waiting, seen = list(listed), set(listed)
    while waiting and len(every) > 1:
        for kind in type.__subclasses__(waiting.pop()):
            if kind in seen:
                continue
            seen.add(kind)
            waiting.append(kind)
            used = next(base for base in kind.__mro__ if base in listed)
            for one in every:
                above = next((k for k in listed_classes([one]) if issubclass(kind, k)), None)
                if above and not lists(one, used) and not _is_of_python(kind):
                    yield kind, used, above
                    break


def _is_of_python(kind: Kind) -> bool:
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names
