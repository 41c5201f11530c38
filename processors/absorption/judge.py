"""Decide whether a window is a candidate, against the instrument's own 24 hours."""

from typing import NamedTuple

from processors.absorption.window import BP, Reading
from processors.measures.percentile import TrailingPercentile
from processors.measures.shares import Share
from processors.plain import Plain
from processors.state import State, own_parts
from schemas.units import US_PER_DAY, round_half_even


class Bounds(NamedTuple):
    """What a window has to reach, in hundredths of the quote; None where samples are too few."""

    notional: int | None
    efficiency: int | None
    samples: int


class Judge:
    """The trailing percentiles of one side of one instrument.

    Args:
        per_cent: ticks times lots in a hundredth of the quote.
        percentile: of quantity and of efficiency.
        min_samples: how many these need.
        dominance: least (side - opposite) / (side + opposite).
    """

    def __init__(
        self, per_cent: int, percentile: Share, min_samples: int, dominance: Share
    ) -> None:
        self._per_cent = per_cent
        self._dominance = dominance
        self._notional = TrailingPercentile(US_PER_DAY, percentile, min_samples)
        self._efficiency = TrailingPercentile(US_PER_DAY, percentile, min_samples)

    def bounds(self, now_us: int) -> Bounds:
        """Return what has to be reached now."""
        notional, efficiency = self._notional.at(now_us), self._efficiency.at(now_us)
        return Bounds(notional, efficiency, self._notional.samples)

    def sample(self, now_us: int, reading: Reading) -> None:
        """Let a window count for later ones."""
        self._notional.add(now_us, self.cents(reading.notional))
        self._efficiency.add(now_us, self.efficiency(reading))

    def may_reach(self, bounds: Bounds, rate: int) -> bool:
        """Say whether a side that traded so much at all prices can reach the bound in the band."""
        return bounds.notional is not None and self.cents(rate) >= bounds.notional

    def absorbs(self, bounds: Bounds, reading: Reading) -> bool:
        """Say whether a window is a candidate. One without trades of the side is none."""
        if bounds.notional is None or bounds.efficiency is None or not reading.notional:
            return False
        own, opposite = reading.notional, reading.opposite
        least, per = self._dominance
        return (
            self.cents(own) >= bounds.notional
            and reading.move <= abs(reading.limit - reading.extreme)
            and (own - opposite) * per >= least * (own + opposite)
            and self.efficiency(reading) >= bounds.efficiency
        )

    def cents(self, notional: int) -> int:
        """Return hundredths of the quote, half to even."""
        return round_half_even(notional, self._per_cent)

    def efficiency(self, reading: Reading) -> int:
        """Return hundredths of the quote per basis point of move, at least half a one; floored."""
        move = max(2 * BP * reading.move, reading.first)
        return 2 * reading.notional * reading.first // (self._per_cent * move)

    # --- state

    def snapshot(self) -> State:
        """Return the open hours; closed ones go out as parts."""
        both = {"notional": self._notional, "efficiency": self._efficiency}
        parts = {
            f"{what}/{part}": content
            for what, percentile in both.items()
            for part, content in percentile.take_parts().items()
        }
        return State([percentile.dump() for percentile in both.values()], parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        owned = own_parts(parts)
        self._notional.load(head[0], owned.get("notional", {}))
        self._efficiency.load(head[1], owned.get("efficiency", {}))

    def keeps(self, part: str) -> bool:
        """Say whether an hour is still needed."""
        return self._notional.keeps(part.rpartition("/")[2])
