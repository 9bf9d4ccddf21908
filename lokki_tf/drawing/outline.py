"""A pipeline or a run as text for terminals: a line for each box, in levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from lokki_tf.model import Map, generations

from .boxes import Drawn, grouped, members_of, name_in, node_of, title_of
from .characters import clipped, columns
from .contents import Contents, contents_of
from .folding import folded
from .notes import ends_of, routes_in, starts_of
from .routes import picture_of
from .status import format_count
from .visits import visits_of

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Outcome

    from .shapes import Arrow, Shape
    from .visits import Taken, Visits

NARROWEST = 40
_INDENT = "   "


def to_outline(
    definition: Definition, outcomes: Mapping[str, Outcome] | None = None, width: int = 80
) -> str:
    """Return the pipeline as lines of text, without a newline at its end.

    Each box has a line with its level, its name, and after an arrow what comes before it; of a
    routed pipeline, each step has what comes after it. Equal nodes are one box, as in pictures.

    Args:
        definition: The pipeline.
        outcomes: The outcome of each node, by name, for a run.
        width: The most columns of a line, at least 40.
    """
    width = max(width, NARROWEST)
    routed = definition if definition.routes is not None else definition.routed
    if routed is not None:
        visits = None if outcomes is None else visits_of(definition.whole, outcomes)
        lines = _steps(routed, visits, width)
        size = len(routed.routes.routes) if routed.routes else 0
    else:
        drawn = folded(grouped(definition.whole.nodes), outcomes)
        lines = _boxes(drawn, contents_of(definition, outcomes), width, "")
        size = len(definition.whole.nodes)
    shown = routed or definition
    head = [f"{shown.name}: {format_count(size, 'step')}"]
    head += [f"  {one}" if one.startswith("at most ") else f"  ▶ {one}" for one in starts_of(shown)]
    end = [f"  {one}" for one in ends_of(shown)]
    return "\n".join(clipped(line, width) for line in (*head, *lines, *end))


def _boxes(drawn: Sequence[Drawn], contents: Contents, width: int, indent: str) -> Iterator[str]:
    """Yield the lines of boxes, level by level, with those inside them below them."""
    names = {one.name: name_in(one) for one in drawn}
    for number, level in enumerate(generations(drawn), 1):
        for one in level:
            before = [names[name] for name in one.predecessors]
            first = f"{indent}{number:>2}  {title_of(one)}"
            parts = [_listed("←", before, width - len(indent) - 10), *contents.facts(one)]
            yield from _fitted(first, parts, width, f"{indent}{_INDENT}   ")
            node = node_of(one)
            yield from (f"{indent}    {line}" for line in (routes_in(node) if node else ()))
            if node is None:
                yield from _boxes(members_of(one), contents, width, indent + _INDENT)
            elif isinstance(node, Map):
                body = folded(grouped(node.body.nodes))
                yield from _boxes(body, Contents(), width, indent + _INDENT)


def _steps(definition: Definition, visits: Visits | None, width: int) -> Iterator[str]:
    """Yield the lines of the steps of a routed pipeline, with the steps that can follow."""
    routes = definition.routes
    assert routes is not None
    picture = picture_of(routes, routes.start, definition.cleanup)
    taken = None if visits is None else visits.taken(picture)
    shapes = {shape.id: shape for shape in picture.shapes}
    leaving: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        leaving.setdefault(arrow.before, []).append(arrow)
    for shape in picture.shapes:
        if shape.kind != "step":
            continue
        end = " (may end)" if shape.ends else ""
        notes = [] if visits is None else visits.notes(shape)
        title, *inside = shape.lines  # an included pipeline has its nodes below its name
        yield from _fitted(f"    {title}{end}", notes, width, "       ")
        yield from (f"       {one}" for one in inside)
        for way in _ways(shape.id, leaving, shapes):
            yield f"       → {_way(way, shapes, taken)}"


def _ways(
    step: str, leaving: Mapping[str, Sequence[Arrow]], shapes: Mapping[str, Shape]
) -> Iterator[tuple[Arrow, ...]]:
    """Yield the ways from a step, or from a test or wait after it, to steps."""
    for arrow in leaving.get(step, ()):
        if shapes[arrow.after].kind == "step":
            yield (arrow,)
        else:
            yield from ((arrow, *way) for way in _ways(arrow.after, leaving, shapes))


def _way(
    way: Sequence[Arrow], shapes: Mapping[str, Shape], taken: Mapping[Arrow, Taken] | None
) -> str:
    """Return the step at the end of a way, its conditions, and how often it was taken."""
    parts = [shapes[way[-1].after].lines[0]]
    for arrow, onward in pairwise(way):
        shape = shapes[arrow.after]
        label = shape.label.removesuffix(" ?")
        if shape.kind == "test" and not shape.is_error:
            label = f"{'if not' if onward.dashed else 'if'} {label}"
        parts.append(label)
    if taken is not None:
        counts = [taken[arrow] for arrow in way]
        count = min(counts, key=lambda one: one.most)
        parts.append(count.label or "not taken")
    return "  ".join(parts)


def _listed(sign: str, names: Sequence[str], width: int) -> str:
    """Return names after a sign, as many as fit."""
    text = ""
    for count, name in enumerate(names, 1):
        longer = f"{text}, {name}" if text else f"{sign} {name}"
        more = f", +{len(names) - count}" if count < len(names) else ""
        if text and columns(longer + more) > width:
            return f"{text}, +{len(names) - count + 1}"
        text = longer
    return text


def _fitted(first: str, parts: Iterable[str], width: int, indent: str) -> Iterator[str]:
    """Yield a line with parts beside each other, and further lines for those without room."""
    line = first
    for part in filter(None, parts):
        if columns(line) + 2 + columns(part) > width:
            yield line
            line = indent + part
        else:
            line += f"  {part}"
    yield line
