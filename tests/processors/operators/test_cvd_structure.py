"""CVD candles, classes of size, shares and conviction (definitions 5.5, 5.16; trap 23)."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.cvd_structure.sums import conviction
from processors.operator import Output
from processors.operators.cvd_structure import (
    CvdStructureOperator,
    CvdStructureParams,
    quote_of,
)
from processors.seconds.second import MemberSecond, Second
from processors.trades import Trade
from schemas.cvd_structure import (
    ConvictionState,
    CvdCandle,
    CvdStructure,
    CvdStructureSeries,
    Reset,
)
from schemas.lineage import Status
from schemas.market import Scope
from schemas.units import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND
from tests.processors.operators.footprint_bars import NOON_US, PRICE
from tests.processors.seconds.builders import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

COIN = 1000
MIDNIGHT = 12 * 3600
"""Seconds after noon."""
Instrument = tuple[str, str]


def records(outputs: list[Output]) -> list[CvdStructure]:
    found = []
    for output in outputs:
        assert isinstance(output.record, CvdStructure)
        assert msgspec.json.decode(msgspec.json.encode(output.record), type=CvdStructure) == (
            output.record
        )
        found.append(output.record)
    return found


def play(
    told: dict[int, list[Trade]],
    length: int,
    *,
    first: int = 0,
    params: CvdStructureParams | None = None,
) -> list[CvdStructure]:
    """Run seconds of one instrument; those that are not told are quiet."""
    seconds = [second(n, member(trades=told.get(n, []))) for n in range(first, first + length)]
    return records(run(CvdStructureOperator(UNITS, params), seconds))


def series(
    record: CvdStructure, scope: Scope = Scope.VENUE, composition: str = "", venue: str = "binance"
) -> CvdStructureSeries:
    [found] = [
        one
        for one in record.series
        if one.scope is scope
        and one.composition == composition
        and (scope is not Scope.VENUE or (one.venue, one.symbol) == (venue, "BTC-USDT-PERP"))
    ]
    return found


def candle(one: CvdStructureSeries, reset: Reset) -> CvdCandle:
    [found] = [row.candle for row in one.candles if row.reset is reset]
    assert found is not None
    return found


def lots(found: CvdCandle) -> tuple[int, int, int, int]:
    return found.open_lots, found.high_lots, found.low_lots, found.close_lots


def one_trade(number: int, coins: int, side: int, instrument: Instrument = BINANCE) -> list[Trade]:
    return [trade(number, PRICE, coins * COIN, side, instrument=instrument)]


# --- candles


def test_a_candle_opens_at_the_close_before_and_its_path_includes_the_open() -> None:
    """Delta paths of 5.16: buy 5, sell 8, buy 4; then sell 2, buy 1."""
    told = {
        0: one_trade(0, 5, 1), 1: one_trade(1, 8, -1), 2: one_trade(2, 4, 1),
        60: one_trade(60, 2, -1), 61: one_trade(61, 1, 1),
    }  # fmt: skip
    first, then = play(told, 120)
    assert lots(candle(series(first), Reset.DAY)) == (0, 5 * COIN, -3 * COIN, COIN)
    assert lots(candle(series(then), Reset.DAY)) == (COIN, COIN, -COIN, 0)
    found = candle(series(first), Reset.NONE)
    assert found.close_usd_cents == 60_000_00
    assert found.low_usd_cents == -3 * 60_000_00
    assert (first.bar_start_us, first.bar_end_us) == (NOON_US, NOON_US + US_PER_MINUTE)


def test_dollars_are_each_trade_at_its_own_price() -> None:
    told = {0: [trade(0, 2 * PRICE, COIN, 1), trade(0, PRICE, COIN, -1, rank=1)]}
    found = candle(series(play(told, 60)[0]), Reset.NONE)
    assert (found.close_lots, found.close_usd_cents, found.high_usd_cents) == (
        0,
        60_000_00,
        120_000_00,
    )


def test_the_old_day_closes_before_the_new_one_opens_at_zero() -> None:
    """Golden vector: buy 2 at 23:59:59.999, sell 3 at 00:00:00.000."""
    told = {
        MIDNIGHT - 1: [trade(MIDNIGHT - 1, PRICE, 2 * COIN, 1, at_us=999_000)],
        MIDNIGHT: one_trade(MIDNIGHT, 3, -1),
    }
    old, new = play(told, 120, first=MIDNIGHT - 60)
    assert candle(series(old), Reset.DAY).close_lots == 2 * COIN
    assert lots(candle(series(new), Reset.DAY)) == (0, 0, -3 * COIN, -3 * COIN)
    assert lots(candle(series(new), Reset.NONE)) == (2 * COIN, 2 * COIN, -COIN, -COIN)
    anchors = {row.reset: row.anchor_us for row in series(new).candles}
    midnight_us = NOON_US + US_PER_DAY // 2
    assert anchors[Reset.DAY] == midnight_us
    assert anchors[Reset.NONE] == anchors[Reset.WEEK] == midnight_us - US_PER_MINUTE


def test_a_week_begins_on_monday() -> None:
    """2024-01-01 was a Monday: the next reset is seven days after that midnight."""
    monday = MIDNIGHT + 6 * 86_400
    told = {monday - 1: one_trade(monday - 1, 2, 1), monday: one_trade(monday, 1, 1)}
    old, new = play(told, 120, first=monday - 60)
    assert candle(series(old), Reset.WEEK).close_lots == 2 * COIN
    assert lots(candle(series(new), Reset.WEEK)) == (0, COIN, 0, COIN)
    tuesday = MIDNIGHT
    told = {tuesday - 1: one_trade(tuesday - 1, 2, 1)}
    new = play(told, 120, first=tuesday - 60)[1]
    assert candle(series(new), Reset.WEEK).open_lots == 2 * COIN


def test_a_session_begins_at_its_hours() -> None:
    """At 16:00 UTC by default; noon is in the session that began at 08:00."""
    four = 4 * 3600
    told = {four - 1: one_trade(four - 1, 2, 1), four: one_trade(four, 1, 1)}
    old, new = play(told, 120, first=four - 60)
    assert candle(series(old), Reset.SESSION).close_lots == 2 * COIN
    assert lots(candle(series(new), Reset.SESSION)) == (0, COIN, 0, COIN)
    assert lots(candle(series(new), Reset.DAY)) == (2 * COIN, 3 * COIN, 2 * COIN, 3 * COIN)
    anchors = {row.reset: row.anchor_us for row in series(new).candles}
    assert anchors[Reset.SESSION] == NOON_US + four * US_PER_SECOND
    own = CvdStructureParams(session_hours=(0, 13))
    kept = play(told, 120, first=four - 60, params=own)[1]
    assert candle(series(kept), Reset.SESSION).open_lots == 2 * COIN


@pytest.mark.parametrize("hours", [(), (1,), (0, 8, 8), (0, 16, 8), (0, 24)])
def test_hours_of_sessions_rise_from_midnight(hours: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="session_hours"):
        CvdStructureParams(session_hours=hours)


def test_close_less_open_is_the_delta_of_the_minute_and_unknown_sides_do_not_count() -> None:
    told = {
        0: [trade(0, PRICE, 3, 1), trade(0, PRICE, 2, 0, rank=1), trade(0, PRICE, 1, -1, rank=2)]
    }
    found = series(play(told, 60)[0])
    assert found.minute is not None
    assert (found.minute.delta_lots, found.minute.volume_lots) == (2, 4)
    assert candle(found, Reset.DAY).close_lots - candle(found, Reset.DAY).open_lots == 2


# --- sizes


def test_sizes_are_those_of_sweeps() -> None:
    """Trap 23: two fills of 600 USD in one sweep are in the class from 1,000 USD on."""
    ten = 10  # lots, at 60 USD
    told = {
        0: [trade(0, PRICE, ten, 1, at_us=1000 * n, rank=9 * n) for n in range(2)],
        1: [trade(1, PRICE, ten, 1, rank=n) for n in range(2)],
        2: [trade(2, PRICE, 1667, -1)],
        3: [trade(3, PRICE, 167, 0)],
    }
    found = series(play(told, 60)[0])
    assert found.sizes is not None
    assert [(one.delta_lots, one.volume_lots, one.sweeps) for one in found.sizes] == [
        (20, 20, 2),
        (20, 20, 1),
        (0, 0, 0),
        (-1667, 1667, 1),
    ]
    assert found.sizes[3].delta_usd_cents == -1667 * 60_00
    assert found.sizes_day == found.sizes


def test_sizes_of_the_day_go_on_until_midnight() -> None:
    start = MIDNIGHT - 120
    told = {start + 60 * n: one_trade(start + 60 * n, 1, 1) for n in range(3)}
    days = [series(one).sizes_day for one in play(told, 180, first=start)]
    assert [day[2].sweeps for day in days if day] == [1, 2, 1]


# --- gaps and compositions


def two(
    number: int,
    own: list[Trade] | None = None,
    other: list[Trade] | None = None,
    *,
    dead: bool = False,
) -> Second:
    theirs: MemberSecond = member(BYBIT, there=DOWN) if dead else member(BYBIT, trades=other or [])
    return second(number, member(trades=own or []), theirs)


def test_a_dead_venue_is_null_by_itself_partial_in_all_and_not_in_common() -> None:
    """Golden vector of 5.16: venue B is down for a whole minute."""
    seconds = [
        two(
            n,
            one_trade(n, 1, 1) if n % 10 == 0 else None,
            one_trade(n, 2, 1, BYBIT) if n == 0 else None,
            dead=60 <= n < 120,
        )
        for n in range(180)
    ]
    _, during, after = records(run(CvdStructureOperator(UNITS), seconds))
    dead = series(during, venue="bybit")
    assert dead.completeness.status is Status.GAP
    assert dead.minute is None
    assert dead.sizes is None
    assert dead.null_reasons["minute"] == "gap"
    assert all(row.candle is None for row in dead.candles)
    everyone, common = series(during, Scope.PERP, "all"), series(during, Scope.PERP, "common")
    assert everyone.completeness.status is Status.PARTIAL
    assert candle(everyone, Reset.DAY).close_lots == 14 * COIN
    assert candle(common, Reset.DAY).close_lots == 12 * COIN
    assert [row.intact for row in everyone.candles] == [False] * len(Reset)
    assert common.candles[0].venues == ["binance:BTC-USDT-PERP"]
    back = series(after, venue="bybit")
    assert [row.intact for row in back.candles] == [False] * len(Reset)
    assert candle(back, Reset.DAY).close_lots == 2 * COIN
    assert candle(series(after, Scope.PERP, "common"), Reset.DAY).close_lots == 18 * COIN
    assert back.shares[0].share is None
    assert back.null_reasons["shares.900"] == "gap"


def test_a_path_over_venues_goes_in_steps_of_a_second() -> None:
    """Within a second the order of venues is not known (trap 20)."""
    own = [trade(0, PRICE, 5, 1, at_us=1000), trade(0, PRICE, 5, -1, at_us=3000, rank=9)]
    seconds = [two(n, own if n == 0 else None) for n in range(60)]
    [record] = records(run(CvdStructureOperator(UNITS), seconds))
    assert lots(candle(series(record), Reset.DAY)) == (0, 5, 0, 0)
    assert series(record).path_resolution_us == 0
    everyone = series(record, Scope.PERP, "all")
    assert lots(candle(everyone, Reset.DAY)) == (0, 0, 0, 0)
    assert everyone.path_resolution_us == 1_000_000


def test_a_jump_closes_the_open_minute_and_nobody_was_there_at_its_end() -> None:
    seconds = [two(n, one_trade(n, 1, 1)) for n in [*range(30), *range(600, 660)]]
    broken, then = records(run(CvdStructureOperator(UNITS), seconds))
    assert broken.bar_start_us == NOON_US
    assert series(broken).completeness.status is Status.PARTIAL
    assert series(broken).completeness.coverage_ms == {"binance:BTC-USDT-PERP": 30_000}
    assert series(broken, Scope.PERP, "common").minute is None
    assert then.bar_start_us == NOON_US + 10 * US_PER_MINUTE
    assert lots(candle(series(then), Reset.DAY)) == (30_000, 90_000, 30_000, 90_000)
    assert series(then, Scope.PERP, "common").minute is not None
    assert series(then, Scope.PERP, "common").null_reasons["candles.day"] == "gap"


# --- shares and conviction


def test_shares_are_over_whole_windows_that_somebody_was_there_for() -> None:
    told = {60 * m: one_trade(60 * m, 3, 1) + one_trade(60 * m, 1, -1) for m in range(16)}
    seen = play(told, 960)
    assert series(seen[13]).shares[0].share is None
    found = series(seen[15]).shares[0]
    assert (found.window_seconds, found.share, found.delta_lots) == (900, 0.5, 30 * COIN)
    assert found.venues == ["binance:BTC-USDT-PERP"]
    assert series(seen[15], Scope.PERP, "all").shares[4].delta_lots == 32 * COIN
    quiet = play({}, 960)[15]
    assert series(quiet).shares[0].delta_lots == 0
    assert series(quiet).null_reasons["shares.900"] == "no_volume"


def test_a_venue_that_was_there_at_no_time_of_a_window_is_not_in_all() -> None:
    seconds = [two(n, other=one_trade(0, 1, 1, BYBIT) * (n == 0), dead=n >= 60) for n in range(960)]
    seen = records(run(CvdStructureOperator(UNITS), seconds))
    share = series(seen[14], Scope.PERP, "all").shares[0]
    assert (share.delta_lots, share.venues) == (
        COIN,
        ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"],
    )
    share = series(seen[15], Scope.PERP, "all").shares[0]
    assert (share.delta_lots, share.venues) == (0, ["binance:BTC-USDT-PERP"])


def test_where_nobody_was_there_all_is_null() -> None:
    seconds = [second(n, member(there=DOWN) if n >= 60 else member()) for n in range(960)]
    seen = records(run(CvdStructureOperator(UNITS), seconds))
    assert series(seen[14], Scope.PERP, "all").shares[0].delta_lots == 0
    everyone = series(seen[15], Scope.PERP, "all")
    assert (everyone.shares[0].delta_lots, everyone.shares[0].venues) == (None, [])
    assert everyone.null_reasons["shares.900"] == "gap"


@pytest.mark.parametrize(
    ("spot", "perp", "state"),
    [
        (3, 3, ConvictionState.CONFIRMED),
        (-3, -3, ConvictionState.CONFIRMED),
        (2, 3, ConvictionState.PERP_ONLY),  # the dead zone includes 0.02
        (-3, 2, ConvictionState.SPOT_ONLY),
        (3, -3, ConvictionState.OPPOSED),
        (-2, 2, ConvictionState.FLAT),
    ],
)
def test_conviction_is_agreement_beyond_the_dead_zone(
    spot: int, perp: int, state: ConvictionState
) -> None:
    assert conviction((spot, 100), (perp, 100), (2, 100)) is state


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 9))
def test_conviction_mirrors_and_scales(spot: int, perp: int, times: int) -> None:
    found = conviction((spot, 50), (perp, 50), (2, 100))
    assert conviction((-spot, 50), (-perp, 50), (2, 100)) is found
    assert conviction((spot * times, 50 * times), (perp, 50), (2, 100)) is found
    assert conviction((spot, 0), (perp, 50), (2, 100)) is None


USD_SPOT = ("coinbase", "BTC-USD")


def test_conviction_keeps_quote_currencies_of_spot_apart() -> None:
    def of(number: int) -> Second:
        if number % 60:
            return second(number, member(), member(BINANCE_SPOT), member(USD_SPOT))
        return second(
            number,
            member(trades=one_trade(number, 1, 1)),
            member(BINANCE_SPOT, trades=one_trade(number, 1, 1, BINANCE_SPOT)),
            member(USD_SPOT, trades=one_trade(number, 1, -1, USD_SPOT)),
        )

    seen = records(run(CvdStructureOperator(UNITS), map(of, range(3600))))
    early = seen[58].convictions
    assert [(one.quote, one.state) for one in early] == [("USD", None), ("USDT", None)]
    assert early[0].null_reasons["spot_share"] == "no_complete_venue"
    found = {one.quote: one for one in seen[59].convictions}
    assert found["USD"].state is ConvictionState.OPPOSED
    assert found["USDT"].state is ConvictionState.CONFIRMED
    assert (found["USD"].spot_share, found["USD"].perp_share) == (-1.0, 1.0)
    assert found["USD"].spot_venues == ["coinbase:BTC-USD"]
    assert quote_of("BTC-USDT-PERP") == "USDT"


# --- normalised


def test_normalised_is_by_p95_of_half_hours_within_one_and_a_half() -> None:
    """Half hours of 1, 2 and 3 coins: P95 is 3; then 1.5 and 30 coins."""
    params = CvdStructureParams(min_samples=3)
    told: dict[int, list[Trade]] = {}
    for half, coins in enumerate((1, 2, 3, 30)):
        told[1800 * half] = one_trade(1800 * half, coins, 1)
    seen = play(told, 7200, params=params)
    assert series(seen[88]).normalised is None
    assert series(seen[88]).null_reasons["normalised"] == "too_few_samples"
    assert series(seen[90]).normalised == 1.5
    assert series(seen[0]).null_reasons["normalised"] == "gap"
    assert series(seen[119], Scope.PERP, "common").normalised == 1.5
    assert series(seen[119], Scope.PERP, "all").null_reasons["normalised"] == "of_common_only"
    told[5400] = [trade(5400, PRICE, 1500, -1)]
    assert series(play(told, 7200, params=params)[119]).normalised == -0.5


# --- restarts, and everything against plain lists


def noisy(seed: int, length: int, first: int) -> list[Second]:
    chance = random.Random(seed)
    seconds = []
    for number in range(first, first + length):
        members = []
        for instrument in (BINANCE, BYBIT, BINANCE_SPOT):
            there = DOWN if chance.random() < 0.0001 else (1_000_000, member().trade_stream.state)  # type: ignore[union-attr]
            trades = [
                trade(
                    number,
                    PRICE + chance.randrange(-50, 50),
                    1 + int(10 ** chance.uniform(0, 4)),
                    chance.choice([1, -1, 1, -1, 0]),
                    instrument=instrument,
                    at_us=1000 * n,
                    rank=n,
                )
                for n in range(chance.randrange(3))
            ]
            members.append(member(instrument, trades=trades if there != DOWN else [], there=there))
        if chance.random() < 0.9995:
            seconds.append(second(number, *members))
    return seconds


def test_restarts_change_nothing() -> None:
    seconds = noisy(3, 6000, MIDNIGHT - 3000)
    params = CvdStructureParams(min_samples=1)
    expected = run(CvdStructureOperator(UNITS, params), seconds)
    assert len(expected) > 95
    assert run_with_restarts(lambda: CvdStructureOperator(UNITS, params), seconds) == expected
    assert any(series(one).normalised is not None for one in records(expected))


def test_every_sum_is_that_of_the_plain_trades() -> None:
    """Oracle: candles of the day, rolling deltas and sizes from all trades, minute by minute."""
    first = MIDNIGHT - 1500
    seconds = noisy(4, 4000, first)
    found = records(run(CvdStructureOperator(UNITS), seconds))
    name = "binance:BTC-USDT-PERP"
    trades = [t for one in seconds for t in one.members[name].trades]
    midnight_us = NOON_US + US_PER_DAY // 2
    checked = 0
    for record in found:
        one = series(record)
        if one.minute is None:
            continue
        checked += 1
        day_us = midnight_us if record.bar_start_us >= midnight_us else 0
        since = signed(t for t in trades if day_us <= t[0] < record.bar_start_us)
        path = [0, *running(signed_each(trades, record))]
        expected = (since, since + max(path), since + min(path), since + path[-1])
        assert lots(candle(one, Reset.DAY)) == expected
        window = signed(
            t for t in trades if record.bar_end_us - 900_000_000 <= t[0] < record.bar_end_us
        )
        assert one.shares[0].delta_lots in (window, None)
        assert one.sizes is not None
        assert sum(size.delta_lots for size in one.sizes) == path[-1]
        everyone = series(record, Scope.PERP, "all").minute
        assert everyone is not None
        both = [
            t
            for second_ in seconds
            for member_ in (name, "bybit:BTC-USDT-PERP")
            for t in second_.members[member_].trades
        ]
        inside = [t for t in both if record.bar_start_us <= t[0] < record.bar_end_us]
        assert everyone.delta_lots == signed(inside)
        assert everyone.volume_lots == sum(t[4] for t in inside if t[5])
    assert checked > 50


def test_rolling_windows_let_go_of_what_is_older_also_over_restarts() -> None:
    """Of every minute one second is there: 27 hours, and parts that are not needed any more."""
    chance = random.Random(8)
    deltas, seconds = [], []
    for minute in range(1620):
        number = 60 * minute + 59
        qty, side = chance.randrange(1, 99), chance.choice([1, -1])
        deltas.append(qty * side)
        gone = 200 <= minute < 230
        trades = [] if gone else [trade(number, PRICE, qty, side)]
        if not gone:
            seconds.append(second(number, member(trades=trades)))
    expected = run(CvdStructureOperator(UNITS), seconds)
    for record in records(expected)[::7]:
        minute = (record.bar_start_us - NOON_US) // US_PER_MINUTE
        for share in series(record, Scope.PERP, "all").shares:
            first = max(0, minute + 1 - share.window_seconds // 60)
            inside = [deltas[m] for m in range(first, minute + 1) if not 200 <= m < 230]
            assert share.delta_lots == sum(inside)
    assert run_with_restarts(lambda: CvdStructureOperator(UNITS), seconds) == expected


def signed(trades: object) -> int:
    return sum(t[4] * t[5] for t in trades)  # type: ignore[attr-defined]


def signed_each(trades: Sequence[Trade], record: CvdStructure) -> list[int]:
    return [t[4] * t[5] for t in trades if record.bar_start_us <= t[0] < record.bar_end_us]


def running(values: Sequence[int]) -> list[int]:
    at, found = 0, []
    for value in values:
        at += value
        found.append(at)
    return found


@pytest.mark.parametrize(
    "wrong", [{"normalised_seconds": 7}, {"dead_zone": (1, 1)}, {"min_samples": 0}]
)
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"none of the windows|between 0 and 1|1 or more"):
        CvdStructureParams(**wrong)  # type: ignore[arg-type]
