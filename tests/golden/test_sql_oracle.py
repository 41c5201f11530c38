"""Every number of footprints, CVD and books against SQL: on the recordings, and on random markets.

Integers are equal, ratios to 1e-12 of their size. The SQL (`tests.golden.sql`) knows the raw trades
and book records alone.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, takewhile
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from processors.units import DEFAULT_UNITS
from schemas.books import BookBatch
from schemas.cvd import WINDOWS, CvdStep
from schemas.footprints import FootprintBar
from schemas.imbalance import BandAggregate, ImbalanceStep, InstrumentImbalance
from schemas.market import Kind, Scope
from schemas.trades import TradeBatch
from schemas.units import US_PER_SECOND
from tests.captures import needs_captures
from tests.golden import sql
from tests.golden.played import (
    BYBIT,
    HYPERLIQUID,
    MARKS,
    SPOT,
    USDM,
    Record,
    Worked,
    played,
    prolonged,
    worked,
)
from tests.processors.days import MIDNIGHT, NAMES, Days
from tests.processors.seconds.market import BINANCE, BINANCE_SPOT
from tests.processors.seconds.market import BYBIT as BYBIT_PERP

UNITS = DEFAULT_UNITS["BTC"]
COUNTS = (1, 5, 10, 20, 50)
BEST_WIDTHS_BP = (10, 20)
RANKS = 10
FLOW_SECONDS = 900
INTERVALS = (60, 300)
FACTORS = (1, 5, 25)
OKX = ("okx", Kind.LINEAR_PERPETUAL, "BTC-USDT-PERP")
RANDOM_SECONDS = 400
TAIL_SECONDS = 70
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """What the engine said, and what SQL says; of 2023 the snapshot comes before all changes."""

    has_books: bool
    run: Worked
    answers: Mapping[str, list[Row]]

    def by(self, name: str, *keys: str) -> dict[tuple[Any, ...], Row]:
        return {tuple(row[key] for key in keys): row for row in self.answers[name]}

    def instruments(self) -> Iterator[tuple[str, int, InstrumentImbalance]]:
        """Yield name, second and record of every instrument's book."""
        for step in self.run.of(ImbalanceStep):
            assert isinstance(step, ImbalanceStep)
            for one in step.instruments:
                yield f"{one.venue}:{one.symbol}", step.step_start_us // US_PER_SECOND, one


def market(seed: int) -> list[Record]:
    """Return some minutes over midnight of four instruments, with random bands in their books."""
    instruments = (BINANCE, BYBIT_PERP, OKX, BINANCE_SPOT)
    days = Days(
        1,
        busy_seconds=2,
        instruments=instruments,
        spot_books=True,
        seed=seed,
        outages=40,
        late=0.001 * (seed - 1),
    )
    end_us = MIDNIGHT + RANDOM_SECONDS * US_PER_SECOND
    chance = random.Random(seed)
    found = []
    for one in takewhile(lambda record: record.time_us < end_us, days.records()):
        batch = one.batch
        if isinstance(batch, BookBatch):
            bands = [(band[0], *_sums(chance), chance.choice((1, 2, 3, 3, 3, 3, 3)))
                     for band in batch.bands]  # fmt: skip
            batch = msgspec.structs.replace(batch, bands=bands)
        found.append(Record(NAMES[one.topic], msgspec.json.encode(batch), batch))
    return found


def _sums(chance: random.Random) -> tuple[int, int, int, int]:
    bid, ask = chance.randrange(10**6), chance.randrange(10**6)
    return bid, ask, bid * 6_000_000 + chance.randrange(99), ask * 6_000_000 + chance.randrange(99)


RECORDED = {
    "binance spot and perpetual": (USDM, SPOT),
    "binance perpetual 2023": (MARKS,),
    "bybit spot and perpetual": (BYBIT,),
    "hyperliquid": (HYPERLIQUID,),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(one, marks=needs_captures) for one in RECORDED] + ["random 1", "random 2"],
)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


@lru_cache(2)
def case_of(name: str) -> Case:
    records = played(*RECORDED[name]) if name in RECORDED else market(int(name[-1]))
    records = prolonged([one for one in records if one.batch.asset == "BTC"], TAIL_SECONDS)
    queries = {
        f"bars {interval}": sql.bars(UNITS, interval) for interval in INTERVALS
    } | {
        f"rows {interval} {factor}": sql.rows(UNITS, interval, factor)
        for interval in INTERVALS
        for factor in FACTORS
    }  # fmt: skip
    queries |= {
        "cvd": sql.cvd(UNITS, WINDOWS),
        "books": sql.books(COUNTS, BEST_WIDTHS_BP),
        "flow": sql.FLOW,
        "ranks": sql.rank_flow(RANKS),
        "taker": sql.taker(UNITS, FLOW_SECONDS),
    }
    with TemporaryDirectory() as folder:
        answers = sql.ask(Path(folder), [one.batch for one in records], UNITS, **queries)
    return Case(name != "binance perpetual 2023", worked(records), answers)


def who(scope: Scope, venue: str, symbol: str) -> str:
    return f"{venue}:{symbol}" if scope is Scope.VENUE else scope.value


def ratio(value: float) -> Any:
    return pytest.approx(value, rel=1e-12, abs=1e-12)


def newest(run: Worked, interval: int, row_size_ticks: int) -> list[FootprintBar]:
    """Return the newest final record of every bar."""
    found = {}
    for bar in run.of(FootprintBar):
        assert isinstance(bar, FootprintBar)
        if bar.is_final and (bar.interval_seconds, bar.row_ticks) == (interval, row_size_ticks):
            found[bar.scope, bar.venue, bar.symbol, bar.bar_start_us] = bar
    return list(found.values())


PATH = ("delta_min_lots", "delta_max_lots", "delta_since_high_lots", "delta_since_low_lots")


def test_footprint_bars_and_delta_paths(case: Case) -> None:
    """Definitions 5.2: prices, sums, counts, worth, VWAP and the path of delta."""
    compared = 0
    for interval in INTERVALS:
        wanted = case.by(f"bars {interval}", "who", "bar")
        for bar in newest(case.run, interval, UNITS.row_ticks):
            place = who(bar.scope, bar.venue, bar.symbol), bar.bar_start_us // 1_000_000 // interval
            row = wanted.get(place)
            if row is None:
                assert bar.rows == []
                continue
            assert bar.vwap == ratio(row["vwap"])
            for key in row.keys() - {"who", "bar", "vwap"}:
                if key not in PATH or bar.delta_min_lots is not None:
                    assert getattr(bar, key) == row[key], (place, key)
            compared += 1
    assert compared >= 4


def test_footprint_rows_imbalances_and_points_of_control(case: Case) -> None:
    """Definitions 5.2, 5.3: dense rows, their flags, and the POC with its ties."""
    compared = marked = 0
    for interval in INTERVALS:
        for factor in FACTORS:
            size = UNITS.row_ticks * factor
            wanted: dict[tuple[str, int], list[Row]] = {}
            for row in case.answers[f"rows {interval} {factor}"]:
                wanted.setdefault((row["who"], row["bar"]), []).append(row)
            for bar in newest(case.run, interval, size):
                place = bar.bar_start_us // 1_000_000 // interval
                rows = wanted.get((who(bar.scope, bar.venue, bar.symbol), place), [])
                _check_rows(bar, rows, size)
                compared += len(rows)
                marked += sum(row["marks"] > 0 for row in rows)
    assert compared > 10
    assert marked


def _check_rows(bar: FootprintBar, rows: list[Row], size: int) -> None:
    keys = ("row", "sell", "buy", "unknown", "sells", "buys", "sell_cents", "buy_cents")
    traded = [row for row in bar.rows if row.trades_sell or row.trades_buy or row.unknown_lots]
    got = [list(msgspec.to_builtins(row)[:8]) for row in traded]
    assert got == [[row[key] for key in keys] for row in rows]
    if rows:
        dense = range(rows[0]["row"], rows[-1]["row"] + size, size)
        assert [row.row_ticks for row in bar.rows] == list(dense)
        assert [bar.poc_ticks] == [row["row"] for row in rows if row["is_poc"]]
    if bar.imbalances_valid:
        assert [row.marks for row in traded] == [row["marks"] for row in rows]


def test_cvd_of_every_second(case: Case) -> None:
    """Definitions 5.5: step, day, anchored and rolling sums, of instruments and over all."""
    wanted = case.by("cvd", "who", "second")
    compared = days = 0
    until = min((one for one in late_seconds(case.run.records)), default=2**62)
    for step in case.run.of(CvdStep):
        assert isinstance(step, CvdStep)
        if not step.is_final or step.step_start_us // US_PER_SECOND >= until:
            continue
        for series in step.series:
            if series.composition == "common":
                continue
            place = who(series.scope, series.venue, series.symbol), step.step_start_us // 1_000_000
            row = wanted.get(place)
            if row is None:
                continue
            values = [("step", series.step), ("day", series.day), ("anchored", series.anchored)]
            values += [(f"w{w}", one) for w, one in zip(WINDOWS, series.rolling, strict=True)]
            for key, value in values:
                if value is not None:
                    assert list(msgspec.to_builtins(value)) == row[key], (place, key)
                    compared += 1
            days += series.day is not None
    assert compared > 20
    assert days


def test_books_at_the_end_of_every_second(case: Case) -> None:
    """Definitions 5.6: best prices, weighted mid, top-N, bands from best, weighted OBI."""
    wanted = case.by("books", "member", "second")
    compared = 0
    for place, second, record in case.instruments():
        row = wanted.get((place, second))
        if row is None or record.best_bid_ticks is None:
            continue
        assert [
            record.best_bid_ticks,
            record.best_bid_lots,
            record.best_ask_ticks,
            record.best_ask_lots,
        ] == row["best"]
        assert record.weighted_mid_ticks == ratio(row["weighted_mid"])
        assert [one.levels for one in record.tops] == list(COUNTS)
        assert [one.bid_lots for one in record.tops] == row["top_bids"]
        assert [one.ask_lots for one in record.tops] == row["top_asks"]
        for top in record.tops:
            assert top.obi == ratio(_obi(top.bid_lots, top.ask_lots))
        bands = [(one.bid_lots, one.ask_lots) for one in record.bands_from_best]
        assert bands == list(zip(row["best_bids"], row["best_asks"], strict=True))
        assert record.weighted_obi == ratio(_obi(row["weighted_bids"], row["weighted_asks"]))
        compared += 1
    assert compared > 20 or not case.has_books


def late_seconds(records: Iterable[Record]) -> Iterator[int]:
    """Yield the seconds that were final when another trade of theirs came: those are adjusted."""
    for _, _, batch in records:
        if isinstance(batch, TradeBatch):
            final_us = batch.watermark_us - 2 * US_PER_SECOND
            yield from (row[0] // US_PER_SECOND for row in batch.rows if row[0] < final_us)


def _obi(bid: float, ask: float) -> float:
    return (bid - ask) / (bid + ask)


def test_order_flow_of_the_best_prices_and_of_ranks(case: Case) -> None:
    """Definitions 5.6, 8: the sum of e_n of every second that is not after a resync."""
    flow = case.by("flow", "member", "second")
    ranks = case.by("ranks", "member", "second")
    compared = ranked = 0
    valid: set[str] = set()
    for place, second, record in case.instruments():
        best = flow.get((place, second))
        if record.ofi_lots is not None:
            assert record.ofi_lots == (best["ofi"] if best else 0), (place, second)
            assert sum(record.ofi_100ms_lots or [0]) == record.ofi_lots
            compared += best is not None
        elif best is not None and best["known"] and record.null_reasons["ofi_lots"] == "resync":
            assert place not in valid
        if not record.ofi_valid:
            valid.discard(place)
        elif best is not None:
            valid.add(place)
        of_rank = ranks.get((place, second))
        if record.mlofi_lots is not None and of_rank is not None:
            assert record.mlofi_lots == [one * of_rank["lot"] for one in of_rank["flow"]]
            ranked += 1
    assert compared > 10
    assert ranked > 10 or not case.has_books


def test_trade_flow_beside_the_book(case: Case) -> None:
    """Definitions 5.6: signed trades of the second, and the taker volume of 15 minutes."""
    taker = case.by("taker", "who", "second")
    first = min(second for _, second in taker)
    compared = 0
    for place, second, record in case.instruments():
        row = taker.get((place, second))
        if row is None or record.tfi_lots is None or second - first >= FLOW_SECONDS:
            continue
        assert record.tfi_lots == row["tfi"]
        if record.flow_seconds > second - first:
            assert record.flow_usd_cents == row["flow"]
            compared += 1
        compared += 1
    assert compared > 5


@pytest.mark.parametrize("case", ["random 1", "random 2"], indirect=True)
def test_bands_over_venues(case: Case) -> None:
    """Definitions 5.6: the ratio of sums, flow weights capped at a half, median and dispersion."""
    seen: set[int] = set()
    for step in case.run.of(ImbalanceStep):
        assert isinstance(step, ImbalanceStep)
        venues = {f"{one.venue}:{one.symbol}": one for one in step.instruments}
        for scope in step.scopes:
            for band in scope.all:
                seen.add(len(band.venues))
                _check_aggregate(band, {name: venues[name] for name in band.venues})
    assert seen >= {1, 2, 3}


def _check_aggregate(band: BandAggregate, venues: Mapping[str, InstrumentImbalance]) -> None:
    of_venue = {
        name: next(one for one in record.bands if one.half_width_bp == band.half_width_bp)
        for name, record in venues.items()
    }
    ratios = {name: _obi(one.bid_lots, one.ask_lots) for name, one in of_venue.items()}
    assert {name: one.obi for name, one in of_venue.items()} == {
        name: ratio(value) for name, value in ratios.items()
    }
    assert all(one.coverage == 3 for one in of_venue.values())
    slack = len(venues)
    assert abs(band.bid_usd_cents - sum(one.bid_usd_cents for one in of_venue.values())) <= slack
    assert band.sum_depth == pytest.approx(_obi(band.bid_usd_cents, band.ask_usd_cents), abs=1e-6)
    assert band.median == (ratio(median(ratios.values())) if len(ratios) > 2 else None)
    spread = max(ratios.values()) - min(ratios.values())
    assert band.dispersion == (ratio(spread) if len(ratios) > 1 else None)
    flows = {n: one.flow_usd_cents for n, one in venues.items() if n in band.flow_venues}
    if band.flow_weighted is not None:
        weights = capped({name: flow or 0 for name, flow in flows.items()})
        weighted = sum(weight * ratios[name] for name, weight in weights.items())
        assert band.flow_weighted == pytest.approx(weighted, abs=1e-6)


def capped(flows: Mapping[str, int]) -> dict[str, float]:
    """Return weights that are as the flows, none above a half, found by halving an interval."""
    cap = max(0.5, 1 / len(flows))
    weigh: Callable[[float], dict[str, float]] = lambda scale: {  # noqa: E731
        name: min(cap, scale * flow / sum(flows.values())) for name, flow in flows.items()
    }
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(weigh(middle).values()) < 1 else (low, middle)
    return weigh(high)


def test_a_wrong_number_of_the_engine_would_be_seen() -> None:
    """The SQL is of the market and not of the engine: another market gives other numbers."""
    first, second = (case_of(f"random {seed}").answers for seed in (1, 2))
    assert all(first[name] != second[name] for name in first)
    sizes = [len(rows) for rows in first.values()]
    assert all(a > 0 for a, _ in pairwise([*sizes, 1]))
