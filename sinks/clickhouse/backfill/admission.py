"""Which bars of a file take the place of those that are there.

A bar of a file is stored where there is none, and where it is better than the one that is there: it
is complete, it is over no fewer venues, and the other is partial, provisional or over fewer. So a
complete bar of a live run always stays, a partial one is closed by a file (definitions 5.14), and
what a file has made stays when the file is loaded again. A bar over all venues that was made from
the files of one venue never takes the place of one over more.

The bar that is stored gets a revision above the one it replaces, whatever the age of the two logs;
a later correction by the older log stays below it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from schemas.footprints import FootprintBar
from schemas.lineage import InputRange, Status
from schemas.market import Scope

REASON = "dump_reconcile"
"""Why a bar has another version: definitions 5.0 (finality)."""


class BarKey(NamedTuple):
    """The identity of a bar inside its asset."""

    scope: str
    venue: str
    symbol: str
    interval_seconds: int
    row_size: str
    bar_start_us: int


class Stored(NamedTuple):
    """What the tables have of a bar."""

    revision: int
    version: int
    is_final: bool
    status: str
    venues_expected: frozenset[str]


def key_of(bar: FootprintBar) -> BarKey:
    """Name a bar."""
    return BarKey(
        bar.scope.value,
        bar.venue,
        bar.symbol,
        bar.interval_seconds,
        bar.row_size,
        bar.bar_start_us,
    )


def is_better(bar: FootprintBar, stored: Stored | None) -> bool:
    """Say whether a file's bar is to be stored."""
    if stored is None:
        return True
    expected = frozenset(bar.completeness.venues_expected)
    if bar.completeness.status is not Status.COMPLETE or not expected >= stored.venues_expected:
        return False
    is_whole = stored.is_final and stored.status == Status.COMPLETE.value
    return not is_whole or expected > stored.venues_expected


def admit(
    bars: Iterable[FootprintBar], stored: Mapping[BarKey, Stored], inputs: Sequence[InputRange]
) -> list[FootprintBar]:
    """Return the bars that are to be stored, as they are to be stored.

    Args:
        bars: of files; of one identity the last counts.
        stored: what the tables have.
        inputs: the files.
    """
    newest = {key_of(bar): bar for bar in bars}
    admitted = []
    for key, bar in newest.items():
        before = stored.get(key)
        if not is_better(bar, before):
            continue
        changed = msgspec.structs.replace(bar, inputs=list(inputs))
        if before is not None:
            changed = msgspec.structs.replace(
                changed,
                revision=max(bar.revision, before.revision + 1),
                version=max(bar.version, before.version + 1),
                reason=REASON,
            )
        admitted.append(changed)
    return admitted


def minutes_of(bars: Iterable[FootprintBar], base_seconds: int) -> dict[tuple[str, str], set[int]]:
    """Return, by venue and symbol, the starts of the base bars whose trades are stored too."""
    minutes: dict[tuple[str, str], set[int]] = {}
    for bar in bars:
        if bar.scope is Scope.VENUE and bar.interval_seconds == base_seconds:
            minutes.setdefault((bar.venue, bar.symbol), set()).add(bar.bar_start_us)
    return minutes
