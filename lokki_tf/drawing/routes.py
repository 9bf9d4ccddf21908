"""A routed pipeline in Graphviz's and Mermaid's languages: steps, tests and transitions.

:func:`picture_of` returns what is drawn; the function for each language only writes it.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from lokki_tf.model import Test

from .notes import ends_of, starts_of
from .shapes import START, Arrow, Picture, Shape
from .status import INK, look_of
from .text import quoted

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Node, Route, Routes, Transition

    from .visits import Visits

_SATURATION, _VALUE, _ALPHA = 0.3, 0.9, "7f"
_LONGEST = 60
_END = " end"


def picture_of(
    routes: Routes,
    top_node: str | None = None,
    cleanup: Node | None = None,
    starts: Sequence[str] = (),
) -> Picture:
    """Return what is drawn for a routed pipeline.

    A test of one value is one shape, with a solid arrow for the value and a dashed arrow for the
    default. A test of several values has a shape per value, and one for the default.

    Args:
        routes: The pipeline.
        top_node: The step that comes first.
        cleanup: The cleanup step, to which a dashed arrow leads from each end.
        starts: What starts runs, which is drawn above the first step.
    """
    targets = (one.target for route in routes.routes for one in route.transitions)
    names = list(dict.fromkeys([*routes.by_name, *(name for name in targets if name)]))
    names.sort(key=lambda name: name != top_node)
    order = {name: number for number, name in enumerate(names)}
    tests = _tests(routes, names)
    ends = {name for name, route in routes.by_name.items() if route.ends}
    shapes = [Shape(name, _title(routes, name), "step", ends=name in ends) for name in names]
    last = [] if cleanup is None else [cleanup.name]
    shapes += [Shape(name, name, "step") for name in last]
    direct = [
        (Arrow(route.name, one.target), one.wait_label)
        for route in routes.routes
        for one in route.transitions
        if one.test is None and one.target and not one.errors
    ]
    taken = {*names, *(shape.id for _, shape, _ in tests)}
    waits = _Waits(taken)
    arrows = list(chain.from_iterable(waits.split(*one) for one in direct))
    arrows += [Arrow(step, shape.id) for step, shape, _ in tests]
    arrows += [Arrow(end, name, dashed=True) for end in names if end in ends for name in last]
    arrows.sort(key=lambda arrow: order.get(arrow.before, len(order)))
    arrows += [one for _, _, onward in tests for drawn in onward for one in waits.split(*drawn)]
    solid = {(arrow.before, arrow.after) for arrow in arrows if not arrow.dashed}
    drawn = (one for one in arrows if not one.dashed or (one.before, one.after) not in solid)
    others = (*(shape for _, shape, _ in tests), *waits.shapes.values())
    picture = Picture((*shapes, *others), tuple(dict.fromkeys(drawn)))
    if not starts:
        return picture
    first = Shape(START, "\n".join(starts), "start")
    return Picture((first, *picture.shapes), (Arrow(START, routes.start), *picture.arrows))


def _title(routes: Routes, name: str) -> str:
    """Return the text of a step: its name, and below it the nodes of the pipeline that it is."""
    known = routes.by_name.get(name)
    own = None if known is None else known.step.includes
    return name if own is None else "\n".join([name, *(f"• {one}" for one in own.nodes)])


def routes_to_dot(
    definition: Definition, top_node: str | None = None, visits: Visits | None = None
) -> str:
    """Write a routed pipeline in Graphviz's language.

    Args:
        definition: The pipeline.
        top_node: The step that comes first; by default the first one.
        visits: The visits of a run, for its picture.
    """
    routes = definition.routes
    assert routes is not None
    picture = picture_of(
        routes, top_node or routes.start, definition.cleanup, starts_of(definition)
    )
    taken = None if visits is None else visits.taken(picture)
    lines = ['digraph "" {']
    for shape in picture.shapes:
        label = "\\n".join(
            quoted(line)[1:-1] for line in (*shape.lines, *(visits.notes(shape) if visits else ()))
        )
        if visits is not None and shape.kind == "step":
            look = look_of(visits.of(shape.id))
            given = [f'label="{label}"', "shape=box", 'style="rounded,filled"']
            given += [f'fillcolor="{look.fill}"', f'color="{look.line}"', f'fontcolor="{INK}"']
            style = f" [{','.join(given)}]"
        elif shape.kind == "test":
            colour = quoted(shape.colour + _ALPHA)
            style = f' [shape=box,style=filled,color={colour},label="{label}"]'
        else:
            plain = shape.kind == "step" and len(shape.lines) == 1
            style = "" if plain else f' [shape=box,style=rounded,label="{label}"]'
        lines.append(f"  {quoted(shape.id)}{style};")
    for arrow in picture.arrows:
        given = ["style=dashed"] if arrow.dashed else []
        if taken is not None and taken[arrow].most:
            given.append(f'label="{taken[arrow].label}"')
        elif taken is not None and arrow.before != START:
            given.append('color="#7a869a66"')
        style = f" [{','.join(given)}]" if given else ""
        lines.append(f"  {quoted(arrow.before)} -> {quoted(arrow.after)}{style};")
    lines += [
        f'  {quoted(_END)} [shape=box,style="rounded,dashed",label={quoted(one)}];'
        for one in ends_of(definition)
    ]
    return "\n".join([*lines, "}"]) + "\n"


def routes_to_mermaid(definition: Definition, visits: Visits | None = None) -> str:
    """Write a routed pipeline in Mermaid's language; a test is a diamond.

    Args:
        definition: The pipeline.
        visits: The visits of a run, for its picture.
    """
    routes = definition.routes
    assert routes is not None
    picture = picture_of(routes, routes.start, definition.cleanup, starts_of(definition))
    taken = None if visits is None else visits.taken(picture)
    steps = [shape for shape in picture.shapes if shape.kind != "start"]
    ids = {shape.id: f"n{number}" for number, shape in enumerate(steps)} | {START: "start"}
    lines = ["flowchart TD"]
    for shape in picture.shapes:
        notes = visits.notes(shape) if visits else ()
        written = "\\n".join(map(_escaped, (*shape.lines, *notes)))
        label = f'"{written}"'
        forms = {"test": f"{{{label}}}", "start": f"([{label}])"}
        lines.append(f"  {ids[shape.id]}{forms.get(shape.kind, f'[{label}]')}")
    for arrow in picture.arrows:
        line = "-.->" if arrow.dashed else "-->"
        count = taken[arrow].label if taken else ""
        count = f"|{_escaped(count)}|" if count else ""
        lines.append(f"  {ids[arrow.before]} {line}{count} {ids[arrow.after]}")
    lines += [f'  notice(["{_escaped(one)}"])' for one in ends_of(definition)]
    for shape in picture.shapes:
        if shape.kind == "test":
            style = f"fill:{shape.colour},stroke:{shape.colour},color:#1b2a41"
            lines.append(f"  style {ids[shape.id]} {style}")
        elif visits is not None and shape.kind == "step":
            look = look_of(visits.of(shape.id))
            style = f"fill:{look.fill},stroke:{look.line},color:{INK}"
            lines.append(f"  style {ids[shape.id]} {style}")
    return "\n".join(lines) + "\n"


class _Waits:
    """The waits of a picture: each is a shape between two others."""

    def __init__(self, taken: set[str]) -> None:
        self.shapes: dict[tuple[Arrow, str], Shape] = {}
        self._taken = taken

    def split(self, arrow: Arrow, label: str) -> tuple[Arrow, ...]:
        """Return the arrows to a wait and from it, or the one arrow without a wait."""
        if not label:
            return (arrow,)
        key = arrow, label
        if key not in self.shapes:
            number = len(self.shapes) + 1
            while f"wait{number}" in self._taken:
                number += 1
            self._taken.add(f"wait{number}")
            self.shapes[key] = Shape(f"wait{number}", f"wait: {_shortened(label)}", "wait")
        wait = self.shapes[key].id
        return Arrow(arrow.before, wait, arrow.dashed), Arrow(wait, arrow.after)


_Drawn = tuple[str, Shape, list[tuple[Arrow, str]]]


def _tests(routes: Routes, names: Sequence[str]) -> list[_Drawn]:
    """Return each step's tests, with their shapes and arrows."""
    groups = [(route, group) for route in routes.routes for group in _groups(route)]
    returns = dict.fromkeys((route.name, line) for route, ((line, _), _) in groups)
    numbers = {one: number for number, one in enumerate(returns, 1)}
    taken = set(names)
    drawn: list[_Drawn] = []
    for route, ((line, _), ways) in groups:
        colour = _colour(numbers[route.name, line], len(returns) + 1)
        for label, onward in _boxes(ways):
            number = len(drawn) + 1
            while f"cond{number}" in taken:  # a step can have this name
                number += 1
            taken.add(f"cond{number}")
            is_error = any(one.errors for _, one in ways)
            shape = Shape(f"cond{number}", label, "test", colour, is_error=is_error)
            arrows = [
                (Arrow(shape.id, way.target, dashed), way.wait_label)
                for way, dashed in onward
                if way.target
            ]
            drawn.append((route.name, shape, arrows))
    return drawn


_Group = tuple[tuple[int, str], list[tuple["Test", "Transition"]]]


def _groups(route: Route) -> list[_Group]:
    """Group the conditional transitions by the line and operand of their test."""
    found: dict[tuple[int, str], list[tuple[Test, Transition]]] = {}
    for one in route.transitions:
        test = _of_errors(one) if one.errors else one.test
        if test is not None:
            found.setdefault((test.line, test.operand), []).append((test, one))
    return list(found.items())


def _of_errors(one: Transition) -> Test:
    """Return a test that stands for the errors after which a transition is taken."""
    names = (error if isinstance(error, str) else error.__name__ for error in one.errors)
    return Test(0, f"raises {', '.join(names)}", True)


def _boxes(
    ways: Sequence[tuple[Test, Transition]],
) -> Iterator[tuple[str, list[tuple[Transition, bool]]]]:
    """Yield each box of a test: its label and its arrows, as transitions and "is dashed"."""
    tests = list(dict.fromkeys(test for test, _ in ways))
    valued = [test for test in tests if test.value is not None]
    for test in valued if len(valued) == 1 else tests:
        yield (
            _label(test),
            [
                (way, other != test)
                for other, way in ways
                if way.target and (other == test or len(valued) == 1)
            ],
        )


def _label(test: Test) -> str:
    operand = _shortened(test.operand)
    if test.value is True:
        return f"{operand} ?"
    return f"{operand} = {'*' if test.value is None else repr(test.value)} ?"


def _shortened(text: str) -> str:
    """Return an expression's source on one line, for labels.

    Args:
        text: The source.
    """
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _colour(number: int, parts: int) -> str:
    rgb = colorsys.hsv_to_rgb(number / parts, _SATURATION, _VALUE)
    return "#" + "".join(f"{int(255 * one + 1e-6):02x}" for one in rgb)


def _escaped(label: str) -> str:
    """Escape what Mermaid reads as markup."""
    return re.sub(r"[^\w .,:=?!*'()\[\]+/-]", lambda one: f"#{ord(one[0])};", label)
