"""A function's return statements, read as the transitions of its step."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lokki_tf.errors import Place, RouteError
from lokki_tf.model import Test, Transition
from lokki_tf.runtime.routes import ConditionalReturns, ReturnUpdates

from .falling import falls_through
from .fields import Change, Unreadable, dict_in, dict_items, source, updates_in
from .scope import MISSING, Scope

if TYPE_CHECKING:
    from lokki_tf.model.retries import ErrorType

_FORMS = (
    "return ReturnUpdates(…), ConditionalReturns(…) or a dict literal, directly or as a "
    "variable that is assigned once"
)
_OR_END = "let the pipeline end with it: terminates=True"


@dataclass(frozen=True, slots=True)
class Ways:
    """Options of a step's decorator about its transitions.

    Args:
        step: Name of the step.
        default_next: The next step if a return names none.
        next_key: The key of a returned dict that names the next step.
        terminates: Whether the pipeline may end with the step.
        catches: Errors, each time with the next step after them.
        answered: Whether the step is answered from outside, so that what it returns is dropped.
        optional: Of an included pipeline, the values of the state that may be missing.
    """

    step: str
    default_next: str | None
    next_key: str
    terminates: bool
    catches: tuple[tuple[tuple[ErrorType, ...], str], ...] = ()
    answered: bool = False
    optional: frozenset[str] = frozenset()


def transitions_of(
    scope: Scope, place: Place, ways: Ways
) -> tuple[tuple[Transition, ...], list[RouteError]]:
    """Read the transitions of a step.

    Args:
        scope: Names of its function.
        place: Source location of its function.
        ways: Options of its decorator.

    Returns:
        The transitions, and one error for each return statement that cannot be read.
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
    if ways.answered and not errors:
        return _after_answer(tuple(found), ways.step)
    return tuple(found), errors


def _after_answer(
    found: tuple[Transition, ...], step: str
) -> tuple[tuple[Transition, ...], list[RouteError]]:
    """Return the transition after an answer, which adds the answer under the step's name.

    Step Functions drops what a function returns while a state waits for a token, so the next step
    must be the same whatever it returns. The answer comes from outside: under a name of its own it
    cannot overwrite other entries of the state.

    Args:
        found: The transitions that the function's source contains.
        step: The step's name.
    """
    why = f"step {step!r} has callback=True, and what its function returns is not used: "
    for one in found:
        if one.updates or one.removes or one.clears or one.after:
            changes = "waits after=" if one.after else "changes the state"
            return (), [
                RouteError(
                    f"{why}it {changes}",
                    place=one.place,
                    remedy=f"the answer is added to the state as {step!r}; do the rest in the "
                    "step before or the next step",
                )
            ]
    targets = dict.fromkeys(one.target for one in found)
    if len(targets) > 1:
        names = ", ".join(repr(one) if one else "the end" for one in targets)
        problem = f"{why}it leads to several next steps, {names}"
        remedy = f"decide in the next step, which receives the answer as {step!r}"
        return (), [RouteError(problem, place=found[-1].place, remedy=remedy)]
    return tuple(Transition(one, found[0].place, updates=(step,)) for one in targets), []


def _returned(scope: Scope) -> Iterator[tuple[ast.expr | None, int]]:
    """Yield each returned expression and its line; ``None`` if the function's end is reachable."""
    for node in scope.nodes:
        if isinstance(node, ast.Return):
            yield node.value, node.lineno
    if falls_through(scope.tree.body, scope):
        yield None, scope.tree.end_lineno or scope.tree.lineno


class _Reader:
    """Reads one return statement."""

    def __init__(self, scope: Scope, place: Place, ways: Ways) -> None:
        self.scope = scope
        self.place = place
        self.ways = ways
        self._followed: list[str] = []

    def read(self, node: ast.expr | None, line: int) -> Iterator[Transition]:
        """Yield the transitions of a returned value.

        Args:
            node: The value; ``None`` for nothing.
            line: Line of the return statement.

        Raises:
            Unreadable: If they are known only at run time.
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
        if self.ways.answered and self.ways.default_next:
            yield from self._changed(Change((None,), line), None)
            return
        if not self.ways.terminates:
            remedy = f"return ReturnUpdates(…) there, or {_OR_END}"
            raise Unreadable("returns nothing on some path", line, remedy)
        clears = not self.ways.answered
        yield from self._changed(Change((None,), line, clears=clears), None)

    def _changed(self, change: Change, test: Test | None) -> Iterator[Transition]:
        place = replace(self.place, line=change.line)
        for named in change.targets:
            target = named or self.ways.default_next
            if target is None and not self.ways.terminates:
                remedy = f"return it there, pass default_next= to the decorator, or {_OR_END}"
                raise Unreadable("returns no next step", change.line, remedy)
            if target is None and change.after:
                remedy = "name the next step, or leave after= out"
                raise Unreadable("waits without a next step", change.line, remedy)
            changes = change.clears, change.removes, change.updates
            yield Transition(target, place, test, *changes, change.after)

    def _conditional(self, call: ast.Call) -> Iterator[Transition]:
        if len(call.args) != 2 or any(isinstance(one, ast.Starred) for one in call.args):
            raise Unreadable(
                "calls ConditionalReturns without operand and default as the first two arguments",
                call.lineno,
                'write ConditionalReturns(choice, ReturnUpdates("tea"), c=ReturnUpdates("coffee"))',
            )
        operand, default = call.args
        text = ast.unparse(operand)
        for value, way in _by_value(call.keywords, self.scope):
            yield from self._chosen(way, Test(call.lineno, text, value))
        yield from self._chosen(default, Test(call.lineno, text, None))

    def _chosen(self, node: ast.expr, test: Test) -> Iterator[Transition]:
        """Yield the transitions of one argument of ``ConditionalReturns``."""
        if isinstance(node, ast.Call) and self.scope.value(node.func) is ReturnUpdates:
            yield from self._changed(updates_in(node, self.scope), test)
        elif not (test.value is True and _is_none(node)):
            yield from self._of_parts(node, lambda part: self._chosen(part, test))

    def _of_parts(
        self, node: ast.expr, read: Callable[[ast.expr], Iterator[Transition]]
    ) -> Iterator[Transition]:
        """Yield those of both sides of a conditional expression, or of a name's values."""
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
    """Yield the arguments of ``ConditionalReturns`` in the order in which they are tried.

    Raises:
        Unreadable: If they are known only at run time.
    """
    written = [pair for one in keywords for pair in _written(one, scope)]
    yield from (pair for pair in written if pair[0] != "true")
    yield from ((True, way) for name, way in written if name == "true")


def _written(one: ast.keyword, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    """Yield a keyword argument, or the items of a dict after ``**``, whose keys are any strings."""
    if one.arg is not None:
        yield one.arg, one.value
    elif isinstance(one.value, ast.Dict):
        yield from dict_items(one.value, scope)
    else:
        raise Unreadable(
            f"chooses from **{source(one.value)}, whose names are known only at run time",
            one.value.lineno,
            'write each one: value=ReturnUpdates("next")',
        )
