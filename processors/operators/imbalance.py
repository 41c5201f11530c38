"""Order book measures of one asset, once a second (definitions 5.6, 8).

One record a second has every instrument, and all perpetuals and all spot; another has the heat map.
Both are of the books as they stood at the end of the second, with windows that end there.

The state per instrument: the book that stands (50 levels a side), a staircase per level, a minute
of removals, ten seconds of best prices; an hour of three measures and a quarter of an hour of taker
volume, some 130 KB. The hour goes out in parts of a minute (4 KB each, 61 are kept), the rest is in
the head (some 13 KB). An instrument that was seen is never forgotten; `processors.feeds` bounds how
many there are.

Not here: the micro-price needs a fitted table, integrated OFI fitted weights, and VPIN, Kyle's
lambda and Amihud's measure are of trades and prices, not of books.
"""

from collections.abc import Sequence

from processors.derived import derived
from processors.imbalance.depth import heat_column
from processors.imbalance.member import MemberBook, Reading
from processors.imbalance.params import BookParams
from processors.imbalance.record import Writer
from processors.imbalance.scopes import Venue, scope_record
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.seconds.presence import members_of, stream_of
from processors.seconds.second import Second
from processors.state import State, own_parts
from processors.units import AssetUnits
from schemas.heatmap import HeatmapStep
from schemas.imbalance import ImbalanceStep, InstrumentImbalance, ScopeImbalance
from schemas.market import Scope
from schemas.topics import HEATMAP, IMBALANCE

METHOD = "imbalance/1.1.0"
HEATMAP_METHOD = "heatmap/1.0.0"


class ImbalanceOperator:
    """All book measures of one asset, and its heat map.

    Args:
        asset: which.
        units: its grids.
        params: what decides the numbers.
    """

    name = "imbalance"

    def __init__(self, asset: str, units: AssetUnits, params: BookParams | None = None) -> None:
        self._asset = asset
        self._units = units
        self._params = params or BookParams()
        self._writer = Writer(units, self._params)
        self._hash = params_hash(units, self._params)
        self._heat_hash = params_hash(units)
        self._members: dict[str, MemberBook] = {}

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; nothing is sent where no instrument has a book stream."""
        readings: dict[str, Reading] = {}
        for name, member in second.members.items():
            stream = stream_of(member, "book_stream")
            if stream is not None:
                memory = self._members.get(name)
                if memory is None:
                    memory = self._members[name] = MemberBook(self._params)
                readings[name] = memory.take(member, stream, second)
        if not readings:
            return []
        records = [
            self._writer.record(second.members[name], reading, self._members[name])
            for name, reading in readings.items()
        ]
        scopes = [
            self._scope(scope, second, readings)
            for scope in (Scope.PERP, Scope.SPOT)
            if members_of(second, scope, "book_stream")
        ]
        return [self._step(second, records, scopes), *self._heatmap(second, readings)]

    def _step(
        self, second: Second, records: list[InstrumentImbalance], scopes: list[ScopeImbalance]
    ) -> Output:
        record = ImbalanceStep(
            **derived(second, METHOD, self._hash),
            step_start_us=second.start_us,
            tick=self._units.tick,
            lot=self._units.lot,
            time_tol_ms=self._params.time_tol_ms,
            instruments=records,
            scopes=scopes,
        )
        return Output(IMBALANCE.name, self._asset, record, second.start_us)

    def _scope(self, scope: Scope, second: Second, readings: dict[str, Reading]) -> ScopeImbalance:
        venues = [
            self._venue(member.name, readings[member.name])
            for member in members_of(second, scope, "book_stream")
        ]
        return scope_record(scope, venues, self._params, self._units.notional_per_cent)

    def _venue(self, name: str, reading: Reading) -> Venue:
        memory = self._members[name]
        flow = memory.history.flow
        whole = memory.flow_run >= self._params.flow_seconds
        return Venue(name, reading, flow.total if flow.count else None, whole)

    def _heatmap(self, second: Second, readings: dict[str, Reading]) -> Sequence[Output]:
        """Return the heat map's record, none where no instrument has a valid book."""
        columns = []
        reasons = {}
        for name, reading in readings.items():
            key = second.members[name].key
            if reading.book is None:
                reasons[name] = reading.absent
            else:
                columns.append(heat_column(key.venue, key.symbol, reading.book, self._units))
        if not columns:
            return []
        record = HeatmapStep(
            **derived(second, HEATMAP_METHOD, self._heat_hash),
            step_start_us=second.start_us,
            row_size=self._units.row_size,
            row_ticks=self._units.row_ticks,
            tick=self._units.tick,
            columns=columns,
            null_reasons=reasons,
        )
        return [Output(HEATMAP.name, self._asset, record, second.start_us)]

    # --- state

    def snapshot(self) -> State:
        """Return windows and books that stand; closed minutes of the history go out as parts."""
        parts = {
            f"{name}/{minute}": content
            for name, memory in sorted(self._members.items())
            for minute, content in memory.history.take_parts().items()
        }
        return State([[name, one.dump()] for name, one in sorted(self._members.items())], parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        by_member = own_parts(parts)
        for name, values in head:
            self._members[name] = MemberBook(self._params, values, by_member.get(name, {}))

    def keeps(self, part: str) -> bool:
        """Say whether a closed minute still reaches into a window."""
        name, _, minute = part.rpartition("/")
        memory = self._members.get(name)
        return memory is None or memory.history.keeps(minute)
