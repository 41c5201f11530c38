"""Fills of one order put together again (definitions 5.12, trap 23)."""

import random
from itertools import pairwise, repeat

from hypothesis import given
from hypothesis import strategies as st

from processors.measures.sweeps import Sweep, per_sweep, sweep
from processors.seconds.columns import Columns
from processors.trades import Trade, columns_of
from schemas.market import ANOTHER_ORDER
from tests.processors.builders import HYPERLIQUID, Stream
from tests.processors.seconds.builders import trade

P = 6_000_000


def starts(trades: list[Trade]) -> list[int]:
    return Columns(trades).sweeps


def sweeps(trades: list[Trade]) -> list[Sweep]:
    columns = Columns(trades)
    spans = map(columns.sweep_span, range(len(columns.sweeps)))
    return [sweep(trades[first:end]) for first, end in spans]


def test_fills_of_one_millisecond_side_and_id_range_are_one_sweep() -> None:
    fills = [
        trade(0, P + level, 2, at_us=5000, rank=rank) for rank, level in enumerate((0, 1, 1, 3), 7)
    ]
    [found] = sweeps(fills)
    assert (found.qty, found.fills, found.levels) == (8, 4, 3)
    assert found.notional == 2 * (4 * P + 5)
    assert (found.first_price, found.last_price) == (P, P + 3)
    assert (found.low, found.high) == (P, P + 3)
    assert (found.first_rank, found.last_rank) == (7, 10)


def test_another_millisecond_side_or_a_missing_id_begins_another() -> None:
    one = trade(0, P, 1, at_us=5000, rank=1)
    assert starts([one, trade(0, P, 1, at_us=5999, rank=2)]) == [0]
    assert starts([one, trade(0, P, 1, at_us=6000, rank=2)]) == [0, 1]
    assert starts([one, trade(0, P, 1, -1, at_us=5000, rank=2)]) == [0, 1]
    assert starts([one, trade(0, P, 1, at_us=5000, rank=3)]) == [0, 1]
    assert starts([]) == []


def test_a_batch_goes_on_where_the_one_before_ended() -> None:
    """Ids that do not count are places in batches; empty batches may lie between."""
    last, first = (5 << 20) + 17, 8 << 20
    fills = [trade(0, P, 1, rank=last), trade(0, P, 1, rank=first), trade(0, P, 1, rank=first + 1)]
    assert starts(fills) == [0]
    assert starts([fills[0], fills[2]]) == [0, 1]


def test_another_order_begins_another_sweep_where_time_and_side_go_on() -> None:
    """Two batches of one block: three fills, one of another order, and two of a third one."""
    stream, found = Stream(HYPERLIQUID), list[Trade]()
    for marks in ([0, 0, 0, ANOTHER_ORDER], [ANOTHER_ORDER, 0]):
        batch = stream.batch(1, [stream.row(1, P, 1, 1, flags=mark) for mark in marks])
        times, ranks, prices, qtys, sides, *_ = columns_of(batch, (1, 1), sequential=False)
        found += zip(times, repeat("hl"), ranks, prices, qtys, sides, strict=False)
    assert starts(found) == [0, 3, 4]


def test_no_sweep_goes_over_the_border_of_two_seconds() -> None:
    """The last microsecond of one and the first of the next are different milliseconds."""
    fills = [trade(0, P, 1, at_us=999_999, rank=1), trade(1, P, 1, rank=2)]
    assert starts(fills) == [0, 1]


FILLS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([1, 1, 1, 2]),
        st.integers(1, 9),
        st.sampled_from([-1, 1]),
    ),
    min_size=1,
    max_size=60,
)


def belongs(one: Trade, two: Trade) -> bool:
    return one[0] // 1000 == two[0] // 1000 and one[5] == two[5] and two[2] == one[2] + 1


@given(FILLS)
def test_sweeps_are_those_that_pairs_of_neighbours_make(rows: list[tuple[int, ...]]) -> None:
    time_us, rank, fills = 0, 100, []
    for step, gap, qty, side in rows:
        time_us += step * 400
        rank += gap
        fills.append(trade(0, P + qty, qty, side, at_us=time_us, rank=rank))
    groups = [[fills[0]]]
    for one, two in pairwise(fills):
        if belongs(one, two):
            groups[-1].append(two)
        else:
            groups.append([two])
    begun = starts(fills)
    assert sweeps(fills) == [sweep(group) for group in groups]
    assert Columns(fills).sweep_notionals == [sum(f[3] * f[4] for f in group) for group in groups]
    assert per_sweep(Columns(fills).lots, begun) == [sum(f[4] for f in group) for group in groups]


def test_splitting_fills_changes_counts_and_nothing_else() -> None:
    """Metamorphic (5.4): merged prints and single fills give the same sweeps."""
    chance = random.Random(1)
    whole, split, rank = [], [], 0
    for number in range(50):
        qty, at_us = chance.randrange(2, 50), number * 3000
        whole.append(trade(0, P, qty, at_us=at_us, rank=number * 2))
        part = chance.randrange(1, qty)
        split += [
            trade(0, P, n, at_us=at_us, rank=rank + i) for i, n in enumerate((part, qty - part))
        ]
        rank += 5
    assert [one[:9] for one in sweeps(whole)] == [one[:9] for one in sweeps(split)]
