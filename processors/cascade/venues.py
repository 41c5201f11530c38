"""Each instrument's part in one cascade: what it told, what bounds it, and when it began.

Order of onsets is told only where their difference is more than both clocks can hide: what a
venue's times resolve, with the known lag of its blocks. Source: definitions 5.10, trap 20.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from processors.plain import Plain
from schemas.cascades import Attribution, CascadeVenue, ConfidenceClass
from schemas.liquidations import SamplingClass
from schemas.units import round_half_even

RESOLUTION_US = {
    "binance": 1_000_000,
    "okx": 1_000_000,
    "bybit": 500_000,
    "hyperliquid": 800_000,  # block time, at most 0.2 s, and the known lag of 0.6 s
    "jupiter": 1_000_000,
}
DEFAULT_RESOLUTION_US = 1_000_000


class Part(msgspec.Struct):
    """One instrument since the cascade is measured.

    `notional` is what it told, `closing` what traded in the closing direction, on an unknown side
    or was taken over, both in ticks x lots; `traded` says that no trade can be missing from it.
    """

    episodes: int = 0
    notional: int = 0
    closing: int = 0
    traded: bool = False
    p99: int | None = None
    onset_us: int | None = None


class Totals(NamedTuple):
    """A cascade over its venues."""

    usd_cents: int
    upper_usd_cents: int | None
    all_share: float | None
    confidence: ConfidenceClass | None
    attribution: Attribution
    venues: list[CascadeVenue]


def precedes(first: str, first_us: int, other: str, other_us: int) -> bool:
    """Say whether one instrument's onset is surely before another's."""
    return other_us - first_us > _resolution_us(first) + _resolution_us(other)


def _resolution_us(name: str) -> int:
    return RESOLUTION_US.get(name.partition(":")[0], DEFAULT_RESOLUTION_US)


def attribution_of(onsets: Mapping[str, int]) -> tuple[Attribution, dict[str, list[str]]]:
    """Return whether one instrument was surely first, and whom each surely precedes."""
    after = {
        name: [
            other
            for other, other_us in sorted(onsets.items())
            if precedes(name, onset_us, other, other_us)
        ]
        for name, onset_us in onsets.items()
    }
    if len(onsets) < 2:
        return Attribution.UNKNOWN, after
    ordered = any(len(others) == len(onsets) - 1 for others in after.values())
    return Attribution.ORDERED if ordered else Attribution.SIMULTANEOUS, after


def confidence_of(telling: Iterable[str], measured: Iterable[str]) -> ConfidenceClass | None:
    """Return how sure a cascade is, None where nobody has told anything yet.

    Args:
        telling: the instruments that told of liquidations.
        measured: those of them that tell all.
    """
    venues = {name.partition(":")[0] for name in telling}
    if not venues:
        return None
    if not list(measured):
        return ConfidenceClass.THROTTLED_ONLY
    return ConfidenceClass.SINGLE_VENUE if len(venues) == 1 else ConfidenceClass.MULTI_VENUE


def totals_of(
    parts: Mapping[str, Part], samplings: Mapping[str, SamplingClass], per_cent: int
) -> Totals:
    """Return the parts as they are published, and their sums.

    Args:
        parts: by instrument.
        samplings: how each of them tells, where that is known.
        per_cent: ticks x lots in one hundredth of the quote.
    """
    told = {name: round_half_even(part.notional, per_cent) for name, part in parts.items()}
    total = sum(told.values())
    onsets = {
        name: part.onset_us for name, part in sorted(parts.items()) if part.onset_us is not None
    }
    attribution, after = attribution_of(onsets)
    venues = []
    for name, part in sorted(parts.items()):
        venue, _, symbol = name.partition(":")
        upper = round_half_even(part.closing, per_cent) if part.traded else None
        inconsistent = upper is not None and told[name] > upper
        venues.append(
            CascadeVenue(
                venue=venue,
                symbol=symbol,
                sampling=samplings.get(name),
                episodes=part.episodes,
                obs_usd_cents=told[name],
                ub_usd_cents=None if inconsistent else upper,
                bounds_inconsistent=inconsistent,
                share=told[name] / total if total else None,
                p99_usd_cents=part.p99,
                onset_us=part.onset_us,
                precedes=after.get(name, []),
            )
        )
    telling = [name for name in parts if told[name]]
    measured = [name for name in telling if samplings.get(name) is SamplingClass.ALL]
    share = sum(told[name] for name in measured) / total if total else None
    confidence = confidence_of(telling, measured)
    return Totals(total, _upper(venues), share, confidence, attribution, venues)


def _upper(venues: Sequence[CascadeVenue]) -> int | None:
    known = [one.ub_usd_cents for one in venues if one.ub_usd_cents is not None]
    return sum(known) if venues and len(known) == len(venues) else None


def load_parts(state: Plain) -> dict[str, Part]:
    """Take parts back from the plain values of a snapshot."""
    return {name: msgspec.convert(part, Part) for name, part in state.items()}
