from .blocks import Block, Parallel, Series, makespan
from .search import nest

__all__ = ["Block", "Parallel", "Series", "makespan", "nest"]
