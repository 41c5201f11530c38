"""The published documents: whole, consistent, and as the registry and the code are."""

import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]

from collectors.outbox.outbox import TOPIC_OF_BATCH
from schemas.documents import documents
from schemas.documents.asyncapi import PROCESSES, asyncapi
from schemas.documents.fields import CODES
from schemas.documents.json_schema import file_name, json_schema
from schemas.documents.writer import WIDTH, render
from schemas.ops import SNAPSHOT_PART_SCHEMA
from schemas.topics import CONTENT_TYPE, SNAPSHOTS, TOPICS, Topic
from sinks.clickhouse.batches import SPLITTERS

COMMITTED = Path(__file__).parents[2] / "schemas" / "generated"
VERSION = importlib.metadata.version("perptape")
FILES = documents(VERSION)
ASYNCAPI = asyncapi(VERSION)
EACH_TOPIC = pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.schema_name)

DURATIONS = {
    "clock_skew_us", "interval_us", "lag_p50_us", "lag_p99_us", "clock_offset_us",
    "watermark_lag_us", "crossed_us", "invalid_us",
    "path_resolution_us",
    "age_us", "index_age_us", "interest_age_us", "mark_age_us", "oldest_age_us",
}  # fmt: skip


def described(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every field and every place of a row with its description."""
    if isinstance(value, list):
        for item in value:
            yield from described(item)
    elif isinstance(value, dict):
        for name, field in value.get("properties", {}).items():
            yield name, field.get("description", "")
        for place in value.get("prefixItems", []):
            yield place.get("title", ""), place.get("description", "")
        for item in value.values():
            yield from described(item)


def texts(value: Any, key: str) -> Iterator[str]:
    """Yield every text under a key, however deep."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            yield from texts(item, key)
    if isinstance(value, dict) and isinstance(value.get(key), str):
        yield value[key]


def at(document: Any, pointer: str) -> Any:
    for step in pointer.removeprefix("#/").split("/"):
        document = document[step]
    return document


def test_what_is_committed_is_what_is_generated() -> None:
    committed = {
        path.relative_to(COMMITTED).as_posix(): path.read_text(encoding="utf-8")
        for path in COMMITTED.rglob("*")
        if path.is_file()
    }
    assert sorted(committed) == sorted(FILES)
    different = [name for name, text in FILES.items() if committed[name] != text]
    assert not different, "run `perptape schema export`"


# --- JSON Schema


@EACH_TOPIC
def test_a_schema_is_one_and_names_itself_with_its_version(topic: Topic) -> None:
    schema = json.loads(FILES[file_name(topic.schema_name)])
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["$id"] == f"urn:perptape:schema:{topic.schema_name}"
    assert schema["title"] == topic.record.__name__
    assert "    " not in schema["description"]
    for pointer in texts(schema, "$ref"):
        assert at(schema, pointer)


@EACH_TOPIC
def test_every_field_with_a_unit_in_its_name_says_it_in_words(topic: Topic) -> None:
    unit = re.compile(r"_(us|ms|seconds|bytes|bp|ticks|lots|cents)$")
    fields = list(described(json_schema(topic.record, topic.schema_name)))
    assert not [name for name, words in fields if unit.search(name) and not words]


def test_points_in_time_and_lengths_of_time_are_told_apart() -> None:
    found: dict[str, set[str]] = {}
    for topic in TOPICS.values():
        for name, words in described(json_schema(topic.record, topic.schema_name)):
            if name.endswith("_us"):
                found.setdefault(words, set()).add(name)
    assert set(found) == {"Microseconds since 1970-01-01 UTC.", "Microseconds."}
    assert found["Microseconds."] == DURATIONS


def test_every_code_that_is_explained_exists() -> None:
    found = set()
    for topic in TOPICS.values():
        schema = json_schema(topic.record, topic.schema_name)
        for title, row in schema.get("$defs", {}).items():
            places = [place.get("title") for place in row.get("prefixItems", [])]
            found |= {f"{title}.{name}" for name in [*row.get("properties", {}), *places]}
    assert set(CODES) <= found


@pytest.mark.parametrize(
    ("schema_name", "row", "names"),
    [
        ("trades.v1", "TradeRow", "event_time_us price_ticks qty_lots side trade_id flags"),
        ("books.v1", "BookLevel", "price_ticks qty_lots"),
        (
            "books.v1",
            "BookBand",
            "half_width_bp bid_lots ask_lots bid_tick_lots ask_tick_lots coverage",
        ),
        ("books.v1", "TopChange", "event_time_us bid_ticks bid_lots ask_ticks ask_lots"),
        (
            "liquidations.v1",
            "LiquidationRow",
            "event_time_us price qty_lots liquidated_side occurrence flags",
        ),
        (
            "footprint.v1",
            "Row",
            "row_ticks sell_lots buy_lots unknown_lots trades_sell trades_buy sell_usd_cents "
            "buy_usd_cents marks agree_buy agree_sell",
        ),
        ("cvd.v1", "Cumulative", "delta_lots delta_usd_cents volume_lots volume_usd_cents"),
        ("cvd.v1", "InputRange", "topic partition first_offset last_offset"),
        (
            "liquidation_levels.v1",
            "LevelRow",
            "row_ticks side est_usd_cents low_usd_cents high_usd_cents since_us",
        ),
        (
            "trapped.v1",
            "TrappedRow",
            "row_ticks side est_usd_cents loss_usd_cents share since_us",
        ),
        ("context.v1", "InterestChange", "window_seconds start_lots change_lots change venues"),
        (
            "context.v1",
            "PriceQuadrant",
            "window_seconds quadrant price_change_bp atr_bp reference",
        ),
    ],
)
def test_the_places_of_a_row_have_names(schema_name: str, row: str, names: str) -> None:
    definition = json.loads(FILES[file_name(schema_name)])["$defs"][row]
    assert definition["type"] == "array"
    assert [place["title"] for place in definition["prefixItems"]] == names.split()


def test_every_row_of_every_record_has_names_but_for_counts_by_age() -> None:
    nameless = [
        (topic.schema_name, name)
        for topic in TOPICS.values()
        for name, schema in json_schema(topic.record, topic.schema_name).get("$defs", {}).items()
        for place in [schema, *schema.get("properties", {}).values()]
        if any("title" not in item for item in place.get("prefixItems", []))
    ]
    assert nameless == [("quality.v1", "FeedSummary")]


# --- AsyncAPI


def test_every_topic_is_a_channel_as_it_is_made_on_a_cluster() -> None:
    assert set(ASYNCAPI["channels"]) == set(TOPICS)
    for name, topic in TOPICS.items():
        binding = ASYNCAPI["channels"][name]["bindings"]["kafka"]
        config = binding["topicConfiguration"]
        kept = topic.retention_seconds
        assert (binding["topic"], binding["partitions"]) == (name, topic.partitions)
        assert config["cleanup.policy"] == [topic.cleanup]
        assert config.get("retention.ms") == (None if kept is None else kept * 1000)


def test_every_reference_leads_somewhere() -> None:
    references = set(texts(ASYNCAPI, "$ref"))
    assert len(references) > 3 * len(TOPICS)
    for reference in references:
        assert at(ASYNCAPI, reference) if reference.startswith("#/") else reference in FILES


@EACH_TOPIC
def test_a_message_says_what_is_in_its_topic(topic: Topic) -> None:
    messages = ASYNCAPI["channels"][topic.name]["messages"]
    message = messages[topic.schema_name]
    payload = message["payload"]
    assert payload["schemaFormat"].startswith("application/schema+json")
    assert payload["schema"] == {"$ref": file_name(topic.schema_name)}
    assert set(messages) == {topic.schema_name} | (
        {SNAPSHOT_PART_SCHEMA} if topic is SNAPSHOTS else set()
    )
    assert message["examples"]
    headers = Draft7Validator(message["headers"])
    written = {name: value.decode() for name, value in topic.headers(f"perptape/{VERSION}")}
    assert headers.is_valid(written)
    assert not headers.is_valid({**written, "schema": "other.v1"})
    assert all(headers.is_valid(example["headers"]) for example in message["examples"])


@EACH_TOPIC
def test_the_schema_of_a_key_is_kept_by_its_examples(topic: Topic) -> None:
    for message in ASYNCAPI["channels"][topic.name]["messages"].values():
        key = message["bindings"]["kafka"]["key"]
        Draft7Validator.check_schema(key)
        assert "const" in key or key["examples"], "tell what the keys of this topic are"
        assert all(Draft7Validator(key).is_valid(example) for example in key.get("examples", []))


def test_what_the_processes_send_and_receive_is_what_the_code_does() -> None:
    by_name = {process.name: process for process in PROCESSES}
    assert {topic.name for process in PROCESSES for topic in process.sends} == set(TOPICS)
    assert set(TOPIC_OF_BATCH.values()) < set(by_name["collectors"].sends)
    stored = {topic.name for topic in by_name["sinks"].receives}
    assert set(SPLITTERS) <= stored
    for process in PROCESSES:
        for action, topics in (("send", process.sends), ("receive", process.receives)):
            for topic in topics:
                operation = ASYNCAPI["operations"][f"{process.name}.{action}.{topic.name}"]
                assert operation["action"] == action
                assert at(ASYNCAPI, operation["channel"]["$ref"])["address"] == topic.name


# --- headers


@EACH_TOPIC
def test_the_headers_of_a_record_name_schema_type_and_writer(topic: Topic) -> None:
    headers = topic.headers("perptape/1.2.3")
    assert headers == (
        ("schema", topic.schema_name.encode()),
        ("content-type", b"application/json"),
        ("producer", b"perptape/1.2.3"),
    )
    assert topic.headers("perptape/1.2.3") is headers
    other = topic.headers("perptape/1.2.3", "other.v1")
    assert other == (("schema", b"other.v1"), *headers[1:])
    assert CONTENT_TYPE == "application/json"


@EACH_TOPIC
def test_the_schema_name_of_a_topic_is_the_one_that_its_records_have(topic: Topic) -> None:
    schema = json_schema(topic.record, topic.schema_name)["properties"]["schema"]
    assert schema.get("default", topic.schema_name) == topic.schema_name
    assert topic.schema_name[-3:] == topic.name[-3:]


# --- the writer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=6),
    max_leaves=60,
)  # fmt: skip


@settings(deadline=None, derandomize=True)
@given(JSON)
def test_what_is_written_reads_as_it_was(value: Any) -> None:
    text = render(value)
    assert json.loads(text) == value
    assert text.endswith("\n")


def test_what_fits_on_a_line_is_on_one() -> None:
    row = list(range(20))
    assert render({"rows": [row, row]}).splitlines()[2:4] == [f"    {row},", f"    {row}"]
    lines = render({"rows": [list(range(100))]}).splitlines()
    assert len(lines) > 100
    assert max(map(len, lines)) <= WIDTH
