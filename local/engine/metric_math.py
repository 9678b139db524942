"""CloudWatch's metric math, as far as alarms here use it: one value a period, None where a metric has none.

Numbers, identifiers, + - * / and comparisons, IF, FILL with a number, MIN, MAX, SUM, AVG and ABS. What any other
function would give is not guessed.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Final

Value = float | None

ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
OF_ALL: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "MIN": min,
    "MAX": max,
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
}


class UnknownMathError(ValueError):
    """The expression has something that is not known here, so its alarm is not evaluated."""


def parsed(expression: str) -> ast.expr:
    """The expression, which looks like Python's; UnknownMathError if it does not."""
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UnknownMathError(f"{expression!r} cannot be read.") from error


def value_of(node: ast.expr, values: Mapping[str, Value]) -> Value:
    """The value in one period; None where a metric that it needs has none, or where it divides by zero."""
    match node:
        case ast.Constant(value=bool() | int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _of([value_of(operand, values)], lambda each: -each[0])
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in ARITHMETIC:
            calculate = ARITHMETIC[type(sign)]
            return _of([value_of(left, values), value_of(right, values)], lambda each: calculate(*each))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in COMPARISONS:
            holds = COMPARISONS[type(sign)]
            return _of([value_of(left, values), value_of(right, values)], lambda each: float(holds(*each)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name.upper(), arguments, values)
    raise UnknownMathError(f"{ast.unparse(node)!r} is not known here.")


def _call(name: str, arguments: list[ast.expr], values: Mapping[str, Value]) -> Value:
    if name == "IF" and len(arguments) in (2, 3):
        condition = value_of(arguments[0], values)
        if condition is None or (not condition and len(arguments) == 2):
            return None
        return value_of(arguments[1 if condition else 2], values)
    given = [value_of(each, values) for each in arguments]
    if name == "FILL" and len(given) == 2:
        return given[1] if given[0] is None else given[0]
    if name == "ABS" and len(given) == 1:
        return _of(given, lambda each: abs(each[0]))
    if name in OF_ALL and given:
        return _of(given, OF_ALL[name])
    raise UnknownMathError(f"{name} is not known here.")


def _of(given: list[Value], calculate: Callable[[list[float]], float]) -> Value:
    present = [each for each in given if each is not None]
    if len(present) < len(given):
        return None
    try:
        return calculate(present)
    except ZeroDivisionError:
        return None
