"""What one book says by itself, as records: tops, bands, weighted sizes, rows of the heat map."""

from typing import NamedTuple

from processors.imbalance.history import nano
from processors.imbalance.params import BookParams
from processors.imbalance.persistence import Rested
from processors.measures.book import (
    ASK,
    BID,
    Band,
    Levels,
    bands,
    mid_2,
    obi,
    one_sided,
    top,
    weighted_sum,
    weights,
)
from processors.seconds.second import BookView
from processors.units import AssetUnits
from schemas.books import ASK_COVERED, BID_COVERED
from schemas.heatmap import HeatColumn, HeatRow
from schemas.imbalance import BandDepth, Persistent, TopDepth
from schemas.units import round_half_even

COVERED = BID_COVERED | ASK_COVERED


class Weighted(NamedTuple):
    """Each level's weight, and the weighted imbalance."""

    bids: list[float]
    asks: list[float]
    obi: float | None


def top_depths(book: BookView, levels: tuple[int, ...]) -> list[TopDepth]:
    """Return the top-N imbalances, with the sums on the asset's grid."""
    lot = book.lot_factor
    return [
        TopDepth(
            one.levels,
            obi(one.bid, one.ask),
            one.bid * lot,
            one.ask * lot,
            one.bid_used,
            one.ask_used,
            one_sided(one.bid, one.ask),
        )
        for one in top(book.bids, book.asks, levels)
    ]


def band_depths(book: BookView, units: AssetUnits, params: BookParams) -> list[BandDepth]:
    """Return the imbalances of the bands around mid, as the collector has summed them."""
    per_cent = units.notional_per_cent
    return [_band_depth(Band(*one), book, per_cent, params.allow_truncated) for one in book.bands]


def best_depths(book: BookView, units: AssetUnits, params: BookParams) -> list[BandDepth]:
    """Return those of bands counted from the best prices, as far as the levels go."""
    found = bands(book.bids, book.asks, params.best_widths_bp, "best")
    per_cent = units.notional_per_cent
    return [_band_depth(one, book, per_cent, params.allow_truncated) for one in found]


def _band_depth(one: Band, book: BookView, per_cent: int, allow_truncated: bool) -> BandDepth:
    lot = book.lot_factor
    notional = lot * book.tick_factor
    return BandDepth(
        one.half_width_bp,
        one.obi(allow_truncated),
        one.bid * lot,
        one.ask * lot,
        round_half_even(one.bid_tick_lots * notional, per_cent),
        round_half_even(one.ask_tick_lots * notional, per_cent),
        one.coverage,
        one_sided(one.bid, one.ask),
    )


def tracked(book: BookView, params: BookParams) -> tuple[int | None, int | None]:
    """Return the tracked top-N and band imbalance in units of 1e-9, None where unknown."""
    count, of_band = params.tracked_levels, None
    bid = sum([lots for _, lots in book.bids[:count]])
    ask = sum([lots for _, lots in book.asks[:count]])
    of_top = nano(bid - ask, bid + ask) if bid + ask else None
    for width, bid, ask, _, _, coverage in book.bands:
        if width == params.tracked_band_bp:
            if bid + ask and (coverage == COVERED or params.allow_truncated):
                of_band = nano(bid - ask, bid + ask)
            break
    return of_top, of_band


def weighted(book: BookView, decay_bp: int) -> Weighted | None:
    """Weigh the shown levels by their distance from mid; None where there is no mid."""
    middle = mid_2(book.bids, book.asks)
    if middle is None:
        return None
    bid_weights = weights(book.bids, middle, decay_bp)
    ask_weights = weights(book.asks, middle, decay_bp)
    both = weighted_sum(book.bids, bid_weights), weighted_sum(book.asks, ask_weights)
    return Weighted(bid_weights, ask_weights, obi(*both))


def persistent(window: int, bid: Rested | None, ask: Rested | None) -> Persistent:
    """Return the persistent imbalance of one window; all null where it is not filled.

    Null too where a side has levels and not one of them is known over the whole window.
    """
    if bid is None or ask is None:
        return Persistent(window, None, None, None, None, None)
    known = all(one.current or not one.total for one in (bid, ask))
    return Persistent(
        window,
        obi(bid.rested, ask.rested) if known else None,
        _fleeting(bid),
        _fleeting(ask),
        bid.current / bid.total if bid.total else None,
        ask.current / ask.total if ask.total else None,
    )


def _fleeting(side: Rested) -> float | None:
    """Return the share of the known size that has not rested; equal sums give exactly 0."""
    return (side.current - side.rested) / side.current if side.current else None


def heat_column(venue: str, symbol: str, book: BookView, units: AssetUnits) -> HeatColumn:
    """Return one book in rows of dollars."""
    return HeatColumn(
        venue=venue,
        symbol=symbol,
        bids=_heat_rows(book.bids, BID, book, units),
        asks=_heat_rows(book.asks, ASK, book, units),
        bid_deepest_ticks=book.bids[-1][0] * book.tick_factor if book.bids else None,
        ask_deepest_ticks=book.asks[-1][0] * book.tick_factor if book.asks else None,
    )


def _heat_rows(levels: Levels, sign: int, book: BookView, units: AssetUnits) -> list[HeatRow]:
    """Sum levels by row, each row rounded once; best first."""
    tick, row_ticks = book.tick_factor, units.row_ticks
    sums: dict[int, int] = {}
    for price, lots in levels:
        row = price * tick // row_ticks
        sums[row] = sums.get(row, 0) + price * lots
    factor, per_cent = tick * book.lot_factor, units.notional_per_cent
    return [
        HeatRow(row * row_ticks, round_half_even(notional * factor, per_cent))
        for row, notional in sorted(sums.items(), reverse=sign > 0)
    ]
