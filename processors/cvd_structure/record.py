"""Write the series of one closed minute."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from processors.cvd_structure.account import Account
from processors.cvd_structure.sums import Cents, candle, minute_of, rolling_of, sizes_of
from processors.scopes import ScopeKey
from schemas.cvd import WINDOWS
from schemas.cvd_structure import CvdShare, CvdStructureSeries, Reset, ResetSeries
from schemas.lineage import Completeness, Status
from schemas.units import US_PER_MINUTE, US_PER_SECOND


@dataclass(frozen=True, slots=True)
class Minute:
    """What is known of a minute that has closed.

    `complete_since` names the instruments that were there from a time on until its end. `cents`
    turns ticks times lots into hundredths of the quote.
    """

    end_us: int
    anchors: Mapping[Reset, int]
    complete_since: Callable[[int], list[str]]
    cents: Cents

    def common(self, accounts: Sequence[Account], since_us: int) -> list[Account]:
        """Return those of the accounts that were there since a time."""
        names = set(self.complete_since(since_us))
        return [one for one in accounts if one.name in names]


def series_of(
    minute: Minute,
    key: ScopeKey,
    composition: str,
    accounts: Sequence[Account],
    completeness: Completeness,
    normalised: tuple[float | None, str],
) -> CvdStructureSeries:
    """Return one series.

    Args:
        minute: the minute.
        key: the instrument or aggregate.
        composition: empty, `all` or `common`.
        accounts: of all its instruments.
        completeness: of the minute.
        normalised: the value, or why there is none.
    """
    nulls = {} if normalised[0] is not None else {"normalised": normalised[1]}
    common = composition == "common"
    there = accounts
    if common:
        there = minute.common(accounts, minute.end_us - 60 * US_PER_SECOND)
    if completeness.status is Status.GAP or not there:
        there = []
        nulls["minute"] = "gap"
    for_day = minute.common(accounts, minute.anchors[Reset.DAY]) if common else there
    if not for_day:
        nulls["sizes_day"] = "gap"
    return CvdStructureSeries(
        scope=key.scope,
        venue=key.venue,
        symbol=key.symbol,
        composition=composition,
        completeness=completeness,
        path_resolution_us=US_PER_SECOND if composition else 0,
        minute=minute_of(there, minute.cents) if there else None,
        candles=[
            _candle(minute, reset, accounts if there else [], composition, nulls) for reset in Reset
        ],
        sizes=sizes_of([one.sizes for one in there], minute.cents) if there else None,
        sizes_day=sizes_of([one.sizes_day for one in for_day], minute.cents) if for_day else None,
        shares=_shares(minute, key, accounts, composition, nulls),
        normalised=normalised[0],
        null_reasons=dict(sorted(nulls.items())),
    )


def _candle(
    minute: Minute,
    reset: Reset,
    accounts: Sequence[Account],
    composition: str,
    nulls: dict[str, str],
) -> ResetSeries:
    anchor_us = minute.anchors[reset]
    since = minute.common(accounts, anchor_us)
    behind = since if composition == "common" else list(accounts)
    if not behind:
        nulls[f"candles.{reset.value}"] = "gap"
    return ResetSeries(
        reset=reset,
        anchor_us=anchor_us,
        intact=bool(behind) and len(since) == len(behind),
        venues=[one.name for one in behind],
        candle=candle(behind, reset, minute.cents, exact=not composition) if behind else None,
    )


def _shares(
    minute: Minute,
    key: ScopeKey,
    accounts: Sequence[Account],
    composition: str,
    nulls: dict[str, str],
) -> list[CvdShare]:
    """Return the rolling windows.

    One instrument's are null where it was not there all the time; behind `all` are those that were
    there at any time.
    """
    shares = []
    for index, seconds in enumerate(WINDOWS):
        since_us = minute.end_us - seconds * US_PER_SECOND
        if composition == "all":
            behind = [one for one in accounts if one.present * US_PER_MINUTE >= since_us]
        else:
            behind = minute.common(accounts, since_us)
        delta, volume = rolling_of(behind, index)
        if not volume:
            nulls[f"shares.{seconds}"] = "no_volume" if behind else "gap"
        shares.append(
            CvdShare(
                window_seconds=seconds,
                delta_lots=delta if behind else None,
                share=delta / volume if volume else None,
                venues=[one.name for one in behind],
            )
        )
    return shares
