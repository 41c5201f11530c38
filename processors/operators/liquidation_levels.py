"""The map of estimated liquidation levels of one asset, once a minute (definitions 5.11, trap 16).

A rise of open interest in base coin over all perpetuals is spread over the minute's footprint rows
and brackets of leverage; a fall removes in proportion, as does time (half-life 7 d); what the price
trades through is gone. Everything is integers (`Scale` says how they are rounded).

Settled here, where 5.11 leaves it open:
- the change is the sum over the perpetuals that are known at both ends of the minute, the rows are
  those of the footprint over all perpetuals;
- a fall removes the share that was closed of all open interest, not as many lots: the map knows
  only what was opened since it began, and those who close need not be among them;
- a bar's range removes first, then what was opened in it is added: what the order inside the minute
  was, is not known. Of the new levels, those beyond the close are left out;
- the extreme weightings are 45/30/15/7/3 % of the brackets from 5x to 100x, and its mirror image;
- positions older than 35 d (5 half-lives, 3 % left) are dropped.

State: see `processors.liquidation_levels.positions`.
"""

from processors.context.minutes import Minute, Minutes
from processors.derived import derived
from processors.liquidation_levels.brackets import SIDES, Brackets, LevelParams, published
from processors.liquidation_levels.positions import Positions
from processors.liquidation_levels.upkeep import Upkeep
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.seconds.second import Second
from processors.state import State
from processors.units import AssetUnits
from schemas.footprints import FootprintBar
from schemas.liquidation_levels import LIQUIDATION_LEVELS_TOPIC, LiquidationLevels
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_DAY

METHOD = "liquidation_levels/1.1.0"


class LiquidationLevelsOperator:
    """Estimated liquidation levels of one asset."""

    name = "liquidation_levels"

    def __init__(self, asset: str, units: AssetUnits, params: LevelParams | None = None) -> None:
        params = params or LevelParams()
        self._asset = asset
        self._units = units
        self._params = params
        self._hash = params_hash(units, params)
        self._minutes = Minutes(units, params.polls)
        self._brackets = Brackets(params, units.row_ticks)
        self._upkeep = Upkeep(
            Positions(params.lanes, params.kept_days * US_PER_DAY), params.half_life_minutes
        )

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; the one that ends a minute sends the map."""
        minute = self._minutes.take(second)
        return [] if minute is None else [self._map(minute, second)]

    def _map(self, minute: Minute, second: Second) -> Output:
        nulls = self._upkeep.turn(minute)
        placed = 0
        if minute.bar is not None:
            placed = self._apply(minute, minute.bar, nulls)
        positions = self._upkeep.positions
        rows = self._brackets.read(positions.rows(), positions.scale, self._units.notional_per_cent)
        usd = {side: sum(r.est_usd_cents for r in rows if r.side is side) for side in SIDES}
        known = bool(minute.move.venues)
        if not known:
            nulls["open_interest_start_lots"] = nulls["change_lots"]
        record = LiquidationLevels(
            **derived(second, METHOD, self._hash),
            minute_start_us=minute.start_us,
            map_start_us=self._upkeep.start_us,
            tick=self._units.tick,
            lot=self._units.lot,
            row_size_ticks=self._units.row_ticks,
            venues=minute.move.venues,
            completeness=minute.completeness,
            open_interest_start_lots=minute.move.start if known else None,
            change_lots=minute.move.change,
            placed_lots=placed,
            skipped_minutes=self._upkeep.skipped,
            long_usd_cents=usd[LiquidatedSide.LONG],
            short_usd_cents=usd[LiquidatedSide.SHORT],
            rows=[row for side in SIDES for row in published(rows, side, self._params)],
            null_reasons=nulls,
        )
        return Output(LIQUIDATION_LEVELS_TOPIC, self._asset, record, minute.start_us)

    def _apply(self, minute: Minute, bar: FootprintBar, nulls: dict[str, str]) -> int:
        """Take away what the bar traded through, add what was opened in it; return how much."""
        positions = self._upkeep.positions
        cut = self._brackets.cut(bar)
        if cut is not None:
            positions.cut(*cut)
        change = minute.move.change
        if change is None or change <= 0 or nulls:
            return 0
        if not bar.buy_lots + bar.sell_lots:
            nulls["placed_lots"] = "no_trades_with_a_side"
            return 0
        fits = [
            positions.add(key, lots, minute.start_us)
            for key, lots in self._brackets.levels(bar, change)
        ]
        if not all(fits):
            nulls["placed_lots"] = "more_rows_than_are_kept"
        return change

    # --- state

    def snapshot(self) -> State:
        """Return what changes; blocks of positions that are over go out as parts."""
        head = [self._minutes.dump(), self._upkeep.dump()]
        return State(head, self._upkeep.positions.take_parts())

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        minutes, upkeep = head
        self._minutes.load(minutes)
        self._upkeep.load(upkeep, parts)

    def keeps(self, part: str) -> bool:
        """Say whether a part written earlier is still needed."""
        return self._upkeep.positions.keeps(part)
