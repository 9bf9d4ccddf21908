"""Parsed source of the user's modules.

Stages: a file or cell is parsed (:mod:`.files`); a :class:`.modules.Module` joins its statements
with the values that they have made; one walk finds the names and facts of a statement
(:mod:`.index`, with :mod:`.known` calls), which are :class:`.names.Code`.
"""
