"""Windows that are candidates by definition 5.7, found with lists and fractions."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from processors.operators.absorption import AbsorptionParams
from processors.seconds.second import Second
from processors.trades import Trade
from processors.units import AssetUnits
from schemas.units import US_PER_SECOND

Window = tuple[str, int, int]


def candidates(
    seconds: Sequence[Second], params: AbsorptionParams, units: AssetUnits
) -> set[Window]:
    """Return `(member, end_us, side)` of every candidate window, also of overlapping ones."""
    found: set[Window] = set()
    for name in seconds[0].members:
        trades: dict[int, Sequence[Trade]] = {}
        for one in seconds:
            stream = one.members[name].trade_stream
            if stream is not None and stream.complete:
                trades[one.end_us] = one.members[name].trades
        for side in (1, -1):
            found |= _of_side(name, side, trades, params, units)
    return found


def _of_side(
    name: str,
    side: int,
    trades: dict[int, Sequence[Trade]],
    params: AbsorptionParams,
    units: AssetUnits,
) -> set[Window]:
    found = set()
    samples: list[tuple[Fraction, Fraction]] = []
    for end_us in sorted(trades):
        ends = [end_us - n * US_PER_SECOND for n in reversed(range(params.window_seconds))]
        if any(end not in trades for end in ends):
            continue
        inside = [trade for end in ends for trade in trades[end]]
        if not inside:
            continue
        quantity, efficiency, fits = _measure(inside, side, params, units)
        if quantity and len(samples) >= params.min_samples and fits:
            bounds = [_percentile([s[i] for s in samples], params.percentile) for i in (0, 1)]
            if quantity >= bounds[0] and efficiency >= bounds[1]:
                found.add((name, end_us, side))
        if end_us % (params.window_seconds * US_PER_SECOND) == 0:
            samples.append((quantity, efficiency))
    return found


def _measure(
    inside: list[Trade], side: int, params: AbsorptionParams, units: AssetUnits
) -> tuple[Fraction, Fraction, bool]:
    prices = [trade[3] for trade in inside]
    extreme = max(prices) if side > 0 else min(prices)
    width = max(Fraction(units.row_ticks), Fraction(extreme * params.width_bp, 10_000))
    band = [trade for trade in inside if abs(trade[3] - extreme) < width]
    own = sum(t[3] * t[4] for t in band if t[5] == side)
    other = sum(t[3] * t[4] for t in band if t[5] == -side)
    move = max(0, (extreme - prices[0]) * side)
    move_bp = max(Fraction(10_000 * move, prices[0]), Fraction(1, 2))
    fits = (
        move <= width and own + other > 0 and Fraction(own - other, own + other) >= Fraction(3, 5)
    )
    cents = Fraction(own, units.notional_per_cent)
    return Fraction(round(cents)), Fraction(int(cents / move_bp)), fits


def _percentile(values: list[Fraction], share: tuple[int, int]) -> Fraction:
    return sorted(values)[ceil(len(values) * share[0] / share[1]) - 1]
