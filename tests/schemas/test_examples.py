"""The published examples: read by our decoders, in keeping with the schemas, and complete."""

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas import examples
from schemas.documents.json_schema import json_schema
from schemas.footprints import FootprintBar
from schemas.topics import TOPICS, Topic
from tests.schemas.walk import branches, branches_taken, choice_of, choices, nodes, put

RECORDS = [
    pytest.param(topic, record, id=f"{topic.schema_name}-{at}")
    for topic in TOPICS.values()
    for at, record in enumerate(examples.load(topic.schema_name).values())
]
ALWAYS_FINAL = {
    "cvd_structure.v1",
    "imbalance.v1",
    "heatmap.v1",
}
"""Records that are sent once they are final: `is_final` is there for what is common to all."""
EACH_TOPIC = pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.schema_name)


@cache
def schema_of(topic: Topic) -> dict[str, Any]:
    return json_schema(topic.record, topic.schema_name)


@cache
def validator(topic: Topic) -> Any:
    return Draft202012Validator(schema_of(topic))


def is_read(topic: Topic, record: object) -> bool:
    try:
        msgspec.json.decode(json.dumps(record), type=topic.record)
    except msgspec.ValidationError:
        return False
    return True


def test_there_are_examples_of_every_record_and_of_nothing_else() -> None:
    files = {file.name for file in resources.files(examples).iterdir()} - {"__pycache__"}
    assert files == {f"{topic.schema_name}.json" for topic in TOPICS.values()} | {"__init__.py"}


@pytest.mark.parametrize(("topic", "record"), RECORDS)
def test_an_example_is_read_and_written_again_as_it_was(topic: Topic, record: object) -> None:
    read = msgspec.json.decode(json.dumps(record), type=topic.record)
    assert json.loads(msgspec.json.encode(read)) == record


@pytest.mark.parametrize(("topic", "record"), RECORDS)
def test_an_example_is_as_its_schema_says(topic: Topic, record: object) -> None:
    errors = [error.message for error in validator(topic).iter_errors(record)]
    assert not errors


@EACH_TOPIC
def test_the_examples_of_a_record_show_everything_that_it_can_be(topic: Topic) -> None:
    schema = schema_of(topic)
    taken = {
        branch
        for record in examples.load(topic.schema_name).values()
        for branch in branches_taken(schema, record)
    }
    wanted = set(branches(schema, schema))
    if topic.schema_name in ALWAYS_FINAL:
        wanted.remove("/is_final: not the default")
    assert sorted(wanted - taken) == []


def mutations(topic: Topic) -> Iterator[tuple[str, Any]]:
    """Yield wrong records, one for each way in which one place of the schema can be wrong."""
    schema, seen = schema_of(topic), set()
    for record in examples.load(topic.schema_name).values():
        for node in nodes(schema, record):
            choice = choice_of(schema, node.schema, node.value)
            wrong = dict(_wrong(choice, node.value))
            if any(one.get("type") == "number" for one in choices(schema, node.schema)):
                wrong.pop("a fraction", None)
            if "pattern" in choice or "const" in choice:
                del wrong["another word"]
            for what, value in wrong.items():
                name = f"{node.place}: {what}"
                if name not in seen:
                    seen.add(name)
                    yield name, put(record, node.path, value)


def _wrong(choice: dict[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
    kind = choice.get("type")
    if kind in ("integer", "number", "boolean", "string", "null"):
        yield "a list", ["wrong"]
    elif kind is not None:
        yield "a text", "wrong"
    if kind == "integer":
        yield "a fraction", 1.5
    if "enum" in choice or kind == "string":
        yield "another word", "nonsense" if "enum" in choice else 7.5
    if choice.get("items") is False:
        yield "one value too many", [*value, 0]
    if "minItems" in choice:
        yield "a value too few", value[: choice["minItems"] - 1]
    for name in choice.get("required", []):
        yield f"no {name}", {key: kept for key, kept in value.items() if key != name}


@EACH_TOPIC
def test_a_wrong_record_is_refused_by_schema_and_decoder_alike(topic: Topic) -> None:
    wrong = list(mutations(topic))
    assert len(wrong) >= 10
    accepted = [name for name, record in wrong if validator(topic).is_valid(record)]
    read = [name for name, record in wrong if is_read(topic, record)]
    assert (accepted, read) == ([], [])


@EACH_TOPIC
def test_what_a_newer_minor_version_adds_is_accepted_by_schema_and_decoder_alike(
    topic: Topic,
) -> None:
    schema = schema_of(topic)
    for record in examples.load(topic.schema_name).values():
        for node in nodes(schema, record):
            choice = choice_of(schema, node.schema, node.value)
            newer: dict[str, Any] | list[Any] | None = None
            if "properties" in choice:
                newer = {**node.value, "new_field": [1]}
            elif "prefixItems" in choice and "items" not in choice:
                newer = [*node.value, 1]
            if newer is not None:
                changed = put(record, node.path, newer)
                assert validator(topic).is_valid(changed), node.place
                assert is_read(topic, changed), node.place


@EACH_TOPIC
def test_a_schema_is_for_one_major_version(topic: Topic) -> None:
    record = next(iter(examples.load(topic.schema_name).values()))
    assert record["schema"] == topic.schema_name
    assert not validator(topic).is_valid({**record, "schema": topic.schema_name[:-1] + "2"})


@pytest.mark.parametrize("text", ["1e-5", "", ".5", "1.", "+1", "inf", " 1", "1,5", "٣"])
def test_a_schema_wants_plain_decimal_text(text: str) -> None:
    topic = TOPICS["md.norm.tickers.v1"]
    record = next(iter(examples.load(topic.schema_name).values()))
    for name in ("mark_price", "funding_rate", "open_interest"):
        assert validator(topic).is_valid({**record, name: "-0.00001"})
        assert not validator(topic).is_valid({**record, name: text})


@pytest.mark.parametrize("record", examples.load("footprint.v1").values())
def test_the_rows_of_an_example_bar_sum_up_to_the_bar(record: object) -> None:
    bar = msgspec.json.decode(json.dumps(record), type=FootprintBar)
    rows = bar.rows
    assert sum(row.buy_lots for row in rows) == bar.buy_lots
    assert sum(row.sell_lots for row in rows) == bar.sell_lots
    assert sum(row.unknown_lots for row in rows) == bar.unknown_lots
    assert sum(row.trades_buy for row in rows) == bar.trades_buy
    assert sum(row.trades_sell for row in rows) == bar.trades_sell
    assert bar.delta_lots == bar.buy_lots - bar.sell_lots
    assert [row.row_ticks for row in rows] == sorted({row.row_ticks for row in rows})
