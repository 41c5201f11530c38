"""All perpetuals, or all spot, in one second: who was there, and the aggregates over them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processors.imbalance.cross import VenueBand, aggregate
from processors.imbalance.member import Reading
from processors.imbalance.params import BookParams
from processors.measures.book import Band
from processors.seconds.presence import status_of
from schemas.books import BANDS_BP
from schemas.imbalance import BandAggregate, ScopeImbalance
from schemas.lineage import Completeness
from schemas.market import Scope
from schemas.units import US_PER_SECOND


class Venue(NamedTuple):
    """One instrument of the scope, what its second came to, and its taker volume.

    `flow` is None where it is not known, `flow_whole` says whether it is of the whole window.
    """

    name: str
    reading: Reading
    flow: int | None
    flow_whole: bool


def scope_record(
    scope: Scope, venues: Sequence[Venue], params: BookParams, per_cent: int
) -> ScopeImbalance:
    """Return the aggregates over the instruments of a scope.

    Args:
        scope: which.
        venues: all that have a book stream, by name.
        params: what decides the numbers.
        per_cent: notional of a hundredth of a dollar.
    """
    there = [one for one in venues if one.reading.book is not None]
    common = [one for one in there if _is_complete(one)]
    ofi = {one.name: one.reading.best.lots for one in venues if one.reading.best is not None}
    tfi = {one.name: one.reading.tfi for one in venues if one.reading.tfi is not None}
    flows = {one.name: one.flow for one in there if one.flow is not None}
    whole = {one.name: one.flow for one in common if one.flow is not None and one.flow_whole}
    return ScopeImbalance(
        scope=scope,
        completeness=_completeness(venues),
        all=_aggregates(there, flows, params, per_cent),
        common=_aggregates(common, whole, params, per_cent),
        ofi_lots=sum(ofi.values()) if ofi else None,
        ofi_venues=list(ofi),
        tfi_lots=sum(tfi.values()) if tfi else None,
        tfi_venues=list(tfi),
    )


def _is_complete(one: Venue) -> bool:
    return one.reading.valid_us >= US_PER_SECOND


def _completeness(venues: Sequence[Venue]) -> Completeness:
    """Say who had a valid book: a stream that is there without one does not count."""
    names = [one.name for one in venues]
    complete = [one.name for one in venues if _is_complete(one)]
    partial = [one.name for one in venues if one.reading.valid_us and not _is_complete(one)]
    return Completeness(
        status=status_of(names, complete, partial),
        venues_expected=names,
        venues_complete=complete,
        venues_partial=partial,
        coverage_ms={one.name: one.reading.valid_us // 1000 for one in venues},
        feed_states={one.name: one.reading.stream.state for one in venues},
    )


def _aggregates(
    venues: Sequence[Venue], flows: Mapping[str, int], params: BookParams, per_cent: int
) -> list[BandAggregate]:
    """Return every band that at least one venue knows."""
    by_width: dict[int, list[VenueBand]] = {width: [] for width in BANDS_BP}
    for one in venues:
        book = one.reading.book
        if book is None:
            continue
        factor = book.tick_factor * book.lot_factor
        for row in book.bands:
            band = Band(*row)
            ratio = band.obi(params.allow_truncated)
            if ratio is not None:
                bid, ask = band.bid_tick_lots * factor, band.ask_tick_lots * factor
                by_width.setdefault(band.half_width_bp, []).append(
                    VenueBand(one.name, ratio, bid, ask)
                )
    return [
        aggregate(width, bands, flows, params.flow_cap, per_cent)
        for width, bands in by_width.items()
        if bands
    ]
