"""Setup 4: price leaves a range upwards, with delta.

On the bars of the reference instrument: price, delta and stacks are of one tape, so that another
venue's outage cannot look like a breakout. CVD is that of all perpetuals that were there over both
15 minutes that are compared, so that it cannot look like rising CVD either.

- ARMED: the newest 60 bars are a range: not wider than 6 ATR (of its last 14 bars), and each side
  was touched twice or more. A touch is a run of bars that reach within a quarter of an ATR of the
  edge. Disarmed where five bars in a row end none. Both sides are armed by the same range. The bar
  before the sixty has to be there too.
- TRIGGERED: a bar closes above the high of the 60 bars before it, which are a range, by more than a
  tenth of their ATR. The high stays what it was then.
- CONFIRMED: the delta of that bar is at or above P90 of the 240 before it; it or the next one has a
  stack of buy imbalances; and CVD over 15 minutes rises, which is over the bar that is judged. A
  percentile or CVD that is not known suspends where it alone decides.
- INVALIDATED: within five bars after that, one closes at the high or below, or two in a row have a
  delta of nothing or less.

Values: `range_high_ticks`, `range_low_ticks`, `atr_ticks`, `delta_lots` and
`delta_percentile_lots` (of the breakout bar), `cvd_change_lots` (of the bar that confirms). Signs
are those of the market: of a short, delta is below zero.
"""

from collections.abc import Sequence
from typing import NamedTuple

from processors.setups.candle import Candle
from processors.setups.life import (
    ARMED,
    CONFIRMED,
    EXPIRED,
    INVALIDATED,
    SUSPENDED,
    TRIGGERED,
    Life,
    Move,
)
from processors.setups.params import SetupParams
from processors.setups.sight import Sight
from processors.setups.track import true_ranges
from schemas.setups import SetupKind


class Box(NamedTuple):
    """A range; `ranges` is the sum of the true ranges that its ATR is the mean of."""

    high: int
    low: int
    ranges: int


def box_of(candles: Sequence[Candle], params: SetupParams) -> Box | None:
    """Return the range that bars make, None where they make none."""
    high, low = max(bar.high for bar in candles), min(bar.low for bar in candles)
    ranges, count = true_ranges(list(candles), params.atr_bars), params.atr_bars
    if (high - low) * count > params.range_atr * ranges:
        return None
    part, whole = params.touch_atr
    reach = part * ranges
    tops = [(high - bar.high) * count * whole <= reach for bar in candles]
    bottoms = [(bar.low - low) * count * whole <= reach for bar in candles]
    if min(_runs(tops), _runs(bottoms)) < params.touches:
        return None
    return Box(high, low, ranges)


def _runs(touching: Sequence[bool]) -> int:
    """Count the runs of bars that touch."""
    before = [False, *touching[:-1]]
    return sum(now and not then for then, now in zip(before, touching, strict=True))


class BreakoutWithDelta:
    """The rule of setup 4."""

    kind = SetupKind.BREAKOUT_WITH_DELTA
    ages = True

    def __init__(self, params: SetupParams) -> None:
        self._params = params

    def bar(self, sight: Sight, life: Life) -> Move | None:
        """Return what a bar leads to."""
        if life.state in (TRIGGERED, CONFIRMED):
            return self._back(sight, life) or self._confirm(sight, life)
        if not sight.leads and life.state is None:
            return None
        candles = sight.track.candles(self._params.held_bars, sight.sign)
        if candles is None:
            return None
        before, now = box_of(candles[:-1], self._params), box_of(candles[1:], self._params)
        broken = before is not None and self._beyond(candles[-1], before)
        if life.state is None:
            box = before if broken else now
            if box is None:
                return None
            self._take(sight, life, box)
            return Move(ARMED, "range")
        if broken and before is not None:
            self._break(sight, life, before, candles[-1])
            return Move(TRIGGERED, "breakout")
        if now is not None:
            self._take(sight, life, now)
            return None
        life.marks["loose"] = life.marks.get("loose", 0) + 1
        loose = life.marks["loose"] >= self._params.loose_bars
        return Move(EXPIRED, "no_range") if loose else None

    def _take(self, sight: Sight, life: Life, box: Box) -> None:
        """Take in the newest range, as it is."""
        high, low = (box.high, box.low) if sight.sign > 0 else (-box.low, -box.high)
        life.level = (low, high + 1)
        life.marks["loose"] = 0
        life.values = {
            "range_high_ticks": high,
            "range_low_ticks": low,
            "atr_ticks": box.ranges / self._params.atr_bars,
        }

    def _beyond(self, bar: Candle, box: Box) -> bool:
        part, whole = self._params.break_atr
        return (bar.close - box.high) * whole * self._params.atr_bars > part * box.ranges

    def _break(self, sight: Sight, life: Life, box: Box, bar: Candle) -> None:
        self._take(sight, life, box)
        least = sight.track.delta_percentile(sight.sign)
        life.limit = sight.sign * box.high
        life.marks = {"delta": bar.delta, "weak": 0, "stack": 0}
        life.values |= {"delta_lots": sight.sign * bar.delta, "delta_percentile_lots": None}
        if least is None:
            life.nulls["delta_percentile_lots"] = "too_few_bars"
        else:
            life.marks["least"] = least
            life.values["delta_percentile_lots"] = sight.sign * least
        life.note(sight.bar_evidence)

    def _back(self, sight: Sight, life: Life) -> Move | None:
        bar = sight.bar
        if bar is None or life.limit is None or not 0 < life.bars <= self._params.inside_bars:
            return None
        if bar.close <= sight.sign * life.limit:
            return Move(INVALIDATED, "back_inside")
        if life.marks.get("judged") == life.bars:
            return None
        life.marks["judged"] = life.bars
        life.marks["weak"] = life.marks["weak"] + 1 if bar.delta <= 0 else 0
        return Move(INVALIDATED, "no_delta") if life.marks["weak"] > 1 else None

    def _confirm(self, sight: Sight, life: Life) -> Move | None:
        bar = sight.bar
        if bar is None or life.state is not TRIGGERED or life.bars >= self._params.stack_bars:
            return None
        if bar.stacks:
            life.marks["stack"] = 1
            life.note(sight.bar_evidence)
        least, rising = life.marks.get("least"), sight.cvd_change
        if not life.marks["stack"] or (least is not None and life.marks["delta"] < least):
            return None
        if rising is not None and rising * sight.sign <= 0:
            return None
        life.values["cvd_change_lots"] = rising
        if rising is None:
            life.nulls["cvd_change_lots"] = "cvd_unknown"
            return Move(SUSPENDED, "cvd_unknown")
        if least is None:
            return Move(SUSPENDED, "too_few_bars")
        return Move(CONFIRMED, "delta")
