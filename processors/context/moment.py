"""Everything that the records of one moment are made from."""

from collections.abc import Mapping
from dataclasses import dataclass

from processors.context.history import History
from processors.context.instrument import Instrument
from processors.context.params import ContextParams
from processors.seconds.presence import Presence
from processors.units import AssetUnits
from schemas.units import US_PER_SECOND


@dataclass(frozen=True, slots=True)
class Moment:
    """The end of a second: the perpetuals by name, their past, and since when they are there."""

    end_us: int
    instruments: Mapping[str, Instrument]
    history: History
    tickers: Presence
    trades: Presence
    units: AssetUnits
    params: ContextParams

    def before(self, seconds: int) -> int:
        """Return the time so many seconds ago."""
        return self.end_us - seconds * US_PER_SECOND

    def with_tickers(self, since_us: int) -> list[str]:
        """Return the perpetuals whose ticker was there from a time on until now."""
        return [name for name in self.tickers.complete_since(since_us) if name in self.instruments]

    def with_trades(self, since_us: int) -> list[str]:
        """Return the perpetuals whose trades were there from a time on until now."""
        return [name for name in self.trades.complete_since(since_us) if name in self.instruments]
