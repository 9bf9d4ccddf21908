"""A graph in Graphviz's and Mermaid's languages. A map is a box around its body."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from lokki_tf.model import Map, Wait

from .boxes import Moved, SubPipeline, grouped, label_of
from .characters import writable
from .status import INK, LOOKS, format_outcome, outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lokki_tf.model import AnyNode, Definition, Graph, Outcome

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
    drawn, numbers = grouped(definition.whole.nodes), itertools.count()
    lines += [f"  {line}" for line in _dot_nodes(drawn, outcomes, numbers)]
    for before, after, carries in _edges(definition.whole):
        style = "" if carries else " [style=dashed]"
        lines.append(f"  {quoted(before)} -> {quoted(after)}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_nodes(
    drawn: Sequence[Moved | SubPipeline],
    outcomes: Mapping[str, Outcome] | None,
    numbers: Iterator[int],
) -> Iterator[str]:
    for one in drawn:
        if isinstance(one, SubPipeline):
            yield f"subgraph {quoted(f'cluster {next(numbers)}')} {{"
            yield f"  label={_dot_label(one.title, None)};"
            yield from (f"  {line}" for line in _dot_nodes(one.members, outcomes, numbers))
            yield "}"
            continue
        node = one.node
        outcome = None if outcomes is None else outcome_of(node.name, outcomes)
        if isinstance(node, Map):
            yield f"subgraph {quoted(f'cluster_{node.name}')} {{"
            yield f"  label={_dot_label(label_of(node), outcome)};"
            # Inner boxes would inherit these attributes if they came first.
            inner = _dot_nodes(grouped(node.body.nodes), None, numbers)
            yield from (f"  {line}" for line in inner)
            yield from (f"  {one};" for one in _dot_style(outcome))
            yield "}"
        else:
            yield f"{quoted(node.name)}{_dot_attributes(node.name, label_of(node), outcome)};"


def _dot_attributes(name: str, label: str, outcome: Outcome | None) -> str:
    """Return a node's attributes in brackets, or nothing if its name is its label."""
    # Graphviz replaces HTML entities in labels, and shows no name that begins with "%".
    if outcome is None and label == name and "&" not in name and not name.startswith("%"):
        return ""
    return f" [{', '.join([f'label={_dot_label(label, outcome)}', *_dot_style(outcome)])}]"


def _dot_label(label: str, outcome: Outcome | None) -> str:
    lines = [label] if outcome is None else [label, format_outcome(outcome)]
    written = [quoted(line.replace("&", "&amp;"))[1:-1] for line in lines]
    return '"' + "\\n".join(written) + '"'


def _dot_style(outcome: Outcome | None) -> Iterator[str]:
    if outcome is not None:
        look = LOOKS[outcome.status]
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
    drawn, numbers = grouped(definition.whole.nodes), itertools.count()
    lines += [f"  {line}" for line in _mermaid_nodes(drawn, ids, outcomes, numbers)]
    for before, after, carries in _edges(definition.whole):
        lines.append(f"  {ids[before]} {'-->' if carries else '-.->'} {ids[after]}")
    if outcomes is not None:
        nodes = definition.whole.nodes
        known = {ids[node.name]: outcome_of(node.name, outcomes) for node in nodes}
        lines += [f"  {line}" for line in _mermaid_classes(known)]
    return "\n".join(lines) + "\n"


def _maps(graph: Graph) -> Iterator[Map]:
    for node in graph.nodes:
        if isinstance(node, Map):
            yield node
            yield from _maps(node.body)


def _mermaid_nodes(
    drawn: Sequence[Moved | SubPipeline],
    ids: Mapping[str, str],
    outcomes: Mapping[str, Outcome] | None,
    numbers: Iterator[int],
) -> Iterator[str]:
    for one in drawn:
        if isinstance(one, SubPipeline):
            yield f'subgraph b{next(numbers)}["{_mermaid_text(one.title)}"]'
            inner = _mermaid_nodes(one.members, ids, outcomes, numbers)
            yield from (f"  {line}" for line in inner)
            yield "end"
            continue
        node = one.node
        outcome = None if outcomes is None else outcome_of(node.name, outcomes)
        label = f'{ids[node.name]}["{_mermaid_label(node, outcome)}"]'
        if isinstance(node, Map):
            yield f"subgraph {label}"
            inner = _mermaid_nodes(grouped(node.body.nodes), ids, None, numbers)
            yield from (f"  {line}" for line in inner)
            yield "end"
        else:
            yield label


def _mermaid_text(name: str) -> str:
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", writable(name))


def _mermaid_label(node: AnyNode, outcome: Outcome | None) -> str:
    name = _mermaid_text(node.name)
    lines = [name + writable(label_of(node).removeprefix(node.name))]
    if outcome is not None:
        lines.append(format_outcome(outcome))
    # A second line would overlap the map's body. With <br/> instead of \n, Mermaid would interpret
    # the characters that the entities stand for.
    return (" · " if isinstance(node, Map) else "\\n").join(lines)


def _mermaid_classes(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Yield a class for each status, and its nodes. Mermaid allows no ``;`` after a class."""
    for status, look in LOOKS.items():
        members = [one for one, outcome in outcomes.items() if outcome.status == status]
        if members:
            name = re.sub(r"\W", "", status)
            dashes = ",stroke-dasharray:5 3" if look.dashed else ""
            yield f"classDef {name} fill:{look.fill},stroke:{look.line},color:{INK}{dashes}"
            yield f"class {','.join(members)} {name}"


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
