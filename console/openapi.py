"""The partner's interface as an OpenAPI document, made of the addresses and of what they answer."""

import types
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from console.pages import partner
from vehiclevision.labels import LABELS, either

VERSION: Final = "3.1.0"
_PLAIN: Final = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}
# What is said of each answer besides the wanted one.
_REFUSALS: Final = {
    "400": "What was asked cannot be meant; the text says why.",
    "401": "There is no token, or one that has expired.",
    "403": "The token lacks the scope.",
    "404": "There is no such photo.",
    "502": "AWS does not answer right now; ask again.",
}
_WISH: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "The file's name; its last characters become a part of the id."},
        "content_type": {"enum": list(partner.CONTENT_TYPES), "default": partner.CONTENT_TYPES[0]},
    },
}


def document(address: str, token_url: str) -> dict[str, Any]:
    """The document of the interface at this address, whose tokens come from `token_url`."""
    vehicles = tuple(f"a {label}" for label in LABELS)
    scopes = {partner.SEND: "Send photos", partner.READ: "Read what became of them"}
    return {
        "openapi": VERSION,
        "info": {
            "title": "VehicleVision",
            "version": "1",
            "description": f"Send a photo; read whether it shows {either(vehicles)}, how sure that is, and where "
            "the rider goes.",
        },
        "servers": [{"url": address}],
        "paths": {
            "/photos": {
                "post": {
                    "operationId": "place",
                    "summary": "Where to send a photo",
                    "description": _said(partner.place),
                    "security": [{"token": [partner.SEND]}],
                    "requestBody": {"required": False, "content": {"application/json": {"schema": _WISH}}},
                    "responses": _responses(
                        "201", "Send the picture there.", partner.Expected, "400", "401", "403", "502"
                    ),
                }
            },
            "/photos/{id}": {
                "get": {
                    "operationId": "photo",
                    "summary": "What became of a photo",
                    "description": _said(partner.photo),
                    "security": [{"token": [partner.READ]}],
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": _responses("200", "As far as it is known.", partner.Photo, "401", "403", "404", "502"),
                }
            },
        },
        "components": {
            "schemas": {each.__name__: _schema(each) for each in (partner.Expected, partner.Upload, partner.Photo)},
            "securitySchemes": {
                "token": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": {"tokenUrl": token_url, "scopes": scopes}},
                }
            },
        },
    }


def _responses(status: str, words: str, answer: type, *refusals: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}}
    text = {"text/plain": {"schema": {"type": "string"}}}
    others = {each: {"description": _REFUSALS[each], "content": text} for each in refusals}
    return {status: {"description": words, "content": content}, **others}


def _said(documented: Any) -> str:
    return " ".join((documented.__doc__ or "").split())


def _schema(answer: type) -> dict[str, Any]:
    """A dataclass as JSON Schema; every field is always there."""
    hints = get_type_hints(answer)
    return {
        "type": "object",
        "description": _said(answer),
        "properties": {each.name: _of(hints[each.name]) for each in fields(answer)},
        "required": [each.name for each in fields(answer)],
        "additionalProperties": False,
    }


def _of(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        return {"$ref": f"#/components/schemas/{hint.__name__}"}
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [each.value for each in hint]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1])}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(each) for each in arguments]}
    raise TypeError(f"No schema is known for {hint}")
