"""The final footprint bars of trades that lie on disk: the engine's feeds and footprint operator.

Pure, and without what only a live tape needs: no provisional bars, no snapshots, no steps of every
second. The bars are those that the engine makes of the same batches.
"""

from processors.feeds import Feeds
from processors.operator import Cause
from processors.operators.footprint import FootprintOperator, FootprintParams
from processors.units import AssetUnits
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.ops import QualityKind
from schemas.topics import TRADES
from schemas.trades import TradeBatch


class Rebuild:
    """Makes the bars of one asset.

    Args:
        asset: its name.
        units: its grids.
        params: of the bars.
        epoch: leads the revisions.

    Attributes:
        trades: how many were taken in.
        duplicates: how many came again and were left out.
        refused: how many were too far behind the others to be taken.
    """

    def __init__(self, asset: str, units: AssetUnits, params: FootprintParams, epoch: int) -> None:
        self._feeds = Feeds(units)
        self._operator = FootprintOperator(asset, units, params)
        self._epoch = epoch
        self._offset = 0
        self.trades = 0
        self.duplicates = 0
        self.refused = 0

    def take(self, batch: TradeBatch) -> list[FootprintBar]:
        """Take one batch in; return the bars that are final by it, but for times without anybody.

        Raises:
            ValueError: the batch does not fit the asset's grids.
        """
        accepted, findings = self._feeds.accept(batch)
        for finding in findings:
            if finding.kind is QualityKind.DUPLICATE:
                self.duplicates += finding.times
            elif finding.kind is QualityKind.TOO_LATE:
                self.refused += finding.times
        self.trades += len(accepted.block.trades) if accepted.block else 0
        cause = Cause(TRADES.name, 0, self._offset, self._epoch)
        self._offset += 1
        self._operator.on_batch(accepted, cause)
        if not self._operator.may_settle(self._feeds):
            return []
        return [
            output.record
            for output in self._operator.on_time(self._feeds, cause)
            if isinstance(output.record, FootprintBar)
            and output.record.is_final
            and output.record.completeness.status is not Status.GAP
        ]
