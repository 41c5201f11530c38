"""Who stands behind what an alert says: taken from the record, or from the second without that."""

from typing import Any

import msgspec

from processors.alerts.path import Chain
from processors.scopes import ScopeKey
from processors.seconds.presence import StreamName, Window
from processors.seconds.second import Second
from schemas.lineage import Completeness, Status
from schemas.market import Scope


def key_of(chain: Chain) -> ScopeKey:
    """Return the instrument or aggregate that the innermost record names, else all perpetuals.

    Some records of an instrument say in `scope` which aggregate it belongs to: a venue decides.
    """
    for one in reversed(chain):
        venue, symbol = getattr(one, "venue", None), getattr(one, "symbol", None)
        scope = getattr(one, "scope", None)
        if venue is not None and symbol is not None:
            return ScopeKey(Scope.VENUE if venue else scope or Scope.PERP, venue, symbol)
        if scope is not None:
            return ScopeKey(scope, "", "")
    return ScopeKey(Scope.PERP, "", "")


def standing(
    second: Second, chain: Chain, key: ScopeKey, stream: StreamName
) -> tuple[Status, Completeness]:
    """Return whether what was looked at is complete, and who was there.

    What is innermost counts: a status, or venues that were there for a part only. An instrument
    inside a record over many stands for itself: another venue's outage does not make it partial.

    Args:
        second: the one that the record was made in.
        chain: the records that led to it.
        key: the instrument or aggregate.
        stream: whose coverage counts where no record says who was there.
    """
    completeness: Completeness | None = _innermost(chain, "completeness")
    if completeness is None:
        window = Window(stream)
        window.add(second)
        completeness = window.record(_expected(second, chain, key))
    elif key.scope is Scope.VENUE:
        completeness = _of_one(completeness, f"{key.venue}:{key.symbol}")
    missed: list[str] | None = _innermost(chain, "partial_venues")
    if missed:
        completeness = _without(completeness, missed)
    return _innermost(chain, "status") or completeness.status, completeness


def _innermost(chain: Chain, name: str) -> Any:
    return next((getattr(one, name) for one in reversed(chain) if hasattr(one, name)), None)


def _expected(second: Second, chain: Chain, key: ScopeKey) -> list[str]:
    named: list[str] | None = _innermost(chain, "venues_expected")
    if named:
        return named
    if key.scope is Scope.VENUE:
        return [f"{key.venue}:{key.symbol}"]
    return [one.name for one in second.members.values() if one.aggregate.scope is key.scope]


def _without(completeness: Completeness, missed: list[str]) -> Completeness:
    """Return it with venues that are known to have missed a part of what the record is about."""
    complete = [one for one in completeness.venues_complete if one not in missed]
    partial = sorted({*completeness.venues_partial, *missed})
    return msgspec.structs.replace(
        completeness,
        status=Status.PARTIAL if completeness.status is Status.COMPLETE else completeness.status,
        venues_expected=sorted({*completeness.venues_expected, *missed}),
        venues_complete=complete,
        venues_partial=partial,
    )


def _of_one(completeness: Completeness, name: str) -> Completeness:
    """Return what a record says of one of its instruments."""
    if name not in completeness.venues_expected:
        return completeness
    complete = [one for one in completeness.venues_complete if one == name]
    partial = [one for one in completeness.venues_partial if one == name]
    status = Status.COMPLETE if complete else Status.PARTIAL if partial else Status.GAP
    return Completeness(
        status=status,
        venues_expected=[name],
        venues_complete=complete,
        venues_partial=partial,
        coverage_ms={name: completeness.coverage_ms[name]},
        feed_states={name: completeness.feed_states[name]},
    )
