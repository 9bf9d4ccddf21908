"""Contradictions between annotations of a value's source and of the parameter that receives it.

Source: PEP 483 and PEP 484, including the numeric tower: an ``int`` is accepted as a ``float``.
Only certain contradictions are reported, as warnings, since Python does not enforce annotations.
An annotation of another form than classes, unions and their arguments one level deep is accepted:
a type checker knows more. :mod:`.functions` reads annotations, :mod:`.hints` compares two of them,
and :mod:`.sources` finds where an argument comes from.

Routed pipelines are not checked: the state has no annotations, and a run's parameters have those of
the first step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Finding, Group, Literal, Map, Node, TerraformRef
from lokki_tf.model.streams import stream_of

from .functions import shown_name
from .hints import contradicts, hint_text, item_hint, list_of, member_hint, value_text
from .sources import CONTAINERS, Scope, Source, outermost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from inspect import Parameter

    from lokki_tf.model import Binding, Definition


def check(definition: Definition) -> Iterator[Finding]:
    """Compare the source of each argument with the parameter that receives it."""
    reported = set[Any]()
    for key, finding in _of_graph(outermost(definition)):
        # Calls in a loop repeat the same contradiction at one line.
        if (key, finding.place) not in reported:
            reported.add((key, finding.place))
            yield finding


def _of_graph(scope: Scope) -> Iterator[tuple[Any, Finding]]:
    for node in scope.graph.nodes:
        if isinstance(node, Map):
            yield from _of_items(scope, node)
            yield from _of_graph(scope.inside(node))
        if not isinstance(node, Node):
            continue
        annotations = scope.reader.of(node.step)
        given: list[tuple[int | str, Binding]] = [*enumerate(node.args), *node.kwargs]
        for where, binding in given:
            parameter = annotations.parameter(where)
            if parameter is None:
                continue
            # A condition adds defaults, which the user has not passed.
            if not (isinstance(binding, Literal) and binding.value is parameter.default):
                wanted = parameter.annotation
                if stream_of(scope.graph, node, where, binding) is not None:
                    wanted = list_of(item_hint(wanted), Iterable)  # they are read one after another
                yield from _of_argument(scope, node, parameter, binding, wanted)


def _of_items(scope: Scope, node: Map) -> Iterator[tuple[Any, Finding]]:
    source = scope.source(node.items)
    if source.given is None and source.says and contradicts(source.hint, Iterable):
        said = f"{source.says} {hint_text(source.hint)}"
        message = f"{said}, and map {node.name!r} runs for each item of a list"
        yield (node.name, message), _finding(source, node, message)


def _of_argument(
    scope: Scope,
    node: Node,
    parameter: Parameter,
    binding: Binding,
    wanted: Any,
    container: str = "",
) -> Iterator[tuple[Any, Finding]]:
    """Yield the contradiction of an argument, or those of its members.

    Args:
        scope: The node's scope.
        node: The node.
        parameter: The parameter that receives the argument.
        binding: The argument, or a member of it.
        wanted: The annotation that it must fit.
        container: The container that it is in, ``list`` for example; empty if in none.
    """
    source = scope.source(binding)
    if contradicts(source.hint, wanted, exact=source.given is not None):
        key = source.says, hint_text(source.hint, full=True), node.step, parameter.name
        yield key, _finding(source, node, _message(source, node, parameter, container))
    elif isinstance(binding, Group) and not container:
        for index, member in enumerate(binding.members):
            hint = member_hint(wanted, CONTAINERS[binding.kind], index)
            yield from _of_argument(scope, node, parameter, member, hint, binding.kind)


def _message(source: Source, node: Node, parameter: Parameter, container: str) -> str:
    named = f"parameter {shown_name(parameter)!r} of step {node.step.name!r}"
    said, takes = hint_text(source.hint), hint_text(parameter.annotation)
    if source.given is not None:
        within = f"a {container} with " if container else ""
        return f"{named} is given {within}{_given(source.given)}, and takes {takes}"
    if said == takes:  # two classes with the same name
        said = hint_text(source.hint, full=True)
        takes = hint_text(parameter.annotation, full=True)
    within = f", which is in a {container}," if container else ","
    return f"{source.says} {said}{within} and {named} takes {takes}"


def _given(binding: Literal | TerraformRef | Group) -> str:
    if isinstance(binding, TerraformRef):
        return f"the text of {binding!r}"
    return f"a {binding.kind}" if isinstance(binding, Group) else value_text(binding.value)


def _finding(source: Source, node: Node | Map, message: str) -> Finding:
    remedy = "correct one of the two annotations, or convert in a step"
    if source.given is not None:
        remedy = "correct the annotation, or pass a value that fits it"
    return Finding("annotations", message, node.place, remedy, severity="warning")
