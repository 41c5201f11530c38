"""Over what a number is computed, as a key."""

from typing import NamedTuple

from processors.plain import Plain
from schemas.market import Scope


class ScopeKey(NamedTuple):
    """Which footprint or series: one instrument, or all perpetuals or all spot of the asset."""

    scope: Scope
    venue: str
    symbol: str


def scope_key(values: Plain) -> ScopeKey:
    """Return a key from plain values, of which the first three are its own."""
    return ScopeKey(Scope(values[0]), values[1], values[2])


PERP = ScopeKey(Scope.PERP, "", "")
SPOT = ScopeKey(Scope.SPOT, "", "")
