"""Positions in blocks: added, cut, faded, forgotten, restored."""

import random

import pytest

from processors.liquidation_levels import positions as module
from processors.liquidation_levels.positions import BLOCK_US, Held, Key, Positions
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_MINUTE
from tests.processors.context.builders import NOON_US
from tests.processors.seconds.builders import plainly

SIDES = (LiquidatedSide.LONG, LiquidatedSide.SHORT)
KEPT_US = 3 * BLOCK_US
LOT = 1 << 20


def positions() -> Positions:
    made = Positions(SIDES, KEPT_US)
    made.turn(NOON_US)
    return made


def test_rows_add_up_and_remember_the_first_minute() -> None:
    held = positions()
    held.add((0, 500), (3, 1), NOON_US)
    held.turn(NOON_US + BLOCK_US)
    held.add((0, 500), (1, 2), NOON_US + BLOCK_US)
    held.add((1, 100), (1, 1), NOON_US + BLOCK_US)
    assert held.rows() == [
        Held(0, 500, 3 * LOT + LOT // 2, NOON_US),
        Held(1, 100, LOT, NOON_US + BLOCK_US),
    ]


def test_a_cut_takes_longs_from_a_row_on_and_shorts_up_to_one() -> None:
    held = positions()
    for lane in (0, 1):
        for row in (100, 200, 300):
            held.add((lane, row), (1, 1), NOON_US)
    held.cut(200, 100)
    assert [(one.lane, one.row) for one in held.rows()] == [(0, 100), (1, 200), (1, 300)]


def test_what_is_full_refuses_new_rows_and_takes_more_of_old_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT_ROWS", 1)
    held = positions()
    assert held.add((0, 100), (1, 1), NOON_US)
    assert not held.add((0, 200), (1, 1), NOON_US)
    assert held.add((0, 100), (1, 1), NOON_US)
    assert [one.units for one in held.rows()] == [2 * LOT]


def test_an_oracle_of_single_entries_agrees_and_restarts_change_nothing() -> None:
    chance = random.Random(11)
    held, restarted = positions(), positions()
    entries: list[tuple[int, Key, int]] = []
    stored: dict[str, bytes] = {}
    for number in range(3000):
        now_us = NOON_US + number * 7 * US_PER_MINUTE
        longs, shorts = (chance.randrange(60, 100), chance.randrange(0, 40))
        if chance.random() < 0.7:
            longs, shorts = 1000, -1
        clears = chance.random() < 0.002
        key, lots = (chance.randrange(2), chance.randrange(100)), chance.randrange(1, 9)
        for one in (held, restarted):
            one.turn(now_us)
            one.cut(longs, shorts)
            if clears:
                one.clear()
            one.add(key, (lots, 1), now_us)
        oldest_us = now_us - now_us % BLOCK_US - KEPT_US
        entries = [
            entry
            for entry in entries
            if entry[0] - entry[0] % BLOCK_US >= oldest_us and not clears
            if (entry[1][1] < longs if entry[1][0] == 0 else entry[1][1] > shorts)
        ]
        entries.append((now_us, key, lots))
        if chance.random() < 0.1:
            restarted = restored(restarted, stored)
        if number % 50 == 0:
            assert restarted.rows() == held.rows()
            assert restarted.dump() == held.dump()
            assert [tuple(one) for one in held.rows()] == summed(entries)


def restored(before: Positions, stored: dict[str, bytes]) -> Positions:
    """Return positions from a snapshot; parts that are not needed any more are dropped."""
    stored |= before.take_parts()
    after = Positions(SIDES, KEPT_US)
    after.load(plainly(before.dump()), dict(stored))
    for name in [name for name in stored if not after.keeps(name)]:
        del stored[name]
    assert len(stored) <= 4
    return after


def summed(entries: list[tuple[int, Key, int]]) -> list[tuple[int, int, int, int]]:
    keys = sorted({key for _, key, _ in entries})
    return [
        (
            *key,
            sum(lots for _, own, lots in entries if own == key) * LOT,
            min(time_us for time_us, own, _ in entries if own == key),
        )
        for key in keys
    ]
