"""Parse and index the source of the user's modules.

The stages:

1. :mod:`.files` parses a file or the cell of a notebook.
2. :mod:`.modules` makes a :class:`.modules.Module` of the statements and of the module's current
   values. :mod:`.origins` decides which modules are the user's.
3. :mod:`.index` walks over the syntax tree of a statement and collects its names and facts in a
   :class:`.names.Code`. :mod:`.known` and :mod:`.computer_reads` recognize calls, for example those
   that read files. :mod:`.paths` evaluates the paths in such calls.

:mod:`.values` classifies values of the running process, for example as literals.
"""
