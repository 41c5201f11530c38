"""The venues' rules of continuity: whether an update may follow what the book holds.

Sources: the venues' pages on local books, as read for the venue files. Where a venue's ids may
begin anew (a restart), an update whose ids lie behind the book's and whose time does not is a gap
and no repetition: to ignore it would keep an old book alive for ever.
"""

from collections.abc import Callable
from enum import Enum

from collectors.messages import BookUpdate
from collectors.venue import Chain


class Verdict(Enum):
    """What to do with an update."""

    APPLY = "apply"
    REPEATED = "repeated"
    GAP = "gap"


Position = tuple[int, int]
"""`(last_id, event_time_us)` of what the book holds."""


def _repeated(update: BookUpdate, at: Position) -> Verdict:
    return Verdict.REPEATED if update.event_time_us <= at[1] else Verdict.GAP


def _in_time(update: BookUpdate, at: Position) -> Verdict:
    """Refuse what fits by its ids and is older all the same: it is of a time before a restart."""
    return Verdict.APPLY if update.event_time_us >= at[1] else Verdict.REPEATED


def _previous_id(update: BookUpdate, at: Position) -> Verdict:
    if update.previous_id == at[0]:
        return _in_time(update, at)
    return _repeated(update, at) if update.last_id <= at[0] else Verdict.GAP


def _first_id(update: BookUpdate, at: Position) -> Verdict:
    if update.last_id <= at[0]:
        return _repeated(update, at)
    return _in_time(update, at) if update.first_id <= at[0] + 1 else Verdict.GAP


def _consecutive(update: BookUpdate, at: Position) -> Verdict:
    if update.last_id == at[0] + 1:
        return _in_time(update, at)
    return _repeated(update, at) if update.last_id <= at[0] else Verdict.GAP


def _previous_sequence(update: BookUpdate, at: Position) -> Verdict:
    if update.previous_id == at[0]:
        return _in_time(update, at)
    same = update.last_id == at[0] and update.event_time_us == at[1]
    return Verdict.REPEATED if same else Verdict.GAP


def _snapshots(update: BookUpdate, at: Position) -> Verdict:
    return Verdict.GAP  # whatever is no snapshot does not belong in such a stream


FOLLOWS: dict[Chain, Callable[[BookUpdate, Position], Verdict]] = {
    Chain.PREVIOUS_ID: _previous_id,
    Chain.FIRST_ID: _first_id,
    Chain.CONSECUTIVE: _consecutive,
    Chain.PREVIOUS_SEQUENCE: _previous_sequence,
    Chain.SNAPSHOTS: _snapshots,
}
"""May an update follow another update?"""


def follows_snapshot(chain: Chain, update: BookUpdate, snapshot_id: int) -> Verdict:
    """Say whether an update may be the first after a fetched snapshot."""
    if chain is Chain.PREVIOUS_ID:
        if update.last_id < snapshot_id:
            return Verdict.REPEATED
        fits = update.first_id <= snapshot_id or update.previous_id == snapshot_id
        return Verdict.APPLY if fits else Verdict.GAP
    if update.last_id <= snapshot_id:
        return Verdict.REPEATED
    return Verdict.APPLY if update.first_id <= snapshot_id + 1 else Verdict.GAP
