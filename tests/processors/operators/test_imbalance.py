"""The imbalance operator: vectors of definitions 5.16, who is there, what is null and why."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from processors.imbalance.params import BookParams
from processors.operators.imbalance import ImbalanceOperator
from processors.seconds.second import BookView, MemberSecond, Second
from processors.trades import Trade
from schemas.books import BookBand, BookLevel
from schemas.heatmap import HeatmapStep
from schemas.imbalance import (
    ImbalanceStep,
    InstrumentImbalance,
    Refill,
    ScopeImbalance,
)
from schemas.lineage import Status
from schemas.market import FeedState, Scope
from schemas.topics import HEATMAP, IMBALANCE
from schemas.units import US_PER_SECOND
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    NOON_SECOND,
    OKX,
    UNITS,
    book,
    member,
    run,
    second,
    trade,
)

# 5.16: bids 100.0 x 3, 99.9 x 5; asks 100.1 x 2, 100.3 x 6, known beyond them.
BIDS: list[BookLevel] = [(10_000, 3), (9_990, 5)]
ASKS: list[BookLevel] = [(10_010, 2), (10_030, 6)]
BANDS: list[BookBand] = [
    (10, 3, 2, 30_000, 20_020, 3),
    (20, 8, 2, 79_950, 20_020, 3),
    (100, 8, 8, 79_950, 80_200, 2),
]
PERP_NAMES = ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP", "okx:BTC-PERP"]


def worked(number: int, at_us: int = 0, bands: Sequence[BookBand] = BANDS) -> BookView:
    return book(number, BIDS, ASKS, bands=bands, at_us=at_us)


def make(**params: object) -> ImbalanceOperator:
    return ImbalanceOperator(ASSET, UNITS, BookParams(**params))  # type: ignore[arg-type]


def steps(seconds: Sequence[Second], **params: object) -> list[ImbalanceStep]:
    outputs = run(make(**params), seconds)
    return [one.record for one in outputs if isinstance(one.record, ImbalanceStep)]


def last(seconds: Sequence[Second], **params: object) -> InstrumentImbalance:
    return steps(seconds, **params)[-1].instruments[0]


def perp(step: ImbalanceStep) -> ScopeImbalance:
    (found,) = [one for one in step.scopes if one.scope is Scope.PERP]
    return found


def sided(instrument: tuple[str, str], bid: int, ask: int, number: int = 0) -> MemberSecond:
    """Return an instrument whose 10 bp band holds so much at 100 quote; its best prices rest."""
    band = (10, bid, ask, bid * 10_000, ask * 10_000, 3)
    top = ((NOON_SECOND + number) * US_PER_SECOND, *BIDS[0], *ASKS[0])
    return member(instrument, books=[replace(worked(number, bands=[band]), tops=[top])])


# --- 5.16


def test_the_worked_book() -> None:
    found = last([second(0, member(books=[worked(0)]))], levels=(1, 2))
    assert [one.obi for one in found.tops] == [0.2, 0.0]
    assert [(one.bid_lots, one.ask_lots) for one in found.tops] == [(3, 2), (8, 8)]
    assert [one.obi for one in found.bands] == [0.2, 0.6, None]
    assert (found.best_bid_ticks, found.best_ask_ticks, found.mid_ticks) == (10_000, 10_010, 10_005)
    assert found.weighted_mid_ticks == 10_006


def test_a_band_that_is_not_covered_is_null_and_says_on_which_side() -> None:
    seconds = [second(0, member(books=[worked(0)]))]
    wide = last(seconds).bands[2]
    assert (wide.obi, wide.coverage, wide.bid_lots) == (None, 2, 8)
    assert last(seconds, allow_truncated=True).bands[2].obi == 0.0


def test_a_band_counted_from_the_best_prices_has_its_own_name_and_number() -> None:
    """Asks 100.1 to 100.3: 20 bp from 100.1 end at 100.3002, the last tick of them at 100.30."""
    bids: list[BookLevel] = [*BIDS, (9_980, 1)]
    found = last([second(0, member(books=[book(0, bids, ASKS, bands=BANDS)]))])
    (ten, twenty) = found.bands_from_best
    assert (ten.half_width_bp, ten.obi, ten.bid_lots, ten.ask_lots) == (10, 6 / 10, 8, 2)
    assert (twenty.obi, twenty.bid_lots, twenty.ask_lots) == (1 / 17, 9, 8)


def test_one_side_empty_is_one_sided_and_both_empty_is_null() -> None:
    one = last([second(0, member(books=[book(0, [(10_000, 3)], [])]))])
    assert (one.tops[0].obi, one.tops[0].one_sided) == (1.0, True)
    assert (one.mid_ticks, one.null_reasons["mid_ticks"]) == (None, "one_sided")
    none = last([second(0, member(books=[book(0, [], [])]))])
    assert (none.tops[0].obi, none.tops[0].one_sided) == (None, False)
    assert none.null_reasons["mid_ticks"] == "empty_book"


def test_a_venue_that_is_down_for_a_minute_is_a_gap_and_not_a_flow_change() -> None:
    """5.16, dead venue: B null `gap`, all partial, common is without it."""
    alive = [sided(BINANCE, 3, 1, number) for number in range(60)]
    seconds = [second(0, alive[0], sided(BYBIT, 1, 9))]
    seconds += [second(n, alive[n], member(BYBIT, there=DOWN)) for n in range(1, 60)]
    for step in steps(seconds)[1:]:
        dead = step.instruments[1]
        assert (dead.status, dead.valid_ms, dead.tops, dead.bands) == (Status.GAP, 0, [], [])
        assert dead.null_reasons["book"] == "feed_down"
        assert (dead.ofi_lots, dead.tfi_lots, dead.best_bid_ticks) == (None, None, None)
        scope = perp(step)
        assert scope.completeness.status is Status.PARTIAL
        assert scope.completeness.venues_complete == PERP_NAMES[:1]
        assert [one.venues for one in scope.common] == [PERP_NAMES[:1]]
        assert scope.common[0].sum_depth == 0.5
    (minute,) = [
        mean for mean in steps(seconds)[-1].instruments[1].time_weighted if mean.measure == "top_10"
    ]
    assert (minute.obi, minute.valid_ms) == (None, 1000)


# --- who is there


def test_a_venue_that_dies_within_the_second_is_in_all_and_not_in_common() -> None:
    dying = replace(sided(BYBIT, 1, 9), book_stream=None)
    dying.book_stream = replace(member().book_stream, covered_us=400_000)  # type: ignore[type-var]
    (step,) = steps([second(0, sided(BINANCE, 3, 1), dying)])
    scope = perp(step)
    assert step.instruments[1].status is Status.PARTIAL
    assert step.instruments[1].valid_ms == 400
    assert scope.completeness.venues_partial == PERP_NAMES[1:2]
    assert [(one.venues, one.sum_depth) for one in scope.all] == [(PERP_NAMES[:2], -6 / 14)]
    assert [(one.venues, one.sum_depth) for one in scope.common] == [(PERP_NAMES[:1], 0.5)]


def test_a_book_that_is_not_valid_is_not_complete_though_its_stream_is() -> None:
    invalid = member(BYBIT, books=[book(0, [], [], valid=False)])
    (step,) = steps([second(0, sided(BINANCE, 3, 1), invalid)])
    assert step.instruments[1].null_reasons["book"] == "book_gap"
    assert perp(step).completeness.status is Status.PARTIAL
    assert perp(step).completeness.venues_partial == []


def test_spot_and_perpetuals_are_never_summed() -> None:
    (step,) = steps([second(0, sided(BINANCE, 3, 1), sided(BINANCE_SPOT, 1, 3))])
    assert [(one.scope, one.all[0].sum_depth) for one in step.scopes] == [
        (Scope.PERP, 0.5),
        (Scope.SPOT, -0.5),
    ]


def test_a_venue_that_does_not_cover_a_band_is_not_in_its_aggregate() -> None:
    narrow = member(BYBIT, books=[worked(0, bands=[(10, 9, 1, 90_000, 10_000, 1)])])
    (step,) = steps([second(0, sided(BINANCE, 3, 1), narrow)])
    assert [(one.venues, one.sum_depth) for one in perp(step).all] == [(PERP_NAMES[:1], 0.5)]


def test_dollars_are_summed_over_grids() -> None:
    """Bybit's tick is 10 and its lot 1000 of the asset's: the same dollars in other numbers."""
    coarse = replace(
        worked(0, bands=[(10, 1, 3, 1_000, 3_000, 3)]), tick_factor=10, lot_factor=1000
    )
    (step,) = steps([second(0, sided(BINANCE, 3000, 1000), member(BYBIT, books=[coarse]))])
    assert perp(step).all[0].sum_depth == 0.0
    bybit = step.instruments[1]
    assert (bybit.best_bid_ticks, bybit.best_bid_lots, bybit.mid_ticks) == (100_000, 3000, 100_050)
    # 10,000 ticks of 0.01 are 100 quote, 1000 lots of 0.001 are 1 coin
    assert (bybit.bands[0].bid_usd_cents, bybit.bands[0].bid_lots) == (10_000, 1000)


def test_without_any_book_stream_nothing_is_sent() -> None:
    gone = member(BINANCE, there=(0, FeedState.NOT_LISTED))
    assert run(make(), [second(0, gone), second(1)]) == []


def test_the_record_says_where_it_comes_from() -> None:
    made = second(7, member(books=[worked(7)]))
    outputs = run(make(), [made])
    assert [(one.topic, one.key) for one in outputs] == [
        (IMBALANCE.name, ASSET),
        (HEATMAP.name, ASSET),
    ]
    for one in outputs:
        assert isinstance(one.record, ImbalanceStep | HeatmapStep)
        assert one.timestamp_us == one.record.step_start_us == made.start_us
        assert (one.record.revision, one.record.inputs) == (made.revision, made.inputs)
        assert one.record.is_final
        assert len(msgspec.json.encode(one.record)) < 2**20


# --- windows


def quiet(count: int, first: int = 0) -> list[Second]:
    """Return seconds of a book that is sent once each and never changes."""
    return [second(n, member(books=[worked(n)])) for n in range(first, first + count)]


def test_persistence_is_null_until_its_window_of_valid_book_is_there() -> None:
    """The first second has no book at its beginning, so five seconds are there after six."""
    found = [step.instruments[0] for step in steps(quiet(7))]
    assert [one.persistent[0].obi is not None for one in found] == [False] * 5 + [True, True]
    assert found[4].null_reasons["persistent_5"] == "window_not_filled"
    assert found[6].persistent[0].obi == found[6].weighted_obi
    assert (found[6].persistent[0].bid_fleeting, found[6].persistent[0].bid_known) == (0.0, 1.0)


@pytest.mark.parametrize(
    "broken",
    [
        member(there=(999_999, FeedState.LIVE), books=[worked(10)]),
        member(books=[book(10, [], [], valid=False), worked(10, at_us=500_000)]),
        member(books=[replace(worked(10), epoch=("s1", 1))]),
    ],
)
def test_whatever_breaks_the_book_begins_its_windows_anew(broken: MemberSecond) -> None:
    seconds = [*quiet(10), second(10, broken)]
    found = steps(seconds)
    assert found[9].instruments[0].persistent[0].obi is not None
    assert found[10].instruments[0].persistent[0].obi is None
    assert found[10].instruments[0].mlofi_lots is None


def test_a_quote_that_flickers_is_fleeting_although_each_second_ends_with_it() -> None:
    rests: list[BookLevel] = [(10_000, 3), (9_998, 3)]
    flickers: list[BookLevel] = [(10_000, 3), (9_999, 97), (9_998, 3)]
    seconds = [
        second(n, member(books=[book(n, rests, ASKS), book(n, flickers, ASKS, at_us=500_000)]))
        for n in range(7)
    ]
    found = last(seconds).persistent[0]
    assert found.bid_fleeting == pytest.approx(97 / 103, abs=0.001)
    assert (found.ask_fleeting, found.bid_known) == (0.0, 1.0)


def test_a_level_that_was_deeper_than_shown_is_not_called_fleeting() -> None:
    """Until the last book the bids ended at 100.00: what lay below is not known."""
    seconds = [second(n, member(books=[book(n, BIDS[:1], ASKS)])) for n in range(7)]
    found = last([*seconds, second(7, member(books=[worked(7)]))]).persistent[0]
    assert found.bid_fleeting == 0.0
    assert found.bid_known is not None
    assert 0.0 < found.bid_known < 1.0


def test_a_level_that_is_cancelled_is_pulled_and_one_that_trades_is_not() -> None:
    """Of 9 lots that go from the best bid, 4 were sold into; of 2 at the best ask none."""
    seconds = [second(0, member(books=[book(0, [(10_000, 9), (9_990, 5)], [(10_010, 2)])]))]
    after = book(1, [(9_990, 5)], [(10_020, 2)], at_us=400_000)
    trades = [trade(1, 10_000, 4, -1, at_us=350_000), trade(1, 10_010, 9, -1, at_us=350_000)]
    seconds.append(second(1, member(books=[after], trades=trades)))
    found = last(seconds, pull_seconds=1)
    assert found.bid_pull is not None
    assert (found.bid_pull.ratio, found.bid_pull.removed_lots, found.bid_pull.traded_lots) == (
        5 / 9,
        9,
        4,
    )
    # The only ask went up: 100.10 is inside what the next book shows, and nobody bought it.
    assert found.ask_pull is not None
    assert found.ask_pull.ratio == 1.0


def test_pull_is_null_without_all_trades_and_without_removals() -> None:
    seconds = quiet(3)
    calm = last(seconds, pull_seconds=2)
    assert calm.bid_pull is not None
    assert (calm.bid_pull.ratio, calm.null_reasons["bid_pull"]) == (None, "nothing_removed")
    stream = seconds[2].members[PERP_NAMES[0]].trade_stream
    assert stream is not None
    stream.covered_us = 999_999
    blind = last(seconds, pull_seconds=2)
    assert (blind.bid_pull, blind.null_reasons["bid_pull"]) == (None, "window_not_filled")
    assert (blind.tfi_lots, blind.null_reasons["tfi_lots"]) == (None, "trade_stream_incomplete")


def test_refill_is_what_was_executed_over_the_most_that_was_shown() -> None:
    """Never more than 5 are shown at 100.00, and 15 are sold into it."""

    def selling(number: int) -> Second:
        at_us = (second(number).start_us) + 500_000
        tops = [(at_us, 10_000, 2, 10_010, 2), (at_us + 1, 10_000, 5, 10_010, 2)]
        trades: list[Trade] = [trade(number, 10_000, 5, -1, at_us=500_000)]
        return second(number, member(books=[book(number, BIDS, ASKS, tops=tops)], trades=trades))

    found = last([selling(number) for number in range(4)], refill_seconds=3)
    assert found.bid_refill == Refill(10_000, 3.0, 15, 5)
    assert found.ask_refill == Refill(10_010, 0.0, 0, 2)
    early = last([selling(number) for number in range(3)], refill_seconds=3)
    assert (early.bid_refill, early.null_reasons["bid_refill"]) == (None, "window_not_filled")


def test_refill_is_on_the_assets_grid() -> None:
    """The book's tick is 10 of the asset's, its lot 2: it shows 4, and 6 are sold into it."""
    tops = [(0, 1_000, 2, 1_001, 1)]
    view = replace(book(0, [(1_000, 2)], [(1_001, 1)], tops=tops), tick_factor=10, lot_factor=2)
    seconds = [
        second(0, member(books=[view])),
        second(1, member(book=view, trades=[trade(1, 10_000, 6, -1)])),
    ]
    assert last(seconds, refill_seconds=1).bid_refill == Refill(10_000, 1.5, 6, 4)


def test_scores_are_null_until_there_are_enough_values_and_where_nothing_deviates() -> None:
    short = last(quiet(9), score_seconds=20, score_min_samples=10)
    assert (short.z_scores["top_10"], short.null_reasons["z_top_10"]) == (None, "too_few_values")
    flat = last(quiet(10), score_seconds=20, score_min_samples=10)
    assert (flat.z_scores["top_10"], flat.null_reasons["z_top_10"]) == (None, "no_deviation")
    other = second(10, member(books=[book(10, [(10_000, 3)], [(10_010, 1)], bands=BANDS[:1])]))
    moved = last([*quiet(10), other], score_seconds=20, score_min_samples=10)
    # Ten values 0 and one 0.5: the mean is 1/22, the deviation sqrt(10)/22.
    assert moved.z_scores["top_10"] == pytest.approx(10 / 10**0.5)
    assert moved.z_scores["band_10bp"] is None


def test_flow_weights_need_the_whole_window_for_common_and_not_for_all() -> None:
    def traded(number: int) -> Second:
        trades = [trade(number, 10_000, 9)]
        one = replace(sided(BINANCE, 3, 1, number), trades=trades)
        two = replace(sided(BYBIT, 1, 3, number), trades=[trade(number, 10_000, 1, -1)])
        return second(number, one, two, sided(OKX, 1, 1, number))

    first, *_, done = (perp(step) for step in steps([traded(n) for n in range(3)], flow_seconds=3))
    assert (first.common[0].flow_weighted, first.common[0].flow_venues) == (None, [])
    for found in (first.all[0], done.all[0], done.common[0]):
        # 0.9 of the flow is capped at 0.5; OKX, where nobody takes, has no weight.
        assert (found.flow_weighted, found.flow_venues) == (0.0, PERP_NAMES[:2])
        assert found.median == 0.0
        assert found.dispersion == 1.0
    assert (done.tfi_lots, done.tfi_venues) == (8, PERP_NAMES)
    assert (done.ofi_lots, done.ofi_venues) == (0, PERP_NAMES)


def test_taker_flow_is_in_cents_and_counts_both_sides_and_no_unknown() -> None:
    trades = [trade(0, 10_000, 50), trade(0, 10_000, 25, -1), trade(0, 10_000, 99, 0)]
    found = last([second(0, member(books=[worked(0)], trades=trades))])
    assert (found.flow_usd_cents, found.tfi_lots, found.flow_seconds) == (750, 25, 1)


# --- parameters


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"levels": (5, 1)}, "levels must rise"),
        ({"levels": (1, 51)}, "levels must be 1 to 50"),
        ({"levels": ()}, "must not be empty"),
        ({"persistence_seconds": (0, 5)}, "persistence_seconds must rise"),
        ({"time_tol_ms": 501}, "time_tol_ms must be 0 to 500"),
        ({"tracked_band_bp": 11}, "tracked_band_bp must be one of"),
        ({"score_min_samples": 4000}, "score_min_samples must be 2 to 3600"),
        ({"bar_valid_percent": 101}, "bar_valid_percent must be 1 to 100"),
        ({"flow_cap": (3, 2)}, "flow_cap must be"),
        ({"decay_bp": 0}, "decay_bp must be 1 or more"),
    ],
)
def test_parameters_without_meaning_are_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**params)


def test_other_parameters_are_another_hash() -> None:
    seconds = quiet(1)
    assert steps(seconds)[0].params != steps(seconds, decay_bp=20)[0].params
