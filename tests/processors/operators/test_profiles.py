"""Volume profiles: windows, sums, levels (definitions 5.0, 5.2, 5.4, 5.14)."""

from collections.abc import Iterable
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.bars_by_trade.spec import BarParams, BarSpec
from processors.measures.levels import LevelKind
from processors.measures.nodes import NodeParams
from processors.operator import Output
from processors.operators.bars import BarsOperator
from processors.operators.profiles import ProfilesOperator
from processors.profiles.params import ProfileParams
from processors.scopes import PERP, ScopeKey
from processors.seconds.second import Second
from processors.units import AssetUnits
from schemas.bars import BarRule, TradeBar
from schemas.footprints import ValueArea
from schemas.lineage import Status
from schemas.market import FeedState, Scope
from schemas.profiles import (
    NakedPoc,
    PriorSession,
    ProfileRow,
    ProfileWindow,
    VolumeProfile,
)
from schemas.topics import PROFILES
from schemas.units import US_PER_DAY, US_PER_SECOND
from tests.processors.measures.bars import WORKED
from tests.processors.operators.tapes import INSTRUMENTS, MIDNIGHT, random_seconds, tape
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    NOON_SECOND,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

NOON_US = NOON_SECOND * US_PER_SECOND
MIDNIGHT_US = NOON_US + US_PER_DAY // 2
DAY = 86_400
ROW = UNITS.row_ticks
VENUE_KEY = ScopeKey(Scope.VENUE, *BINANCE)
PARAMS = ProfileParams(provisional_seconds=1, composite_seconds=1, least_covered=(0, 1))
SESSION = ProfileWindow.SESSION
ROLLING_24H = ProfileWindow.ROLLING_24H


def operator(params: ProfileParams = PARAMS, units: AssetUnits = UNITS) -> ProfilesOperator:
    return ProfilesOperator(ASSET, units, params)


def records(outputs: Iterable[Output]) -> list[VolumeProfile]:
    found = []
    for output in outputs:
        assert (output.topic, output.key) == (PROFILES.name, ASSET)
        assert isinstance(output.record, VolumeProfile)
        assert output.timestamp_us == output.record.until_time_us
        found.append(output.record)
    return found


def pick(
    sent: Iterable[VolumeProfile],
    window: ProfileWindow = SESSION,
    scope: Scope = Scope.VENUE,
    *,
    final: bool | None = None,
) -> list[VolumeProfile]:
    return [
        one
        for one in sent
        if one.window is window and one.scope is scope and final in (None, one.is_final)
    ]


def traded(number: int, *trades: tuple[int, int, int], there: int = US_PER_SECOND) -> Second:
    """Return a second with trades `(price, qty, side)` of one instrument."""
    taken = [trade(number, *one, at_us=place) for place, one in enumerate(trades)]
    return second(number, member(BINANCE, trades=taken, there=(there, FeedState.LIVE)))


def rows(profile: VolumeProfile) -> dict[int, tuple[int, int, int]]:
    return {row.row_ticks: (row.sell_lots, row.buy_lots, row.unknown_lots) for row in profile.rows}


# --- definitions 5.2 and 5.4


def test_the_worked_bar_as_a_session() -> None:
    units = AssetUnits(tick="1", lot="0.001", row_size="20")
    trades = [
        (price, qty, side)
        for price, (sell, buy) in WORKED.items()
        for qty, side in ((sell, -1), (buy, 1))
    ]
    (found,) = pick(records(run(operator(units=units), [traded(0, *trades)])))
    assert (found.sell_lots, found.buy_lots, found.trades) == (1088, 1405, 10)
    assert (found.poc_ticks, found.row_ticks, found.row_size) == (64_080, 20, "20")
    assert found.value_area == ValueArea(val_ticks=64_060, vah_ticks=64_120, share=1795 / 2493)
    assert found.vwap == pytest.approx(64_075.5154)
    assert found.rows[0] == ProfileRow(64_040, 380, 60, 0)
    assert (found.high_ticks, found.low_ticks) == (64_120, 64_040)


@pytest.mark.parametrize(
    ("method", "val", "vah"), [("two_row", 64_040, 64_100), ("at_most", 64_060, 64_100)]
)
def test_other_value_areas_of_the_worked_bar(method: str, val: int, vah: int) -> None:
    units = AssetUnits(tick="1", lot="0.001", row_size="20")
    params = msgspec.structs.replace(PARAMS, method=method)
    trades = [(price, sum(both), 1) for price, both in WORKED.items()]
    (found,) = pick(records(run(operator(params, units), [traded(0, *trades)])))
    assert found.value_area is not None
    assert (found.value_area.val_ticks, found.value_area.vah_ticks) == (val, vah)


@pytest.mark.parametrize(("beside", "peak"), [(10_800, 10_300), (9_500, 10_000), (None, 10_000)])
def test_of_equal_rows_the_nearest_to_the_vwap_is_the_poc_then_the_lower(
    beside: int | None, peak: int
) -> None:
    trades = [(10_050, 5, 1), (10_350, 5, -1)]
    if beside is not None:
        trades.append((beside, 1, 1))
    (found,) = pick(records(run(operator(), [traded(0, *trades)])))
    assert found.poc_ticks == peak


def test_an_unknown_side_is_in_the_total_and_in_no_other_column() -> None:
    (found,) = pick(records(run(operator(), [traded(0, (10_099, 3, 0), (10_000, 1, -1))])))
    assert rows(found) == {10_000: (1, 0, 3)}
    assert (found.sell_lots, found.buy_lots, found.unknown_lots) == (1, 0, 3)


# --- windows


def test_a_session_ends_at_midnight_and_the_trade_there_begins_the_next() -> None:
    seconds = [traded(MIDNIGHT - 1, (10_000, 2, 1)), traded(MIDNIGHT, (10_100, 3, 1))]
    old, new = pick(records(run(operator(), seconds)))
    assert (old.is_final, old.buy_lots, old.window_end_us) == (True, 2, MIDNIGHT_US)
    assert (new.is_final, new.buy_lots, new.window_start_us) == (False, 3, MIDNIGHT_US)
    assert old.revision == seconds[0].revision


def test_four_hours_are_aligned_to_midnight() -> None:
    edge = 4 * 3600
    seconds = [traded(edge - 1, (10_000, 2, 1)), traded(edge, (10_100, 3, 1))]
    old, new = pick(records(run(operator(), seconds)), ProfileWindow.FOUR_HOURS)
    assert (old.is_final, old.buy_lots, old.window_start_us) == (True, 2, NOON_US)
    assert (new.is_final, new.buy_lots) == (False, 3)


def test_the_rolling_day_drops_a_step_exactly_24_hours_after_it_ended() -> None:
    seconds = [traded(0, (10_000, 2, 1)), traded(300, (10_100, 3, 1))]
    seconds += [traded(number, (10_200, 5, 1)) for number in (DAY - 1, DAY, DAY + 300)]
    sent = pick(records(run(operator(), seconds)), ProfileWindow.ROLLING_24H)
    lots = {one.until_time_us // US_PER_SECOND - NOON_SECOND: one.buy_lots for one in sent}
    assert lots[DAY] == 10  # all of [0, 24 h)
    assert lots[DAY + 1] == 3 + 10  # the window that will end at 24 h 5 m
    assert lots[DAY + 301] == 15
    assert all(one.window_end_us % (300 * US_PER_SECOND) == 0 for one in sent)


def test_composites_are_sums_of_days_and_drop_the_eighth_and_the_thirty_first() -> None:
    seconds = [traded(day * DAY, (10_000 + 100 * day, 2**day, 1)) for day in range(33)]
    sent = records(run(operator(), seconds))
    for window, days in ((ProfileWindow.COMPOSITE_7D, 7), (ProfileWindow.COMPOSITE_30D, 30)):
        final = pick(sent, window, final=True)
        for day, one in enumerate(final):
            first = max(0, day - days + 1)
            assert one.window_end_us == MIDNIGHT_US + day * US_PER_DAY
            assert one.buy_lots == 2 ** (day + 1) - 2**first
            assert one.low_ticks == 10_000 + 100 * first
            assert one.completeness.status is Status.PARTIAL
        assert len(final) == 32
        newest = pick(sent, window, final=False)[-1]
        assert newest.buy_lots == 2**33 - 2 ** (33 - days)


def test_a_window_that_nobody_was_there_for_is_not_sent() -> None:
    seconds = [traded(0, (10_000, 1, 1)), traded(3 * DAY, (10_000, 1, 1))]
    final = pick(records(run(operator(), seconds)), final=True)
    assert [one.window_start_us for one in final] == [MIDNIGHT_US - US_PER_DAY]
    assert final[0].revision == seconds[1].revision


def test_a_rolling_window_is_final_for_every_step_that_somebody_was_there_in() -> None:
    seconds = [traded(number, (10_000, 1, 1)) for number in (299, 3000, 3700)]
    sent = pick(records(run(operator(), seconds)), ProfileWindow.ROLLING_24H, final=True)
    ends = [one.window_end_us // US_PER_SECOND - NOON_SECOND for one in sent]
    assert ends == [300, 3300]
    assert [one.buy_lots for one in sent] == [1, 2]


def test_composites_are_final_for_every_day_that_somebody_was_there_in() -> None:
    seconds = [traded(number, (10_000, 1, 1)) for number in (MIDNIGHT - 1, MIDNIGHT + 2 * DAY)]
    sent = pick(records(run(operator(), seconds)), ProfileWindow.COMPOSITE_7D, final=True)
    assert [one.window_end_us for one in sent] == [MIDNIGHT_US]


def test_an_open_window_is_sent_at_its_pace_in_turns_and_only_if_something_traded() -> None:
    params = ProfileParams(composite_seconds=20)
    trades = {0: (10_000, 1, 1), 3: (10_000, 1, 1), 31: (10_000, 1, 1)}
    seconds = [traded(n, *([trades[n]] if n in trades else [])) for n in range(60)]
    times: dict[ProfileWindow, list[int]] = {window: [] for window in ProfileWindow}
    for one in pick(records(run(operator(params), seconds)), ProfileWindow.SESSION):
        times[one.window].append(one.until_time_us // US_PER_SECOND - NOON_SECOND)
    for window in ProfileWindow:
        sent = pick(records(run(operator(params), seconds)), window)
        times[window] = [one.until_time_us // US_PER_SECOND - NOON_SECOND for one in sent]
    assert times == {
        ProfileWindow.SESSION: [10, 40],
        ProfileWindow.FOUR_HOURS: [2, 12, 32],
        ProfileWindow.ROLLING_24H: [4, 34],
        ProfileWindow.COMPOSITE_7D: [12, 32],
        ProfileWindow.COMPOSITE_30D: [16, 36],
    }


# --- who was there


def dying(number: int) -> Second:
    """Return a second after midnight; the other venue dies after its fifth."""
    at = MIDNIGHT + number
    alive = member(BINANCE, trades=[trade(at, 10_000, 2)])
    if number >= 5:
        return second(at, alive, member(BYBIT, there=DOWN))
    other = member(BYBIT, trades=[trade(at, 10_100, 3, -1, instrument=BYBIT)])
    return second(at, alive, other)


def test_a_venue_that_dies_leaves_the_aggregate_partial_and_common_without_it() -> None:
    sent = records(run(operator(), map(dying, range(10))))
    whole, partial = (pick(sent, SESSION, Scope.PERP)[at] for at in (4, 9))
    assert whole.completeness.status is Status.COMPLETE
    assert whole.common is not None
    assert whole.common.venues == ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]
    assert (whole.common.buy_lots, whole.common.sell_lots) == (10, 15)
    assert (whole.common.poc_ticks, whole.poc_ticks) == (10_100, 10_100)
    assert partial.completeness.status is Status.PARTIAL
    assert partial.completeness.coverage_ms["bybit:BTC-USDT-PERP"] == 5000
    assert partial.completeness.feed_states["bybit:BTC-USDT-PERP"] is FeedState.DOWN
    assert (partial.buy_lots, partial.sell_lots) == (20, 15)
    assert partial.common is not None
    assert partial.common.venues == ["binance:BTC-USDT-PERP"]
    assert (partial.common.buy_lots, partial.common.sell_lots) == (20, 0)
    assert partial.common.poc_ticks == 10_000


def test_without_a_complete_venue_there_is_no_common_profile() -> None:
    (one,) = pick(records(run(operator(), [traded(0, (10_000, 1, 1))])), SESSION, Scope.PERP)
    assert (one.common, one.null_reasons["common"]) == (None, "no_venue_was_complete")
    (own,) = pick(records(run(operator(), [traded(0, (10_000, 1, 1))])))
    assert own.null_reasons["common"] == "a_single_instrument"


@pytest.mark.parametrize("dead", [False, True])
def test_a_window_without_trades_is_null_with_its_reason_and_never_zero_priced(dead: bool) -> None:
    quiet = member(BINANCE, there=DOWN) if dead else member(BINANCE)
    seconds = [second(number, quiet) for number in range(4 * 3600 - 5, 4 * 3600)]
    (one,) = pick(records(run(operator(), seconds)), ProfileWindow.FOUR_HOURS)
    assert one.is_final
    assert (one.rows, one.high_nodes, one.low_nodes) == ([], [], [])
    assert (one.vwap, one.high_ticks, one.low_ticks) == (None, None, None)
    assert (one.poc_ticks, one.value_area) == (None, None)
    assert one.null_reasons["prices"] == ("gap" if dead else "no_trades")
    assert one.completeness.status is (Status.GAP if dead else Status.PARTIAL)


def test_a_window_over_a_jump_is_partial() -> None:
    seconds = [traded(MIDNIGHT + number, (10_000, 1, 1)) for number in (0, 1, 9)]
    sent = pick(records(run(operator(), seconds)))
    assert [one.completeness.status for one in sent] == [
        Status.COMPLETE,
        Status.COMPLETE,
        Status.PARTIAL,
    ]


# --- levels


def after_a_day(price: int, *, close: int = 10_450) -> tuple[ProfilesOperator, list[VolumeProfile]]:
    """Let a session with its POC at 102.00 close, then one trade follow after midnight."""
    one = operator()
    day = [(10_000, 1, 1), (10_200, 9, 1), (10_300, 4, -1), (10_499, 2, 1), (close, 1, 1)]
    outputs = one.on_second(traded(MIDNIGHT - 1, *day))
    outputs += one.on_second(traded(MIDNIGHT, (price, 1, 1)))
    return one, pick(records(outputs))


@pytest.mark.parametrize(
    ("close", "price", "naked"),
    [
        (10_450, 10_300, True),
        (10_450, 10_299, False),  # the highest tick of its row
        (10_450, 10_000, False),  # beyond it, seen from the close
        (10_010, 10_199, True),
        (10_010, 10_200, False),
        (10_010, 10_700, False),
        (10_250, 10_210, False),  # closed in its own row: the next trade decides
        (10_250, 10_310, True),
        (10_250, 10_190, True),
    ],
)
def test_a_poc_is_naked_until_a_trade_trades_through_its_row(
    close: int, price: int, naked: bool
) -> None:
    one, sent = after_a_day(price, close=close)
    expected = [NakedPoc(10_200, 10_300, MIDNIGHT_US - US_PER_DAY, True)] if naked else []
    assert sent[0].naked_pocs == []
    assert sent[-1].naked_pocs == expected
    kinds = [level.kind for level in one.levels(VENUE_KEY)]
    assert (LevelKind.NAKED_POC in kinds) is naked


def test_a_naked_poc_stays_on_the_side_that_the_first_trade_after_took() -> None:
    one, _ = after_a_day(10_310, close=10_250)
    (sent,) = pick(records(one.on_second(traded(MIDNIGHT + 1, (10_150, 1, 1)))))
    assert sent.naked_pocs == []


@pytest.mark.parametrize("jump", [False, True])
def test_a_naked_poc_says_that_not_everything_was_seen(jump: bool) -> None:
    one, sent = after_a_day(10_400)
    assert sent[-1].naked_pocs[0].all_seen
    number = MIDNIGHT + 1
    if jump:
        number += 60
    else:
        one.on_second(second(number, member(BINANCE, there=(999_999, FeedState.LIVE))))
        number += 1
    (again,) = pick(records(one.on_second(traded(number, (10_400, 1, 1)))))
    assert [poc.all_seen for poc in again.naked_pocs] == [False]


def test_the_prior_session_and_its_levels() -> None:
    one, sent = after_a_day(10_400)
    assert sent[0].prior is None
    assert sent[0].null_reasons["prior"] == "no_earlier_session"
    assert sent[-1].prior == PriorSession(
        session_start_us=MIDNIGHT_US - US_PER_DAY,
        poc_ticks=10_200,
        val_ticks=10_200,
        vah_ticks=10_400,
        high_ticks=10_499,
        low_ticks=10_000,
    )
    found = {(level.kind, level.low_ticks, level.high_ticks) for level in one.levels(VENUE_KEY)}
    assert {
        (LevelKind.PRIOR_POC, 10_200, 10_300),
        (LevelKind.PRIOR_VAL, 10_200, 10_300),
        (LevelKind.PRIOR_VAH, 10_300, 10_400),
        (LevelKind.PRIOR_HIGH, 10_499, 10_500),
        (LevelKind.PRIOR_LOW, 10_000, 10_001),
        (LevelKind.NAKED_POC, 10_200, 10_300),
        (LevelKind.COMPOSITE_POC, 10_200, 10_300),
        (LevelKind.COMPOSITE_VAH, 10_300, 10_400),
    } <= found
    levels = one.levels(VENUE_KEY)
    assert levels == sorted(levels, key=lambda level: level.low_ticks)
    assert {level.since_us for level in levels} == {MIDNIGHT_US}
    start_us = MIDNIGHT_US - US_PER_DAY
    poc = next(level for level in levels if level.kind is LevelKind.PRIOR_POC)
    assert poc.source == f"profile:BTC:binance:BTC-USDT-PERP:session:{start_us}"
    assert one.levels(PERP)[0].source.startswith("profile:BTC:perp:")
    assert one.levels(ScopeKey(Scope.SPOT, "", "")) == []


@pytest.mark.parametrize(("covered", "there"), [(800, True), (799, False)])
def test_a_session_that_too_little_was_seen_of_leaves_nothing(covered: int, there: bool) -> None:
    """A fifth of the day may be missing: one second stands for all that was seen."""
    one = operator(msgspec.structs.replace(PARAMS, least_covered=(4, 5)))
    one.on_second(traded(MIDNIGHT - DAY - 1, (10_000, 1, 1), there=US_PER_DAY))
    assert LevelKind.PRIOR_POC in {level.kind for level in one.levels(VENUE_KEY)}
    one.on_second(traded(MIDNIGHT - 1, (10_200, 9, 1), there=covered * US_PER_DAY // 1000))
    (sent,) = pick(records(one.on_second(traded(MIDNIGHT, (10_400, 1, 1)))))
    kinds = {level.kind for level in one.levels(VENUE_KEY)}
    assert (LevelKind.PRIOR_POC in kinds, sent.prior is not None) == (there, there)
    assert (LevelKind.HIGH_VOLUME_NODE in kinds) is there
    assert sent.null_reasons.get("prior") == (None if there else "earlier_session_partial")
    assert len(sent.naked_pocs) == 1 + there


def test_the_rows_of_the_nodes_of_the_last_24_hours_are_levels_at_every_step() -> None:
    params = msgspec.structs.replace(PARAMS, nodes=NodeParams(smooth_rows=1))
    one = operator(params)

    def high(number: int, *trades: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        (sent,) = pick(records(one.on_second(traded(number, *trades))), ROLLING_24H, final=True)
        found = [one for one in one.levels(VENUE_KEY) if one.kind is LevelKind.HIGH_VOLUME_NODE]
        newest = [one for one in found if one.since_us == sent.window_end_us]
        start_us = sent.window_start_us
        named = f"profile:BTC:binance:BTC-USDT-PERP:rolling_24h:{start_us}"
        assert {one.source for one in newest} <= {named}
        return [
            (one.low_ticks, one.high_ticks, (one.since_us - NOON_US) // US_PER_SECOND)
            for one in found
        ]

    broad = [(10_000, 5, 1), (10_100, 9, 1), (10_200, 5, 1), (10_300, 1, 1), (10_400, 8, 1)]
    assert high(299, *broad) == [(10_100, 10_200, 300), (10_400, 10_500, 300)]
    assert high(599, (10_100, 3, 1)) == [(10_100, 10_200, 300), (10_400, 10_500, 300)]
    assert high(899, (10_200, 30, 1)) == [(10_200, 10_300, 900), (10_400, 10_500, 300)]
    assert high(DAY + 599, (10_400, 1, 1)) == [(10_200, 10_300, 900)]


def test_nodes_of_both_kinds_are_levels() -> None:
    params = msgspec.structs.replace(PARAMS, nodes=NodeParams(smooth_rows=1))
    one = operator(params)
    hills = [(10_000, 8, 1), (10_100, 1, 1), (10_200, 9, 1)]
    (closed,) = pick(records(one.on_second(traded(MIDNIGHT - 1, *hills))))
    assert [node.row_ticks for node in closed.high_nodes] == [10_000, 10_200]
    assert [node.row_ticks for node in closed.low_nodes] == [10_100]
    nodes = [
        (level.kind, level.low_ticks, level.high_ticks)
        for level in one.levels(VENUE_KEY)
        if level.kind in (LevelKind.HIGH_VOLUME_NODE, LevelKind.LOW_VOLUME_NODE)
    ]
    assert nodes == [
        (LevelKind.HIGH_VOLUME_NODE, 10_000, 10_100),
        (LevelKind.LOW_VOLUME_NODE, 10_100, 10_200),
        (LevelKind.HIGH_VOLUME_NODE, 10_200, 10_300),
    ]


def test_no_more_naked_pocs_are_remembered_than_asked_for() -> None:
    params = msgspec.structs.replace(PARAMS, naked_sessions=2)
    seconds = [
        traded(MIDNIGHT - 1 + day * DAY, (10_000 + 1000 * day, 5, 1), (10_500 + 1000 * day, 1, 1))
        for day in range(4)
    ]
    (last,) = pick(records(operator(params).on_second(seconds[0])))
    assert last.naked_pocs == []
    final = pick(records(run(operator(params), seconds)), final=True)
    assert [poc.low_ticks for poc in final[-1].naked_pocs] == [11_000, 12_000]


def test_a_session_without_trades_leaves_the_levels_of_the_one_before() -> None:
    one, _ = after_a_day(10_400)
    before = one.levels(VENUE_KEY)
    for number in (2 * DAY + MIDNIGHT - 1, 2 * DAY + MIDNIGHT):
        one.on_second(second(number, member(BINANCE)))
    kinds = {level.kind for level in one.levels(VENUE_KEY)}
    assert LevelKind.PRIOR_POC in kinds
    assert {level.since_us for level in before} == {MIDNIGHT_US}


# --- bounds


def test_more_rows_than_allowed_are_doubled_in_height_until_they_fit() -> None:
    params = msgspec.structs.replace(PARAMS, max_rows=4)
    trades = [(10_000 + 100 * row, row + 1, 1) for row in range(10)]
    (found,) = pick(records(run(operator(params), [traded(0, *trades)])))
    assert (found.row_ticks, found.row_size) == (400, "4")
    assert rows(found) == {10_000: (0, 10, 0), 10_400: (0, 26, 0), 10_800: (0, 19, 0)}
    assert found.buy_lots == 55


@pytest.mark.parametrize(("highest", "height"), [(10_399, 100), (10_400, 200)])
def test_rows_fit_from_the_lowest_to_the_highest_with_those_between(
    highest: int, height: int
) -> None:
    params = msgspec.structs.replace(PARAMS, max_rows=4)
    (found,) = pick(records(run(operator(params), [traded(0, (10_000, 1, 1), (highest, 1, 1))])))
    assert found.row_ticks == height


def test_an_instrument_that_left_is_forgotten_with_its_last_day() -> None:
    one = operator()
    left = member(BYBIT, trades=[trade(0, 10_000, 1, instrument=BYBIT)])
    one.on_second(second(0, member(BINANCE), left))
    expected = []
    for day in range(1, 32):
        gone = member(BYBIT, there=(0, FeedState.NOT_LISTED))
        outputs = one.on_second(second(day * DAY, member(BINANCE), gone))
        outputs += one.on_second(traded(day * DAY + 1, (10_000, 1, 1)))
        newest = pick(records(outputs), ProfileWindow.COMPOSITE_30D, Scope.PERP, final=False)
        expected.append(newest[-1].completeness.venues_expected)
    assert [len(names) for names in expected] == [2] * 29 + [1] * 2
    assert [name for name, _ in one.snapshot().head["members"]] == ["binance:BTC-USDT-PERP"]


def test_a_stray_price_makes_rows_coarse_for_as_long_as_it_is_in_the_window() -> None:
    params = msgspec.structs.replace(PARAMS, max_rows=64)
    seconds = [traded(0, (10_000, 1, 1), (10_000_000, 1, 1)), traded(400, (10_000, 1, 1))]
    seconds += [traded(DAY + 100, (10_000, 1, 1))]
    sent = pick(records(run(operator(params), seconds)), ProfileWindow.ROLLING_24H)
    assert sent[0].row_ticks > 100
    assert (sent[-1].row_ticks, rows(sent[-1])) == (100, {10_000: (0, 2, 0)})


def test_parts_are_kept_for_as_long_as_a_window_needs_them() -> None:
    one = operator()
    parts: set[str] = set()
    for day in range(40):
        for number in (0, 6 * 3600, 12 * 3600):
            one.on_second(traded(day * DAY + number, (10_000, 1, 1)))
            parts |= one.snapshot().parts.keys()
        parts = {part for part in parts if one.keeps(part)}
    days = [part for part in parts if part.startswith("day/binance:BTC-USDT-PERP/")]
    steps = [part for part in parts if part.startswith("step/")]
    assert (len(days), len(steps), len(parts)) == (29, 2, 31)
    assert not one.keeps("step/0")
    assert not one.keeps("day/nobody/0")


# --- the oracle


def names_of(profile: VolumeProfile) -> list[str]:
    if profile.scope is Scope.VENUE:
        return [f"{profile.venue}:{profile.symbol}"]
    perp = profile.scope is Scope.PERP
    return [":".join(one) for one in INSTRUMENTS if one[1].endswith("PERP") is perp]


def check(profile: VolumeProfile, seconds: list[Second]) -> None:
    """Work a profile out from all trades of its window."""
    start_us, until_us = profile.window_start_us, profile.until_time_us
    within = [one for one in seconds if start_us <= one.start_us < until_us]
    trades = tape(within, names_of(profile))
    expected: dict[int, list[int]] = {}
    for _, _, _, price, qty, side in trades:
        row = expected.setdefault(price // ROW * ROW, [0, 0, 0])
        row[{-1: 0, 1: 1, 0: 2}[side]] += qty
    assert rows(profile) == {row: tuple(of) for row, of in sorted(expected.items())}
    assert profile.trades == len(trades)
    columns = (profile.sell_lots, profile.buy_lots, profile.unknown_lots)
    assert columns == tuple(sum(row[at] for row in expected.values()) for at in range(3))
    covered = {
        name: sum(
            stream.covered_us
            for one in within
            if (stream := one.members[name].trade_stream) is not None
        )
        for name in names_of(profile)
    }
    found = profile.completeness
    assert found.coverage_ms == {name: of // 1000 for name, of in sorted(covered.items())}
    whole = sorted(name for name, of in covered.items() if of == until_us - start_us)
    assert found.venues_complete == whole
    if trades:
        check_prices(profile, [(one[3], one[4]) for one in trades], expected)
    if profile.common is not None:
        of_common = tape(within, whole)
        assert profile.common.buy_lots == sum(one[4] for one in of_common if one[5] == 1)


def check_prices(
    profile: VolumeProfile, trades: list[tuple[int, int]], expected: dict[int, list[int]]
) -> None:
    prices = [price for price, _ in trades]
    assert (profile.high_ticks, profile.low_ticks) == (max(prices), min(prices))
    worth, qty = sum(price * lots for price, lots in trades), sum(lots for _, lots in trades)
    assert profile.vwap == worth / (qty * UNITS.price_denominator)
    nearest = sorted(
        expected,
        key=lambda row: (
            -sum(expected[row]),
            abs(Fraction(2 * row + ROW, 2) - Fraction(worth, qty)),
            row,
        ),
    )
    assert profile.poc_ticks == nearest[0]
    area = profile.value_area
    assert area is not None
    inside = sum(sum(of) for row, of in expected.items() if area.val_ticks <= row < area.vah_ticks)
    assert area.share == inside / qty >= 0.7


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**9),
    st.sampled_from([0, MIDNIGHT - 30]),
    st.sampled_from([400, 9000, 200_000, 2_000_000]),
)
def test_every_profile_is_that_of_its_trades(seed: int, first: int, jump: int) -> None:
    seconds = random_seconds(seed, first, 60, jump=jump)
    sent = records(run(operator(), seconds))
    for profile in sent:
        check(profile, seconds)
    for window, length in ((SESSION, DAY), (ProfileWindow.FOUR_HOURS, DAY // 6)):
        length_us = length * US_PER_SECOND
        last_us = seconds[-1].end_us
        began = {one.start_us // length_us for one in seconds}
        ended = {start * length_us for start in began if (start + 1) * length_us <= last_us}
        final = pick(sent, window, Scope.PERP, final=True)
        assert sorted(one.window_start_us for one in final) == sorted(ended)


@pytest.mark.parametrize("jump", [300, 9000, 200_000])
def test_restarts_change_nothing(jump: int) -> None:
    seconds = random_seconds(jump, MIDNIGHT - 900, 220, jump=jump)
    params = msgspec.structs.replace(PARAMS, provisional_seconds=3, max_rows=3)
    undisturbed = run(operator(params), seconds)
    restarted = run_with_restarts(lambda: operator(params), seconds, jump)
    assert msgspec.json.encode(undisturbed) == msgspec.json.encode(restarted)
    assert len({one.row_ticks for one in records(undisturbed)}) > 1


def test_levels_survive_a_restart() -> None:
    one, _ = after_a_day(10_400)
    state = one.snapshot()
    again = operator()
    again.restore(msgspec.json.decode(msgspec.json.encode(state.head)), state.parts)
    assert again.levels(VENUE_KEY) == one.levels(VENUE_KEY) != []


@pytest.mark.parametrize("seed", range(3))
def test_rows_bars_and_trades_of_a_session_are_the_same_volume(seed: int) -> None:
    """Conservation (definitions 5.14): rows of the session = volume of the bars = the trades."""
    seconds = random_seconds(seed, MIDNIGHT - 400, 400, jump=3)
    specs = (
        BarSpec(BarRule.TICK, "7"),
        BarSpec(BarRule.VOLUME, "0.05", split=True),
        BarSpec(BarRule.RANGE, "1.5"),
    )
    bars = [
        output.record
        for output in run(BarsOperator(ASSET, UNITS, BarParams(specs={ASSET: specs})), seconds)
        if isinstance(output.record, TradeBar) and output.record.is_final
    ]
    sent = records(run(operator(ProfileParams()), seconds))
    sessions = [one for one in sent if one.window is SESSION and one.is_final]
    assert {one.scope for one in sessions} == set(Scope)
    for session in sessions:
        within = [one for one in seconds if one.start_us < session.window_end_us]
        trades = tape(within, names_of(session))
        assert sum(map(sum, rows(session).values())) == sum(one[4] for one in trades) > 0
        scope = (session.scope, session.venue, session.symbol, session.window_start_us)
        for spec in specs:
            own = [
                bar
                for bar in bars
                if (bar.scope, bar.venue, bar.symbol, bar.day_start_us) == scope
                and (bar.rule, bar.split) == (spec.rule, spec.split)
            ]
            for column in ("buy_lots", "sell_lots", "unknown_lots"):
                assert sum(getattr(bar, column) for bar in own) == getattr(session, column)
            assert (
                sum(bar.trades_buy + bar.trades_sell + bar.trades_unknown for bar in own)
                == session.trades
            )


def test_scopes_are_the_sums_of_their_instruments() -> None:
    one = second(
        0,
        member(BINANCE, trades=[trade(0, 10_000, 1)]),
        member(BYBIT, trades=[trade(0, 10_050, 2, -1, instrument=BYBIT)]),
        member(BINANCE_SPOT, trades=[trade(0, 10_000, 4, instrument=BINANCE_SPOT)]),
    )
    sent = records(run(operator(), [one]))
    assert [rows(found) for found in pick(sent, SESSION, Scope.PERP)] == [{10_000: (2, 1, 0)}]
    assert [rows(found) for found in pick(sent, SESSION, Scope.SPOT)] == [{10_000: (0, 4, 0)}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"step_seconds": 7 * 60},
        {"step_seconds": 0},
        {"share": (8, 7)},
        {"share": (0, 7)},
        {"provisional_seconds": 0},
        {"composite_seconds": 0},
        {"max_rows": 0},
        {"naked_sessions": 0},
        {"least_covered": (6, 5)},
    ],
)
def test_parameters_without_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        ProfileParams(**wrong)  # type: ignore[arg-type]
