"""From an order of nodes to nested series and parallels, the shapes that a state machine has.

The stages, each on what the one before could not settle:

1. :mod:`.order` reads who must come after whom, and splits a piece of it where that loses
   nothing: unconnected components run side by side, and where everything before comes before
   everything after, there are stages. Any order that blocks can express is settled by this.
2. :mod:`.cuts` ranks the places for a barrier in a piece that does not split. The smallest
   such piece is an N: ``c`` after ``a`` and ``b``, but ``d`` after ``b`` alone.
3. :mod:`.search` tries the first of those cuts down to the last node, by the durations of
   :mod:`.durations`, and puts together the :mod:`.blocks` of the best.
"""

from .blocks import Block, Parallel, Series, makespan
from .search import nest

__all__ = ["Block", "Parallel", "Series", "makespan", "nest"]
