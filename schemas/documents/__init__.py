"""What the registry says, as documents for others: AsyncAPI, and a JSON Schema for each record.

Pure: `documents` returns texts. `perptape schema export` writes them to `schemas/generated`, where
they are committed; a test compares them.
"""

from schemas.documents.asyncapi import asyncapi
from schemas.documents.json_schema import file_name, json_schema
from schemas.documents.writer import render
from schemas.topics import TOPICS


def documents(version: str) -> dict[str, str]:
    """Return the content of every file by its path, in the order of the paths.

    Args:
        version: of perptape, which is that of the AsyncAPI document.
    """
    found = {"asyncapi.json": render(asyncapi(version))}
    for topic in TOPICS.values():
        found[file_name(topic.schema_name)] = render(json_schema(topic.record, topic.schema_name))
    return dict(sorted(found.items()))
