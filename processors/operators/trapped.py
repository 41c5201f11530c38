"""Estimated trapped positions of one asset, once a minute: opened in a move, now under water.

Source: the open-interest estimates of definitions 5.11; the rest is defined here, as an estimate:
- a position is opened where open interest over all perpetuals rises in a minute that ends a
  directional move (`processors.liquidation_levels.moves`) whose takers agree with it. In a rise
  the buyers' share of the change is opened as longs, in the rows where they bought; in a fall the
  sellers' share as shorts. What makers hold on the other side is taken to be hedged;
- positions are closed in proportion to every fall of open interest, fade with a half-life of a day,
  and are gone once they have lost 20 % (`lost_rows`), as well as after a week;
- under water is a row that lies wholly on the losing side of the minute's close. A row whose price
  comes back is not trapped, but may be again.

State: see `processors.liquidation_levels.positions`, with two lanes.
"""

from processors.context.minutes import Minute, Minutes
from processors.derived import derived
from processors.liquidation_levels.moves import Moves
from processors.liquidation_levels.positions import Positions
from processors.liquidation_levels.under_water import (
    LANES,
    LONG_LANE,
    SHORT_LANE,
    TrappedParams,
    lost_rows,
    trapped_rows,
)
from processors.liquidation_levels.upkeep import Upkeep
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.seconds.second import Second
from processors.state import State
from processors.units import AssetUnits
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.liquidations import LiquidatedSide
from schemas.trapped import TRAPPED_TOPIC, TrappedPositions, TrappedRow
from schemas.units import US_PER_DAY, round_half_even

METHOD = "trapped/1.1.0"


class TrappedOperator:
    """Estimated trapped positions of one asset."""

    name = "trapped"

    def __init__(self, asset: str, units: AssetUnits, params: TrappedParams | None = None) -> None:
        params = params or TrappedParams()
        self._asset = asset
        self._units = units
        self._params = params
        self._hash = params_hash(units, params)
        self._minutes = Minutes(units, params.polls)
        self._moves = Moves(params.move_bars, params.move_atr, params.atr_bars)
        self._upkeep = Upkeep(
            Positions(LANES, params.kept_days * US_PER_DAY), params.half_life_minutes
        )

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; the one that ends a minute sends who is trapped."""
        minute = self._minutes.take(second)
        return [] if minute is None else [self._trapped(minute, second)]

    def _trapped(self, minute: Minute, second: Second) -> Output:
        nulls = self._upkeep.turn(minute)
        move = self._moves.take(minute.bar)
        if move is None:
            nulls["move"] = "too_few_bars_in_a_row"
        placed = 0 if minute.bar is None else self._apply(minute, minute.bar, move, nulls)
        price = price_of(minute.bar)
        interest = minute.move.end if minute.move.venues else None
        rows = self._rows(price, interest)
        if price is None:
            nulls["price_ticks"] = nulls["long_usd_cents"] = nulls["short_usd_cents"] = "no_price"
        if interest is None:
            nulls["open_interest_lots"] = nulls["change_lots"]
        record = TrappedPositions(
            **derived(second, METHOD, self._hash),
            minute_start_us=minute.start_us,
            map_start_us=self._upkeep.start_us,
            tick=self._units.tick,
            lot=self._units.lot,
            row_size_ticks=self._units.row_ticks,
            price_ticks=price,
            venues=minute.move.venues,
            completeness=minute.completeness,
            open_interest_lots=interest,
            change_lots=minute.move.change,
            move=move,
            placed_lots=placed,
            skipped_minutes=self._upkeep.skipped,
            long_usd_cents=None if price is None else usd_of(rows, LiquidatedSide.LONG),
            short_usd_cents=None if price is None else usd_of(rows, LiquidatedSide.SHORT),
            rows=[row for side in LANES for row in largest(rows, side, self._params.most_rows)],
            null_reasons=nulls,
        )
        return Output(TRAPPED_TOPIC, self._asset, record, minute.start_us)

    def _rows(self, price: int | None, interest: int | None) -> list[TrappedRow]:
        positions = self._upkeep.positions
        if price is None:
            return []
        return trapped_rows(positions.rows(), positions.scale, price, interest, self._units)

    def _apply(
        self, minute: Minute, bar: FootprintBar, move: int | None, nulls: dict[str, str]
    ) -> int:
        """Take away what has lost too much, add what was opened; return how many lots."""
        positions = self._upkeep.positions
        if bar.low_ticks is not None and bar.high_ticks is not None:
            row_ticks, lost_bp = self._units.row_ticks, self._params.lost_bp
            positions.cut(*lost_rows(bar.low_ticks, bar.high_ticks, row_ticks, lost_bp))
        change = minute.move.change
        if not move or change is None or change <= 0:
            return 0
        lane = LONG_LANE if move > 0 else SHORT_LANE
        total = bar.buy_lots + bar.sell_lots
        taken = 0
        for row in bar.rows:
            lots = row.buy_lots if move > 0 else row.sell_lots
            if lots and positions.add(
                (lane, row.row_ticks), (change * lots, total), minute.start_us
            ):
                taken += lots
        if bar.rows and taken < (bar.buy_lots if move > 0 else bar.sell_lots):
            nulls["placed_lots"] = "more_rows_than_are_kept"
        return round_half_even(change * taken, total) if total else 0

    # --- state

    def snapshot(self) -> State:
        """Return what changes; blocks of positions that are over go out as parts."""
        head = [self._minutes.dump(), self._moves.dump(), self._upkeep.dump()]
        return State(head, self._upkeep.positions.take_parts())

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        minutes, moves, upkeep = head
        self._minutes.load(minutes)
        self._moves.load(moves)
        self._upkeep.load(upkeep, parts)

    def keeps(self, part: str) -> bool:
        """Say whether a part written earlier is still needed."""
        return self._upkeep.positions.keeps(part)


def price_of(bar: FootprintBar | None) -> int | None:
    """Return the price at the end of a minute; in a quiet one that of the trade before it."""
    if bar is None or bar.completeness.status is Status.GAP:
        return None
    return bar.ref_close_ticks if bar.close_ticks is None else bar.close_ticks


def usd_of(rows: list[TrappedRow], side: LiquidatedSide) -> int:
    """Return the sum of one side."""
    return sum(row.est_usd_cents for row in rows if row.side is side)


def largest(rows: list[TrappedRow], side: LiquidatedSide, most: int) -> list[TrappedRow]:
    """Return the largest rows of one side, by price."""
    own = [row for row in rows if row.side is side]
    own.sort(key=lambda row: (-row.est_usd_cents, row.row_ticks))
    return sorted(own[:most], key=lambda row: row.row_ticks)
