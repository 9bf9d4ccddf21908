"""Parsed source of the user's modules.

Stages: a file or cell becomes a :class:`.files.Source` of statements; one walk finds the names in
each (:mod:`.walk`, resolved by :mod:`.scopes`), another its facts (:mod:`.survey`); a
:class:`.modules.Module` joins statements with the values that they have made.
"""
