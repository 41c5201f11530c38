"""All setups together: mirror images, restarts, whose bars, what is held (5.13, 5.14)."""

import json
import random
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.measures.levels import LevelKind
from processors.operators.setups import SetupsOperator
from processors.seconds.second import Second
from processors.setups.candle import candle_of
from processors.setups.params import SetupParams
from processors.setups.track import Track, true_ranges
from schemas.cascades import CascadeState
from schemas.cvd_structure import ConvictionState
from schemas.events import EventState
from schemas.lineage import Status
from schemas.setups import SetupKind, SetupRecord, SetupState
from tests.processors.known_levels import Said, level
from tests.processors.operators.footprint_bars import bar
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BYBIT,
    UNITS,
    member,
    run,
    run_with_restarts,
)
from tests.processors.setups.sent import (
    candidate,
    cascade,
    conviction,
    divergence,
    exhaustion,
    structure,
)
from tests.processors.setups.story import PRICE, Bar, Story, operator, path, records

SHORT = SetupParams(
    range_bars=15, delta_bars=10, life_bars=8, atr_bars=5, range_atr=12, fade_seconds=3
)
LEVELS = [level(PRICE + 50 + 6_037 * n, source=str(n)) for n in range(-3, 4)]


def eventful(seed: int, minutes: int, sign: int, *, partial: float = 0.02) -> Story:
    """Return a market in which everything happens often; prices never tie with a bound."""
    chance = random.Random(seed)
    made = Story(sign)
    price, swept = PRICE, PRICE
    for minute in range(minutes):
        last = minute * 60 + 59
        opened = price
        price += chance.choice([-1, 0, 0, 1]) * chance.randrange(1, 40) * 100
        price += (PRICE - price) // 900 * 100
        high, low = max(opened, price) + 37, min(opened, price) - 41
        made.bars[minute] = Bar(
            (opened, high + chance.randrange(3) * 100, low - chance.randrange(3) * 100, price),
            delta=chance.randrange(-20, 21),
            stacks=chance.random() < 0.3,
            counter_stacks=chance.random() < 0.3,
            imbalances=chance.randrange(4),
            status=Status.PARTIAL if chance.random() < partial else Status.COMPLETE,
        )
        told: list[msgspec.Struct] = []
        if chance.random() < 0.3:
            told.append(divergence(last, sign, agree=chance.choice([1, 2])))
        if chance.random() < 0.1:
            told.append(divergence(last, sign, EventState.INVALIDATED))
        if chance.random() < 0.3:
            told.append(exhaustion(last, sign, chance.choice(["bar", "flow"])))
        if minute % 9 == 0:
            swept = price - 900
        states = [CascadeState.BUILDING, CascadeState.PEAKED, CascadeState.PEAKED]
        told.append(
            cascade(
                last,
                sign,
                [*states, CascadeState.COOLDOWN][minute % 12 // 3],
                swept=made.price(swept),
                extreme=last - 20,
                interest=chance.choice([-0.01, -0.001, None]),
                of=minute // 12,
            )
        )
        state = chance.choice([*ConvictionState, None])
        share = chance.choice([-0.1, 0.1]) * sign
        cvd = None if chance.random() < 0.1 else sign * chance.randrange(50)
        told.append(structure(minute, cvd, (conviction(state, share),)))
        made.told[last] = told
        if chance.random() < 0.4:
            at = last - chance.randrange(55)
            near = chance.choice(LEVELS).low_ticks
            made.told.setdefault(at, []).append(
                candidate(at, sign, made.price(near), level=made.price(near))
            )
        for second in range(minute * 60, last, 7):
            made.trades[second] = [(price + 7, 1, chance.choice([1, -1]))]
    return made


def seen(made: Story, minutes: int) -> list[SetupRecord]:
    make = operator(made.levels(*LEVELS), SHORT)
    return records(run(make, made.until(minutes - 1)))


def as_long(record: SetupRecord, sign: int) -> tuple[object, ...]:
    """Return what a record says, seen from the side of the story."""

    def turned(price: int | None) -> int | None:
        return price if price is None or sign > 0 else 2 * PRICE - price

    own = (record.side == "long") == (sign > 0)
    return (
        record.setup,
        record.variant,
        own,
        record.state,
        record.previous_state,
        record.reason,
        record.provisional,
        record.event_time_us,
        record.armed_time_us,
        record.triggered_time_us,
        turned(record.price_ticks),
        record.weight,
        record.status,
        len(record.evidence),
        sorted(record.null_reasons.items()),
        sorted(record.values),
        abs(record.values.get("delta_lots") or 0),
    )


@settings(deadline=None, derandomize=True, max_examples=8)
@given(st.integers(0, 10**6))
def test_shorts_are_the_mirror_image_of_longs(seed: int) -> None:
    """5.13: mirror for short. The market turned upside down gives the other side the same."""
    up = [as_long(one, 1) for one in seen(eventful(seed, 60, 1), 60)]
    down = [as_long(one, -1) for one in seen(eventful(seed, 60, -1), 60)]
    assert sorted(map(repr, up)) == sorted(map(repr, down))
    assert up


@pytest.mark.parametrize("sign", [1, -1])
def test_restarts_change_nothing(sign: int) -> None:
    made = eventful(11, 260, sign)
    seconds = made.until(259)
    levels = made.levels(*LEVELS)
    expected = run(operator(levels, SHORT), seconds)
    found = records(expected)
    assert {one.setup for one in found} == set(SetupKind)
    assert {one.state for one in found} == set(SetupState)
    again = run_with_restarts(lambda: operator(levels, SHORT), seconds)
    assert list(map(msgspec.json.encode, again)) == list(map(msgspec.json.encode, expected))


def test_a_restart_after_every_second_changes_nothing() -> None:
    made = eventful(5, 40, 1)
    levels = made.levels(*LEVELS)
    seconds = made.until(39)
    expected = run(operator(levels, SHORT), seconds)
    held, outputs = operator(levels, SHORT), []
    for one in seconds:
        outputs += held.on_second(one)
        head = json.loads(json.dumps(held.snapshot().head))
        held = operator(levels, SHORT)
        held.restore(head, {})
    assert outputs == expected
    assert len(expected) > 20


def test_identity_and_states_follow_the_common_life() -> None:
    """5.13: each record once per state, but for those that were provisional."""
    found = seen(eventful(12, 400, 1), 400)
    after = {
        None: {"armed", "confirmed"},
        "armed": {"triggered", "expired", "suspended"},
        "triggered": {"confirmed", "invalidated", "expired", "suspended"},
        "confirmed": {"invalidated", "completed", "suspended"},
    }
    for one in found:
        previous = None if one.previous_state is None else one.previous_state.value
        assert one.state.value in after[previous]
        if previous is None:
            conviction_ = one.setup is SetupKind.SPOT_PERP_CONVICTION
            assert (one.state.value == "confirmed") == conviction_
    firm = [(one.id, one.state) for one in found if not one.provisional]
    assert len(firm) == len(set(firm))
    early = [(one.id, one.state) for one in found if one.provisional]
    assert len(early) == len(set(early))
    assert {one.setup for one in found if one.provisional} == {SetupKind.ABSORPTION_AT_LEVEL}
    ended = [one.id for one in found if one.state in ("expired", "completed", "suspended")]
    assert len(ended) == len(set(ended))


def test_state_stays_small_over_days_and_forgets_what_is_gone() -> None:
    made = eventful(13, 400, 1)
    held = operator(made.levels(*LEVELS), SHORT)
    sizes = []
    for one in made.until(399):
        held.on_second(one)
        if one.end_us % 3_600_000_000 == 0:
            sizes.append(len(json.dumps(held.snapshot().head)))
    assert max(sizes[3:]) < 1.5 * sizes[2]
    last = made.at(400 * 60 - 1)
    gone = replace(
        last,
        start_us=last.start_us + 300_000_000,
        members={":".join(BYBIT): member(BYBIT)},
        bars=[],
        events=[],
    )
    ended = records(held.on_second(gone))
    assert {one.reason for one in ended} <= {"gap", "conviction_unknown"}
    head = held.snapshot().head
    names = {row[0] for row in head["tracks"]} | {row[2] for row in head["lives"]}
    assert names <= {":".join(BYBIT), ""}


def two(minutes: int, traded: dict[int, tuple[int, int]]) -> list[Second]:
    """Return two perpetuals whose lows at minute 5 are pivots; `traded` are their cents since."""
    made = []
    story = Story()
    held = (1, 2)
    for number in range(minutes * 60):
        one = story.at(number)
        minute = number // 60
        held = traded.get(minute, held)
        bars = []
        if one.bars:
            for cents, instrument in zip(held, (BINANCE, BYBIT), strict=True):
                low = PRICE - 2_000 if minute % 10 == 5 else PRICE
                bars.append(
                    bar(
                        minute,
                        ohlc=(PRICE, PRICE, low, PRICE),
                        instrument=instrument,
                        buy_usd_cents=cents,
                        status=Status.COMPLETE if cents else Status.PARTIAL,
                    )
                )
        there = {":".join(one): member(one) for one in (BINANCE, BYBIT)}
        made.append(replace(one, members=there, bars=bars))
    return made


def pivots_armed(seconds: list[Second]) -> list[str]:
    found = records(run(operator(Said([level(PRICE - 2_000)])), seconds))
    return [
        one.venue
        for one in found
        if one.setup is SetupKind.DELTA_DIVERGENCE and one.state is SetupState.ARMED
    ]


def test_the_reference_is_the_perpetual_that_traded_most_in_bars_in_a_row() -> None:
    assert pivots_armed(two(9, {})) == ["bybit"]
    assert pivots_armed(two(9, {0: (2, 2)})) == ["binance"]
    assert pivots_armed(two(9, {3: (9, 1)})) == ["binance"]
    # Bybit has a hole at minute 12 and begins to be counted anew.
    assert pivots_armed(two(20, {12: (1, 0), 13: (1, 2)})) == ["bybit", "binance"]


def test_another_venues_partial_bar_suspends_nothing() -> None:
    found = records(run(operator(Said([level(PRICE - 2_000)])), two(12, {10: (0, 2), 11: (1, 2)})))
    of_bybit = [one for one in found if one.setup is SetupKind.DELTA_DIVERGENCE]
    assert path(of_bybit) == ["armed"]


class Enough:
    """Outcomes that are enough of one setup and side."""

    def enough(self, setup: str, variant: str, side: str) -> bool:
        return (setup, variant, side) == ("absorption_at_level", "1m", "long")


def test_a_setup_is_experimental_until_its_outcomes_were_compared() -> None:
    made = eventful(14, 60, 1)
    levels = made.levels(*LEVELS)
    held = SetupsOperator(ASSET, UNITS, levels, Enough(), SHORT)
    for one in records(run(held, made.until(59))):
        tried = (one.setup, one.variant, one.side) == ("absorption_at_level", "1m", "long")
        assert one.experimental is not tried


def test_tracks_look_back_at_bars_in_a_row() -> None:
    params = SetupParams(range_bars=20, delta_bars=4)
    track = Track("a", params)
    story = Story(bars={n: Bar((5, 9 + n, 1, 5 + n), delta=n) for n in range(9)})
    candles = [candle_of(story.at(60 * n + 59).bars[0]) for n in range(6)]
    for candle in candles[:5]:
        assert candle is not None
        track.add(candle)
    assert track.delta_percentile(1) == 3  # of 0, 1, 2, 3: the fourth
    assert track.delta_percentile(-1) == 0
    assert track.candles(6, 1) is None
    held = track.candles(3, 1)
    assert held is not None
    # Closes 6, 7 before bars of [1, 12] and [1, 13]: 11 and 12.
    assert true_ranges(held, 2) == 11 + 12
    mirrored = track.candles(3, -1)
    assert mirrored is not None
    assert true_ranges(mirrored, 2) == 23
    track.drop()
    assert track.candles(1, 1) is None
    assert track.delta_percentile(1) == 3
    assert LevelKind.PIVOT not in {one.kind for one in track.pivots}


@pytest.mark.parametrize(
    "wrong",
    [
        {"life_bars": 0},
        {"leave_bp": 4},
        {"range_bars": 14},
        {"fade": (1, 1)},
        {"touch_atr": (0, 1)},
    ],
)
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|or more"):
        SetupParams(**wrong)  # type: ignore[arg-type]
