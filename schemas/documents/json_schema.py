"""The JSON Schema (2020-12) of a record, from msgspec's own emitter, in words from the source.

The emitter knows types, defaults and vocabularies. Added here are the docstrings of the classes,
units (`schemas.documents.fields`), the names of the places in rows, and which schema it is.
A schema accepts what our own decoders accept: fields and trailing values that it does not name are
of a newer minor version. Rows that are tuples have a fixed length.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, get_args

import msgspec

from schemas.documents.fields import described

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def file_name(schema_name: str) -> str:
    """Return where a record's schema is, beside the AsyncAPI document."""
    return f"json/{schema_name}.schema.json"


def json_schema(record: type[msgspec.Struct], schema_name: str) -> Schema:
    """Return the schema of one record type, with everything that it refers to.

    Args:
        record: the type.
        schema_name: what its records say in `schema`, e.g. `trades.v1`.
    """
    _, components = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    structs = {struct.__name__: struct for struct in _structs(record)}
    rows: dict[str, Schema] = {}
    for name, component in components.items():
        if struct := structs.get(name):
            _describe(component, struct, rows)
        elif "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
    root = components.pop(record.__name__)
    root["properties"]["schema"]["const"] = schema_name
    named = {"$schema": DIALECT, "$id": f"urn:perptape:schema:{schema_name}", **root}
    definitions = dict(sorted((components | rows).items()))
    return {**named, "$defs": definitions} if definitions else named


def summary(record: type[msgspec.Struct]) -> str:
    """Return the first line of a type's docstring."""
    return inspect.cleandoc(record.__doc__ or "").partition("\n")[0]


def _structs(record: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Yield a type and the types of its fields, of their fields, and so on."""
    yield record
    for field in msgspec.structs.fields(record):
        for inner in _structs_in(field.type):
            yield from _structs(inner)


def _structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from _structs_in(argument)


def _describe(schema: Schema, struct: type[msgspec.Struct], rows: dict[str, Schema]) -> None:
    """Add words to the schema of a struct; the rows of its fields go to `rows`."""
    ours = struct.__mro__[: struct.__mro__.index(msgspec.Struct)]
    lineage = [base for base in ours if issubclass(base, msgspec.Struct)]
    words = [inspect.cleandoc(base.__doc__) for base in lineage if base.__doc__]
    schema["description"] = "\n\n".join(words)
    if "prefixItems" in schema:
        _name_places(schema, struct.__struct_fields__)
        return
    properties = schema["properties"]
    for owner in lineage:
        for name, annotation in inspect.get_annotations(owner).items():
            if row := _row(owner, annotation):
                title, text = row
                rows[title] = _row_schema(title, text, properties[name]["items"])
                properties[name]["items"] = {"$ref": f"#/$defs/{title}"}
    for name, field in properties.items():
        known = field or {"description": "Any JSON value."}
        properties[name] = described(struct.__name__, name, known)


def _name_places(schema: Schema, names: Sequence[str]) -> None:
    schema["prefixItems"] = [
        {"title": name, **described(schema["title"], name, place)}
        for name, place in zip(names, schema["prefixItems"], strict=True)
    ]


def _row(owner: type, annotation: Any) -> tuple[str, str] | None:
    """Return name and docstring of the alias that a field is a list of, if there is one."""
    module = sys.modules[owner.__module__]
    for name, text in _documented(module.__name__):
        if any(vars(module)[name] is argument for argument in get_args(annotation)):
            return name, text
    return None


def _row_schema(title: str, text: str, schema: Schema) -> Schema:
    row = {"title": title, "description": text, **schema}
    _name_places(row, re.findall(r"\w+", text.partition("]")[0]))
    return row


def _documented(module: str) -> Iterator[tuple[str, str]]:
    """Yield the assignments of a module that a docstring follows.

    A docstring under an alias is for readers of the source, Python does not keep it.
    """
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    for statement, below in pairwise(tree.body):
        match statement, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                yield name, inspect.cleandoc(text)
