"""Texts of several lines, which notebooks and prompts show as they are."""

from __future__ import annotations


class Text(str):
    """A string that is shown without quotes and escapes where it is the value of a cell."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Picture(Text):
    """An SVG, which a notebook draws."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)
