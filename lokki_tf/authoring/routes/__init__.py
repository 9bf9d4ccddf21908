"""Routed pipelines: from functions that return their next step to the routes of the model.

:mod:`.registry` collects the decorated functions. When its routes are read, :mod:`.sources` finds
each function's syntax tree, :mod:`.scope` resolves its names, and :mod:`.parameters` and
:mod:`.returns` (with :mod:`.fields` and :mod:`.falling`) read its parameters and return statements.
:mod:`.properties` converts properties of CloudFormation to options of a step. :mod:`.including`
makes steps of other pipelines, and :mod:`.nodes` makes nodes of other pipelines from routed ones.
"""

from .nodes import refuse_inner, routed_step
from .properties import options_of
from .registry import Registry

__all__ = ["Registry", "options_of", "refuse_inner", "routed_step"]
