"""Clusters: liquidations of one side over all perpetuals that follow one another closely."""

from collections.abc import Sequence
from decimal import Decimal

from processors.liquidation.params import LiquidationParams
from processors.plain import Plain
from processors.seconds.second import Liquidation, Second
from schemas.liquidation_flow import LargestLiquidation, LiquidationCluster
from schemas.liquidations import LiquidatedSide, PriceKind
from schemas.units import US_PER_SECOND, round_half_even

Row = tuple[str, Liquidation]
"""An instrument's name and what was liquidated there."""


class _Open:
    """A cluster that may still grow; as large as its members are many.

    `venues` is what each told in ticks x lots.
    """

    def __init__(self, state: Plain) -> None:
        self.start_us, self.end_us, self.count, self.qty = state[:4]
        self.low, self.high = Decimal(state[4]), Decimal(state[5])
        self.texts: list[str] = list(state[4:6])
        self.largest: list[Plain] = list(state[6])
        self.venues: dict[str, int] = dict(state[7])
        self.partial: set[str] = set(state[8])

    @classmethod
    def of(cls, name: str, row: Liquidation) -> "_Open":
        """Begin one with its first row."""
        first = [row.time_us, row.time_us, 0, 0, row.price, row.price]
        opened = cls([*first, _largest(name, row), {}, []])
        opened.take(name, row)
        return opened

    def take(self, name: str, row: Liquidation) -> None:
        """Add one row, not earlier than the last one."""
        self.end_us = row.time_us
        self.count += 1
        self.qty += row.qty
        self.venues[name] = self.venues.get(name, 0) + row.notional
        price = Decimal(row.price)
        if price < self.low:
            self.low, self.texts[0] = price, row.price
        if price > self.high:
            self.high, self.texts[1] = price, row.price
        if row.notional > self.largest[5]:
            self.largest = _largest(name, row)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        sums = [self.start_us, self.end_us, self.count, self.qty]
        return [*sums, *self.texts, self.largest, self.venues, sorted(self.partial)]


def _largest(name: str, row: Liquidation) -> list[Plain]:
    return [name, row.time_us, row.price, row.price_kind.value, row.qty, row.notional]


class Clusters:
    """The clusters of one liquidated side; one is open at most.

    Args:
        asset: its name.
        side: the liquidated one.
        params: what is one cluster.
        per_cent: ticks x lots in one hundredth of the quote.
        state: of a snapshot.
    """

    def __init__(
        self,
        asset: str,
        side: LiquidatedSide,
        params: LiquidationParams,
        per_cent: int,
        state: Plain = None,
    ) -> None:
        self._asset, self._side, self._per_cent = asset, side, per_cent
        self._gap_us = params.cluster_gap_seconds * US_PER_SECOND
        self._most_us = params.cluster_most_seconds * US_PER_SECOND
        self._least = params.cluster_least_rows
        self._next_us: int
        self._next_us, opened = state or (0, None)
        self._open = None if opened is None else _Open(opened)

    def take(
        self, second: Second, rows: Sequence[Row], missing: Sequence[str], *, anybody: bool
    ) -> list[LiquidationCluster]:
        """Take the rows of one second in, by time and name; return the clusters that have ended.

        Args:
            second: the second.
            rows: its liquidations of this side.
            missing: instruments whose liquidations were not told all the time.
            anybody: whether those of any instrument were.
        """
        jumped, self._next_us = second.start_us != self._next_us, second.end_us
        if self._open is None and not rows:
            return []
        ended = [self._end("feed")] if jumped else []
        for name, row in rows:
            ended.append(self._add(name, row))
        if self._open is not None:
            self._open.partial.update(missing)
            if not anybody:
                ended.append(self._end("feed"))
            elif second.end_us - self._open.end_us > self._gap_us:
                ended.append(self._end("gap"))
        return [one for one in ended if one is not None]

    def _add(self, name: str, row: Liquidation) -> LiquidationCluster | None:
        """Add a row to the open cluster, or end that and begin another."""
        ended = None
        if self._open is not None:
            if row.time_us - self._open.end_us > self._gap_us:
                ended = self._end("gap")
            elif row.time_us - self._open.start_us >= self._most_us:
                ended = self._end("length")
        if self._open is None:
            self._open = _Open.of(name, row)
        else:
            self._open.take(name, row)
        return ended

    def _end(self, reason: str) -> LiquidationCluster | None:
        """Close the open cluster; None where it is too small to tell of."""
        one, self._open = self._open, None
        if one is None or one.count < self._least:
            return None
        member, time_us, price, kind, qty, notional = one.largest
        venues = {
            name: round_half_even(told, self._per_cent) for name, told in sorted(one.venues.items())
        }
        return LiquidationCluster(
            id=f"liquidations:{self._asset}:{one.start_us}:{self._side.name.lower()}",
            liquidated_side=self._side,
            start_us=one.start_us,
            end_us=one.end_us,
            count=one.count,
            qty_lots=one.qty,
            obs_usd_cents=sum(venues.values()),
            low_price=one.texts[0],
            high_price=one.texts[1],
            largest=LargestLiquidation(
                member=member,
                event_time_us=time_us,
                price=price,
                price_kind=PriceKind(kind),
                qty_lots=qty,
                usd_cents=round_half_even(notional, self._per_cent),
            ),
            venues_usd_cents=venues,
            partial_venues=sorted(one.partial),
            end_reason=reason,
        )

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._next_us, None if self._open is None else self._open.dump()]
