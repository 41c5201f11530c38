"""Resting orders against taker flow over perpetuals (definitions 5.12, OBI x CVD quadrant)."""

from fractions import Fraction

from processors.context.depth import PPB
from processors.context.moment import Moment
from processors.measures.quadrant import book_flow
from processors.measures.shares import capped_shares
from schemas.context import BookFlowQuadrant


def rolling_cvd(moment: Moment) -> tuple[int | None, list[str]]:
    """Return the signed lots of the window over the perpetuals that were there all of it.

    Sums are differences of points, and there is none at the beginning of a first second: after a
    start or a jump a window takes one step more to be known.
    """
    params = moment.params
    start_us = moment.before(params.cvd_seconds)
    names, total = [], 0
    for name in moment.with_trades(start_us):
        now, then = moment.history.at(moment.end_us, name), moment.history.at(start_us, name)
        if now is not None and then is not None:
            names.append(name)
            total += now.delta - then.delta
    return (total if names else None), names


def weighted_imbalance(moment: Moment) -> tuple[Fraction | None, dict[str, Fraction], str]:
    """Return the imbalance over venues, what each of them counts, and why there is none.

    A venue counts by its taker notional, so it must have been there for that whole window.
    """
    params = moment.params
    start_us = moment.before(params.weight_seconds)
    values, weights = {}, {}
    for name in moment.with_trades(start_us):
        now, then = moment.history.at(moment.end_us, name), moment.history.at(start_us, name)
        value = moment.instruments[name].imbalance.value(moment.end_us, params.obi_known)
        if now is not None and then is not None and value is not None:
            values[name], weights[name] = value, now.notional - then.notional
    if not values:
        return None, {}, "no_venue_with_book_and_trades"
    capped = capped_shares(weights, params.weight_cap)
    shares = {name: Fraction(*share) for name, share in capped.items()}
    if not shares:
        return None, {}, "nothing_traded"
    total = sum((share * values[name] for name, share in shares.items()), Fraction(0))
    return total / PPB, shares, ""


def book_flow_of(
    moment: Moment, cvd: tuple[int | None, list[str]], usual: tuple[int | None, int]
) -> BookFlowQuadrant:
    """Return the quadrant.

    Args:
        moment: now.
        cvd: of the window, and over whom (`rolling_cvd`).
        usual: how large it usually is, and of how many samples.
    """
    obi, shares, why = weighted_imbalance(moment)
    nulls = {"obi": why} if why else {}
    lots, names = cvd
    size, samples = usual
    if lots is None:
        nulls["cvd_lots"] = "no_venue_over_the_whole_window"
    if size is None:
        nulls["cvd_p95_lots"] = "too_few_samples"
    quadrant = normalised = None
    if lots is not None and size:
        normalised = _clipped(lots, size, moment.params.cvd_clip)
        if obi is not None:
            dead = moment.params.book_flow_dead
            quadrant = book_flow((obi.numerator, obi.denominator), (lots, size), dead)
    elif lots is not None and size == 0:
        nulls["cvd_normalised"] = "usual_size_is_zero"
    return BookFlowQuadrant(
        quadrant=quadrant,
        obi=None if obi is None else float(obi),
        obi_weights={name: float(share) for name, share in shares.items()},
        cvd_lots=lots,
        cvd_p95_lots=size,
        cvd_normalised=normalised,
        cvd_samples=samples,
        cvd_venues=names,
        null_reasons=nulls,
    )


def _clipped(lots: int, size: int, clip: tuple[int, int]) -> float:
    limit = Fraction(*clip)
    return float(max(-limit, min(limit, Fraction(lots, size))))
