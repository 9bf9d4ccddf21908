"""Environment markers of requirements, simplified where every Lambda gives the same answer.

Markers are written like Python expressions, so :mod:`ast` parses and formats them. ``True`` means
every Lambda, ``False`` none; markers about the Python version or the architecture are kept.
"""

from __future__ import annotations

import ast

Marker = ast.expr | bool

# Source: PEP 508, "Environment Markers", for Lambda's Amazon Linux.
_LAMBDA = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "sys_platform": "linux",
}
_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.Lt: ast.GtE,
    ast.Gt: ast.LtE,
    ast.In: ast.NotIn,
}
_OPPOSITES |= {opposite: operator for operator, opposite in _OPPOSITES.items()}


def parsed(text: str) -> Marker:
    """Parse a marker.

    Raises:
        ValueError: If it cannot be parsed.
    """
    try:
        # Python has no operator ~=, and markers have no operator "is".
        tree = ast.parse(text.strip().replace("~=", " is "), mode="eval")
        return _simplified(tree.body, negate=False)
    except SyntaxError:
        raise ValueError(f"the marker {text!r} cannot be read") from None


def both(one: Marker, two: Marker) -> Marker:
    """Join two markers by ``and``."""
    return _joined(ast.And(), [one, two])


def negated(marker: Marker) -> Marker:
    """Return the marker that is true where another is false."""
    return not marker if isinstance(marker, bool) else _simplified(marker, negate=True)


def suffix(marker: Marker) -> str:
    """Return a marker as the end of a requirement."""
    return "" if isinstance(marker, bool) else f" ; {ast.unparse(marker).replace(' is ', ' ~= ')}"


def _simplified(node: ast.expr, *, negate: bool) -> Marker:
    match node:
        case ast.Constant(bool(value)):
            return value != negate
        case ast.Compare(_, [ast.Is()], [_]) if not negate:
            return node
        case ast.BoolOp(operator, values):
            is_and = isinstance(operator, ast.And) != negate
            parts = [_simplified(value, negate=negate) for value in values]
            return _joined(ast.And() if is_and else ast.Or(), parts)
        case ast.Compare(left, [operator], [right]) if type(operator) in _OPPOSITES:
            known = _known(left, operator, right)
            if known is not None:
                return known != negate
            opposite = _OPPOSITES[type(operator)]()
            return ast.Compare(left, [opposite if negate else operator], [right])
    raise ValueError(f"the marker {ast.unparse(node)!r} cannot be read")


def _joined(operator: ast.boolop, parts: list[Marker]) -> Marker:
    decisive = isinstance(operator, ast.Or)
    if any(part is decisive for part in parts):
        return decisive
    left = [part for part in parts if not isinstance(part, bool)]
    if not left:
        return not decisive
    return left[0] if len(left) == 1 else ast.BoolOp(operator, list(left))


def _known(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool | None:
    one, two = _value(left), _value(right)
    if one is None or two is None:
        return None
    match operator:
        case ast.Eq() | ast.NotEq():
            return (one == two) == isinstance(operator, ast.Eq)
        case ast.In() | ast.NotIn():
            return (one in two) == isinstance(operator, ast.In)
    return None


def _value(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(str() as text):
            return text
        case ast.Name(name):
            return _LAMBDA.get(name)
    return None
