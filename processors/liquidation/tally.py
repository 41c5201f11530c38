"""What one instrument told and traded in one window, by liquidated side, and what that bounds."""

from collections.abc import Iterable, Sequence

from processors.measures import throttle
from processors.plain import Plain
from processors.seconds.second import Liquidation
from schemas.liquidation_flow import LiquidationSums
from schemas.liquidations import (
    BACKLOG,
    ORDER_PRICE,
    LiquidatedSide,
    PriceKind,
    SamplingClass,
)
from schemas.units import round_half_even

SIDES = (LiquidatedSide.LONG, LiquidatedSide.SHORT)


class SideTally:
    """The liquidations of one side: what was told, in lots and in ticks x lots.

    Holds one size per second with a report.
    """

    __slots__ = ("count", "notional", "order_price", "qty", "sizes")

    def __init__(self, state: Plain = None) -> None:
        self.count: int
        self.qty: int
        self.notional: int
        self.order_price: int
        self.count, self.qty, self.notional, self.order_price, sizes = state or (0, 0, 0, 0, [])
        self.sizes: list[int] = list(sizes)

    def take(self, rows: Sequence[Liquidation]) -> None:
        """Take the rows of one second in; at least one."""
        self.count += len(rows)
        self.qty += sum(row.qty for row in rows)
        self.notional += sum(row.notional for row in rows)
        self.order_price += sum(1 for row in rows if row.flags & ORDER_PRICE)
        self.sizes.append(max(row.notional for row in rows))

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self.count, self.qty, self.notional, self.order_price, self.sizes]


class Tally:
    """One instrument in one window: what was told, by side, and what aggressors took."""

    __slots__ = ("backlog", "bought", "price_kinds", "samplings", "sideless", "sides", "sold")

    def __init__(self, state: Plain = None) -> None:
        self.bought: int
        self.sold: int
        self.sideless: int
        self.backlog: int
        (self.bought, self.sold, self.sideless, self.backlog), samplings, kinds, sides = state or (
            (0, 0, 0, 0),
            *((), ()),
            (None, None),
        )
        self.samplings = {SamplingClass(one) for one in samplings}
        self.price_kinds = {PriceKind(one) for one in kinds}
        self.sides = {side: SideTally(one) for side, one in zip(SIDES, sides, strict=True)}

    def take_rows(self, rows: Sequence[Liquidation], sampling: SamplingClass | None) -> bool:
        """Take the liquidations of one second in; say whether there is any.

        What the venue repeated from before counts apart: it did not happen as of now.
        """
        if sampling is not None:
            self.samplings.add(sampling)
        if not rows:
            return False
        counted = [row for row in rows if not row.flags & BACKLOG]
        self.backlog += len(rows) - len(counted)
        self.price_kinds.update(row.price_kind for row in counted)
        for side in SIDES:
            if of_side := [row for row in counted if row.side == side]:
                self.sides[side].take(of_side)
        return True

    def take_trades(self, notional: tuple[int, int], sideless: int) -> None:
        """Take in what buyers took in one second, what sellers did, and what has no side."""
        self.bought += notional[0]
        self.sold += notional[1]
        self.sideless += sideless

    def closing(self, side: LiquidatedSide) -> int:
        """Return what may have closed a side: a closed long sells.

        A trade of unknown side may have been such an order, and a take-over was in its place, so a
        bound without them would be none.
        """
        return (self.sold if side is LiquidatedSide.LONG else self.bought) + self.sideless

    @property
    def sampling(self) -> SamplingClass | None:
        """How the venue told, None where that changed or nobody said."""
        return next(iter(self.samplings)) if len(self.samplings) == 1 else None

    @property
    def price_kind(self) -> PriceKind | None:
        """What the prices are, None where there is none or more than one kind."""
        return next(iter(self.price_kinds)) if len(self.price_kinds) == 1 else None

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        kinds = [sorted(self.samplings), sorted(self.price_kinds)]
        sides = [self.sides[side].dump() for side in SIDES]
        return [[self.bought, self.sold, self.sideless, self.backlog], *kinds, sides]


def of_instrument(
    tally: Tally, side: LiquidatedSide, seconds: int, per_cent: int, *, told: bool, traded: bool
) -> LiquidationSums:
    """Return what is known of one side of one instrument.

    Args:
        tally: of the instrument.
        side: the liquidated one.
        seconds: length of the window.
        per_cent: ticks x lots in one hundredth of the quote.
        told: whether its liquidation feed was there all the time.
        traded: whether its trade feed was.
    """
    one, reasons = tally.sides[side], dict[str, str]()
    observed = round_half_even(one.notional, per_cent)
    upper = round_half_even(tally.closing(side), per_cent) if traded else None
    inconsistent = upper is not None and observed > upper
    if upper is None:
        reasons["ub_usd_cents"] = "trades_incomplete"
    elif inconsistent:
        upper, reasons["ub_usd_cents"] = None, "bounds_inconsistent"
    estimate = _estimate(tally, one, seconds, (observed, upper), per_cent, told=told)
    if estimate.reason:
        reasons["est"] = estimate.reason
    if not observed:
        reasons["all_share"] = "nothing_told"
    elif tally.sampling is None:
        reasons["all_share"] = "sampling_unknown"
    return LiquidationSums(
        count=one.count,
        qty_lots=one.qty,
        obs_usd_cents=observed,
        order_price_count=one.order_price,
        ub_usd_cents=upper,
        report_seconds=len(one.sizes),
        est_count=estimate.count,
        est_usd_cents=estimate.usd_cents,
        est_count_limit=estimate.limit,
        all_share=None if "all_share" in reasons else float(tally.sampling is SamplingClass.ALL),
        bounds_inconsistent=inconsistent,
        null_reasons=reasons,
    )


class _Estimate:
    """Count, USD and lower limit of the count, or why there is none."""

    __slots__ = ("count", "limit", "reason", "usd_cents")

    def __init__(self, reason: str = "") -> None:
        self.count: float | None = None
        self.usd_cents: int | None = None
        self.limit: float | None = None
        self.reason = reason


def _estimate(
    tally: Tally,
    one: SideTally,
    seconds: int,
    bounds: tuple[int, int | None],
    per_cent: int,
    *,
    told: bool,
) -> _Estimate:
    """Estimate what a throttled feed stands for.

    Of class `all` there is nothing to estimate, and of class `incomplete` nobody knows by which
    rule rows are left out: its bounds are all there is.
    """
    if tally.sampling is SamplingClass.ALL:
        return _Estimate("measured")
    if tally.sampling not in (SamplingClass.LATEST_PER_SECOND, SamplingClass.MAX_PER_SECOND):
        return _Estimate("sampling_unknown")
    if not told:
        return _Estimate("partial")
    observed, upper = bounds
    if upper is None:
        return _Estimate("no_upper_bound")
    found, reported = _Estimate(), len(one.sizes)
    found.count = throttle.arrivals(reported, seconds)
    if found.count is None:
        found.limit, found.reason = throttle.arrivals_limit(seconds), "saturated"
        return found
    if tally.sampling is SamplingClass.MAX_PER_SECOND:
        worth = throttle.from_largest(one.sizes, seconds)
    else:
        worth = throttle.from_latest(reported, seconds, one.notional, one.count)
    if worth is not None:
        found.usd_cents = throttle.clipped(worth / per_cent, observed, upper)
    return found


def over_venues(tallies: Iterable[tuple[Tally, LiquidationSums]]) -> LiquidationSums:
    """Add up one side over instruments: bounds are added, estimates are not.

    Args:
        tallies: of each instrument, with what `of_instrument` returned.
    """
    pairs = list(tallies)
    parts = [sums for _, sums in pairs]
    observed = sum(sums.obs_usd_cents for sums in parts)
    measured = sum(
        sums.obs_usd_cents for tally, sums in pairs if tally.sampling is SamplingClass.ALL
    )
    upper = [sums.ub_usd_cents for sums in parts if sums.ub_usd_cents is not None]
    reasons = {"est": "bounds_only"}
    if len(upper) < len(parts):
        reasons["ub_usd_cents"] = "member_without"
    if not observed:
        reasons["all_share"] = "nothing_told"
    return LiquidationSums(
        count=sum(sums.count for sums in parts),
        qty_lots=sum(sums.qty_lots for sums in parts),
        obs_usd_cents=observed,
        order_price_count=sum(sums.order_price_count for sums in parts),
        ub_usd_cents=sum(upper) if len(upper) == len(parts) else None,
        report_seconds=None,
        est_count=None,
        est_usd_cents=None,
        est_count_limit=None,
        all_share=measured / observed if observed else None,
        bounds_inconsistent=any(sums.bounds_inconsistent for sums in parts),
        null_reasons=reasons,
    )
