"""As much of JSON Schema draft-07 as the schemas of the rules use, over values as an editor's YAML 1.2 reads them."""

import re
from collections.abc import Iterator
from typing import Any

from notifier.rules.tree import Block, Listing, Node, Text

_TYPES = {"string": str, "object": dict, "array": list, "number": (int, float), "integer": int}
#: Words that say nothing about validity.
_SILENT = {"$schema", "title", "description", "definitions", "defaultSnippets", "patternErrorMessage", "if", "then"}


def as_editor(node: Node) -> Any:
    """The tree of a file as the editor's YAML sees it: bare numbers and true are no texts there."""
    match node:
        case Block(entries):
            return {key.value: as_editor(inner) for key, inner in entries}
        case Listing(items):
            return [as_editor(item) for item in items]
        case Text(value):
            if re.fullmatch(r"[-+]?[0-9]+", value):
                return int(value)
            return {"true": True, "false": False}.get(value, value)
    return None


def complaints(schema: dict[str, Any], value: Any, root: dict[str, Any] | None = None) -> list[str]:
    """What the schema has against a value."""
    return list(_complaints(schema, value, schema if root is None else root))


def _complaints(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> Iterator[str]:
    for word, wanted in schema.items():
        match word:
            case "$ref":
                yield from _complaints(root["definitions"][wanted.removeprefix("#/definitions/")], value, root)
            case "allOf":
                for one in wanted:
                    yield from _complaints(one, value, root)
            case "anyOf":
                if not any(not complaints(one, value, root) for one in wanted):
                    yield f"{value!r} is none of what it may be"
            case _ if word not in _SILENT:
                yield from _word(word, wanted, value, schema, root)
    if "if" in schema and not complaints(schema["if"], value, root):
        yield from _complaints(schema["then"], value, root)


def _word(word: str, wanted: Any, value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    match word, value:
        case "type", _:
            types = [wanted] if isinstance(wanted, str) else wanted
            if isinstance(value, bool) or not any(isinstance(value, _TYPES[one]) for one in types):
                yield f"{value!r} is no {wanted}"
        case "enum", _ if value not in wanted:
            yield f"{value!r} is none of {wanted}"
        case "const", _ if value != wanted:
            yield f"{value!r} is not {wanted}"
        case "pattern", str() if not re.search(wanted, value):
            yield f"{value!r} does not fit"
        case ("minLength", str()) | ("minItems", list()) | ("minProperties", dict()) if len(value) < wanted:
            yield f"{value!r} is too short"
        case "minimum", int() if value < wanted:
            yield f"{value} is too small"
        case "maximum", int() if value > wanted:
            yield f"{value} is too large"
        case "uniqueItems", list() if len({str(one) for one in value}) < len(value):
            yield f"{value} has something twice"
        case "required", dict():
            yield from (f"{key} is missing" for key in wanted if key not in value)
        case "items", list():
            for item in value:
                yield from _complaints(wanted, item, root)
        case "propertyNames", dict():
            for key in value:
                yield from _complaints(wanted, key, root)
        case "properties", dict():
            for key in wanted.keys() & value.keys():
                yield from _complaints(wanted[key], value[key], root)
        case "patternProperties", dict():
            for pattern, inner in wanted.items():
                for key in value:
                    if re.search(pattern, key):
                        yield from _complaints(inner, value[key], root)
        case "additionalProperties", dict():
            yield from _additional(wanted, value, schema, root)
        case (("type" | "enum" | "const" | "pattern" | "minLength" | "minItems" | "minProperties" | "minimum"), _):
            return
        case (("maximum" | "uniqueItems" | "required" | "items" | "propertyNames" | "properties"), _):
            return
        case (("patternProperties" | "additionalProperties"), _):
            return
        case _:
            raise AssertionError(f"the check does not know {word}")


def _additional(wanted: Any, value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    patterns = schema.get("patternProperties", {})
    for key in value.keys() - schema.get("properties", {}).keys():
        if any(re.search(pattern, key) for pattern in patterns):
            continue
        if wanted is False:
            yield f"{key} is not allowed"
        else:
            yield from _complaints(wanted, value[key], root)
