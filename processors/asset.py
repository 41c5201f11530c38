"""One asset of a partition: its feeds, its operators, and the order in which they are asked."""

from collections.abc import Callable, Sequence

import msgspec

from processors.alerts.rules import AlertParams
from processors.feeds import Accepted, Feeds, Finding
from processors.operator import Cause, Operator, Output, Stateful
from processors.operators.cvd import CvdOperator
from processors.operators.footprint import FootprintOperator, FootprintParams, params_hash
from processors.seconds.joiner import Joiner
from processors.toolkit import toolkit
from processors.units import AssetUnits
from schemas.footprints import FootprintBar
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS
from schemas.trades import BatchHeader, TradeBatch


class EngineParams(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of all operators; `units` overrides or adds to the grids known for assets.

    `toolkit` runs the operators over closed seconds, which need the topics beside the trades;
    `alerts` are the rules over what they send.
    """

    toolkit: bool = True
    footprint: FootprintParams = FootprintParams()
    units: dict[str, AssetUnits] = {}
    alerts: AlertParams = AlertParams()


class Asset:
    """One asset's feeds and operators; all of them have a state."""

    def __init__(self, name: str, units: AssetUnits, params: EngineParams, epoch: int) -> None:
        self.units = units
        self.feeds = Feeds(units)
        self.operators: list[Operator] = [
            FootprintOperator(name, units, params.footprint),
            CvdOperator(name, units, params_hash(units)),
        ]
        self.second_operators = toolkit(name, units, params.alerts) if params.toolkit else []
        self.joiner = Joiner(name, units, self.feeds, epoch)
        self._sides: dict[str, Callable[..., list[Finding]]] = {
            BOOKS.name: self.joiner.take_book,
            LIQUIDATIONS.name: self.joiner.take_liquidations,
            TICKERS.name: self.joiner.take_ticker,
        }
        parts: list[Stateful] = [self.feeds, *self.operators]
        if params.toolkit:
            parts += [self.joiner, *self.second_operators]
        self.stateful = {part.name: part for part in parts}
        self._accepted: Accepted | None = None

    def take(self, topic: str, batch: BatchHeader, cause: Cause) -> list[Finding]:
        """Take a record in, and return what is to be said of it; `run` is to follow.

        Raises:
            ValueError: it cannot be used; nothing of it was taken in.
        """
        self._accepted = None
        if isinstance(batch, TradeBatch):
            self._accepted, findings = self.feeds.accept(batch)
            return findings
        return self._sides[topic](batch, cause) if self.second_operators else []

    def run(self, cause: Cause) -> tuple[int, list[Output]]:
        """Return how many trades the record brought, and what it leads to."""
        accepted, outputs, trades = self._accepted, [], 0
        if accepted is not None:
            trades = len(accepted.block.trades) if accepted.block else 0
            for operator in self.operators:
                outputs += operator.on_batch(accepted, cause)
            for operator in self.operators:
                outputs += operator.on_time(self.feeds, cause)
        if self.second_operators:
            if accepted is not None:
                self.joiner.take_trades(accepted, cause)
            outputs += self._seconds(outputs)
        return trades, outputs

    def _seconds(self, bars: Sequence[Output]) -> list[Output]:
        """Hand the seconds that are over to their operators; `bars` may have final ones."""
        for output in bars:
            if isinstance(output.record, FootprintBar) and output.record.version == 1:
                self.joiner.take_bar(output.record)
        outputs: list[Output] = []
        for second in self.joiner.due():
            for operator in self.second_operators:
                made = operator.on_second(second)
                second.events += made
                outputs += made
        return outputs
