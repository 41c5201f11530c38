"""A record beside its JSON Schema: which place of the schema each of its values is at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Node:
    """One value. `place` names its place in the schema, `path` leads to it in the record."""

    place: str
    path: Steps
    schema: Schema
    value: Any


def choices(root: Schema, schema: Schema) -> list[Schema]:
    """Return what a schema allows, references followed: one schema, or those of `anyOf`."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return (
        [c for one in schema["anyOf"] for c in choices(root, one)]
        if "anyOf" in schema
        else [schema]
    )


def choice_of(root: Schema, schema: Schema, value: Any) -> Schema:
    """Return the one that a value is of, by its type."""
    kinds = {
        type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string",
        list: "array", dict: "object",
    }  # fmt: skip
    kind = kinds[type(value)]
    for choice in choices(root, schema):
        if type_of(choice) in (None, kind, "number" if kind == "integer" else ""):
            return choice
    raise AssertionError(f"{value!r} is not of {schema}")


def type_of(choice: Schema) -> str | None:
    """Return the type that a schema names, or that its words are of; None where any will do."""
    named: str | None = choice.get("type")
    if named is None and "enum" in choice:
        return "integer" if isinstance(choice["enum"][0], int) else "string"
    return named


def nodes(root: Schema, record: Any) -> Iterator[Node]:
    """Yield every value of a record, from the outside inwards."""
    yield from _nodes(root, Node("", (), root, record))


def _nodes(root: Schema, node: Node) -> Iterator[Node]:
    yield node
    schema = choice_of(root, node.schema, node.value)
    inner: list[tuple[str, str | int, Schema]] = []
    if schema.get("type") == "object" and "properties" in schema:
        inner = [(name, name, schema["properties"][name]) for name in node.value]
    elif schema.get("type") == "object":
        inner = [("*", name, schema["additionalProperties"]) for name in node.value]
    elif "prefixItems" in schema:
        inner = [(str(at), at, place) for at, place in enumerate(schema["prefixItems"])]
        inner = inner[: len(node.value)]
    elif schema.get("type") == "array":
        inner = [("*", at, schema["items"]) for at in range(len(node.value))]
    for name, step, place in inner:
        below = Node(f"{node.place}/{name}", (*node.path, step), place, node.value[step])
        yield from _nodes(root, below)


def branches(root: Schema, schema: Schema, place: str = "") -> Iterator[str]:
    """Yield everything that a record may do: each choice, fill what may be empty, leave a default.

    The names are those of `branches_taken`.
    """
    if "default" in schema and place != "/schema" and schema.get("enum") != [schema["default"]]:
        yield f"{place}: not the default"
    options = choices(root, schema)
    for option in options:
        if len(options) > 1:
            yield f"{place}: {type_of(option)}"
        for name, inner in option.get("properties", {}).items():
            yield from branches(root, inner, f"{place}/{name}")
        for at, inner in enumerate(option.get("prefixItems", [])):
            yield from branches(root, inner, f"{place}/{at}")
        for keyword in ("items", "additionalProperties"):
            if isinstance(inner := option.get(keyword), dict):
                yield f"{place}: filled"
                yield from branches(root, inner, f"{place}/*")


def branches_taken(root: Schema, record: Any) -> Iterator[str]:
    """Yield which of the `branches` a record shows."""
    for node in nodes(root, record):
        options = choices(root, node.schema)
        choice = choice_of(root, node.schema, node.value)
        if "default" in node.schema and node.value != node.schema["default"]:
            yield f"{node.place}: not the default"
        if len(options) > 1:
            yield f"{node.place}: {type_of(choice)}"
        if node.value and ("items" in choice or "additionalProperties" in choice):
            yield f"{node.place}: filled"


def put(record: Any, path: Steps, value: Any) -> Any:
    """Return a record with another value at a path."""
    if not path:
        return value
    copy = record.copy()
    copy[path[0]] = put(record[path[0]], path[1:], value)
    return copy
