"""Where positions opened in a minute would be liquidated, bracket by bracket of leverage.

Source: definitions 5.11. A rise of open interest is split by the takers' shares: what buyers took
is opened as longs, what sellers took as shorts, in the rows where they traded. Every contract has a
holder on the other side, too; makers are taken to be hedged. Trades of unknown side have no share.

Each bracket gets all of it, as if everybody had that leverage; weights come in when the map is
read, so several weightings cost nothing and are of the same positions.
"""

from collections.abc import Iterator, Sequence

import msgspec

from processors.context.polls import Polls
from processors.liquidation_levels.positions import Held, Key
from processors.liquidation_levels.scale import Scale
from processors.measures.liquidation_price import PPM, liquidation_ratio, survives_entry
from processors.measures.rows import floor_row
from schemas.footprints import FootprintBar
from schemas.liquidation_levels import LevelRow
from schemas.liquidations import LiquidatedSide
from schemas.units import round_half_even

SIDES = (LiquidatedSide.LONG, LiquidatedSide.SHORT)


class LevelParams(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the map.

    `weights` are percentages of the brackets in `leverages`; `cautious` and `daring` are the two
    extreme weightings. The maintenance rate is that of the smallest tier, in millionths like the
    fee. Rows below `least_ppm` of the total are not published, nor more than `most_rows` a side.

    Raises:
        ValueError: weights that do not add up, or a leverage that is liquidated when opened.
    """

    leverages: tuple[int, ...] = (5, 10, 20, 50, 100)
    weights: tuple[int, ...] = (20, 30, 25, 15, 10)
    cautious: tuple[int, ...] = (45, 30, 15, 7, 3)
    daring: tuple[int, ...] = (3, 7, 15, 30, 45)
    maintenance_ppm: int = 5_000
    fee_ppm: int = 0
    half_life_minutes: int = 7 * 1440
    kept_days: int = 35
    least_ppm: int = 100
    most_rows: int = 1_000
    polls: Polls = Polls()

    def __post_init__(self) -> None:
        for weights in (self.weights, self.cautious, self.daring):
            if len(weights) != len(self.leverages) or sum(weights) != 100 or min(weights) < 0:
                raise ValueError(f"expected a percentage for each leverage, was {weights}")
        if min(self.maintenance_ppm, self.fee_ppm, self.least_ppm) < 0:
            raise ValueError("expected rates of zero or above")
        for leverage in self.leverages:
            if leverage < 2 or not survives_entry(leverage, self.margin_ppm):
                raise ValueError(f"{leverage}x is liquidated when it is opened, or never")
        if min(self.half_life_minutes, self.kept_days, self.most_rows) < 1:
            raise ValueError("expected half life, days and rows above zero")

    @property
    def margin_ppm(self) -> int:
        """Maintenance rate and close fee."""
        return self.maintenance_ppm + self.fee_ppm

    @property
    def lanes(self) -> list[LiquidatedSide]:
        """The side of each lane: all brackets of longs, then those of shorts."""
        return [side for side in SIDES for _ in self.leverages]


class Brackets:
    """The lanes of a map, and how entries get into them.

    Args:
        params: leverages, weights and rates.
        row_ticks: size of a row.
    """

    def __init__(self, params: LevelParams, row_ticks: int) -> None:
        self._row_ticks = row_ticks
        self._brackets = len(params.leverages)
        self._weights = list(zip(params.weights, params.cautious, params.daring, strict=True))
        self._ratios = [
            (side, liquidation_ratio(side, leverage, params.margin_ppm))
            for side in SIDES
            for leverage in params.leverages
        ]

    def levels(self, bar: FootprintBar, change: int) -> Iterator[tuple[Key, tuple[int, int]]]:
        """Yield the levels of a rise of open interest: lane and row, and lots as a ratio.

        All trades of a row are taken to be in its middle. Levels that the close of the bar is
        through already are left out.
        """
        total = bar.buy_lots + bar.sell_lots
        if not total or bar.close_ticks is None:
            return
        for row in bar.rows:
            entry2 = 2 * row.row_ticks + bar.row_ticks
            for lane, (side, (above, below)) in enumerate(self._ratios):
                lots = row.buy_lots if side is LiquidatedSide.LONG else row.sell_lots
                level = floor_row(entry2 * above // (2 * below), self._row_ticks)
                if lots and not self._is_through(side, level, bar.close_ticks):
                    yield (lane, level), (change * lots, total)

    def _is_through(self, side: LiquidatedSide, row: int, price: int) -> bool:
        if side is LiquidatedSide.LONG:
            return row >= price
        return row <= price - self._row_ticks + 1

    def cut(self, bar: FootprintBar) -> tuple[int, int] | None:
        """Return from which row longs, and up to which shorts, a bar has traded through.

        A row is gone when the price was at its far edge: then all of it was reached.
        """
        if bar.low_ticks is None or bar.high_ticks is None:
            return None
        return bar.low_ticks, bar.high_ticks - self._row_ticks + 1

    def read(self, held: Sequence[Held], scale: Scale, per_cent: int) -> list[LevelRow]:
        """Weigh the lanes, and return every row that is worth a cent.

        Args:
            held: everything, by lane and row.
            scale: what units are worth.
            per_cent: ticks times lots in a hundredth of the quote.
        """
        found: dict[tuple[int, int], list[int]] = {}
        for lane, row, units, since_us in held:
            side, bracket = divmod(lane, self._brackets)
            usual, cautious, daring = self._weights[bracket]
            place = found.get((side, row))
            if place is None:
                found[side, row] = [units * usual, units * cautious, units * daring, since_us]
                continue
            place[0] += units * usual
            place[1] += units * cautious
            place[2] += units * daring
            place[3] = min(place[3], since_us)
        worth, per = scale.ratio()
        per *= 200 * per_cent  # hundredths of a weight, halves of a tick
        rows = []
        for (side, row), (usual, cautious, daring, since_us) in sorted(found.items()):
            factor = worth * (2 * row + self._row_ticks)
            usd = round_half_even(usual * factor, per)
            one, other = (
                round_half_even(cautious * factor, per),
                round_half_even(daring * factor, per),
            )
            low, high = min(usd, one, other), max(usd, one, other)
            if high:
                rows.append(LevelRow(row, SIDES[side], usd, low, high, since_us))
        return rows


def published(
    rows: Sequence[LevelRow], side: LiquidatedSide, params: LevelParams
) -> list[LevelRow]:
    """Return the largest rows of one side, by price."""
    least = params.least_ppm * sum([row.est_usd_cents for row in rows])
    large = [row for row in rows if row.side is side and row.est_usd_cents * PPM >= least]
    large.sort(key=lambda row: (-row.est_usd_cents, row.row_ticks))
    return sorted(large[: params.most_rows], key=lambda row: row.row_ticks)
