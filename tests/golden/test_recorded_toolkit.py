"""The toolkit on the recordings, against facts that a few lines find in the files alone."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from schemas.bars import BarClose, BarRule, TradeBar
from schemas.books import BookBatch
from schemas.context import MarketContext
from schemas.events import EventKind, FlowEvent
from schemas.imbalance import BandDepth, ImbalanceStep, InstrumentImbalance, TopDepth
from schemas.profiles import ProfileWindow, VolumeProfile
from schemas.topics import BOOKS
from schemas.units import US_PER_DAY, US_PER_SECOND
from tests.captures import capture, needs_captures
from tests.golden import recorded
from tests.golden.figures import figures
from tests.golden.played import BYBIT, MARKS, SPOT, USDM, Worked, played
from tests.golden.toolkit_runs import (
    FRANCE,
    binance,
    bybit,
    hyperliquid,
    marks,
    outcome_frames,
    outcomes,
)

pytestmark = needs_captures

DAY_US = 1_723_075_200_000_000
"""2024-08-08 00:00 UTC: of the recording all but its last moments."""

BTC_TICK, BTC_LOT = Decimal("0.001"), Decimal("0.00000001")
FILES = {"BTC-USDT-PERP": USDM, "BTC-USDT": SPOT}


class Raw(NamedTuple):
    """One trade as its frame has it."""

    time_us: int
    trade_id: int
    price: Decimal
    qty: Decimal
    buys: bool


@lru_cache(2)
def raw_trades(name: str) -> list[Raw]:
    """Return the trades of a recording of Binance by time and id."""
    found = []
    for frame in recorded.hftbacktest(name):
        data = json.loads(frame).get("data", {})
        if data.get("e") == "trade" and data.get("X") != "NA":
            row = data["T"] * 1000, data["t"], Decimal(data["p"]), Decimal(data["q"]), not data["m"]
            found.append(Raw(*row))
    return sorted(found)


def of_day(name: str) -> list[Raw]:
    return [one for one in raw_trades(name) if one.time_us < DAY_US + US_PER_DAY]


# --- trades


@pytest.mark.parametrize("symbol", FILES)
def test_the_profile_of_the_day_is_the_sum_of_the_trades_by_price(symbol: str) -> None:
    (profile,) = [
        one
        for one in binance().of(VolumeProfile)
        if isinstance(one, VolumeProfile)
        and (one.symbol, one.window, one.is_final) == (symbol, ProfileWindow.SESSION, True)
        and one.window_start_us == DAY_US
    ]
    trades = of_day(FILES[symbol])
    rows: dict[int, Decimal] = defaultdict(Decimal)
    for one in trades:
        rows[int(one.price // 10) * 10] += one.qty
    volume = sum(rows.values())
    factor = 10 / BTC_TICK

    assert profile.trades == len(trades)
    got = profile.buy_lots + profile.sell_lots + profile.unknown_lots
    assert got * BTC_LOT == volume
    assert profile.buy_lots * BTC_LOT == sum(one.qty for one in trades if one.buys)
    assert {
        row.row_ticks * BTC_TICK: (row.sell_lots + row.buy_lots) * BTC_LOT for row in profile.rows
    } == rows
    assert profile.poc_ticks is not None
    assert profile.poc_ticks * BTC_TICK == max(rows, key=lambda row: rows[row])
    assert profile.row_ticks == factor
    area = profile.value_area
    assert area is not None
    inside = [row for row in rows if area.val_ticks <= row / BTC_TICK < area.vah_ticks]
    held = sum(rows[row] for row in inside)
    edges = max(rows[min(inside)], rows[max(inside)])
    assert held - edges < Decimal("0.7") * volume <= held
    vwap = sum(one.price * one.qty for one in trades) / volume
    assert profile.vwap == pytest.approx(float(vwap), rel=1e-12)


@pytest.mark.parametrize("symbol", FILES)
@pytest.mark.parametrize("rule", list(BarRule))
def test_bars_that_trades_close_conserve_trades_and_volume(symbol: str, rule: BarRule) -> None:
    bars = [
        one
        for one in binance().of(TradeBar)
        if isinstance(one, TradeBar)
        and (one.symbol, one.rule, one.is_final) == (symbol, rule, True)
        and one.day_start_us == DAY_US
    ]
    trades = of_day(FILES[symbol])
    lots = [bar.buy_lots + bar.sell_lots + bar.unknown_lots for bar in bars]
    assert sum(lots) * BTC_LOT == sum(one.qty for one in trades)
    assert [bar.index for bar in bars] == list(range(len(bars)))
    assert bars[-1].closed_by is BarClose.DAY
    closed = bars[:-1]
    if rule is BarRule.VOLUME:
        assert all(one * BTC_LOT >= 100 for one in lots[:-1])
    if rule is BarRule.RANGE:
        assert all((bar.high_ticks - bar.low_ticks) * BTC_TICK <= 50 for bar in bars)
    if rule is BarRule.DELTA:
        assert all(abs(bar.delta_lots) * BTC_LOT >= 50 for bar in closed)
    if rule is BarRule.TICK:
        assert len(bars) == -(-len(trades) // 1000)


@pytest.mark.parametrize("symbol", FILES)
def test_large_prints_are_the_sweeps_at_the_top_thousandth(symbol: str) -> None:
    """A sweep: one millisecond, one side, ids without a hole, at least 50,000 USD (5.12).

    P99.9 is known to the operator within its buckets: what is near it may be in or out.
    """
    sure, possible = set(), set()
    before: list[Decimal] = []
    for _, second in _by_second(raw_trades(FILES[symbol])):
        found = _sweeps(second)
        usual = sorted(before)[-(-len(before) * 999 // 1000) - 1] if len(before) >= 1000 else None
        for first_id, usd in found:
            if usual is not None and usd >= 50_000:
                sure |= {first_id} if usd >= usual * Decimal("1.03") else set()
                possible |= {first_id} if usd >= usual * Decimal("0.97") else set()
        before += [usd for _, usd in found]
    got = {
        int(one.evidence[0].rpartition(":")[2].partition("-")[0])
        for one in binance().of(FlowEvent)
        if isinstance(one, FlowEvent) and (one.kind, one.symbol) == (EventKind.LARGE_PRINT, symbol)
    }
    assert sure
    assert sure <= got <= possible


def _by_second(trades: Sequence[Raw]) -> Iterator[tuple[int, list[Raw]]]:
    found: dict[int, list[Raw]] = defaultdict(list)
    for one in trades:
        found[one.time_us // US_PER_SECOND].append(one)
    yield from sorted(found.items())


def _sweeps(trades: Sequence[Raw]) -> list[tuple[int, Decimal]]:
    """Return first id and dollars of each sweep."""
    cuts = [0]
    for index, (was, now) in enumerate(pairwise(trades), start=1):
        same = (was.time_us, was.buys, was.trade_id + 1) == (now.time_us, now.buys, now.trade_id)
        cuts += [] if same else [index]
    return [
        (trades[first].trade_id, sum((one.price * one.qty for one in trades[first:end]), Decimal()))
        for first, end in pairwise([*cuts, len(trades)])
    ]


# --- books


class OwnBook:
    """A book from raw frames: prices and sizes in a dict, nothing else."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.last_id = 0
        self.worst: tuple[Decimal, Decimal] | None = None

    def apply(self, bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                side[Decimal(price)] = Decimal(size)
                if not Decimal(size):
                    del side[Decimal(price)]

    def band(self, width_bp: int) -> tuple[Decimal, Decimal]:
        mid = (max(self.bids) + min(self.asks)) / 2
        reach = mid * width_bp / 10_000
        return (
            sum((size for price, size in self.bids.items() if price >= mid - reach), Decimal()),
            sum((size for price, size in self.asks.items() if price <= mid + reach), Decimal()),
        )


def own_books(name: str, wanted: set[int]) -> Iterator[tuple[int, OwnBook]]:
    """Yield the book after each of the wanted updates of a recording of Binance."""
    book = OwnBook()
    waiting: list[Any] = []
    for frame in recorded.hftbacktest(name):
        document = json.loads(frame)
        data = document.get("data", {})
        if "lastUpdateId" in document:
            book.apply(document["bids"], document["asks"])
            book.last_id = document["lastUpdateId"]
            for one in waiting:
                if one["u"] > book.last_id:
                    book.apply(one["b"], one["a"])
        elif data.get("e") == "depthUpdate" and not book.last_id:
            waiting.append(data)
        elif data.get("e") == "depthUpdate" and data["u"] > book.last_id:
            book.apply(data["b"], data["a"])
            if data["u"] in wanted:
                yield data["u"], book


@pytest.mark.parametrize("symbol", FILES)
def test_books_and_bands_are_those_of_the_raw_updates(symbol: str) -> None:
    records = {
        one.batch.update_id: one.batch
        for one in played(USDM, SPOT)
        if isinstance(one.batch, BookBatch) and one.batch.symbol == symbol and one.batch.book_valid
    }
    compared = covered = 0
    for update_id, book in own_books(FILES[symbol], set(list(records)[::40])):
        record = records[update_id]
        tick, lot = Decimal(record.tick), Decimal(record.lot)
        for side, levels in ((book.bids, record.bids), (book.asks, record.asks)):
            best = sorted(side, reverse=side is book.bids)[:50]
            assert [(p * tick, q * lot) for p, q in levels] == [(p, side[p]) for p in best]
        for width, bid, ask, _, _, coverage in record.bands:
            assert (bid * lot, ask * lot) == book.band(width)
            covered += coverage == 3
        compared += 1
    assert compared > 50
    assert covered > 50


def instruments(run: Worked) -> Iterator[InstrumentImbalance]:
    for step in run.of(ImbalanceStep):
        assert isinstance(step, ImbalanceStep)
        yield from step.instruments


@pytest.mark.parametrize("make", [binance, marks, bybit, hyperliquid, outcomes])
def test_imbalance_is_a_share_and_has_the_sign_of_the_larger_side(make: Any) -> None:
    known = 0
    for one in instruments(make()):
        depths: list[TopDepth | BandDepth] = [*one.tops, *one.bands, *one.bands_from_best]
        for depth in depths:
            if depth.obi is not None:
                assert -1 <= depth.obi <= 1
                assert (depth.obi > 0) == (depth.bid_lots > depth.ask_lots)
                assert (depth.obi < 0) == (depth.bid_lots < depth.ask_lots)
                known += 1
        if one.best_bid_ticks is not None and one.best_ask_ticks is not None:
            assert one.best_bid_ticks < one.best_ask_ticks
    assert known > 100 or make is marks


def test_outcome_markets_show_the_books_of_their_frames() -> None:
    """At the end of a second: the newest `l2Book` or `bbo` up to it.

    Books are sent on every 100 ms: one that another replaced within that time is not.
    """
    shown: dict[int, list[tuple[Fraction, ...]]] = defaultdict(list)
    for _, frame in outcome_frames():
        data = json.loads(frame)["data"]
        if isinstance(data, dict) and data["coin"] == FRANCE:
            best = data.get("bbo") or [levels[0] for levels in data["levels"]]
            row = tuple(Fraction(one[key]) for one in best for key in ("px", "sz"))
            shown[data["time"] // 1000].append(row)
    tick, lot = Fraction("0.00001"), Fraction("0.1")
    places = Counter[str]()
    for step in outcomes().of(ImbalanceStep):
        assert isinstance(step, ImbalanceStep)
        (one,) = step.instruments
        second = step.step_start_us // US_PER_SECOND
        rows = shown.get(second)
        if rows is None or one.best_bid_ticks is None or one.best_ask_ticks is None:
            continue
        bid, ask = (one.best_bid_lots or 0) * lot, (one.best_ask_lots or 0) * lot
        got = (one.best_bid_ticks * tick, bid, one.best_ask_ticks * tick, ask)
        assert any(got in shown[earlier] for earlier in range(second - 60, second + 1))
        places["newest" if got == rows[-1] else "one before"] += 1
    assert places["newest"] > 10 * places["one before"] > 0


# --- context


def test_funding_and_marks_are_those_of_the_frames() -> None:
    """At any time: the newest mark price frame, or the one before, as tickers wait a second.

    Nothing in the recording says how often funding is settled, so it is on no other scale.
    """
    told = []
    for line in _timed(MARKS):
        data = json.loads(line[1]).get("data", {})
        if data.get("e") == "markPriceUpdate":
            told.append((line[0], data["r"], data["p"], data["i"]))
    compared = 0
    for one in marks().of(MarketContext):
        assert isinstance(one, MarketContext)
        before = [row for row in told if row[0] < one.as_of_us]
        (each,) = one.instruments
        if before and each.predicted is not None and one.as_of_us <= told[-1][0]:
            rate = before[-1][1]
            assert Decimal(each.predicted.rate_interval) == Decimal(rate)
            assert (each.predicted.interval_h, each.predicted.rate_8h) == (None, None)
            assert each.mark_price is not None
            assert each.index_price is not None
            prices = (Decimal(each.mark_price), Decimal(each.index_price))
            assert prices in [(Decimal(row[2]), Decimal(row[3])) for row in before[-2:]]
            compared += 1
    assert compared >= 5


def _timed(name: str) -> Iterator[tuple[int, bytes]]:
    """Yield receive time in microseconds and frame of a file that counts in microseconds."""
    with gzip.open(capture(name)) as lines:
        for line in lines:
            at, frame = line.split(b" ", 1)
            yield int(at), frame


def test_bybit_tickers_are_in_the_context() -> None:
    newest: dict[str, str] = {}
    linear = ""
    for line in recorded.zst_lines(BYBIT):
        if line["t"] == "connect" and line["addr"].endswith("linear"):
            linear = line["conn"]
        elif line["t"] == "recv" and line["conn"] == linear and "tickers.BTCUSDT" in line["data"]:
            newest |= json.loads(line["data"])["data"]
    final = [one for one in bybit().of(MarketContext) if isinstance(one, MarketContext)][-1]
    (each,) = [one for one in final.instruments if one.venue == "bybit"]
    assert each.open_interest is not None
    assert each.predicted is not None
    assert each.open_interest.lots * BTC_LOT == Decimal(newest["singleOpenInterest"])
    assert Decimal(each.predicted.rate_interval) == Decimal(newest["fundingRate"])
    assert Decimal(each.mark_price or 0) == Decimal(newest["markPrice"])
    assert each.basis_bp is not None
    assert abs(each.basis_bp) < 50


def test_figures_are_told_of_every_kind() -> None:
    words = {line.split()[0] for line in figures(binance())}
    assert {"events", "bars", "profile", "book", "minutes", "context"} <= words
    assert BOOKS.name in {one.topic for one in binance().records}
