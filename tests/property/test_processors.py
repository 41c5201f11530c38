"""What must not change the final records: how trades are batched, when they arrive, restarts."""

import random
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from processors.engine import Engine
from processors.operator import Output
from schemas.market import FeedState
from schemas.topics import TRADES
from schemas.trades import TradeBatch
from tests.processors.builders import (
    ALL,
    BINANCE,
    BYBIT,
    HYPERLIQUID,
    MINUTE,
    NOON,
    PARAMS,
    SECOND,
    Market,
    Runner,
    finals,
)

MIDNIGHT = NOON + 12 * 60 * MINUTE
FEW = (BINANCE, BYBIT, HYPERLIQUID, ALL[-1])
SLOW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def markets(draw: st.DrawFn, /, **fixed: object) -> Market:
    market = Market(
        seed=draw(st.integers(0, 10**6)),
        instruments=tuple(draw(st.sets(st.sampled_from(FEW), min_size=1))),
        start_us=draw(st.sampled_from((NOON, MIDNIGHT - MINUTE, NOON - 61 * SECOND))),
        seconds=draw(st.integers(100, 220)),
        rate=draw(st.sampled_from((0.1, 1.0, 3.0))),
        late=draw(st.sampled_from((0.0, 0.03))),
        repeat=draw(st.sampled_from((0.0, 0.1))),
        hole=draw(st.sampled_from((0.0, 0.01))),
        drop_batch=draw(st.sampled_from((0.0, 0.01))),
    )
    ordered = tuple(sorted(market.instruments, key=lambda of: of.name))
    return market.but(instruments=ordered).but(**fixed)


def split(batches: Iterable[TradeBatch], source: random.Random) -> list[TradeBatch]:
    """Cut batches in two; the first piece has the watermark of the batch before."""
    replace = msgspec.structs.replace
    found: list[TradeBatch] = []
    before: dict[str, TradeBatch] = {}
    shift: dict[str, int] = defaultdict(int)
    for batch in batches:
        earlier = before.get(batch.session)
        before[batch.session] = batch
        adjacent = earlier is not None and earlier.sequence == batch.sequence - 1
        batch = replace(batch, sequence=batch.sequence + shift[batch.session])
        if earlier is not None and adjacent and len(batch.rows) > 1 and source.random() < 0.5:
            cut = source.randrange(1, len(batch.rows))
            head = replace(batch, rows=batch.rows[:cut], watermark_us=earlier.watermark_us)
            batch = replace(batch, rows=batch.rows[cut:], sequence=batch.sequence + 1)
            shift[batch.session] += 1
            found.append(head)
        found.append(batch)
    return found


@SLOW
@given(market=markets(), seed=st.integers(0, 1000))
def test_splitting_batches_changes_no_final_record(market: Market, seed: int) -> None:
    batches = market.batches()
    pieces = split(batches, random.Random(seed))

    assert finals(Runner().feed(pieces).outputs) == finals(Runner().feed(batches).outputs)


@SLOW
@given(market=markets(late=0.0, hole=0.0), seed=st.integers(0, 1000))
def test_order_of_arrival_within_the_lateness_changes_no_final_record(
    market: Market, seed: int
) -> None:
    """Batches change places with any others that were received less than a second apart.

    The last ones stay where they are, so that every log ends at the same time.
    """
    batches = market.batches()
    source = random.Random(seed)
    end = batches[-1].receive_time_us - 5 * SECOND
    moved = sorted(
        batches,
        key=lambda b: (
            b.receive_time_us
            + (source.randrange(SECOND) if b.receive_time_us < end else 2 * SECOND)
        ),
    )

    assert finals(Runner().feed(moved).outputs) == finals(Runner().feed(batches).outputs)


def test_batches_of_two_sessions_may_arrive_interleaved() -> None:
    batches = Market(seed=3, instruments=FEW, seconds=300, hole=0.01).batches()
    moved = list(batches)
    swapped = 0
    for index in range(len(moved) - 1):
        one, two = moved[index], moved[index + 1]
        close = two.receive_time_us - one.receive_time_us < SECOND // 2
        down = FeedState.DOWN in {one.feed_state, two.feed_state}
        if close and one.session != two.session and not down:
            moved[index], moved[index + 1] = two, one
            swapped += 1

    assert swapped > 50
    assert finals(Runner().feed(moved).outputs) == finals(Runner().feed(batches).outputs)


def with_restarts(
    batches: list[TradeBatch], every: Iterable[int], *, lost: int = 0
) -> tuple[list[Output], int]:
    """Run with a snapshot and a restart at each of these records; `lost` ones are read again."""
    engine, sizes = Engine(PARAMS, 1), 0
    parts: dict[str, bytes] = {}
    outputs: list[Output] = []
    points = set(every)
    for offset, batch in enumerate(batches):
        value = msgspec.json.encode(batch)
        outputs += engine.process(TRADES.name, 0, offset, value)
        if offset in points:
            head, fresh = engine.snapshot()
            sizes = max(sizes, len(head))
            parts |= fresh
            for later in range(offset + 1, min(offset + 1 + lost, len(batches))):
                engine.process(TRADES.name, 0, later, msgspec.json.encode(batches[later]))
            _, ahead = engine.snapshot()
            parts |= ahead
            parts = {name: part for name, part in parts.items() if engine.keeps(name)}
            engine = Engine(PARAMS, 1)
            engine.restore(head, parts)
    return outputs, sizes


@SLOW
@given(market=markets(), points=st.sets(st.integers(0, 600), max_size=6))
def test_a_restart_anywhere_continues_byte_for_byte(market: Market, points: set[int]) -> None:
    batches = market.batches()
    outputs, _ = with_restarts(batches, points)
    encode = msgspec.json.encode

    assert [encode(output) for output in outputs] == [
        encode(output) for output in Runner().feed(batches).outputs
    ]


@pytest.mark.parametrize("start_us", [NOON - 3 * MINUTE, MIDNIGHT - 3 * MINUTE])
def test_many_restarts_over_an_hour_and_a_day_with_late_trades_into_archived_minutes(
    start_us: int,
) -> None:
    market = Market(
        seed=9, start_us=start_us, seconds=310, rate=2.0, late=0.05, repeat=0.05, hole=0.002
    )
    batches = market.batches()
    outputs, size = with_restarts(batches, range(100, len(batches), 131), lost=20)
    encode = msgspec.json.encode

    assert [encode(output) for output in outputs] == [
        encode(output) for output in Runner().feed(batches).outputs
    ]
    assert size < 2_000_000
