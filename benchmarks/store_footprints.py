"""The final footprints of a day of trades, by the operator itself.

Time moves on once an hour of the log and not at every record: nothing provisional is made for
hours that are over, and the final bars are the same.
"""

from collections.abc import Sequence

import msgspec

from processors.feeds import Feeds
from processors.operator import Cause
from processors.operators.footprint import FootprintOperator, FootprintParams
from processors.units import DEFAULT_UNITS
from schemas.footprints import FootprintBar
from schemas.topics import TRADES
from schemas.trades import TradeBatch

_decode = msgspec.json.Decoder(TradeBatch).decode
_encode = msgspec.json.encode


class Footprints:
    """Makes the bars of one asset."""

    def __init__(self, asset: str) -> None:
        units = DEFAULT_UNITS[asset]
        self._feeds = Feeds(units)
        self._operator = FootprintOperator(asset, units, FootprintParams())
        self._offset = 0
        self.trades = 0

    def hour(self, values: Sequence[bytes]) -> list[bytes]:
        """Take an hour of records in; return the records of the bars that are final by it."""
        for value in values:
            accepted, _ = self._feeds.accept(_decode(value))
            self.trades += len(accepted.block.trades) if accepted.block else 0
            self._operator.on_batch(accepted, self._cause())
            self._offset += 1
        return [
            _encode(output.record)
            for output in self._operator.on_time(self._feeds, self._cause())
            if isinstance(output.record, FootprintBar) and output.record.is_final
        ]

    def _cause(self) -> Cause:
        return Cause(TRADES.name, 0, self._offset, 1)
