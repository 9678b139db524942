"""AWS JSON 1.1 by botocore's model of the service that is spoken to: requests are refused in SageMaker's words.

botocore checks types and required members only; the service checks patterns, lengths, ranges and enums too.
"""

import functools
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import botocore.loaders
from botocore.model import ServiceModel, Shape

from local.sagemaker.control.errors import ServiceError, invalid

MAX_WORDS = 200
MAX_ERRORS = 10
MAX_PATTERN_SUBJECT = 20_000
# The model's patterns are Java's. Unicode classes become the nearest that Python has, which lets a little more pass.
JAVA_CLASSES = (
    (r"\p{Alnum}", "a-zA-Z0-9"),
    (r"\p{L}", r"\w"),
    (r"\p{M}", r"\w"),
    (r"\p{N}", r"\d"),
    (r"\p{Z}", r"\s"),
    (r"\p{S}", r"\W"),
    (r"\p{P}", r"\W"),
)


@functools.lru_cache
def load_model(service: str = "sagemaker") -> ServiceModel:
    """botocore's model of a service; SageMaker's takes a fifth of a second."""
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def parse(model: ServiceModel, operation: str, body: bytes) -> dict[str, Any]:
    """The request of an operation, checked."""
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ServiceError("SerializationException", "The request is no JSON.") from error
    shape = model.operation_model(operation).input_shape
    if shape is None:
        return {}
    if not isinstance(request, dict):
        raise ServiceError("SerializationException", "The request is no JSON object.")
    return dict(checked(request, shape))


def compose(model: ServiceModel, operation: str, answer: Mapping[str, Any]) -> str:
    """The answer with exactly what the operation's output may hold; times are seconds since 1970."""
    shape = model.operation_model(operation).output_shape
    return json.dumps(known(answer, shape)) if shape is not None else ""


# ---- requests ------------------------------------------------------------------------------------


def checked(value: Any, shape: Shape) -> Any:
    """The request with only what the model knows, or SageMaker's ValidationException."""
    errors = list(problems(value, shape, ""))[:MAX_ERRORS]
    if errors:
        count = f"{len(errors)} validation error{'s' if len(errors) > 1 else ''} detected"
        raise invalid(f"{count}: {'; '.join(errors)}")
    return known(value, shape)


def known(value: Any, shape: Any) -> Any:
    """Only what the model names: other members are not looked at, as in AWS; null is the same as absent."""
    if shape.type_name == "structure":
        return {
            name: known(value[name], member) for name, member in shape.members.items() if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [known(each, shape.member) for each in value]
    if shape.type_name == "map":
        return {name: known(each, shape.value) for name, each in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, str):
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    return value


def problems(value: Any, shape: Any, path: str) -> Iterator[str]:
    """What of a value the model does not allow, place by place; ServiceError for a wrong type."""
    match shape.type_name:
        case "structure":
            _require(isinstance(value, dict), value, "structure")
            yield from _structure_problems(value, shape, path)
        case "list":
            _require(isinstance(value, list), value, "List")
            yield from _size_problems(len(value), value, shape, path, "length")
            for number, each in enumerate(value, 1):
                if each is None:
                    yield _problem("null", f"{path}.{number}.member", "Member must not be null")
                else:
                    yield from problems(each, shape.member, f"{path}.{number}.member")
        case "map":
            _require(isinstance(value, dict), value, "Map")
            yield from _size_problems(len(value), value, shape, path, "length")
            for name, each in value.items():
                yield from problems(name, shape.key, f"{path}.key")
                yield from problems(each, shape.value, f"{path}.{name[:MAX_WORDS]}.member")
        case "string":
            _require(isinstance(value, str), value, "String")
            yield from _string_problems(value, shape, path)
        case "boolean":
            _require(isinstance(value, bool), value, "Boolean")
        case "integer" | "long" | "float" | "double":
            _require(_is_number(value, whole=shape.type_name in ("integer", "long")), value, shape.type_name.title())
            yield from _size_problems(value, value, shape, path, "value")
        case "timestamp":
            _require(_is_time(value), value, "Timestamp")
        case _:
            pass


def _structure_problems(value: dict[str, Any], shape: Any, path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        inner = f"{path}.{_camel(name)}" if path else _camel(name)
        if value.get(name) is not None:
            yield from problems(value[name], member, inner)
        elif name in shape.required_members:
            yield _problem("null", inner, "Member must not be null")


def _string_problems(value: str, shape: Any, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _problem(f"'{value}'", path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
        return
    wrong = list(_size_problems(len(value), value, shape, path, "length"))
    yield from wrong
    pattern = shape.metadata.get("pattern")
    compiled = _compiled(pattern) if pattern and not wrong and len(value) <= MAX_PATTERN_SUBJECT else None
    if compiled is not None and not compiled.fullmatch(value):
        yield _problem(f"'{value}'", path, f"Member must satisfy regular expression pattern: {pattern}")


def _size_problems(size: float, value: Any, shape: Any, path: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _problem(f"'{value}'", path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        yield _problem(f"'{value}'", path, f"Member must have {what} less than or equal to {high}")


def _problem(value: str, path: str, constraint: str) -> str:
    shown = value if len(value) <= MAX_WORDS else value[:MAX_WORDS] + "…"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _require(right: bool, value: Any, expected: str) -> None:
    if not right:
        names = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "structure"}
        kind = names.get(type(value), "null")
        raise ServiceError("SerializationException", f"A {kind} value cannot be converted to a {expected}.")


def _is_number(value: Any, whole: bool) -> bool:
    number = isinstance(value, int) or (not whole and isinstance(value, float) and math.isfinite(value))
    return number and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return False
        return True
    return _is_number(value, whole=False)


@functools.lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, or None for the few that only Java understands, whose lengths are still checked."""
    for java, python in JAVA_CLASSES:
        pattern = pattern.replace(java, python)
    try:
        return re.compile(re.sub(r"\$\{[\d,]+\}$", "", pattern))
    except re.error:
        return None


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
