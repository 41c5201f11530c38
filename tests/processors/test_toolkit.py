"""All operators together, in an engine that is fed all topics."""

import random
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from processors.alerts.parse import default_rules
from processors.alerts.rules import AlertParams, AlertRule, Comparison
from processors.asset import EngineParams
from processors.engine import Engine
from processors.operator import Output
from schemas.context import MarketContext
from schemas.lineage import DerivedHeader
from schemas.ops import DeadLetter
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS, TRADES
from schemas.trades import BatchHeader
from tests.processors.builders import NOON, SECOND, UNITS
from tests.processors.seconds.market import (
    BINANCE,
    BYBIT,
    Market,
    Record,
    book_batch,
    header,
    in_turn,
    interleaved,
    liquidation_batch,
)

RULES = AlertParams(
    rules=(
        *default_rules().rules,
        AlertRule(name="events", source="event", cooldown_seconds=5),
        AlertRule(name="clusters", source="cluster", allow_partial=True),
        AlertRule(
            name="mid",
            source="imbalance",
            field="instruments.mid_ticks",
            comparison=Comparison.ABOVE,
            threshold=6_000_000,
        ),
    )
)
PARAMS = EngineParams(units={"BTC": UNITS}, alerts=RULES)
TOPIC = {
    "trades": TRADES.name,
    "books": BOOKS.name,
    "liquidations": LIQUIDATIONS.name,
    "tickers": TICKERS.name,
}
MARKET = Market(150, outages=[(BYBIT, "books", 60, 71), (BINANCE, "trades", 90, 95)])


class Run:
    """An engine, and what it has sent."""

    def __init__(self) -> None:
        self.engine = Engine(PARAMS, 1)
        self.parts: dict[str, bytes] = {}
        self.outputs: list[Output] = []

    def feed(self, records: Iterable[Record]) -> "Run":
        for topic, batch in records:
            name = TOPIC[topic]
            offset = self.engine.next_offset(name)
            value = msgspec.json.encode(batch)
            self.outputs += self.engine.process(name, 0, offset, value)
        return self

    def restart(self) -> None:
        head, parts = self.engine.snapshot()
        self.parts |= parts
        self.engine = Engine(PARAMS, 1)
        self.engine.restore(head, self.parts)
        self.parts = {part: value for part, value in self.parts.items() if self.engine.keeps(part)}

    def derived(self) -> list[tuple[str, bytes]]:
        """Return what the operators over seconds have sent, in order."""
        return [
            (output.topic, msgspec.json.encode(output.record))
            for output in self.outputs
            if isinstance(output.record, DerivedHeader)
        ]

    def letters(self) -> list[DeadLetter]:
        return [o.record for o in self.outputs if isinstance(o.record, DeadLetter)]


def test_every_operator_says_something_of_a_market_in_all_topics() -> None:
    run = Run().feed(in_turn(MARKET.logs()))
    topics = {topic for topic, _ in run.derived()}
    assert {
        "md.flow.bars.v1",
        "md.flow.profiles.v1",
        "md.flow.imbalance.v1",
        "md.flow.heatmap.v1",
        "md.flow.liquidations.v1",
        "md.flow.context.v1",
        "md.flow.cvd_structure.v1",
        "md.ops.alerts.v1",
    } <= topics
    assert run.letters() == []


@pytest.mark.parametrize("seed", range(3))
def test_the_interleaving_of_the_topics_changes_no_output(seed: int) -> None:
    logs = MARKET.logs()
    wanted = Run().feed(in_turn(logs)).derived()
    found = Run().feed(interleaved(logs, seed)).derived()
    both = min(len(wanted), len(found))
    assert both > 500
    assert found[:both] == wanted[:both]


@pytest.mark.parametrize("seed", range(3))
def test_restarts_change_no_output(seed: int) -> None:
    records = in_turn(MARKET.logs())
    wanted = Run().feed(records).derived()
    chance, run = random.Random(seed), Run()
    for first in range(0, len(records), 50):
        run.feed(records[first : first + 50])
        if chance.random() < 0.3:
            run.restart()
    assert run.derived() == wanted


SAID = header(BINANCE, 0, 50_000, NOON + 40 * SECOND)

IMPOSSIBLE: Sequence[tuple[str, BatchHeader, str]] = (
    ("books", book_batch(SAID, NOON + 40 * SECOND, [(101, 1)], [(100, 1)]), "crossed book"),
    ("books", book_batch(SAID, 5, [(99, 1)], [(100, 1)]), "time 5 in a batch"),
    (
        "liquidations",
        liquidation_batch(SAID, [(4_102_444_800 * SECOND, "1", 1, 1, 0, 0)]),
        "time 4102444800000000",
    ),
    (
        "liquidations",
        liquidation_batch(SAID, [(NOON, "60000", 0, 1, 0, 0)]),
        "liquidation of 0 lots",
    ),
)


@pytest.mark.parametrize(("topic", "batch", "why"), IMPOSSIBLE, ids=[row[2] for row in IMPOSSIBLE])
def test_what_cannot_be_is_a_dead_letter_by_name_and_leaves_no_trace(
    topic: str, batch: BatchHeader, why: str
) -> None:
    records = in_turn(Market(60).logs())
    whole = Run().feed(records)
    run = Run().feed(records[:400]).feed([(topic, batch)]).feed(records[400:])
    (letter,) = run.letters()
    assert letter.reason == "unusable_batch"
    assert why in letter.detail
    without = [(name, value) for name, value in map(plain, whole.outputs) if name]
    assert [(name, value) for name, value in map(plain, run.outputs) if name] == without


@pytest.mark.parametrize(("interest", "why"), [("-5", "below_zero"), ("abc", "not_a_decimal")])
def test_a_ticker_with_fields_that_cannot_be_is_named_and_spoils_nothing_else(
    interest: str, why: str
) -> None:
    absurd = TickerBatch(
        schema=TICKERS_SCHEMA,
        stream="ticker",
        mark_price="60000",
        mark_time_us=NOON + 39 * SECOND,
        open_interest=interest,
        open_interest_time_us=NOON + 39 * SECOND,
        funding_rate="1000000000",
        funding_seen_us=5,
        **SAID,
    )
    records = in_turn(Market(130).logs())
    run = Run().feed(records[:600]).feed([("tickers", absurd)]).feed(records[600:])
    assert run.letters() == []
    refused = [
        instrument.refused
        for output in run.outputs
        if isinstance(output.record, MarketContext)
        for instrument in output.record.instruments
        if instrument.refused
    ]
    assert {"open_interest": why, "funding_rate": "beyond_one"} in refused


def plain(output: Output) -> tuple[str, object]:
    """Return an output without the offsets that it names, which a dead letter moves by one."""
    if not isinstance(output.record, DerivedHeader):
        return "", None
    return output.topic, msgspec.structs.replace(output.record, inputs=[])
