"""What must not change what all operators together say: order, batches, crashes."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from processors.engine import Engine
from schemas.lineage import DerivedHeader
from schemas.trades import BatchHeader, TradeBatch
from tests.processors.builders import SECOND
from tests.processors.seconds.market import BYBIT, Market, Record, in_turn
from tests.processors.test_toolkit import PARAMS, TOPIC, Run
from tests.property.test_processors import split

MARKET = Market(130, outages=[(BYBIT, "books", 60, 71)])
MOST_US = 2 * SECOND - 1


def said(run: Run) -> list[tuple[str, bytes]]:
    """Return what operators over seconds have sent, offsets aside."""
    return [
        (one.topic, msgspec.json.encode(msgspec.structs.replace(one.record, inputs=[])))
        for one in run.outputs
        if isinstance(one.record, DerivedHeader)
    ]


def with_trades(trades: Sequence[BatchHeader], logs: dict[str, list[BatchHeader]]) -> list[Record]:
    """Return all records in the order of their receipt, trades in the order given."""
    records = in_turn(logs | {"trades": []})
    found: list[Record] = []
    waiting = list(trades)
    now_us = 0
    for record in records:
        while waiting and waiting[0].receive_time_us <= record[1].receive_time_us:
            now_us = max(now_us, waiting[0].receive_time_us)
            found.append(("trades", waiting.pop(0)))
        found.append(record)
    return [*found, *(("trades", batch) for batch in waiting)]


@pytest.mark.parametrize("seed", range(2))
def test_other_batches_of_the_same_trades_change_no_output(seed: int) -> None:
    logs = MARKET.logs()
    trades = [one for one in logs["trades"] if isinstance(one, TradeBatch)]
    pieces = split(_of_own_sessions(trades), random.Random(seed))
    wanted = said(Run().feed(with_trades(_of_own_sessions(trades), logs)))

    assert len(pieces) > len(trades) * 1.3
    assert len(wanted) > 500
    assert said(Run().feed(with_trades(pieces, logs))) == wanted


def _of_own_sessions(trades: Sequence[TradeBatch]) -> list[TradeBatch]:
    """Name sessions by instrument: the market calls the sessions of all instruments alike."""
    return [
        msgspec.structs.replace(one, session=f"{one.venue}/{one.symbol}/{one.session}")
        for one in trades
    ]


@pytest.mark.parametrize("seed", range(3))
def test_trades_that_arrive_up_to_two_seconds_out_of_order_change_no_output(seed: int) -> None:
    """Definitions 5.14, parity (c).

    The first and the last ones keep their places, so that all logs begin and end alike.
    """
    logs = MARKET.logs()
    chance = random.Random(seed)
    times = [one.receive_time_us for one in logs["trades"]]
    moving = range(times[0] + 15 * SECOND, times[-1] - 6 * SECOND)

    def place(batch: BatchHeader) -> int:
        if batch.receive_time_us in moving:
            return batch.receive_time_us + chance.randrange(MOST_US)
        return batch.receive_time_us + (MOST_US if batch.receive_time_us > moving[0] else 0)

    wanted = said(Run().feed(with_trades(logs["trades"], logs)))
    moved = sorted(logs["trades"], key=place)
    assert moved != logs["trades"]
    found = said(Run().feed(with_trades(moved, logs)))
    both = min(len(wanted), len(found))
    assert both > 500
    assert found[:both] == wanted[:both]


@pytest.mark.parametrize("seed", range(3))
def test_a_crash_after_parts_were_written_ahead_changes_no_output(seed: int) -> None:
    """The head is older than the parts: what follows it is read again, and said again alike."""
    records = in_turn(MARKET.logs())
    chance = random.Random(seed)
    wanted = Run().feed(records).derived()
    run, first, crashes = Run(), 0, 0
    while first < len(records):
        until = first + chance.randrange(20, 300)
        run.feed(records[first:until])
        head, parts = run.engine.snapshot()
        run.parts |= parts
        if chance.random() < 0.5:
            lost = Run()
            lost.engine = run.engine
            again = lost.feed(records[until : until + 40]).derived()
            run.parts |= run.engine.snapshot()[1]
            run.engine = Engine(PARAMS, 1)
            run.engine.restore(head, run.parts)
            before = len(run.derived())
            run.feed(records[until : until + 40])
            assert run.derived()[before:] == again
            until += 40
            crashes += 1
        first = until
    assert crashes > 2
    assert run.derived() == wanted


def test_every_topic_is_read() -> None:
    assert set(TOPIC) == set(MARKET.logs())
