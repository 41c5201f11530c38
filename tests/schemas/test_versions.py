"""What becomes of records that a newer version of us wrote: read as far as they are known."""

import json
from typing import Any

import msgspec
import pytest

from processors.asset import EngineParams
from processors.engine import Engine
from processors.operator import Output
from processors.trades import CheckedBatch
from schemas import examples
from schemas.ops import DeadLetter
from schemas.topics import TOPICS, TRADES
from schemas.trades import TradeBatch

BATCH = next(iter(examples.load(TRADES.schema_name).values()))


def worked_off(record: dict[str, Any]) -> list[Output]:
    engine = Engine(EngineParams(), epoch=1)
    return engine.process(TRADES.name, 3, 7, json.dumps(record).encode())


def dead_letter(record: dict[str, Any]) -> DeadLetter:
    (output,) = worked_off(record)
    assert isinstance(output.record, DeadLetter)
    return output.record


def encoded(outputs: list[Output]) -> list[bytes]:
    return [msgspec.json.encode(output.record) for output in outputs]


def test_a_batch_of_the_next_major_version_is_a_dead_letter_that_says_so() -> None:
    letter = dead_letter({**BATCH, "schema": "trades.v2"})
    assert letter.reason == "unknown_schema"
    assert letter.detail == "expected schema trades.v1, was trades.v2"
    assert json.loads(letter.payload)["schema"] == "trades.v2"


@pytest.mark.parametrize("decoder", [TradeBatch, CheckedBatch], ids=lambda type_: type_.__name__)
def test_fields_that_are_not_known_are_ignored(decoder: type[TradeBatch]) -> None:
    newer = {"new_first": None, **BATCH, "new_last": {"rows": [1]}}
    read = msgspec.json.decode(json.dumps(newer), type=decoder)
    assert read == msgspec.json.decode(json.dumps(BATCH), type=decoder)


def test_a_batch_with_fields_that_are_not_known_has_the_same_outputs() -> None:
    newer = {"new_first": None, **BATCH, "new_last": {"rows": [1]}}
    outputs = worked_off(BATCH)
    assert outputs
    assert encoded(worked_off(newer)) == encoded(outputs)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rows": [[*BATCH["rows"][0], 0]]}, "rows"),
        ({"rows": [BATCH["rows"][0][:-1]]}, "rows"),
        ({"kind": "dated_future"}, "kind"),
        ({"feed_state": "dreaming"}, "feed_state"),
    ],
)
def test_what_may_not_change_within_a_version_is_refused_by_name(
    changes: dict[str, Any], named: str
) -> None:
    letter = dead_letter({**BATCH, **changes})
    assert letter.reason == "unreadable_record"
    assert named in letter.detail


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.schema_name)
def test_a_field_with_a_default_may_be_absent_as_in_a_record_of_an_older_version(
    topic: Any,
) -> None:
    for record in examples.load(topic.schema_name).values():
        optional = {
            field.name for field in msgspec.structs.fields(topic.record) if not field.required
        }
        older = {name: value for name, value in record.items() if name not in optional}
        read = msgspec.json.decode(json.dumps(older), type=topic.record)
        written = json.loads(msgspec.json.encode(read))
        assert {name: written[name] for name in older} == older
