"""Checks, one module for each rule. A rule reads a definition and returns findings.

The :mod:`.rules` are fast and run when a pipeline is made. Those that need the compiled state
machine or the steps' code (:mod:`.code`) run in ``check`` and ``synth``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.lazy import lazy_names

if TYPE_CHECKING:
    from .rules import check_definition as check_definition
    from .state_machine import check_state_machine as check_state_machine

__getattr__ = lazy_names(
    __name__, {"check_definition": "rules", "check_state_machine": "state_machine"}
)
