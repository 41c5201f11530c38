"""Turn a bar into its record: rows laid out, measured and named (definitions 5.2, 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from processors.bars import (
    BUY,
    BUY_NOTIONAL,
    SELL,
    SELL_NOTIONAL,
    TRADES_BUY,
    TRADES_SELL,
    UNKNOWN,
    Bar,
    RowValues,
)
from processors.measures.auction import exhaustion, ratio_pair, unfinished
from processors.measures.imbalance import (
    BUY_IMBALANCE,
    SELL_IMBALANCE,
    ImbalanceParams,
    marks,
    stacks,
    stacks_h,
)
from processors.measures.poc import poc
from processors.measures.rows import Ladder, coarsen, dense
from processors.measures.value_area import Method, describe, value_area
from processors.scopes import ScopeKey
from processors.units import AssetUnits
from schemas.footprints import FootprintBar, Mark, Row, ValueArea
from schemas.lineage import Completeness, InputRange, Status
from schemas.units import US_PER_SECOND, plain, round_half_even

METHOD = "footprint/1.1.0"
MAX_ROWS = 20_000
"""A bar of more rows is published without them: a stray price must not fill the memory."""

METHODS: tuple[Method, ...] = ("single", "two_row", "at_most")

_DIAGONAL = int(Mark.BUY_IMBALANCE | Mark.SELL_IMBALANCE | Mark.ZERO_BUY | Mark.ZERO_SELL)


class Window(NamedTuple):
    """Which bar of which product: `factor` multiplies the asset's base row."""

    key: ScopeKey
    interval_us: int
    start_us: int
    factor: int = 1

    @property
    def end_us(self) -> int:
        """The first microsecond after the bar."""
        return self.start_us + self.interval_us


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a record says about itself.

    `gap_before` says that a bar between this one and the last that traded was a gap;
    `venue_ticks` is the least height of a row that is whole ticks of every venue in the bar.
    """

    revision: int
    version: int
    reason: str
    log_time_us: int
    inputs: list[InputRange]
    completeness: Completeness
    ref_close_ticks: int | None
    gap_before: bool
    venue_ticks: int
    basis_ticks: int | None


class Recorder:
    """Writes the bars of one asset.

    Args:
        asset: its name.
        units: its grids.
        imbalance: how imbalances are judged.
        params: the hash of all parameters that decide the numbers.
    """

    def __init__(
        self, asset: str, units: AssetUnits, imbalance: ImbalanceParams, params: str
    ) -> None:
        self.asset = asset
        self.units = units
        self.imbalance = imbalance
        self.params = params
        self._row_ticks = units.row_ticks
        self._per_cent = units.notional_per_cent
        self._row_sizes: dict[int, str] = {}

    def _row_size(self, factor: int) -> str:
        if factor not in self._row_sizes:
            self._row_sizes[factor] = plain(Decimal(self.units.row_size) * factor)
        return self._row_sizes[factor]

    def marks_of(self, bar: Bar, factor: int) -> dict[int, int]:
        """Return the marks of a bar's rows by lower edge, for counting venues that agree."""
        _, ladder = self._layout(bar, factor)
        if ladder is None:
            return {}
        return {ladder.row(i): m for i, m in enumerate(marks(ladder, self.imbalance)) if m}

    def _layout(self, bar: Bar, factor: int) -> tuple[dict[int, RowValues], Ladder | None]:
        """Return a bar's rows by lower edge and as a ladder, None where there are too many."""
        step = self._row_ticks * factor
        rows = bar.rows if factor == 1 else coarsen(bar.rows, step)
        if rows and (max(rows) - min(rows)) // step >= MAX_ROWS:
            return {}, None
        return rows, dense(rows, step)

    def write(
        self, window: Window, bar: Bar, stamp: Stamp, agreeing: Sequence[dict[int, int]] = ()
    ) -> FootprintBar:
        """Return the record of a bar.

        Args:
            window: which bar it is.
            bar: its numbers.
            stamp: what it says about itself.
            agreeing: for an aggregate, the marks of each member's own bar (`marks_of`).
        """
        sums = bar.sums()
        total = sums[SELL] + sums[BUY] + sums[UNKNOWN]
        rows, ladder = self._layout(bar, window.factor)
        invalid = _why_invalid(self._row_ticks * window.factor, stamp)
        nulls = _null_reasons(bar, ladder, stamp, invalid)
        if ladder is None:
            ladder = Ladder(0, 1, [], [], [])
        marked = marks(ladder, self.imbalance)
        if invalid:
            marked = [mark & ~_DIAGONAL for mark in marked]
        direction = _direction(bar)
        peak = poc(ladder, bar.notional, total)
        path = bar.path if bar.rows else None
        auction, dried, ratios = unfinished(ladder), exhaustion(ladder), ratio_pair(ladder)
        return FootprintBar(
            asset=self.asset,
            scope=window.key.scope,
            venue=window.key.venue,
            symbol=window.key.symbol,
            interval_seconds=window.interval_us // US_PER_SECOND,
            row_size=self._row_size(window.factor),
            row_ticks=self._row_ticks * window.factor,
            tick=self.units.tick,
            lot=self.units.lot,
            bar_start_us=window.start_us,
            bar_end_us=window.end_us,
            revision=stamp.revision,
            version=stamp.version,
            is_final=stamp.version > 0,
            reason=stamp.reason,
            method=METHOD,
            params=self.params,
            inputs=stamp.inputs,
            log_time_us=stamp.log_time_us,
            completeness=stamp.completeness,
            open_ticks=bar.first[1] if bar.first else None,
            high_ticks=bar.high,
            low_ticks=bar.low,
            close_ticks=bar.last[1] if bar.last else None,
            ref_close_ticks=stamp.ref_close_ticks,
            vwap=bar.notional / (total * self.units.price_denominator) if total else None,
            buy_lots=sums[BUY],
            sell_lots=sums[SELL],
            unknown_lots=sums[UNKNOWN],
            excluded_lots=dict(sorted(bar.excluded.items())),
            delta_lots=sums[BUY] - sums[SELL],
            delta_min_lots=path.lowest if path else None,
            delta_max_lots=path.highest if path else None,
            delta_since_high_lots=path.since_high if path else None,
            delta_since_low_lots=path.since_low if path else None,
            trades_buy=sums[TRADES_BUY],
            trades_sell=sums[TRADES_SELL],
            trades_unknown=bar.trades_unknown,
            buy_usd_cents=self.cents(sums[BUY_NOTIONAL]),
            sell_usd_cents=self.cents(sums[SELL_NOTIONAL]),
            rows=self._rows(rows, ladder, marked, agreeing),
            poc_ticks=None if peak is None else ladder.row(peak),
            value_areas=_value_areas(ladder, peak),
            imbalances_valid=not invalid,
            stacks=stacks(ladder, marked, self.imbalance, direction=direction),
            stacks_h=stacks_h(ladder, marked, self.imbalance, direction=direction),
            unfinished_high=auction.high,
            unfinished_low=auction.low,
            exhaustion_high=dried.high,
            exhaustion_low=dried.low,
            ratio_high=ratios.high,
            ratio_low=ratios.low,
            null_reasons=nulls,
        )

    def cents(self, notional: int) -> int:
        """Round ticks times lots to hundredths of the quote, half to even."""
        return round_half_even(notional, self._per_cent)

    def _rows(
        self,
        values: dict[int, RowValues],
        ladder: Ladder,
        marked: Sequence[int],
        agreeing: Sequence[dict[int, int]],
    ) -> list[Row]:
        rows = []
        cents = self.cents
        for index, mark in enumerate(marked):
            edge = ladder.row(index)
            row = values.get(edge)
            if row is None:
                rows.append(Row(edge, 0, 0, 0, 0, 0, 0, 0, mark))
                continue
            agree = [member.get(edge, 0) for member in agreeing]
            rows.append(
                Row(
                    edge,
                    row[SELL],
                    row[BUY],
                    row[UNKNOWN],
                    row[TRADES_SELL],
                    row[TRADES_BUY],
                    cents(row[SELL_NOTIONAL]),
                    cents(row[BUY_NOTIONAL]),
                    mark,
                    sum([bool(mark & BUY_IMBALANCE) for mark in agree]),
                    sum([bool(mark & SELL_IMBALANCE) for mark in agree]),
                )
            )
        return rows


def _direction(bar: Bar) -> int:
    if bar.first is None or bar.last is None:
        return 0
    return (bar.last[1] > bar.first[1]) - (bar.last[1] < bar.first[1])


def _why_no_ref_close(stamp: Stamp) -> str:
    if stamp.version > 1:
        return "not_kept_for_corrections"
    return "gap_before" if stamp.gap_before else "no_earlier_trade"


def _why_invalid(row_ticks: int, stamp: Stamp) -> str:
    """Return why rows of a height have no diagonal imbalances, nothing where they have."""
    if row_ticks % stamp.venue_ticks:
        return "row_tick_mismatch"
    if stamp.basis_ticks is None:
        return "no_cross_venue_basis"
    if row_ticks < 2 * stamp.basis_ticks:
        return "rows_finer_than_twice_the_cross_venue_basis"
    return ""


def _null_reasons(bar: Bar, ladder: Ladder | None, stamp: Stamp, imbalances: str) -> dict[str, str]:
    nulls = {}
    if ladder is None:
        nulls["rows"] = "more_rows_than_are_published"
    if not bar.rows:
        gap = stamp.completeness.status is Status.GAP
        nulls["prices"] = "gap" if gap else "no_trades"
    elif bar.path is None:
        nulls["delta_path"] = "order_of_late_trades_unknown"
    if stamp.ref_close_ticks is None:
        nulls["ref_close"] = _why_no_ref_close(stamp)
    if imbalances:
        nulls["imbalances"] = imbalances
    return nulls


def _value_areas(ladder: Ladder, peak: int | None) -> dict[str, ValueArea]:
    areas: dict[str, ValueArea] = {}
    for method in METHODS:
        area = value_area(ladder, peak, method)
        if area is not None:
            areas[method] = describe(ladder, area)
    return areas
