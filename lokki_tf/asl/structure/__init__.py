"""Conversion of a graph to nested series and parallel blocks, the shapes of a state machine.

Three stages, each for the parts that the one before could not arrange:

1. :mod:`.order` holds the dependencies as a partial order, and splits a part of it where that adds
   no wait: unconnected components run in parallel, and if everything before a point precedes
   everything after it, the two run in series. This arranges every order that blocks can express.
2. :mod:`.cuts` ranks the possible barriers in a part that does not split. The smallest such part
   has the form of an N: ``c`` after ``a`` and ``b``, but ``d`` only after ``b``.
3. :mod:`.search` tries the best of these cuts, with the durations of :mod:`.durations`, and nests
   the :mod:`.blocks` of the best result.
"""

from .blocks import Block, Parallel, Series, makespan
from .search import nest

__all__ = ["Block", "Parallel", "Series", "makespan", "nest"]
