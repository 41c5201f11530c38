"""Open interest and price of one or several perpetuals, now and over windows (definitions 5.12).

A change is taken instrument by instrument, of those that are known at both of its ends: one that
appears or falls silent in between changes nothing.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from processors.context.instrument import Instrument
from processors.context.moment import Moment
from processors.measures.quadrant import price_interest
from processors.units import AssetUnits
from schemas.context import InterestChange, OpenInterest, PriceQuadrant
from schemas.units import round_half_even

BP = 10_000


class Held(NamedTuple):
    """An instrument's open interest at the start of a window, and its change until now."""

    name: str
    start: int
    change: int


def usd_of(one: Instrument, units: AssetUnits, end_us: int) -> Fraction | None:
    """Return open interest at mark in quote, exactly; None where either is not known."""
    interest, mark = one.interest(end_us), one.mark(end_us)
    if interest is None or mark is None:
        return None
    return interest.lots * Fraction(Decimal(units.lot)) * Fraction(Decimal(mark.text))


def open_interest(
    instruments: Iterable[Instrument], units: AssetUnits, end_us: int
) -> OpenInterest | None:
    """Sum the open interest of those that have one; in dollars only if all have a mark price."""
    behind = [(one, found) for one in instruments if (found := one.interest(end_us)) is not None]
    if not behind:
        return None
    usd = [usd_of(one, units, end_us) for one, _ in behind]
    cents = 100 * sum((value for value in usd if value is not None), Fraction(0))
    oldest_us = min(found.time_us for _, found in behind)
    return OpenInterest(
        lots=sum(found.lots for _, found in behind),
        usd_cents=None if None in usd else round_half_even(cents.numerator, cents.denominator),
        oldest_time_us=oldest_us,
        oldest_age_us=end_us - oldest_us,
        halved=[one.name for one, found in behind if found.halved],
        polled=[one.name for one, found in behind if found.polled],
        venues=[one.name for one, _ in behind],
    )


def held_by(names: Iterable[str], seconds: int, moment: Moment) -> list[Held]:
    """Return the instruments whose open interest is known at both ends of a window."""
    found = []
    for name in names:
        now = moment.history.at(moment.end_us, name)
        then = moment.history.at(moment.before(seconds), name)
        if now is None or then is None or now.interest is None or then.interest is None:
            continue
        found.append(Held(name, then.interest, now.interest - then.interest))
    return found


def change_of(held: Sequence[Held], seconds: int) -> InterestChange:
    """Sum the changes over a window."""
    if not held:
        return InterestChange(seconds, None, None, None, [])
    start, change = sum(one.start for one in held), sum(one.change for one in held)
    share = change / start if start else None
    return InterestChange(seconds, start, change, share, [one.name for one in held])


def quadrant_of(held: Sequence[Held], seconds: int, moment: Moment) -> tuple[PriceQuadrant, str]:
    """Return the quadrant over a window, and why it is not known, empty where it is.

    The price is that of one instrument at both ends, the one with the greatest open interest (then
    by name): prices of venues stand apart by their basis, so a mean of them would move whenever one
    of them falls silent.

    Args:
        held: whose open interest is known at both ends.
        seconds: length of the window.
        moment: its end.
    """
    if not held:
        return PriceQuadrant(seconds, None, None, None, ""), "no_open_interest_at_both_ends"
    reference = min(held, key=lambda one: (-one.start, one.name)).name
    now = moment.history.at(moment.end_us, reference)
    then = moment.history.at(moment.before(seconds), reference)
    if now is None or then is None or now.mid2 is None or then.mid2 is None:
        return PriceQuadrant(seconds, None, None, None, reference), "no_mid_at_both_ends"
    moved = now.mid2 - then.mid2
    moved_bp = moved * BP / then.mid2
    atr = moment.instruments[reference].ranges[seconds].average(moment.end_us)
    if atr is None:
        return PriceQuadrant(seconds, None, moved_bp, None, reference), "too_few_bars_for_a_range"
    total = (sum(one.start for one in held), sum(one.change for one in held))
    dead = (moment.params.price_dead_atr, moment.params.interest_dead)
    quadrant = price_interest(moved, atr, total, dead)
    atr_bp = atr[0] * BP / (atr[1] * then.mid2)
    return PriceQuadrant(seconds, quadrant, moved_bp, atr_bp, reference), ""
