"""A step's function and all code that it needs, taken from the user's modules.

Stages: find the function (:mod:`.root`); follow names in modules that are cut (:mod:`.carry`), to
statements that can run again (:mod:`.portability`) or values (:mod:`.captured`), and imports into
modules that are whole (:mod:`.whole`); keep statements that act (:mod:`.kept`, by :mod:`.effects`);
find code that depends on the computer (:mod:`.differences`); decide which file each piece is in
(:mod:`.cut`, :mod:`.pieces`).
"""
