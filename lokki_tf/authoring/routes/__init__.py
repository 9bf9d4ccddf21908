"""Steps that return which step comes next: from functions to the routes of the model.

The stages: :mod:`.registry` keeps the functions that a decorator gives it; when its routes are
asked for, each function's syntax tree is found (:mod:`.sources`), its names are resolved
(:mod:`.scope`), its parameters (:mod:`.parameters`) and its returns (:mod:`.returns`, with
:mod:`.fields` and :mod:`.falling`) are read. :mod:`.properties` translates the words of
CloudFormation into a step's options.
"""

from .properties import options_of
from .registry import Registry

__all__ = ["Registry", "options_of"]
