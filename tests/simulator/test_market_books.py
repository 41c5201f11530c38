"""Books, best prices, liquidations and tickers go with the prints and change none of them."""

from collections import Counter, defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from schemas.market import Side
from simulator.books import LEAST_LEVELS, MOST_LEVELS, Book
from simulator.catalogue import FEEDS, LISTED_ASSETS, OPENING_PRICES, instrument
from simulator.flow import AssetFlow, Cascade
from simulator.ladder import BookCopy, WatchedLadder
from simulator.liquidations import Liquidations
from simulator.market import ScriptedMarket
from simulator.model import (
    SimBookUpdate,
    SimEvent,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)
from simulator.tickers import Ticker
from tests.simulator.support import START_US, market_events

HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def calm() -> list[SimEvent]:
    return market_events(4, 8.0)


@pytest.fixture(scope="module")
def falling() -> list[SimEvent]:
    return market_events(4, 8.0, falls=True)


def test_asking_for_books_changes_no_trade() -> None:
    cascade = Cascade(START_US + 1_000_000, Side.SELL, ("BTC",), build_seconds=3.0)
    alone, together = ScriptedMarket(9, start_us=START_US), ScriptedMarket(9, start_us=START_US)
    for market in (alone, together):
        market.cascade(cascade)
    trades = alone.until(START_US + 5_000_000, 10**6)
    events = together.events(START_US + 5_000_000, 10**6)
    assert len(trades) > 300
    assert [event for event in events if isinstance(event, SimTrade)] == trades


def test_the_same_seed_gives_the_same_events_however_they_are_taken() -> None:
    whole = market_events(6, 3.0)
    market = ScriptedMarket(6, ("BTC", "SOL"), START_US)
    pieces: list[SimEvent] = []
    for step in range(1, 301):
        while taken := market.events(START_US + step * 10_000, 7):
            pieces += taken
    assert pieces == whole
    assert market_events(7, 3.0) != whole


def test_books_open_when_they_are_first_asked_for() -> None:
    market = ScriptedMarket(6, ("BTC",), START_US)
    before = market.until(START_US + 2_000_000, 10**6)
    events = market.events(START_US + 3_000_000, 10**6)
    first = next(event for event in events if isinstance(event, SimBookUpdate))
    assert first.number == 1
    assert first.time_us >= before[-1].time_us
    trades = [*before, *(event for event in events if isinstance(event, SimTrade))]
    assert trades == ScriptedMarket(6, ("BTC",), START_US).until(START_US + 3_000_000, 10**6)


def test_taking_prints_passes_over_everything_else() -> None:
    market = ScriptedMarket(6, ("BTC",), START_US)
    events = market.events(START_US + 1_000_000, 10**6)
    trades = [event for event in events if isinstance(event, SimTrade)]
    trades += market.until(START_US + 2_000_000, 10**6)
    trades.append(next(market))
    assert trades == ScriptedMarket(6, ("BTC",), START_US).until(trades[-1].time_us, len(trades))


def test_times_never_fall_and_all_kinds_come_for_all_instruments(falling: list[SimEvent]) -> None:
    assert all(left.time_us <= right.time_us for left, right in pairwise(falling))
    seen = {(type(event), event.instrument.feed, event.instrument.asset) for event in falling}
    for feed in FEEDS:
        for kind in (SimTrade, SimBookUpdate, SimTop, SimTicker):
            expected = kind is not SimTicker or not feed.endswith(".spot")
            for asset in ("BTC", "SOL"):
                assert ((kind, feed, asset) in seen) == expected, (kind, feed, asset)


def test_every_asset_of_the_catalogue_has_books_near_its_opening_price() -> None:
    market = ScriptedMarket(2, LISTED_ASSETS, START_US)
    tops = [event for event in market.events(START_US, 10**6) if isinstance(event, SimTop)]
    listed = {feed: {item.asset for item in market.instruments(feed)} for feed in FEEDS}
    assert listed.pop("hyperliquid.spot") == {"BTC", "ETH", "SOL"}
    assert all(assets == set(LISTED_ASSETS) for assets in listed.values())
    assert len(tops) == len(listed) * len(LISTED_ASSETS) + 3
    for top in tops:
        item = top.instrument
        mid = (top.bid[0] + top.ask[0]) / 2 * item.tick_units / 10**item.price_decimals
        assert mid == pytest.approx(OPENING_PRICES[item.asset], rel=1e-3)


@pytest.mark.parametrize("kind", ["calm", "falling"])
def test_updates_have_no_holes_and_make_books_that_never_cross(
    kind: str, request: pytest.FixtureRequest
) -> None:
    books: dict[SimInstrument, BookCopy] = defaultdict(BookCopy)
    tops: dict[SimInstrument, SimTop] = {}
    for event in request.getfixturevalue(kind):
        book = books[event.instrument]
        if isinstance(event, SimTop):
            assert event.number == book.number + 1
            assert event.bid[0] < event.ask[0]
            assert event.bid[1] > 0
            assert event.ask[1] > 0
            if before := tops.get(event.instrument):
                assert event.time_us >= before.time_us + 10_000
                assert (event.bid, event.ask) != (before.bid, before.ask)
            tops[event.instrument] = event
        if isinstance(event, SimBookUpdate):
            assert event.number == book.number + 1
            assert [price for price, _ in event.bids] == sorted(dict(event.bids), reverse=True)
            assert [price for price, _ in event.asks] == sorted(dict(event.asks))
            book.apply(event)
            top = tops[event.instrument]
            assert (book.bids.best(), book.asks.best()) == (top.bid, top.ask)
            assert LEAST_LEVELS <= len(book.bids) <= MOST_LEVELS
            assert LEAST_LEVELS <= len(book.asks) <= MOST_LEVELS
    assert len(books) == 2 * len(FEEDS)


def test_updates_come_every_100_ms_with_some_levels_that_did_change(calm: list[SimEvent]) -> None:
    by_instrument: dict[SimInstrument, list[SimBookUpdate]] = defaultdict(list)
    for event in calm:
        if isinstance(event, SimBookUpdate):
            by_instrument[event.instrument].append(event)
    sizes = []
    for updates in by_instrument.values():
        assert len(updates) == pytest.approx(81, abs=1)
        copy = BookCopy()
        for update in updates:
            assert all(copy.bids.lots(price) != lots for price, lots in update.bids)
            assert all(copy.asks.lots(price) != lots for price, lots in update.asks)
            copy.apply(update)
            sizes.append(len(update.bids) + len(update.asks))
        times = [update.time_us for update in updates[1:]]
        assert {right - left for left, right in pairwise(times)} == {100_000}
    usual = sorted(size for size in sizes if size < 2 * LEAST_LEVELS)
    assert usual[0] > 0
    assert usual[len(usual) // 10] >= 4
    assert usual[len(usual) * 9 // 10] <= 60


def test_best_prices_stay_near_the_last_print(falling: list[SimEvent]) -> None:
    tops: dict[SimInstrument, SimTop] = {}
    checked = 0
    for event in falling:
        if isinstance(event, SimTop):
            tops[event.instrument] = event
        elif isinstance(event, SimTrade) and not event.block:
            top = tops[event.instrument]
            mid = (top.bid[0] + top.ask[0]) / 2
            assert abs(mid / event.price_ticks - 1.0) < 2e-3
            checked += 1
    assert checked > 500


def book_of(feed: str = "binance.usdm", asset: str = "BTC") -> Book:
    return Book(instrument(feed, asset), Random(1), OPENING_PRICES[asset])


def a_print(side: Side, price_ticks: int, fills: tuple[int, ...], rpi_fills: int = 0) -> SimTrade:
    item = instrument("binance.usdm", "BTC")
    return SimTrade(item, START_US, side, price_ticks, fills, 1, 1, 1, rpi_fills)


def best(book: Book) -> tuple[tuple[int, int], tuple[int, int]]:
    book.touch()
    top = book.top(START_US)
    assert top is not None
    return top.bid, top.ask


def test_prints_shrink_the_level_that_they_fill_and_hidden_orders_nothing() -> None:
    book = book_of()
    (bid, _), (ask, lots) = best(book)
    book.eat(a_print(Side.BUY, ask, (lots - 5, 2, 2), rpi_fills=0))
    top = book.top(START_US)
    assert top is not None
    assert top.ask == (ask, 1)
    book.eat(a_print(Side.BUY, ask, (1,), rpi_fills=1))
    book.eat(replace(a_print(Side.BUY, ask, (1,)), block=True))
    assert book.top(START_US) is None
    book.eat(a_print(Side.BUY, ask, (1,)))
    top = book.top(START_US)
    assert top is not None
    assert top.ask[0] > ask
    assert top.bid[0] == bid


def test_a_print_beyond_the_book_moves_it_there_without_crossing_it() -> None:
    for side, distance in ((Side.SELL, 10**5), (Side.BUY, -(10**5)), (Side.SELL, -(10**5))):
        book = book_of()
        (bid, _), _ = best(book)
        book.eat(a_print(side, bid + distance, (3,)))
        top = book.top(START_US)
        assert top is not None
        assert top.bid[0] < top.ask[0]
        assert abs(top.bid[0] - bid - distance) < 100_000
        assert book.update(START_US) is not None


def test_a_level_that_changes_and_changes_back_is_no_change() -> None:
    ladder = WatchedLadder(bids=True)
    for price_ticks in (5, 7, 6):
        ladder.put(price_ticks, 10)
    assert ladder.take_changes() == ((7, 10), (6, 10), (5, 10))
    ladder.put(6, 0)
    ladder.put(6, 10)
    ladder.put(8, 1)
    ladder.put(8, 0)
    assert ladder.take_changes() == ()
    ladder.retreat(5)
    assert ladder.take_changes() == ((7, 0), (6, 0))
    assert ladder.top(9) == ((5, 10),)


def test_a_falling_market_liquidates_longs_whose_prints_are_in_the_tape(
    falling: list[SimEvent],
) -> None:
    prints = {
        (event.instrument, event.order_tag, event.price_ticks): event
        for event in falling
        if isinstance(event, SimTrade)
    }
    found = [event for event in falling if isinstance(event, SimLiquidation)]
    forced = [item for item in found if item.long]
    assert len(forced) > 100
    assert len(forced) > 0.95 * len(found)
    for item in found:
        print_ = prints[item.instrument, item.order_tag, item.price_ticks]
        assert (print_.time_us, print_.qty_lots) == (item.time_us, item.qty_lots)
        assert print_.side is (Side.SELL if item.long else Side.BUY)
        assert (item.bankruptcy_ticks < item.price_ticks) == item.long
        assert 0 <= item.user_tag < 2**160
    owners: dict[int, set[int]] = defaultdict(set)
    for item in found:
        owners[item.order_tag].add(item.user_tag)
    assert all(len(users) == 1 for users in owners.values())
    assert {item.instrument.feed for item in found} == {
        feed for feed in FEEDS if not feed.endswith(".spot")
    }


def test_a_calm_market_liquidates_about_once_a_minute() -> None:
    market = ScriptedMarket(3, ("BTC",), START_US)
    flow = AssetFlow(Random(1), price=1.0, orders_per_second=1.0, now_us=START_US)
    liquidations = Liquidations(3)
    orders: dict[int, list[SimTrade]] = defaultdict(list)
    for trade in market.until(START_US + HOUR_US, 10**6):
        orders[trade.order_tag].append(trade)
    found = Counter(bool(liquidations.of(prints, flow)) for prints in orders.values())
    assert 35 < found[True] < 90


def test_tickers_come_once_a_second_for_perpetuals_near_their_books(calm: list[SimEvent]) -> None:
    tops: dict[SimInstrument, SimTop] = {}
    by_instrument: dict[SimInstrument, list[SimTicker]] = defaultdict(list)
    for event in calm:
        if isinstance(event, SimTop):
            tops[event.instrument] = event
        if isinstance(event, SimTicker):
            top, item = tops[event.instrument], event.instrument
            mid = (top.bid[0] + top.ask[0]) * item.tick / 2
            assert abs(event.mark / mid - 1) < Decimal("1e-4")
            spot = tops[instrument("binance.spot", item.asset)]
            assert abs(event.index / (spot.bid[0] * spot.instrument.tick) - 1) < Decimal("1e-3")
            assert event.mark % item.tick == event.index % item.tick == 0
            by_instrument[item].append(event)
    for tickers in by_instrument.values():
        assert [item.time_us - START_US for item in tickers] == [
            second * 1_000_000 for second in range(9)
        ]
        amounts = [item.open_interest_lots for item in tickers]
        assert max(amounts) / min(amounts) < 1.01
        assert len(set(amounts)) > 1


@pytest.mark.parametrize(("feed", "hours"), [("binance.usdm", 8), ("hyperliquid.perp", 1)])
def test_funding_is_settled_at_the_venues_interval(feed: str, hours: int) -> None:
    ticker = Ticker(instrument(feed, "BTC"), Random(1), 97_000.0, START_US)
    first = ticker.at(START_US, 97_000.0, 97_010.0)
    assert first.interval_hours == hours
    assert first.next_funding_us % (hours * HOUR_US) == 0
    assert START_US < first.next_funding_us <= START_US + hours * HOUR_US
    assert abs(first.funding_rate) <= Decimal("0.00075") * hours / 8
    last = ticker.at(first.next_funding_us - 1, 97_000.0, 97_010.0)
    assert (last.settled_rate, last.next_funding_us) == (first.settled_rate, first.next_funding_us)
    settled = ticker.at(first.next_funding_us, 97_000.0, 97_010.0)
    assert settled.next_funding_us == first.next_funding_us + hours * HOUR_US
    assert settled.settled_rate != first.settled_rate


def test_a_liquidated_position_leaves_the_open_interest() -> None:
    ticker = Ticker(instrument("bybit.linear", "BTC"), Random(1), 97_000.0, START_US)
    before = ticker.at(START_US, 97_000.0, 97_000.0).open_interest_lots
    ticker.close_position(before // 2)
    assert ticker.at(START_US, 97_000.0, 97_000.0).open_interest_lots < 0.6 * before
