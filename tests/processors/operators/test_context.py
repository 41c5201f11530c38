"""Context and positioning of an asset (definitions 5.12, 5.16; traps 16 to 19)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import msgspec
import pytest

from processors.context.params import ContextParams
from processors.context.polls import Polls
from processors.operators.context import ContextOperator
from processors.seconds.second import BookView, MemberSecond, Second, StreamSecond
from schemas.books import BookLevel
from schemas.context import (
    AggregateContext,
    BookFlow,
    InstrumentContext,
    MarketContext,
    PriceInterest,
)
from schemas.lineage import Status
from schemas.market import FeedState
from schemas.tickers import TickerBatch
from tests.processors.context.builders import MINUTE_US, at, ticker
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    LIVE,
    OKX,
    UNITS,
    There,
    book,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

NAMES = {one: ":".join(one) for one in (BINANCE, BYBIT, OKX)}
EVERY_MINUTE = Polls(venue_seconds={}, price_seconds=60, interest_on_change=())
SMALL = ContextParams(
    polls=EVERY_MINUTE,
    change_seconds=(60, 120),
    quadrant_seconds=(60, 120),
    least_bars=2,
    weight_seconds=60,
    cvd_seconds=120,
    usual_least_minutes=3,
)


def operator(params: ContextParams = SMALL) -> ContextOperator:
    return ContextOperator(ASSET, UNITS, params)


def told(seconds: Sequence[Second], params: ContextParams = SMALL) -> list[MarketContext]:
    outputs = run(operator(params), seconds)
    records = [output.record for output in outputs]
    assert all(isinstance(record, MarketContext) for record in records)
    return records  # type: ignore[return-value]


def of(record: MarketContext, instrument: tuple[str, str] = BINANCE) -> InstrumentContext:
    (found,) = [one for one in record.instruments if (one.venue, one.symbol) == instrument]
    return found


def over(record: MarketContext, composition: str) -> AggregateContext:
    (found,) = [one for one in record.perp if one.composition == composition]
    return found


def minute(*tickers: TickerBatch, start: int = 0, **fields: object) -> list[Second]:
    """Return a minute of one venue; each ticker is the newest from its second on."""
    made = []
    for number in range(start, start + 60):
        known = [one for one in tickers if one.receive_time_us <= at(number + 1)]
        newest = known[-1] if known else None
        made.append(second(number, member(ticker=newest, **fields)))  # type: ignore[arg-type]
    return made


# --- open interest


def test_a_record_goes_out_every_ten_seconds_and_the_last_of_a_minute_is_final() -> None:
    records = told([second(number, member()) for number in range(120)])
    assert [record.as_of_us for record in records] == [at(n) for n in range(10, 130, 10)]
    finals = [record for record in records if record.is_final]
    assert [record.as_of_us for record in finals] == [at(60), at(120)]
    assert {record.minute_start_us for record in records[:6]} == {at(0)}
    assert records[6].minute_start_us == at(60)
    assert {record.method for record in records} == {"context/1.1.0"}


def test_open_interest_in_dollars_falls_with_the_price_and_in_base_it_stays() -> None:
    """Definitions 5.16: 1000 BTC at 60,000, then at 57,000: 0 in base, -5 % in USD, neutral."""
    first, last = ticker(60, "1000", mark="60000"), ticker(120, "1000", mark="57000")
    log = [
        second(number, member(ticker=first if number < 119 else last,
                              books=[flat(number, 6_000_000 - 100 * number)]))
        for number in range(300)
    ]  # fmt: skip
    records = {one.as_of_us: one for one in told(log)}
    before, now = of(records[at(60)]), of(records[at(120)])
    assert before.open_interest is not None
    assert now.open_interest is not None
    assert before.open_interest.usd_cents == 6_000_000_000
    assert now.open_interest.usd_cents == 5_700_000_000
    assert now.changes[0] == msgspec.structs.replace(
        now.changes[0], start_lots=1_000_000, change_lots=0, change=0.0
    )
    assert now.quadrants[0].quadrant is PriceInterest.NEUTRAL
    assert now.quadrants[0].price_change_bp == pytest.approx(-6000 / 5_994_100 * 10_000)


def flat(number: int, mid: int, bids: int = 1, asks: int = 1) -> BookView:
    """Return a book around a mid whose 0.2 % band holds so much."""
    levels: tuple[list[BookLevel], list[BookLevel]] = ([(mid - 1, 5)], [(mid + 1, 5)])
    return book(number, *levels, bands=[(20, bids, asks, 0, 0, 3)])


def test_an_observation_counts_for_two_polls_and_then_its_age_is_all_that_is_left() -> None:
    """Definitions 5.12: value for bar end = last observation with age at most 2 intervals."""
    log = [one for start in (0, 60, 120, 180) for one in minute(ticker(0, "1000"), start=start)]
    finals = {record.as_of_us: of(record) for record in told(log)}
    held = finals[at(120)].open_interest
    assert held is not None
    assert held.oldest_age_us == 120_000_000
    gone = finals[at(130)]
    assert gone.open_interest is None
    assert gone.null_reasons["open_interest"] == "older_than_two_polls"
    slow = ContextParams(polls=Polls(venue_seconds={"binance": 90}))
    records = {record.as_of_us: of(record) for record in told(log, slow)}
    assert records[at(180)].open_interest is not None
    assert records[at(190)].open_interest is None


def test_a_dead_ticker_has_no_change_and_no_basis() -> None:
    """The book lives on, 1 % away from the last index price that anybody told."""
    known = ticker(60, "1000", mark="100", index="100")
    log = []
    for number in range(60, 180):
        one = member(ticker=known, books=[flat(number, 10_100)])
        if number > 60:
            one.ticker_stream = StreamSecond(*DOWN)
        log.append(second(number, one))
    found = {one.as_of_us: of(one) for one in told(log, ContextParams())}
    assert found[at(70)].open_interest is not None
    assert found[at(70)].basis_bp == pytest.approx(100)
    assert found[at(80)].open_interest is not None
    for number in range(80, 180, 10):
        assert found[at(number)].basis_bp is None
        assert found[at(number)].null_reasons["basis_bp"] == "no_index_price"
        assert found[at(number)].null_reasons["index_price"] == "older_than_two_polls"
    for number in range(90, 180, 10):
        gone = found[at(number)]
        assert (gone.changes[0].change_lots, gone.open_interest) == (None, None)
        assert gone.null_reasons["change_60"] == "no_open_interest_at_both_ends"


def test_an_impossible_value_leaves_the_last_good_one_to_age() -> None:
    log = minute(ticker(0, "1000"), ticker(30, "-1")) + minute(ticker(30, "-1"), start=60)
    records = {record.as_of_us: of(record) for record in told(log)}
    now = records[at(60)]
    assert now.open_interest is not None
    assert (now.open_interest.lots, now.open_interest.oldest_age_us) == (1_000_000, 60_000_000)
    assert now.refused == {"open_interest": "below_zero"}


def test_a_venue_that_counts_both_sides_was_halved_and_says_so() -> None:
    (record, *_) = told(minute(ticker(0, "500", open_interest_halved=True)))
    assert record.perp[0].open_interest is not None
    assert record.perp[0].open_interest.halved == [NAMES[BINANCE]]


def test_a_change_is_only_of_those_that_are_known_at_both_ends() -> None:
    """A venue that appears, and one that dies, would otherwise look like positions."""
    log = []
    for number in range(240):
        members = [member(BINANCE, ticker=ticker(number, str(1000 + number)))]
        if number >= 100:
            members.append(
                member(BYBIT, ticker=ticker(number, str(5000 - number), instrument=BYBIT))
            )
        log.append(second(number, *members))
    records = {record.as_of_us: record for record in told(log)}
    for composition in ("all", "common"):
        change = over(records[at(120)], composition).changes[0]
        assert (change.change_lots, change.venues) == (60_000, [NAMES[BINANCE]])
        change = over(records[at(240)], composition).changes[0]
        assert (change.start_lots, change.change_lots) == (1179_000 + 4821_000, 0)
        assert change.venues == [NAMES[BINANCE], NAMES[BYBIT]]


def test_a_venue_that_dies_ages_in_all_and_is_not_in_common() -> None:
    dead_ticker = ticker(69, "5000", instrument=BYBIT, mark="60000", rate="0.0004")
    log = []
    for number in range(300):
        there: There = LIVE if number < 70 else DOWN
        other = dead_ticker if number >= 69 else ticker(number, "5000", instrument=BYBIT)
        mine = ticker(number, "1000", mark="60000", rate="0.0001")
        log.append(second(number, member(ticker=mine), member(BYBIT, ticker=other, there=there)))
    records = {record.as_of_us: record for record in told(log)}
    now = records[at(120)]
    assert now.completeness.status is Status.PARTIAL
    assert now.completeness.feed_states[NAMES[BYBIT]] is FeedState.DOWN
    everybody, common = over(now, "all"), over(now, "common")
    assert everybody.open_interest is not None
    assert common.open_interest is not None
    assert (everybody.open_interest.lots, common.open_interest.lots) == (6_000_000, 1_000_000)
    assert everybody.funding_rate_8h == pytest.approx((1 * 1 + 4 * 5) / 6e4)
    assert (common.funding_rate_8h, common.funding_venues) == (0.0001, [NAMES[BINANCE]])
    later = records[at(300)]
    assert over(later, "all").open_interest == over(later, "common").open_interest
    assert of(later, BYBIT).null_reasons["predicted"] == "older_than_two_polls"
    assert of(later, BYBIT).changes[0].change_lots is None


def test_a_minute_whose_end_nobody_saw_has_no_final_record_and_no_difference() -> None:
    log = [second(n, member(ticker=ticker(n, str(1000 + n)))) for n in range(240) if n // 30 != 3]
    records = told(log)
    finals = [record for record in records if record.is_final]
    assert [record.as_of_us for record in finals] == [at(60), at(180), at(240)]
    at_180 = of(finals[1])
    assert at_180.changes[0].change_lots is None
    assert at_180.null_reasons["change_60"] == "no_open_interest_at_both_ends"
    assert at_180.changes[1].change_lots == 120_000
    assert over(finals[1], "all").changes[1].change_lots == 120_000
    assert over(finals[1], "common").changes[1].change_lots is None


def test_a_minute_that_begins_late_is_partial() -> None:
    records = told([second(number, member()) for number in range(40, 60)])
    assert records[-1].completeness.status is Status.PARTIAL
    assert records[-1].completeness.coverage_ms == {NAMES[BINANCE]: 20_000}
    assert over(records[-1], "common").null_reasons["open_interest"] == "no_venue"


# --- funding and basis


@pytest.mark.parametrize(("rate", "hours"), [("0.0001", 8), ("0.0000125", 1)])
def test_funding_of_different_intervals_is_on_one_scale(rate: str, hours: int) -> None:
    """Definitions 5.16: both are 0.01 % per 8 h and 10.95 % simple per year."""
    (record, *_) = told(minute(ticker(0, rate=rate, hours=hours, due=3600)))
    found = of(record).predicted
    assert found is not None
    assert (found.rate_interval, found.interval_h) == (rate, float(hours))
    assert (found.rate_8h, found.rate_annual) == (0.0001, 0.1095)
    assert (found.settlement_time_us, found.age_us) == (at(3600), 10_000_000)


def test_a_rate_without_interval_is_not_on_any_scale() -> None:
    (record, *_) = told(minute(ticker(0, "1", mark="1", rate="0.0001", hours=None)))
    found = of(record).predicted
    assert found is not None
    assert found.rate_8h is found.rate_annual is found.interval_h is None
    assert of(record).null_reasons["predicted.rate_8h"] == "interval_unknown"
    assert over(record, "all").funding_rate_8h is None


def test_predicted_is_not_settled() -> None:
    """Trap 18: after its settlement a prediction is none; the settled rate has its own interval."""
    log = minute(
        ticker(0, rate="0.0001", hours=8, due=30),
        ticker(45, rate="0.0003", hours=4, due=14_430, settled=("0.0002", 30)),
    )
    records = {record.as_of_us: of(record) for record in told(log)}
    assert records[at(20)].predicted is not None
    assert records[at(20)].settled is None
    assert records[at(30)].null_reasons["predicted"] == "settled_since"
    now = records[at(60)]
    assert now.predicted is not None
    assert now.settled is not None
    assert (now.predicted.interval_h, now.predicted.rate_8h) == (4.0, 0.0006)
    assert (now.settled.interval_h, now.settled.rate_8h) == (8.0, 0.0002)


def test_a_settled_rate_from_before_the_start_has_no_known_interval() -> None:
    (record, *_) = told(minute(ticker(0, rate="0.0003", settled=("0.0002", -9))))
    found = of(record)
    assert found.settled is not None
    assert (found.settled.rate_interval, found.settled.rate_8h) == ("0.0002", None)
    assert found.null_reasons["settled.rate_8h"] == "interval_before_it_unknown"


def test_a_rate_that_is_sent_when_it_changes_stands_while_the_stream_is_there() -> None:
    rate = ticker(0, rate="0.0001", hours=1)
    log = [second(number, member(ticker=rate)) for number in range(3_700)]
    records = {record.as_of_us: of(record) for record in told(log)}
    assert records[at(3600)].predicted is not None
    assert records[at(3610)].null_reasons["predicted"] == "older_than_its_interval"


def test_basis_is_of_the_mid_and_not_of_the_mark_price() -> None:
    """Trap 19: the mark price contains the index."""
    books = [book(9, [(6_005_990, 1)], [(6_006_011, 1)])]
    known = ticker(9, mark="60000", index="60000")
    (record,) = told([second(9, member(ticker=known, books=books))])
    found = of(record)
    assert found.basis_bp == float((Fraction(6_006_000_5, 1000) - 60_000) / 6)
    assert (found.best_bid_ticks, found.best_ask_ticks) == (6_005_990, 6_006_011)
    (record,) = told([second(9, member(ticker=known))])
    assert (of(record).basis_bp, of(record).null_reasons["basis_bp"]) == (None, "no_mid")
    (record,) = told([second(9, member(books=[book(9, [(1, 1)], [])]))])
    assert of(record).null_reasons["best_bid_ticks"] == "no_valid_book_of_two_sides"


# --- quadrants


@pytest.mark.parametrize(
    ("price", "interest", "expected"),
    [
        (1, 1, PriceInterest.NEW_LONGS),
        (1, -1, PriceInterest.SHORT_COVERING),
        (-1, 1, PriceInterest.NEW_SHORTS),
        (-1, -1, PriceInterest.LONG_CLOSING),
        (1, 0, PriceInterest.NEUTRAL),
        (0, 1, PriceInterest.NEUTRAL),
    ],
)
def test_price_against_open_interest(price: int, interest: int, expected: PriceInterest) -> None:
    """Price moves 60 ticks a minute, open interest 0.6 %; the reference is the greater venue."""
    log = []
    for number in range(300):
        big = ticker(number, str(10_000 + interest * number))
        small = ticker(number, "100", instrument=BYBIT)
        wiggle = 5 * (number % 2)
        log.append(
            second(
                number,
                member(ticker=big, books=[flat(number, 60_000 + price * number + wiggle)]),
                member(BYBIT, ticker=small, books=[flat(number, 70_000 - 3 * number)]),
            )
        )
    last = told(log)[-1]
    for composition in ("all", "common"):
        quadrant = over(last, composition).quadrants[0]
        assert quadrant.quadrant is expected
        assert quadrant.reference == NAMES[BINANCE]
        assert quadrant.price_change_bp == pytest.approx(
            price * 60 / (60_000 + 239 * price + 5) * 10_000
        )


def test_a_quadrant_is_null_until_there_are_enough_bars_for_a_range() -> None:
    log = [
        second(n, member(ticker=ticker(n, "1000"), books=[flat(n, 60_000 + n)])) for n in range(240)
    ]
    records = told(log, msgspec.structs.replace(SMALL, least_bars=3))
    by_time = {record.as_of_us: of(record) for record in records}
    early, late = by_time[at(120)], by_time[at(180)]
    assert early.quadrants[0].quadrant is None
    assert early.quadrants[0].price_change_bp is not None
    assert early.null_reasons["quadrant_60"] == "too_few_bars_for_a_range"
    assert late.quadrants[0].quadrant is PriceInterest.NEUTRAL
    assert "quadrant_60" not in late.null_reasons


def flow_log(minutes: int, last_side: int = 1, bands: tuple[int, int] = (3, 1)) -> list[Second]:
    """Return trades of 10 lots a second, the side turning each minute and set in the last two."""
    log = []
    for number in range(60 * minutes):
        side = 1 if number // 60 % 2 else -1
        if number >= 60 * (minutes - 2):
            side = last_side
        trades = [trade(number, 60_000, 10, side)]
        log.append(second(number, member(trades=trades, books=[flat(number, 60_000, *bands)])))
    return log


@pytest.mark.parametrize(
    ("side", "bands", "expected"),
    [
        (1, (3, 1), BookFlow.ALIGNED_BID),
        (-1, (1, 3), BookFlow.ALIGNED_OFFER),
        (-1, (3, 1), BookFlow.SELLING_INTO_BIDS),
        (1, (1, 3), BookFlow.BUYING_INTO_OFFERS),
        (1, (1, 1), BookFlow.NEUTRAL),
    ],
)
def test_book_against_flow(side: int, bands: tuple[int, int], expected: BookFlow) -> None:
    found = told(flow_log(8, side, bands))[-1].book_flow
    assert found.quadrant is expected
    assert found.obi == (bands[0] - bands[1]) / sum(bands)
    assert found.obi_weights == {NAMES[BINANCE]: 1.0}
    assert (found.cvd_lots, found.cvd_venues) == (1200 * side, [NAMES[BINANCE]])
    assert found.cvd_p95_lots == 1200
    assert found.cvd_normalised == float(side)


def test_normalised_flow_is_null_without_enough_minutes() -> None:
    calm = told(flow_log(5))[-1].book_flow
    assert (calm.cvd_samples, calm.quadrant, calm.cvd_normalised) == (3, BookFlow.ALIGNED_BID, 1.0)
    few = msgspec.structs.replace(SMALL, usual_least_minutes=4)
    early = told(flow_log(5), few)[-1].book_flow
    assert (early.cvd_p95_lots, early.cvd_normalised, early.quadrant) == (None, None, None)
    assert early.null_reasons == {"cvd_p95_lots": "too_few_samples"}


def test_a_usual_size_of_zero_normalises_nothing_and_a_burst_is_clipped() -> None:
    median = msgspec.structs.replace(SMALL, usual_percent=50)
    calm = [second(number, member()) for number in range(720)]
    found = told(calm, median)[-1].book_flow
    assert (found.cvd_lots, found.cvd_p95_lots, found.cvd_normalised) == (0, 0, None)
    assert found.null_reasons["cvd_normalised"] == "usual_size_is_zero"
    for number in range(0, 720, 60):
        trades = [trade(number, 60_000, 100 if number == 660 else 10, -1)]
        calm[number] = second(number, member(trades=trades))
    found = told(calm, median)[-1].book_flow
    assert (found.cvd_lots, found.cvd_p95_lots, found.cvd_normalised) == (-110, 20, -1.5)


def test_flow_and_weights_are_only_of_venues_that_were_there_over_the_whole_window() -> None:
    log = []
    for number in range(480):
        there: There = DOWN if number == 400 else LIVE
        members = [
            member(one, trades=[trade(number, 60_000, qty, side, instrument=one)],
                   books=[flat(number, 60_000, *bands)], there=there if one is BYBIT else LIVE)
            for one, qty, side, bands in (
                (BINANCE, 80, 1, (3, 1)), (BYBIT, 15, -1, (1, 3)), (OKX, 5, -1, (1, 1)),
            )
        ]  # fmt: skip
        spot = member(BINANCE_SPOT, trades=[trade(number, 60_000, 999, instrument=BINANCE_SPOT)])
        log.append(second(number, *members, spot))
    records = {record.as_of_us: record.book_flow for record in told(log)}
    all_there = records[at(360)]
    assert all_there.obi_weights == {
        NAMES[BINANCE]: 0.5,
        NAMES[BYBIT]: 0.375,
        NAMES[OKX]: 0.125,
    }
    assert all_there.obi == 0.5 * 0.5 - 0.5 * 0.375
    assert all_there.cvd_lots == 120 * (80 - 15 - 5)
    broken = records[at(420)]
    assert broken.obi_weights == {NAMES[BINANCE]: 0.5, NAMES[OKX]: 0.5}
    assert (broken.cvd_venues, broken.cvd_lots) == ([NAMES[BINANCE], NAMES[OKX]], 120 * 75)
    assert records[at(470)].obi_weights == all_there.obi_weights
    assert records[at(470)].cvd_venues == broken.cvd_venues


def test_without_anybody_flow_is_null_and_not_zero() -> None:
    found = told([second(number, member(there=DOWN)) for number in range(60)])[-1].book_flow
    assert (found.obi, found.cvd_lots, found.quadrant) == (None, None, None)
    assert found.null_reasons == {
        "obi": "no_venue_with_book_and_trades",
        "cvd_lots": "no_venue_over_the_whole_window",
        "cvd_p95_lots": "too_few_samples",
    }
    quiet = told([
        second(number, member(books=[flat(number, 60_000)])) for number in range(120)
    ])[-1].book_flow  # fmt: skip
    assert quiet.null_reasons["obi"] == "nothing_traded"


def test_dollars_are_null_where_one_venue_has_no_mark_price() -> None:
    mine = ticker(9, "1000", mark="60000")
    other = ticker(9, "500", instrument=BYBIT)
    (record,) = told([second(9, member(ticker=mine), member(BYBIT, ticker=other))])
    total = over(record, "all")
    assert total.open_interest is not None
    assert (total.open_interest.lots, total.open_interest.usd_cents) == (1_500_000, None)
    assert total.null_reasons["open_interest.usd_cents"] == "no_mark_price"
    assert of(record, BYBIT).null_reasons["open_interest.usd_cents"] == "no_mark_price"


def test_flow_needs_trades_and_no_tickers() -> None:
    log = []
    for number in range(300):
        one = member(trades=[trade(number, 60_000, 5, 1)])
        one.ticker_stream = StreamSecond(*DOWN)
        log.append(second(number, one))
    assert told(log)[-1].book_flow.cvd_lots == 120 * 5


def test_a_perpetual_without_a_tape_has_open_interest_and_funding_all_the_same() -> None:
    """5.12 is of tickers: a venue may have no trades at all, or none yet."""
    log = []
    for number in range(140):
        silent = member(BYBIT, ticker=ticker(30, "250", instrument=BYBIT))
        silent.trade_stream = None
        log.append(second(number, member(ticker=ticker(30, "1000")), silent))
    record = told(log)[-1]
    assert [one.venue for one in record.instruments] == ["binance", "bybit"]
    interest = over(record, "all").open_interest
    assert interest is not None
    assert interest.lots == 1_250_000
    assert record.book_flow.cvd_venues == [NAMES[BINANCE]]


def test_who_is_not_listed_any_more_leaves_and_begins_anew_when_it_comes_back() -> None:
    log = []
    for number in range(600):
        listed = LIVE if not 200 <= number < 220 else (0, FeedState.NOT_LISTED)
        trades = [trade(number, 60_000, 7, 1, instrument=BYBIT)] if listed is LIVE else []
        log.append(second(number, member(), member(BYBIT, trades=trades, there=listed)))
    records = {record.as_of_us: record for record in told(log)}
    assert [one.venue for one in records[at(210)].instruments] == ["binance"]
    assert records[at(210)].completeness.venues_expected == [NAMES[BINANCE]]
    assert records[at(200)].book_flow.cvd_lots == 120 * 7
    assert records[at(340)].book_flow.cvd_venues == [NAMES[BINANCE]]
    assert records[at(350)].book_flow.cvd_venues == [NAMES[BINANCE], NAMES[BYBIT]]
    assert records[at(350)].book_flow.cvd_lots == 120 * 7


def test_totals_go_on_while_an_instrument_is_missing_from_a_second() -> None:
    log = [second(n, member(trades=[trade(n, 60_000, 5, 1)])) for n in range(300)]
    log[199] = second(199)
    found = {record.as_of_us: record for record in told(log)}
    assert found[at(200)].instruments == []
    assert found[at(300)].book_flow.cvd_lots == 119 * 5


# --- an oracle, restarts, parameters


@dataclass
class Market:
    """A random market, and what an observer with a perfect memory knows of it."""

    seed: int
    log: list[Second] = field(default_factory=list)
    interest: dict[tuple[str, int], tuple[int, int] | None] = field(default_factory=dict)
    signed: dict[tuple[str, int], int] = field(default_factory=dict)
    there: dict[tuple[str, int], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        newest: dict[str, TickerBatch] = {}
        known: dict[str, tuple[int, int]] = {}
        dead_until = dict.fromkeys(NAMES.values(), 0)
        for number in range(1500):
            if 700 <= number < 730:
                continue
            members = []
            for one, name in NAMES.items():
                if chance.random() < 0.002:
                    dead_until[name] = number + chance.randrange(1, 200)
                alive = number >= dead_until[name]
                if alive and chance.random() < 0.05:
                    lots = chance.randrange(900, 1100)
                    text = chance.choice([str(lots), str(lots), "-1"])
                    newest[name] = ticker(number, text, instrument=one, mark="60000")
                    if text != "-1":
                        known[name] = (at(number), lots * 1000)
                members.append(self._member(chance, (number, one), newest.get(name), alive))
                self.interest[name, number + 1] = known.get(name)
            self.log.append(second(number, *members))

    def _member(
        self,
        chance: random.Random,
        what: tuple[int, tuple[str, str]],
        newest: TickerBatch | None,
        alive: bool,
    ) -> MemberSecond:
        number, one = what
        name = NAMES[one]
        trades = []
        for _ in range(chance.randrange(4) if alive else 0):
            qty, side = chance.randrange(1, 99), chance.choice((1, -1, 0))
            trades.append(trade(number, 60_000, qty, side, instrument=one))
        self.signed[name, number] = sum(row[4] * row[5] for row in trades)
        self.there[name, number] = alive
        mid = 60_000 + chance.randrange(-50, 50)
        books = [flat(number, mid, chance.randrange(9), chance.randrange(9))] if alive else []
        there = LIVE if alive else DOWN
        return member(one, trades=trades, books=books, ticker=newest, there=there)

    def young(self, name: str, number: int) -> int | None:
        """Return the open interest that counts at the end of a second."""
        known = self.interest.get((name, number))
        return None if known is None or at(number) - known[0] > 120_000_000 else known[1]

    def present(self, name: str, start: int, end: int) -> bool:
        return all(self.there.get((name, number), False) for number in range(start, end))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sums_are_those_of_an_observer_with_a_perfect_memory(seed: int) -> None:
    market = Market(seed)
    compared = 0
    for record in told(market.log):
        number = (record.as_of_us - at(0)) // 1_000_000
        for composition in ("all", "common"):
            found = over(record, composition)
            for change in found.changes:
                start = number - change.window_seconds
                behind = {}
                for name in NAMES.values():
                    then, now = market.young(name, start), market.young(name, number)
                    present = composition == "all" or market.present(name, start, number)
                    if then is not None and now is not None and present:
                        behind[name] = now - then
                assert change.venues == sorted(behind)
                assert change.change_lots == (sum(behind.values()) if behind else None)
                compared += bool(behind)
        start = number - 120
        names = (
            [] if start in (0, 730) else sorted(NAMES.values())
        )  # no point before a first second
        names = [name for name in names if market.present(name, start, number)]
        lots = sum(market.signed[name, past] for name in names for past in range(start, number))
        assert record.book_flow.cvd_venues == names
        assert record.book_flow.cvd_lots == (lots if names else None)
        compared += bool(names)
    assert compared > 200


def test_a_restart_changes_nothing() -> None:
    log = Market(4).log
    whole = run(operator(), log)
    assert len(whole) == 147
    for seed in (1, 2):
        assert run_with_restarts(operator, log, seed) == whole


def test_outputs_are_named_by_what_decides_them() -> None:
    (output, *_) = run(operator(), [second(9, member())])
    (other, *_) = run(operator(ContextParams()), [second(9, member())])
    assert (output.topic, output.key, output.timestamp_us) == ("md.flow.context.v1", "BTC", at(10))
    assert isinstance(output.record, MarketContext)
    assert isinstance(other.record, MarketContext)
    assert output.record.params != other.record.params
    assert output.record.inputs
    assert output.record.minute_start_us % MINUTE_US == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"step_seconds": 7},
        {"change_seconds": (15,)},
        {"obi_seconds": 0},
        {"obi_band_bp": 30},
        {"weight_cap": (0, 1)},
        {"price_dead_atr": (1, 0)},
        {"usual_percent": 101},
        {"usual_days": 0},
        {"least_bars": 0},
        {"least_bars": 15},
    ],
)
def test_parameters_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        msgspec.structs.replace(ContextParams(), **fields)
    with pytest.raises(ValueError, match="polling interval"):
        Polls(venue_seconds={"okx": 0})
