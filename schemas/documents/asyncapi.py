"""The AsyncAPI 3.1 document: a channel for each topic, and what each process does with it.

Payloads refer to the JSON Schema files beside it. They are named as JSON Schema 2020-12, because
AsyncAPI's own schemas are read as draft 07, in which a row of named places is no row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas import examples
from schemas.documents.json_schema import file_name, summary
from schemas.ops import SNAPSHOT_PART_SCHEMA
from schemas.topics import (
    ALERTS,
    BOOKS,
    CONTENT_TYPE,
    DEADLETTER,
    EPOCHS,
    INSTRUMENTS,
    LIQUIDATIONS,
    QUALITY,
    SNAPSHOTS,
    TICKERS,
    TOPICS,
    TRADES,
    Topic,
)

SPEC = "3.1.0"
KAFKA_BINDING = "0.5.0"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"

Document = dict[str, Any]

DESCRIPTION = """\
Everything that perptape's processes say to one another, and to anybody else, over Kafka or the
embedded log. Records are JSON. Prices and quantities are integers on a decimal grid (`tick` and
`lot`, carried as decimal text beside them), times integer microseconds UTC.

Order holds inside a partition. The partition of a key is Kafka's default,
`toPositive(murmur2(key)) % partitions`. Delivery is at least once: outputs carry an identity and a
`revision`, of two records of one identity the higher revision counts. A record's timestamp is the
time of the event.

Fields, and values at the end of fixed structures, may be added within `v1`: leave out what you do
not know. A field is never removed, renamed or given another meaning, type or unit; that is a new
topic with the next number. Vocabularies are closed: a record with a word that its reader does not
know is refused, so readers are upgraded before writers.
"""

_KEYS: dict[str, Document] = {
    "asset": {
        "type": "string",
        "description": "The base coin; empty in a few records on quality that concern none.",
        "examples": ["BTC"],
    },
    "venue:symbol": {
        "type": "string",
        "pattern": "^[^:]+:.+$",
        "examples": ["okx:BTC-USDT-PERP"],
    },
    "origin": {
        "type": "string",
        "description": "`venue/feed` for a frame, `topic/partition/offset` for a record.",
        "examples": ["bybit/bybit.linear", "md.norm.trades.v1/7/1201"],
    },
    "log": {"type": "string", "const": "log"},
    "partition, or partition/part": {
        "type": "string",
        "description": "The partition alone: this is the head of its state.",
        "pattern": "^[0-9]+$",
        "examples": ["7"],
    },
}


@dataclass(frozen=True)
class Process:
    """One kind of process: what it writes and what it reads."""

    name: str
    sends: tuple[Topic, ...]
    receives: tuple[Topic, ...] = ()


COMPUTED = tuple(topic for topic in TOPICS.values() if topic.name.startswith("md.flow."))
"""What operators make: all of it is stored."""

PROCESSES = (
    Process("topics", sends=(EPOCHS,), receives=(EPOCHS,)),
    Process(
        "collectors",
        sends=(TRADES, BOOKS, LIQUIDATIONS, TICKERS, INSTRUMENTS, QUALITY, DEADLETTER),
        receives=(EPOCHS,),
    ),
    Process(
        "processors",
        sends=(*COMPUTED, ALERTS, QUALITY, DEADLETTER, SNAPSHOTS),
        receives=(EPOCHS, TRADES, BOOKS, LIQUIDATIONS, TICKERS, SNAPSHOTS),
    ),
    Process(
        "sinks",
        sends=(DEADLETTER,),
        receives=(
            *(EPOCHS, TRADES, BOOKS, LIQUIDATIONS, TICKERS, INSTRUMENTS),
            *COMPUTED,
            *(ALERTS, QUALITY),
        ),
    ),
)
"""`topics` is the command that makes the topics on a cluster, `perptape topics apply`."""


def asyncapi(version: str) -> Document:
    """Return the document.

    Args:
        version: of perptape.
    """
    return {
        "asyncapi": SPEC,
        "info": {
            "title": "perptape",
            "version": version,
            "description": DESCRIPTION,
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {name: _channel(topic) for name, topic in sorted(TOPICS.items())},
        "operations": dict(sorted(_operations())),
    }


def _channel(topic: Topic) -> Document:
    messages = {topic.schema_name: _message(topic)}
    description = topic.about
    if topic is SNAPSHOTS:
        messages[SNAPSHOT_PART_SCHEMA] = _part(topic)
        description += " In the partition that it is about, whatever its key."
    if topic.cleanup == "compact":
        description += " The newest record of a key counts; one without a value removes the key."
    return {
        "address": topic.name,
        "title": topic.name,
        "description": description,
        "messages": messages,
        "bindings": {"kafka": _binding(topic)},
    }


def _binding(topic: Topic) -> Document:
    settings: Document = {"cleanup.policy": [topic.cleanup]}
    if topic.retention_seconds is not None:
        settings["retention.ms"] = topic.retention_seconds * 1000
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": settings,
        "bindingVersion": KAFKA_BINDING,
    }


def _message(topic: Topic) -> Document:
    key = _KEYS.get(topic.key, {"type": "string", "description": topic.key})
    headers = {name: value.decode() for name, value in topic.headers("perptape/0.1.0")}
    return {
        "name": topic.schema_name,
        "title": topic.record.__name__,
        "summary": summary(topic.record),
        "contentType": CONTENT_TYPE,
        "headers": _headers(topic.headers("")),
        "payload": {
            "schemaFormat": SCHEMA_FORMAT,
            "schema": {"$ref": file_name(topic.schema_name)},
        },
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}},
        "examples": [
            {"summary": shown, "headers": headers, "payload": payload}
            for shown, payload in examples.load(topic.schema_name).items()
        ],
    }


def _headers(written: Iterable[tuple[str, bytes]]) -> Document:
    fixed = {name: {"type": "string", "const": value.decode()} for name, value in written if value}
    producer = {
        "type": "string",
        "pattern": "^perptape/.+$",
        "description": "Who wrote it, and of which version it was.",
    }
    return {
        "type": "object",
        "description": "Nothing needed for processing is here alone.",
        "properties": {**fixed, "producer": producer},
    }


def _part(topic: Topic) -> Document:
    """Describe the pieces that a head refers to: they are no records of the registry."""
    return {
        "name": SNAPSHOT_PART_SCHEMA,
        "title": "Part of a state",
        "summary": "A piece of the state that does not change any more, kept beside the head.",
        "description": "Its form is known to the code of the head's `code_version` only.",
        "contentType": CONTENT_TYPE,
        "headers": _headers(topic.headers("", SNAPSHOT_PART_SCHEMA)),
        "payload": {},
        "bindings": {
            "kafka": {
                "key": {
                    "type": "string",
                    "pattern": "^[0-9]+/.+$",
                    "examples": ["7/DOGE/cvd/okx:DOGE-USDT-PERP/29921153"],
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operations() -> list[tuple[str, Document]]:
    return [
        (f"{process.name}.{action}.{topic.name}", _operation(process, action, topic))
        for process in PROCESSES
        for action, topics in (("send", process.sends), ("receive", process.receives))
        for topic in topics
    ]


def _operation(process: Process, action: str, topic: Topic) -> Document:
    channel = f"#/channels/{topic.name}"
    names = [topic.schema_name, *([SNAPSHOT_PART_SCHEMA] if topic is SNAPSHOTS else [])]
    return {
        "action": action,
        "channel": {"$ref": channel},
        "tags": [{"name": process.name}],
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in names],
    }
