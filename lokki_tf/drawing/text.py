"""A graph in Graphviz's and Mermaid's languages. A map is a box around its body."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from lokki_tf.model import Map, Wait

from .blocks import wrapped
from .boxes import (
    Drawn,
    Stack,
    doing_in,
    grouped,
    members_of,
    name_in,
    node_of,
    title_of,
)
from .characters import CHARACTER, columns, writable
from .contents import Contents, contents_of
from .folding import folded, shown_as
from .layers import GAP, PADDING, WIDEST
from .notes import ends_of, starts_of
from .status import INK, LOOKS, Look, look_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lokki_tf.model import AnyNode, Definition, Graph, Outcome

_START, _END = " start", " end"
_DOT_MARK = 'shape=box, style="rounded,dashed"'
_DOT_STACK = "peripheries=2"
# With <br/> instead of \n, Mermaid would interpret the characters that entities stand for.
_LINE = "\\n"

# Characters that Mermaid could read as Markdown, HTML or its own syntax; words may contain - . _
_SPECIAL = re.compile(r"[^\w .-]|(?<![^\W_])[_.]|[_.](?![^\W_])|^[ -]")


def graph_to_dot(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Write the graph in Graphviz's language; dashed arrows carry no data.

    Args:
        definition: The pipeline.
        outcomes: The outcome of each node, by name, for the picture of a run; a missing node has
            not run.
    """
    lines = [f"digraph {quoted(definition.name)} {{", "  rankdir=TB;"]
    drawn, numbers = folded(grouped(definition.whole.nodes), outcomes), itertools.count()
    contents = contents_of(definition, outcomes)
    starts, ends = starts_of(definition), ends_of(definition)
    if starts:
        lines.append(f"  {quoted(_START)} [{_DOT_MARK}, label={_dot_label(starts)}];")
    lines += [f"  {line}" for line in _dot_nodes(drawn, contents, numbers)]
    if starts:
        firsts = _firsts(definition.whole, drawn)
        lines += [f"  {quoted(_START)} -> {quoted(name)};" for name in firsts]
    for before, after, carries in _drawn_edges(definition.whole, drawn):
        style = "" if carries else " [style=dashed]"
        lines.append(f"  {quoted(before)} -> {quoted(after)}{style};")
    lines += [
        f"  {quoted(above)} -> {quoted(below)} [style=invis];" for above, below in _in_rows(drawn)
    ]
    if ends:
        lines.append(f"  {quoted(_END)} [{_DOT_MARK}, label={_dot_label(ends)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_nodes(drawn: Iterable[Drawn], contents: Contents, numbers: Iterator[int]) -> Iterator[str]:
    for one in drawn:
        node, title = node_of(one), title_of(one)
        if node is None:
            yield f"subgraph {quoted(f'cluster {next(numbers)}')} {{"
            yield f"  label={_dot_label((title, *contents.notes(one)))};"
            yield from (f"  {line}" for line in _dot_nodes(members_of(one), contents, numbers))
            yield "}"
            continue
        known, lines = contents.of(one), (title, *contents.notes(one))
        styles = list(_dot_style(known, is_stack=isinstance(one, Stack) and one.is_counted))
        if isinstance(node, Map):
            yield f"subgraph {quoted(f'cluster_{node.name}')} {{"
            yield f"  label={_dot_label(lines)};"
            # Inner boxes would inherit these attributes if they came first.
            inner = _dot_nodes(folded(grouped(node.body.nodes)), Contents(), numbers)
            yield from (f"  {line}" for line in inner)
            yield from (f"  {one};" for one in styles if one != _DOT_STACK)
            yield "}"
        # Graphviz replaces HTML entities in labels, and shows no name that begins with "%".
        elif lines == (node.name,) and not styles and not re.search("&|^%", node.name):
            yield f"{quoted(node.name)};"
        else:
            yield f"{quoted(node.name)} [{', '.join([f'label={_dot_label(lines)}', *styles])}];"


def _dot_label(lines: Iterable[str]) -> str:
    written = [quoted(line.replace("&", "&amp;"))[1:-1] for line in lines]
    return '"' + "\\n".join(written) + '"'


def _dot_style(outcomes: Sequence[Outcome], *, is_stack: bool) -> Iterator[str]:
    if is_stack:
        yield _DOT_STACK
    if outcomes:
        look = look_of(outcomes)
        yield f'style="filled{",dashed" if look.dashed else ""}"'
        yield f'fillcolor="{look.fill}"'
        yield f'color="{look.line}"'
        yield f'fontcolor="{INK}"'


def quoted(name: str) -> str:
    """Quote a name for Graphviz."""
    return '"' + writable(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def graph_to_mermaid(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Write the graph in Mermaid's language; dotted arrows carry no data.

    Args:
        definition: The pipeline.
        outcomes: As for :func:`graph_to_dot`.
    """
    ids = {node.name: f"n{index}" for index, node in enumerate(definition.whole.walk())}
    ids |= {one.name: f"m{index}" for index, one in enumerate(_maps(definition.whole))}
    waits = (one for one in definition.whole.every() if isinstance(one, Wait))
    ids |= {one.name: f"w{index}" for index, one in enumerate(waits)}
    lines = ["flowchart TD"]
    drawn, numbers = folded(grouped(definition.whole.nodes), outcomes), itertools.count()
    contents = contents_of(definition, outcomes)
    starts, ends = starts_of(definition), ends_of(definition)
    if starts:
        lines.append(f'  start(["{_mermaid_lines(starts)}"])')
    known: dict[str, Look] = {}
    lines += [f"  {line}" for line in _mermaid_nodes(drawn, ids, contents, numbers, known)]
    if starts:
        lines += [f"  start --> {ids[name]}" for name in _firsts(definition.whole, drawn)]
    for before, after, carries in _drawn_edges(definition.whole, drawn):
        lines.append(f"  {ids[before]} {'-->' if carries else '-.->'} {ids[after]}")
    lines += [f"  {ids[above]} ~~~ {ids[below]}" for above, below in _in_rows(drawn)]
    if ends:
        lines.append(f'  notice(["{_mermaid_lines(ends)}"])')
    lines += [f"  {line}" for line in _mermaid_classes(known)]
    return "\n".join(lines) + "\n"


def _maps(graph: Graph) -> Iterator[Map]:
    for node in graph.nodes:
        if isinstance(node, Map):
            yield node
            yield from _maps(node.body)


def _mermaid_nodes(
    drawn: Iterable[Drawn],
    ids: Mapping[str, str],
    contents: Contents,
    numbers: Iterator[int],
    known: dict[str, Look],
) -> Iterator[str]:
    """Yield the lines of nodes; their looks are added to the last argument."""
    for one in drawn:
        node = node_of(one)
        if node is None:
            title = " · ".join(map(_mermaid_text, (title_of(one), *contents.notes(one))))
            yield f'subgraph b{next(numbers)}["{title}"]'
            inner = _mermaid_nodes(members_of(one), ids, contents, numbers, known)
            yield from (f"  {line}" for line in inner)
            yield "end"
            continue
        outcomes = contents.of(one)
        if outcomes:
            known[ids[node.name]] = look_of(outcomes)
        lines = [_mermaid_text(name_in(one)) + writable(doing_in(one))]
        lines += contents.notes(one) if outcomes else map(_mermaid_text, contents.notes(one))
        if isinstance(node, Map):
            # A second line would overlap the map's body.
            yield f'subgraph {ids[node.name]}["{" · ".join(lines)}"]'
            body = folded(grouped(node.body.nodes))
            inner = _mermaid_nodes(body, ids, Contents(), numbers, known)
            yield from (f"  {line}" for line in inner)
            yield "end"
        elif isinstance(one, Stack) and one.is_counted:
            yield f'{ids[node.name]}[["{_LINE.join(lines)}"]]'
        else:
            yield f'{ids[node.name]}["{_LINE.join(lines)}"]'


def _mermaid_text(name: str) -> str:
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", writable(name))


def _mermaid_lines(texts: Iterable[str]) -> str:
    return _LINE.join(map(_mermaid_text, texts))


def _mermaid_classes(known: Mapping[str, Look]) -> Iterator[str]:
    """Yield a class for each status, and its nodes. Mermaid allows no ``;`` after a class."""
    for status, look in LOOKS.items():
        members = [one for one, own in known.items() if own is look]
        if members:
            name = re.sub(r"\W", "", status)
            dashes = ",stroke-dasharray:5 3" if look.dashed else ""
            yield f"classDef {name} fill:{look.fill},stroke:{look.line},color:{INK}{dashes}"
            yield f"class {','.join(members)} {name}"


def _in_rows(drawn: Sequence[Drawn]) -> Iterator[tuple[str, str]]:
    """Yield pairs of boxes, the second of which must be below the first, so that rows fit.

    Graphviz and Mermaid place the boxes themselves; an invisible arrow keeps them apart.
    """
    widths = {one.name: columns(title_of(one)) * CHARACTER + 2 * PADDING for one in drawn}
    by_name = {one.name: one for one in drawn}
    for block in wrapped(widths, {one.name: one.predecessors for one in drawn}, WIDEST):
        names = [part.name for part in block.parts if part.kind == "one"]
        plain = all(not isinstance(node_of(by_name[one]), Map | None) for one in names)
        if block.kind == "beside" and plain and len(names) == len(block.parts):
            fitting = max(1, int(WIDEST / (max(widths[name] for name in names) + GAP)))
            yield from zip(names, names[fitting:], strict=False)


def _firsts(graph: Graph, drawn: Iterable[Drawn]) -> list[str]:
    """Return the steps with which a run begins, as they are drawn."""
    shown = shown_as(drawn)
    begin = (name for node in graph.nodes if not node.predecessors for name in _beginnings(node))
    return list(dict.fromkeys(shown[name] for name in begin))


def _drawn_edges(graph: Graph, drawn: Iterable[Drawn]) -> Iterator[tuple[str, str, bool]]:
    """Yield each dependency between what is drawn, once, and whether it passes a result."""
    shown = shown_as(drawn)
    edges: dict[tuple[str, str], bool] = {}
    for before, after, carries in _edges(graph):
        ends = shown[before], shown[after]
        edges[ends] = edges.get(ends, False) or carries
    yield from ((*ends, carries) for ends, carries in edges.items())


def _edges(graph: Graph) -> Iterator[tuple[str, str, bool]]:
    """Yield each dependency between steps, and whether it passes a result."""
    for node in graph.nodes:
        inputs = frozenset(node.inputs)
        for before in node.predecessors:
            for source in _ends(graph.by_name[before]):
                for target in _beginnings(node):
                    yield source, target, before in inputs
        if isinstance(node, Map):
            yield from _edges(node.body)


def _ends(node: AnyNode) -> list[str]:
    """Return the steps whose results are the node's result."""
    if not isinstance(node, Map):
        return [node.name]
    return [name for end in node.body.terminals for name in _ends(node.body.by_name[end])]


def _beginnings(node: AnyNode) -> list[str]:
    """Return the steps that begin when the node begins."""
    if not isinstance(node, Map):
        return [node.name]
    firsts = [inner for inner in node.body.nodes if not inner.predecessors]
    return [name for inner in firsts for name in _beginnings(inner)]
