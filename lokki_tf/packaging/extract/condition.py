"""A step's condition: it travels with the step's function, as an attribute of it."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from lokki_tf.model.names import identifier
from lokki_tf.runtime.conditions import WHEN

from .. import findings
from ..source.names import Use
from ..source.origins import of_user
from ..source.values import described
from .pieces import Piece
from .tasks import Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lokki_tf.model import Step

    from ..source.modules import Module
    from .root import Root
    from .tasks import Gathering


def carry_condition(carrier: Gathering, step: Step, root: Root) -> None:
    """Carries what decides whether a step runs.

    Args:
        carrier: Gathers what is found.
        step: The step.
        root: Its function.
    """
    condition = step.when
    if condition is None:
        return
    name = _name(step, root.module, condition)
    text = f"{root.name}.{WHEN} = {name}\n"
    piece = Piece(root.module.name, (root.module.end + 1,), text)
    carrier.uses.setdefault(piece, {})[root.name] = {root.piece}
    carrier.uses[root.piece].setdefault("", set()).add(piece)
    use = Use(step.place.line, {()})
    site = Site(piece, root.module, root.module.sources[-1])
    if isinstance(condition, types.FunctionType) and of_user(condition):
        carrier.by_value(site, root.module, name, condition, use)
    elif getattr(condition, "__module__", None) != "builtins":
        what = f"its condition, {described(condition)}"
        carrier.find(findings.no_source(step.name, what, step.place))


def _name(step: Step, module: Module, condition: Callable[..., Any]) -> str:
    own = getattr(condition, "__name__", "")
    if getattr(condition, "__module__", None) == "builtins":
        return own
    known = module.live.get(own) is condition
    return own if known else f"{identifier(step.name)}_when"
