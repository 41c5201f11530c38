"""Absorption (definitions 5.7, 5.16; trap 28)."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from processors.absorption.episode import Episode, next_state
from processors.absorption.window import Window, slice_of
from processors.measures.levels import Level, LevelKind
from processors.operators.absorption import AbsorptionOperator, AbsorptionParams
from processors.seconds.columns import Columns
from processors.seconds.second import MemberSecond, Second
from processors.trades import Trade
from schemas.events import EventSide, EventState, FlowEvent
from schemas.lineage import Status
from tests.processors.known_levels import Said, level
from tests.processors.operators.absorption_oracle import candidates
from tests.processors.operators.footprint_bars import PRICE, bar, events, states
from tests.processors.seconds.builders import (
    BINANCE,
    BYBIT,
    DOWN,
    UNITS,
    book,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

PARAMS = AbsorptionParams(min_samples=10)
WARM = 120
"""Seconds before the story: twelve windows, all alike, of 20 lots sold and bought over 40 ticks.

The width of the band is 2 bp of 60,000: 1,200 ticks.
"""
WIDTH = 1200
Instrument = tuple[str, str]


def quiet(number: int, instrument: Instrument = BINANCE) -> list[Trade]:
    return [
        trade(number, PRICE + 20, 2, 1, instrument=instrument),
        trade(number, PRICE - 20, 2, -1, instrument=instrument, at_us=9),
    ]


def sold(
    number: int, qty: int = 50, side: int = -1, price: int = PRICE, instrument: Instrument = BINANCE
) -> list[Trade]:
    return [trade(number, price, qty, side, instrument=instrument)]


def story(
    told: dict[int, list[Trade]], length: int, *, mirrored: bool = False, books: bool = False
) -> list[Second]:
    """Return quiet seconds, then those that are told from second `WARM` on, others quiet."""
    seconds = []
    for number in range(WARM + length):
        trades = told.get(number - WARM, quiet(number))
        if number - WARM in told:
            trades = [(trade(number, 0, 0)[0] + one[0] % 1_000_000, *one[1:]) for one in trades]
        if mirrored:
            trades = [(*one[:3], 2 * PRICE - one[3], one[4], -one[5]) for one in trades]
        shown = (
            [book(number, [(PRICE, 100), (PRICE - 100, 9)], [(PRICE + 50, 40)])] if books else []
        )
        seconds.append(second(number, member(trades=trades, books=shown)))
    return seconds


def heavy(
    first: int = 0, count: int = 10, qty: int = 50, price: int = PRICE
) -> dict[int, list[Trade]]:
    return {number: sold(0, qty, price=price) for number in range(first, first + count)}


CALM = {
    number: sold(0, 1, side) for number, side in zip(range(10, 91), [1, 1, -1] * 27, strict=True)
}
"""Afterwards buyers lead and few sell."""


def found(seconds: list[Second], params: AbsorptionParams = PARAMS) -> list[FlowEvent]:
    return events(run(AbsorptionOperator(UNITS, params), seconds))


def test_sells_that_do_not_move_the_price_are_absorbed_and_confirmed() -> None:
    first, last = found(story(heavy() | CALM, 40))
    assert (first.state, last.state) == (EventState.CANDIDATE, EventState.CONFIRMED)
    assert first.id == last.id
    assert first.side is EventSide.SELL
    assert first.id.startswith("absorption:BTC:binance:BTC-USDT-PERP:")
    assert first.id.endswith(f"{first.end_us}:sell")
    assert (first.low_ticks, first.high_ticks) == (PRICE - 20, PRICE - 20 + WIDTH)
    assert first.end_us - first.start_us == 10_000_000
    assert last.event_time_us > first.event_time_us
    assert last.values["rate_now_usd_cents"] <= first.values["rate_usd_cents"] / 2  # type: ignore[operator]
    assert last.values["delta_lots"] >= 0  # type: ignore[operator]


def test_buys_are_absorbed_in_the_mirror() -> None:
    """5.7: mirror for buys; two basis points of a higher price are one tick more here."""
    down, up = found(story(heavy() | CALM, 40)), found(story(heavy() | CALM, 40, mirrored=True))
    assert [(e.state, e.event_time_us, e.values["move_ticks"]) for e in up] == [
        (e.state, e.event_time_us, e.values["move_ticks"]) for e in down
    ]
    assert {e.side for e in up} == {EventSide.BUY}
    assert (up[0].low_ticks, up[0].high_ticks) == (PRICE + 20 - WIDTH, PRICE + 21)


def test_a_trade_below_the_band_fails_it_and_one_at_its_end_does_not() -> None:
    """The limit is L - width, and L is the quiet low just before."""
    limit = PRICE - 20 - WIDTH + 1  # the exact width, 2 bp of 59,999.80, is 1,199.996
    steady = heavy(0, 20)
    at = story(steady | {12: sold(0, 50, price=limit)}, 14)
    below = story(steady | {12: sold(0, 50, price=limit - 1)}, 14)
    assert states(run(AbsorptionOperator(UNITS, PARAMS), at)) == ["candidate"]
    assert states(run(AbsorptionOperator(UNITS, PARAMS), below)) == ["candidate", "failed"]


def test_in_bar_mode_only_a_close_beyond_the_band_fails_it() -> None:
    low = PRICE - 20 - WIDTH
    params = AbsorptionParams(min_samples=10, fails_on="bar")
    seconds = story(heavy(0, 70) | {12: sold(0, 50, price=low - 500)}, 61)
    minute = (WARM + 59) // 60
    for close, expected in (
        (low + 1, ["candidate"]),
        (low, ["candidate", "failed", "candidate"]),  # sells go on: the next one begins at once
    ):
        closed = bar(minute, ohlc=(PRICE, PRICE, close, close))
        seconds[WARM + 59] = replace(seconds[WARM + 59], bars=[closed])
        assert states(run(AbsorptionOperator(UNITS, params), seconds[: WARM + 60])) == expected


def test_sells_that_go_on_let_it_expire_after_a_minute() -> None:
    first, last = found(story(heavy(0, 80), 75))[:2]
    assert (first.state, last.state) == (EventState.CANDIDATE, EventState.EXPIRED)
    assert last.event_time_us - first.event_time_us == 60_000_000


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (heavy(qty=1), "Q below P95"),
        ({0: sold(0)} | heavy(1, 9, price=PRICE - 1300), "move above the width"),
        ({n: sold(0) + sold(0, 13, 1) for n in range(10)}, "dominance below 0.6"),
    ],
)
def test_each_condition_is_needed(told: dict[int, list[Trade]], why: str) -> None:
    assert found(story(told, 10)) == [], why


@pytest.mark.parametrize(("down", "expected"), [(1199, 1), (1200, 0)])
def test_the_move_may_be_as_wide_as_the_band(down: int, expected: int) -> None:
    """Two basis points of 59,988.01 are 1,199.76 ticks."""
    told = {0: sold(0)} | heavy(1, 9, price=PRICE - down)
    seen = [one for one in found(story(told, 10)) if one.values["move_ticks"] == down]
    assert len(seen) == expected


def test_a_side_that_has_not_faded_confirms_nothing() -> None:
    """Buyers lead by far, but sells go on at the same rate."""
    told = heavy() | {n: sold(0) + sold(0, 500, 1) for n in range(10, 30)}
    of_sells = [one for one in found(story(told, 30)) if one.side is EventSide.SELL]
    assert [one.state for one in of_sells] == [EventState.CANDIDATE]


@pytest.mark.parametrize(
    ("sold_lots", "bought_lots", "expected"),
    [
        (50, 50, EventState.CONFIRMED),  # half the rate, and as much bought
        (51, 51, None),
        (50, 49, None),
        (0, 0, EventState.CONFIRMED),
    ],
)
def test_half_the_rate_and_a_delta_of_nothing_confirm(
    sold_lots: int, bought_lots: int, expected: EventState | None
) -> None:
    window = Window(10, 100, 2)
    trades = [trade(0, PRICE, qty, side) for qty, side in ((sold_lots, -1), (bought_lots, 1))]
    window.push(slice_of(Columns([one for one in trades if one[4]]), [], 0))
    episode = Episode("one", -1, 0, PRICE, 1, PRICE, 100 * PRICE)
    assert next_state(episode, window, None, 1, 60_000_000, (1, 2)) is expected


def test_dominance_of_exactly_three_fifths_is_enough() -> None:
    """48 sold and 12 bought: (48 - 12) / 60 = 0.6, at one price and a full window of them."""
    told = {n: sold(0, 48) + sold(0, 12, 1) for n in range(11)}
    events_found = found(story(told, 11))
    assert [e.values["dominance"] for e in events_found][-1:] == [0.6]


def test_without_enough_samples_there_is_no_candidate() -> None:
    assert found(story(heavy(), 12), AbsorptionParams(min_samples=13)) == []
    assert len(found(story(heavy(), 12), AbsorptionParams(min_samples=12))) == 1


def test_zero_volume_on_the_other_side_is_normal() -> None:
    told = {n: sold(0) for n in range(12)}
    seconds = story(told, 12)
    [event] = [e for e in found(seconds) if e.state is EventState.CANDIDATE]
    assert event.values["dominance"] is not None
    assert event.values["efficiency_usd_cents"] > 0  # type: ignore[operator]


def test_one_candidate_at_a_time() -> None:
    """The next one's window begins when the last one's has ended."""
    opened = [e for e in found(story(heavy(0, 90), 90)) if e.state is EventState.CANDIDATE]
    assert len(opened) > 1
    assert all(two.start_us >= one.end_us for one, two in pairwise(opened))


def test_a_window_that_overlaps_the_last_candidates_is_none_also_after_its_end() -> None:
    """The second one is confirmed after five seconds, by buys far above the band."""
    told = heavy(0, 62) | {n: sold(0, 500, 1, price=PRICE + 3000) for n in range(62, 70)}
    params = AbsorptionParams(min_samples=10, percentile=(1, 2))
    seen = [one for one in found(story(told, 70), params) if one.side is EventSide.SELL]
    assert [one.state.value for one in seen] == ["candidate", "expired", "candidate", "confirmed"]
    assert seen[3].event_time_us - seen[2].end_us < 10_000_000


def outage(seconds: list[Second], number: int) -> list[Second]:
    broken = list(seconds)
    broken[number] = second(number, member(there=DOWN))
    return broken


def test_an_outage_in_the_window_makes_no_candidate() -> None:
    seconds = story(heavy(), 10)
    assert len(found(seconds)) == 1
    assert found(outage(seconds, WARM)) == []


@pytest.mark.parametrize("jump", [False, True])
def test_an_outage_suspends_what_is_open(jump: bool) -> None:
    seconds = story(heavy(0, 14), 14)
    seconds = seconds[: WARM + 11] + seconds[WARM + 12 :] if jump else outage(seconds, WARM + 11)
    opened, ended = found(seconds)
    assert (opened.state, ended.state) == (EventState.CANDIDATE, EventState.SUSPENDED)
    assert ended.status is Status.PARTIAL
    assert ended.values["rate_now_usd_cents"] is None
    assert ended.null_reasons["rate_now_usd_cents"] == "gap"


def with_bybit(seconds: list[Second], bybit: dict[int, MemberSecond]) -> list[Second]:
    made = []
    for number, one in enumerate(seconds):
        own = bybit.get(number, member(BYBIT))
        made.append(replace(one, members={**one.members, own.name: own}))
    return made


def test_a_venue_that_does_not_trade_there_leaves_one_of_two_and_no_aggregate() -> None:
    """Golden vector of 5.16 and trap 28: a count of venues, never a sum."""
    events_found = found(with_bybit(story(heavy(), 10), {}))
    [event] = events_found
    assert event.venues == ["binance:BTC-USDT-PERP"]
    assert event.venues_expected == ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]
    assert (event.values["venues_absorbing"], event.values["venues_expected"]) == (1, 2)
    assert event.scope.value == "venue"


def test_two_venues_that_absorb_are_counted_and_not_added() -> None:
    seconds = story(heavy(), 12)
    theirs = {
        number: member(
            BYBIT,
            trades=quiet(number, BYBIT)
            if number < WARM + 4
            else sold(number, 70, instrument=BYBIT),
        )
        for number in range(len(seconds))
    }
    one, two = found(with_bybit(seconds, theirs))
    assert (one.venue, one.values["venues_absorbing"]) == ("binance", 1)
    assert (two.venue, two.values["venues_absorbing"]) == ("bybit", 2)
    assert two.evidence == [one.id]
    alone = found(seconds)[0]
    assert alone.values["usd_cents"] == one.values["usd_cents"]


def later(seconds: list[Second], first: int) -> int | float | None:
    """Return how many venues absorb when the other one does from a second on."""
    theirs = {
        number: member(
            BYBIT,
            trades=quiet(number, BYBIT)
            if number < WARM + first
            else sold(number, 70, instrument=BYBIT),
        )
        for number in range(len(seconds))
    }
    seen = found(with_bybit(seconds, theirs))
    [event] = [e for e in seen if (e.venue, e.state) == ("bybit", EventState.CANDIDATE)][:1]
    return event.values["venues_absorbing"]


def test_one_that_failed_is_not_counted_and_one_that_held_is_for_a_minute() -> None:
    failed = heavy(0, 12) | {12: sold(0, 1, price=PRICE - 3000)}
    assert later(story(failed, 30), 20) == 1
    held = story(heavy() | CALM, 90)
    assert [e.state.value for e in found(held)][:2] == ["candidate", "confirmed"]
    assert later(held, 30) == 2
    assert later(held, 75) == 1


def test_the_book_tells_of_refills_where_there_is_one() -> None:
    without = found(story(heavy(0, 12), 12))[0]
    assert without.values["refill"] is None
    assert without.null_reasons == {"book_level": "no_book", "refill": "never_displayed_there"}
    told = {n: sold(0, 2) + sold(0, 2, 1) for n in range(-10, 0)} | heavy(0, 10)
    event = found(story(told, 10, books=True))[0]
    assert event.low_ticks == PRICE
    sold_lots = event.values["rate_usd_cents"] / 6000  # type: ignore[operator]  # 60 USD a lot
    assert event.values["refill"] == sold_lots / 100
    assert event.values["book_level"] == 1
    assert event.null_reasons == {}


def test_a_book_that_does_not_change_still_displays_what_it_did() -> None:
    """It is the newest one, and was there: no update is no absence."""
    told = {n: sold(0, 2) + sold(0, 2, 1) for n in range(-10, 0)} | heavy(0, 10)
    seconds = story(told, 10, books=True)
    changing = found(seconds)[0]
    for one in seconds[1:]:
        held = one.members["binance:BTC-USDT-PERP"]
        held.books = []
    event = found(seconds)[0]
    for name in ("refill", "book_level"):
        assert event.values[name] == changing.values[name]
    for one in seconds:
        one.members["binance:BTC-USDT-PERP"].book = None
    assert found(seconds)[0].null_reasons["book_level"] == "no_book"


def test_its_own_venue_is_behind_it_also_when_it_has_failed() -> None:
    below = PRICE - 20 - WIDTH
    seconds = story(heavy(0, 20) | {12: sold(0, 50, price=below - 1)}, 14)
    event = found(seconds)[-1]
    assert (event.state, event.venues) == (EventState.FAILED, ["binance:BTC-USDT-PERP"])
    assert event.values["venues_absorbing"] == 0


def busy(seed: int, length: int) -> list[Second]:
    """Return random bursts and outages of two venues."""
    chance = random.Random(seed)
    price, seconds, sides = PRICE, [], (1, -1)
    burst: dict[Instrument, tuple[int, int]] = {}
    for number in range(length):
        members = []
        for instrument in (BINANCE, BYBIT):
            price += chance.choice([-150, 0, 0, 150])
            if chance.random() < 0.03:
                burst[instrument] = (number + 12, chance.choice(sides))
            until, side = burst.get(instrument, (0, 0))
            trades = []
            for n in range(chance.randrange(4)):
                own = side if number < until else chance.choice(sides)
                qty = chance.randrange(1, 60 if number < until else 8)
                at = price + chance.choice([-40, 0, 40])
                trades.append(trade(number, at, qty, own, instrument=instrument, at_us=n))
            there = DOWN if chance.random() < 0.004 else (1_000_000, member().trade_stream.state)  # type: ignore[union-attr]
            kept = trades if there != DOWN else []
            shown = [book(number, [(price - 40, 5), (price - 80, 7)], [(price + 40, 6)])]
            members.append(member(instrument, trades=kept, books=shown, there=there))
        if chance.random() < 0.997:
            seconds.append(second(number, *members))
    return seconds


def test_restarts_change_nothing() -> None:
    seconds = busy(3, 3000)
    params = AbsorptionParams(min_samples=20, percentile=(8, 10))
    expected = run(AbsorptionOperator(UNITS, params), seconds)
    assert set(states(expected)) >= {"candidate", "confirmed", "failed", "suspended"}
    assert run_with_restarts(lambda: AbsorptionOperator(UNITS, params), seconds) == expected


@pytest.mark.parametrize("seed", [4, 5])
def test_candidates_are_those_that_brute_force_finds(seed: int) -> None:
    """Oracle: plain lists of trades, fractions as floats only where they cannot tie."""
    params = AbsorptionParams(min_samples=20, percentile=(8, 10))
    seconds = busy(seed, 1500)
    expected = candidates(seconds, params, UNITS)
    outputs = run(AbsorptionOperator(UNITS, params), seconds)
    got = [e for e in events(outputs) if e.state is EventState.CANDIDATE]
    assert len(got) > 20
    for event in got:
        side = 1 if event.side is EventSide.BUY else -1
        assert (f"{event.venue}:{event.symbol}", event.end_us, side) in expected
    ends = {e.id: e.event_time_us for e in events(outputs) if e.state is not EventState.CANDIDATE}
    taken = {
        (f"{e.venue}:{e.symbol}", 1 if e.side is EventSide.BUY else -1, e.end_us): ends.get(e.id)
        for e in got
    }
    for name, end_us, side in expected:
        assert any(
            own[:2] == (name, side)
            and own[2] <= end_us
            and (closed is None or end_us < max(closed, own[2] + 10_000_000))
            for own, closed in taken.items()
        ), "a candidate is missing that no earlier one stands in the way of"


def test_an_absorption_names_the_level_that_it_is_at() -> None:
    """5.7: within 3 bp; the low is 1,000 ticks above a naked POC that it has just gone into."""
    naked = level(PRICE - 1_120, PRICE - 1_020, LevelKind.NAKED_POC)

    def known(asked: int) -> list[Level]:
        return [naked] if asked <= 2 else []

    operator = AbsorptionOperator(UNITS, PARAMS, Said(known))
    first, last = events(run(operator, story(heavy() | CALM, 40)))
    assert first.state is EventState.CANDIDATE
    assert first.values["level_high_ticks"] == PRICE - 1_020
    assert first.values["level_distance_bp"] == 10_000 * 1_001 / (PRICE - 20)
    assert first.evidence == last.evidence == ["level:naked_poc:p"]


def test_an_absorption_far_from_every_level_says_so() -> None:
    operator = AbsorptionOperator(UNITS, PARAMS, Said([level(PRICE - 9_000)]))
    first = events(run(operator, story(heavy() | CALM, 40)))[0]
    assert first.values["level_low_ticks"] is None
    assert first.null_reasons["level_touches"] == "no_level_near"


def test_restarts_change_nothing_of_levels() -> None:
    seconds = busy(3, 2000)
    params = AbsorptionParams(min_samples=20, percentile=(8, 10))
    levels = Said([level(PRICE + 6_000 * n) for n in range(-10, 10)])

    def make() -> AbsorptionOperator:
        return AbsorptionOperator(UNITS, params, levels)

    expected = run(make(), seconds)
    assert {"gap", "no_level_near"} <= {
        one.null_reasons.get("level_touches") for one in events(expected)
    }
    assert run_with_restarts(make, seconds) == expected
