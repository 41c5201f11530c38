"""Turn what is known at a moment into records (definitions 5.12)."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from processors.context.depth import PPB
from processors.context.instrument import Instrument
from processors.context.moment import Moment
from processors.context.positioning import BP, change_of, held_by, open_interest, quadrant_of
from processors.context.rates import over_venues, predicted, settled
from schemas.context import (
    AggregateContext,
    FundingRate,
    InstrumentContext,
    InterestChange,
    PriceQuadrant,
)
from schemas.units import US_PER_MINUTE

TOO_OLD = "older_than_two_polls"
NEVER = "never_seen"
NO_MARK = "no_mark_price"


def instrument_of(one: Instrument, moment: Moment) -> InstrumentContext:
    """Return one perpetual."""
    end_us = moment.end_us
    nulls: dict[str, str] = {}
    changes, quadrants = _over_windows(moment, lambda _: [one.name], nulls)
    interest = open_interest([one], moment.units, end_us)
    mark, index = one.mark(end_us), one.index(end_us)
    expected, why = predicted(one, end_us)
    paid = settled(one)
    basis = _basis_bp(one, moment)
    obi = one.imbalance.value(end_us, moment.params.obi_known)
    return InstrumentContext(
        venue=one.venue,
        symbol=one.symbol,
        open_interest=interest,
        changes=changes,
        quadrants=quadrants,
        predicted=expected,
        settled=paid,
        mark_price=None if mark is None else mark.text,
        mark_age_us=None if mark is None else end_us - mark.time_us,
        index_price=None if index is None else index.text,
        index_age_us=None if index is None else end_us - index.time_us,
        best_bid_ticks=None if one.best is None else one.best[0],
        best_ask_ticks=None if one.best is None else one.best[1],
        basis_bp=basis,
        obi=None if obi is None else obi / PPB,
        refused=dict(sorted(one.ticker.refused.items())),
        null_reasons=nulls
        | _observed_nulls(one, end_us)
        | _funding_nulls(expected, why, paid)
        | _book_nulls(one, basis, obi),
    )


def _observed_nulls(one: Instrument, end_us: int) -> dict[str, str]:
    """Say why a polled value is not known: never seen, or not for long."""
    known = one.ticker
    nulls = {
        name: NEVER if ever is None else TOO_OLD
        for name, value, ever in (
            ("open_interest", one.interest(end_us), known.interest),
            ("mark_price", one.mark(end_us), known.mark),
            ("index_price", one.index(end_us), known.index),
        )
        if value is None
    }
    if "mark_price" in nulls and "open_interest" not in nulls:
        nulls["open_interest.usd_cents"] = NO_MARK
    return nulls


def _funding_nulls(
    expected: FundingRate | None, why: str, paid: FundingRate | None
) -> dict[str, str]:
    nulls = {}
    if expected is None:
        nulls["predicted"] = why
    elif expected.interval_h is None:
        nulls["predicted.rate_8h"] = "interval_unknown"
    if paid is None:
        nulls["settled"] = NEVER
    elif paid.interval_h is None:
        nulls["settled.rate_8h"] = "interval_before_it_unknown"
    return nulls


def _book_nulls(one: Instrument, basis: float | None, obi: int | None) -> dict[str, str]:
    nulls = {}
    if one.best is None:
        nulls["best_bid_ticks"] = nulls["best_ask_ticks"] = "no_valid_book_of_two_sides"
    if basis is None:
        nulls["basis_bp"] = "no_mid" if one.best is None else "no_index_price"
    if obi is None:
        nulls["obi"] = "band_not_known_for_long_enough"
    return nulls


def _basis_bp(one: Instrument, moment: Moment) -> float | None:
    index = one.index(moment.end_us)
    if one.best is None or index is None:
        return None
    mid = sum(one.best) * Fraction(Decimal(moment.units.tick)) / 2
    reference = Fraction(Decimal(index.text))
    return float((mid - reference) / reference * BP)


def aggregate_of(composition: str, moment: Moment) -> AggregateContext:
    """Return all perpetuals, or only those that were there all the time."""
    end_us = moment.end_us
    everybody = sorted(moment.instruments)
    common = composition == "common"
    minute_us = (end_us - 1) // US_PER_MINUTE * US_PER_MINUTE
    names = moment.with_tickers(minute_us) if common else everybody
    instruments = [moment.instruments[name] for name in names]

    def over(seconds: int) -> list[str]:
        return moment.with_tickers(moment.before(seconds)) if common else everybody

    nulls: dict[str, str] = {}
    changes, quadrants = _over_windows(moment, over, nulls)
    interest = open_interest(instruments, moment.units, end_us)
    if interest is None:
        nulls["open_interest"] = "no_venue"
    elif interest.usd_cents is None:
        nulls["open_interest.usd_cents"] = NO_MARK
    rate, behind = over_venues(instruments, moment.units, end_us)
    if rate is None:
        nulls["funding_rate_8h"] = "no_venue_with_rate_and_open_interest"
    return AggregateContext(
        composition=composition,
        open_interest=interest,
        changes=changes,
        quadrants=quadrants,
        funding_rate_8h=rate,
        funding_venues=behind,
        null_reasons=nulls,
    )


def _over_windows(
    moment: Moment, names: Callable[[int], Sequence[str]], nulls: dict[str, str]
) -> tuple[list[InterestChange], list[PriceQuadrant]]:
    """Return changes and quadrants of the instruments that count over each window."""
    changes, quadrants = [], []
    for seconds in moment.params.change_seconds:
        change = change_of(held_by(names(seconds), seconds, moment), seconds)
        changes.append(change)
        if change.change_lots is None:
            nulls[f"change_{seconds}"] = "no_open_interest_at_both_ends"
    for seconds in moment.params.quadrant_seconds:
        quadrant, why = quadrant_of(held_by(names(seconds), seconds, moment), seconds, moment)
        quadrants.append(quadrant)
        if why:
            nulls[f"quadrant_{seconds}"] = why
    return changes, quadrants
