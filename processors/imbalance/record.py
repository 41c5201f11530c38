"""One instrument's record of a second, with the reason of whatever is null in it."""

from typing import Any

from processors.imbalance import depth
from processors.imbalance.member import MemberBook, Reading
from processors.imbalance.params import BookParams
from processors.imbalance.side import Side
from processors.measures.book import weighted_mid
from processors.seconds.second import BookView, MemberSecond
from processors.units import AssetUnits
from schemas.imbalance import InstrumentImbalance, Persistent, Pull, Refill
from schemas.lineage import Status
from schemas.units import US_PER_SECOND, round_half_even

Fields = dict[str, Any]
Reasons = dict[str, str]

NOT_FILLED = "window_not_filled"

_NO_BOOK: Fields = {
    "best_bid_ticks": None,
    "best_bid_lots": None,
    "best_ask_ticks": None,
    "best_ask_lots": None,
    "mid_ticks": None,
    "weighted_mid_ticks": None,
    "tops": [],
    "bands": [],
    "bands_from_best": [],
    "weighted_obi": None,
    "persistent": [],
    "bid_pull": None,
    "ask_pull": None,
    "bid_refill": None,
    "ask_refill": None,
}


class Writer:
    """Makes the records of one asset's instruments.

    Args:
        units: the asset's grids.
        params: what decides the numbers.
    """

    def __init__(self, units: AssetUnits, params: BookParams) -> None:
        self._units = units
        self._params = params

    def record(
        self, member: MemberSecond, reading: Reading, memory: MemberBook
    ) -> InstrumentImbalance:
        """Return the record of one instrument."""
        reasons: Reasons = {}
        if reading.book is None:
            about = _NO_BOOK
            reasons["book"] = reading.absent
        else:
            about = self._depth(reading.book, reading, reasons)
            about |= self._windows(reading.book, reading, memory, reasons)
        return InstrumentImbalance(
            scope=member.aggregate.scope,
            venue=member.key.venue,
            symbol=member.key.symbol,
            status=status_of_book(reading.valid_us),
            valid_ms=reading.valid_us // 1000,
            time_weighted=reading.means,
            z_scores=self._scores(memory, reasons),
            null_reasons=reasons,
            **about,
            **self._flow(reading, reasons),
            **self._trades(member, reading, memory, reasons),
        )

    def _depth(self, book: BookView, reading: Reading, reasons: Reasons) -> Fields:
        """Return what the book at the end of the second says by itself."""
        params, tick, lot = self._params, book.tick_factor, book.lot_factor
        bid = book.bids[0] if book.bids else None
        ask = book.asks[0] if book.asks else None
        mid = None
        if bid and ask:
            mid = (bid[0] + ask[0]) * tick / 2
        else:
            reasons["mid_ticks"] = "one_sided" if bid or ask else "empty_book"
        if reading.weighted and reading.weighted.obi is None:
            reasons["weighted_obi"] = "too_far_from_mid"
        wmid = weighted_mid(book.bids, book.asks)
        return {
            "best_bid_ticks": bid[0] * tick if bid else None,
            "best_bid_lots": bid[1] * lot if bid else None,
            "best_ask_ticks": ask[0] * tick if ask else None,
            "best_ask_lots": ask[1] * lot if ask else None,
            "mid_ticks": mid,
            "weighted_mid_ticks": wmid * tick if wmid is not None else None,
            "tops": depth.top_depths(book, params.levels),
            "bands": depth.band_depths(book, self._units, params),
            "bands_from_best": depth.best_depths(book, self._units, params),
            "weighted_obi": reading.weighted.obi if reading.weighted else None,
        }

    def _windows(
        self, book: BookView, reading: Reading, memory: MemberBook, reasons: Reasons
    ) -> Fields:
        """Return what the windows of books say."""
        return {
            "persistent": self._persistent(book, reading, memory, reasons),
            "bid_pull": _pull("bid_pull", memory.bids, reasons),
            "ask_pull": _pull("ask_pull", memory.asks, reasons),
            "bid_refill": _refill("bid_refill", memory.bids, book, reasons),
            "ask_refill": _refill("ask_refill", memory.asks, book, reasons),
        }

    def _persistent(
        self, book: BookView, reading: Reading, memory: MemberBook, reasons: Reasons
    ) -> list[Persistent]:
        """Return the persistent imbalance of each window."""
        weight = reading.weighted
        if weight is None:
            reasons["persistent"] = reasons["mid_ticks"]
            return []
        found = []
        sides = zip(
            self._params.persistence_seconds,
            memory.bids.persistence.rested(book.bids, weight.bids),
            memory.asks.persistence.rested(book.asks, weight.asks),
            strict=True,
        )
        for window, bid, ask in sides:
            one = depth.persistent(window, bid, ask)
            found.append(one)
            if bid is None or ask is None:
                reasons[f"persistent_{window}"] = NOT_FILLED
            elif one.obi is None:
                out_of_view = not (bid.current and ask.current)
                reasons[f"persistent_{window}"] = "out_of_view" if out_of_view else "nothing_rested"
        return found

    def _scores(self, memory: MemberBook, reasons: Reasons) -> dict[str, float | None]:
        """Return the z-scores by measure."""
        scores = {}
        for name, track in zip(self._params.measures, memory.history.measures, strict=True):
            scores[name] = track.score(self._params.score_min_samples)
            if scores[name] is None:
                why = "no_value" if track.last is None else "no_deviation"
                few = track.count < self._params.score_min_samples
                reasons[f"z_{name}"] = "too_few_values" if few else why
        return scores

    def _flow(self, reading: Reading, reasons: Reasons) -> Fields:
        """Return order flow imbalance, at the best prices and by rank."""
        best, ranks = reading.best, reading.ranks
        why = "resync" if reading.stream.complete else "book_stream_incomplete"
        if best is None:
            reasons["ofi_lots"] = why
        if ranks is None:
            reasons["mlofi_lots"] = why
        elif best is not None and not ranks.both_sides_lots[0]:
            reasons["ofi_normalised"] = "empty_book"
        return {
            "ofi_valid": best is not None,
            "ofi_lots": best.lots if best else None,
            "ofi_normalised": ranks.normalise(0, best.lots) if best and ranks else None,
            "ofi_100ms_lots": best.parts if best else None,
            "mlofi_lots": ranks.lots if ranks else None,
            "mlofi_normalised": [ranks.normalise(*one) for one in enumerate(ranks.lots)]
            if ranks
            else None,
            "mean_depth_lots": ranks.mean_depth_lots if ranks else None,
        }

    def _trades(
        self, member: MemberSecond, reading: Reading, memory: MemberBook, reasons: Reasons
    ) -> Fields:
        """Return what trades say."""
        flow = memory.history.flow
        missing = "no_trade_stream" if member.trade_stream is None else "trade_stream_incomplete"
        if reading.tfi is None:
            reasons["tfi_lots"] = missing
        if not flow.count:
            reasons["flow_usd_cents"] = missing
        per_cent = self._units.notional_per_cent
        return {
            "tfi_lots": reading.tfi,
            "flow_usd_cents": round_half_even(flow.total, per_cent) if flow.count else None,
            "flow_seconds": memory.flow_run,
        }


def status_of_book(valid_us: int) -> Status:
    """Return the completeness of a second in which a valid book was there for so long."""
    if valid_us >= US_PER_SECOND:
        return Status.COMPLETE
    return Status.PARTIAL if valid_us else Status.GAP


def _pull(name: str, side: Side, reasons: Reasons) -> Pull | None:
    found = side.pull()
    if found is None:
        reasons[name] = NOT_FILLED
    elif found.ratio is None:
        reasons[name] = "nothing_removed"
    return found


def _refill(name: str, side: Side, book: BookView, reasons: Reasons) -> Refill | None:
    """Return the refill of the best price at the end of the second."""
    levels = book.bids if name == "bid_refill" else book.asks
    if not levels:
        reasons[name] = "empty_side"
        return None
    if not side.refills.filled:
        reasons[name] = NOT_FILLED
        return None
    found = side.refills.at(levels[0][0] * book.tick_factor)
    if found is None:
        reasons[name] = "not_seen_as_best"
    return found
