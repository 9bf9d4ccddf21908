"""A function's returns, as the ways on from its step."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lokki_tf.errors import Place, RouteError
from lokki_tf.model import Test, Transition
from lokki_tf.runtime.routes import ConditionalReturns, ReturnUpdates

from .falling import falls_through
from .fields import Change, Unreadable, dict_in, dict_items, source, updates_in
from .scope import MISSING, Scope

_FORMS = (
    "return ReturnUpdates(…), ConditionalReturns(…) or a dict literal, as it is or by a name "
    "that is assigned nothing else"
)
_OR_END = "let the pipeline end with it: terminates=True"


@dataclass(frozen=True, slots=True)
class Ways:
    """What a step's decorator says of its ways on.

    Args:
        step: The step's name.
        default_next: The step that comes where a return names none.
        next_key: The key of a returned dict that names the next step.
        terminates: Whether the pipeline may end with the step.
    """

    step: str
    default_next: str | None
    next_key: str
    terminates: bool


def transitions_of(
    scope: Scope, place: Place, ways: Ways
) -> tuple[tuple[Transition, ...], list[RouteError]]:
    """The ways on from a step.

    Args:
        scope: Its function's names.
        place: Where its function stands.
        ways: What its decorator says of them.

    Returns:
        The transitions, and what is wrong with its returns: one error for each.
    """
    found: dict[Transition, None] = {}
    errors: list[RouteError] = []
    for value, line in _returned(scope):
        try:
            found |= dict.fromkeys(_Reader(scope, place, ways).read(value, line))
        except Unreadable as error:
            at = replace(place, line=error.line)
            problem = f"step {ways.step!r} {error.problem}"
            errors.append(RouteError(problem, place=at, remedy=error.remedy))
    return tuple(found), errors


def _returned(scope: Scope) -> Iterator[tuple[ast.expr | None, int]]:
    """What each return returns and where; nothing, if the end can be reached without one."""
    for node in scope.nodes:
        if isinstance(node, ast.Return):
            yield node.value, node.lineno
    if falls_through(scope.tree.body, scope):
        yield None, scope.tree.end_lineno or scope.tree.lineno


class _Reader:
    """Reads one return."""

    def __init__(self, scope: Scope, place: Place, ways: Ways) -> None:
        self.scope = scope
        self.place = place
        self.ways = ways
        self._followed: list[str] = []

    def read(self, node: ast.expr | None, line: int) -> Iterator[Transition]:
        """The ways on that a returned value stands for.

        Args:
            node: The value; ``None`` for nothing.
            line: The line of the return.

        Raises:
            Unreadable: If they are known only in a run.
        """
        called = self.scope.value(node.func) if isinstance(node, ast.Call) else MISSING
        if node is None or _is_none(node):
            yield from self._nothing(line)
        elif isinstance(node, ast.Dict):
            yield from self._changed(dict_in(node, self.ways.next_key, self.scope), None)
        elif isinstance(node, ast.Call) and called is ReturnUpdates:
            yield from self._changed(updates_in(node, self.scope), None)
        elif isinstance(node, ast.Call) and called is ConditionalReturns:
            yield from self._conditional(node)
        else:
            yield from self._of_parts(node, lambda part: self.read(part, line))

    def _nothing(self, line: int) -> Iterator[Transition]:
        if not self.ways.terminates:
            remedy = f"return ReturnUpdates(…) there, or {_OR_END}"
            raise Unreadable("returns nothing on some path", line, remedy)
        yield from self._changed(Change((None,), line, clears=True), None)

    def _changed(self, change: Change, test: Test | None) -> Iterator[Transition]:
        place = replace(self.place, line=change.line)
        for named in change.targets:
            target = named or self.ways.default_next
            if target is None and not self.ways.terminates:
                remedy = f"name it there, give the decorator default_next=, or {_OR_END}"
                raise Unreadable("names no next step", change.line, remedy)
            yield Transition(target, place, test, change.clears, change.removes, change.updates)

    def _conditional(self, call: ast.Call) -> Iterator[Transition]:
        if len(call.args) != 2 or any(isinstance(one, ast.Starred) for one in call.args):
            raise Unreadable(
                "calls ConditionalReturns without operand and default as its first two arguments",
                call.lineno,
                'write ConditionalReturns(choice, ReturnUpdates("tea"), c=ReturnUpdates("coffee"))',
            )
        operand, default = call.args
        text = ast.unparse(operand)
        for value, way in _by_value(call.keywords, self.scope):
            yield from self._chosen(way, Test(call.lineno, text, value))
        yield from self._chosen(default, Test(call.lineno, text, None))

    def _chosen(self, node: ast.expr, test: Test) -> Iterator[Transition]:
        """The ways on that one of the ways of ``ConditionalReturns`` stands for."""
        if isinstance(node, ast.Call) and self.scope.value(node.func) is ReturnUpdates:
            yield from self._changed(updates_in(node, self.scope), test)
        elif not (test.value is True and _is_none(node)):
            yield from self._of_parts(node, lambda part: self._chosen(part, test))

    def _of_parts(
        self, node: ast.expr, read: Callable[[ast.expr], Iterator[Transition]]
    ) -> Iterator[Transition]:
        """The ways on of either side of a conditional expression, or of what a name stands for."""
        if isinstance(node, ast.IfExp):
            yield from read(node.body)
            yield from read(node.orelse)
            return
        name = node.id if isinstance(node, ast.Name) else ""
        values = [] if name in self._followed else self.scope.assigned(name)  # a = b; b = a
        if not values:
            problem = f"returns {source(node)}, from which its next step cannot be read"
            raise Unreadable(problem, node.lineno, _FORMS)
        self._followed.append(name)
        for value in values:
            yield from read(value)
        self._followed.pop()


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _by_value(
    keywords: Sequence[ast.keyword], scope: Scope
) -> Iterator[tuple[str | bool, ast.expr]]:
    """The ways of ``ConditionalReturns`` in the order in which they are tried.

    Raises:
        Unreadable: If they are known only in a run.
    """
    written = [pair for one in keywords for pair in _written(one, scope)]
    yield from (pair for pair in written if pair[0] != "true")
    yield from ((True, way) for name, way in written if name == "true")


def _written(one: ast.keyword, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    """A keyword, or those of a dict that stands behind ``**``, for values that are no names."""
    if one.arg is not None:
        yield one.arg, one.value
    elif isinstance(one.value, ast.Dict):
        yield from dict_items(one.value, scope)
    else:
        raise Unreadable(
            f"chooses from **{source(one.value)}, whose names are known only in a run",
            one.value.lineno,
            'write each one: value=ReturnUpdates("next")',
        )
