"""Bars that trades close: per instrument, over all perpetuals and over all spot (definitions 5.1).

Tick, volume, notional, range and delta bars. Over venues the trades are those of all members in
tape order (time, member, rank), which closed seconds make deterministic. Every series begins anew
at 00:00 UTC: the trade that crosses midnight belongs to the new day, and an open bar is closed by
the day. So a rebuild of one day gives the same bars.

Over venues a bar is of all members (`all`): its edges depend on everybody's trades, so there is no
bar over a constant composition; `completeness` says who was there. A bar that was open when a
stream broke goes on and is partial. Trades of classes without an aggressor are in no second, so a
bar has none. Of a merged venue stream (a print over several fills) every print is one trade.
Range bars without trades in between (`fill_gaps`) are not made.

State: one open bar per scope and rule, and totals of attendance; for 7 instruments and five rules
about 15 kB. Nothing grows over the day.
"""

from collections.abc import Iterator

from processors.bars_by_trade.attendance import Attendance
from processors.bars_by_trade.pieces import Pieces
from processors.bars_by_trade.record import Recorder
from processors.bars_by_trade.series import Series, TapeBar
from processors.bars_by_trade.spec import BarParams, BarSpec
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.scopes import PERP, SPOT, ScopeKey, scope_key
from processors.seconds.columns import Columns
from processors.seconds.second import Second
from processors.state import State
from processors.units import AssetUnits
from schemas.topics import BARS
from schemas.units import US_PER_DAY, US_PER_SECOND

BLOCK_TRADES = 512
"""Trades are looked at in blocks of so many: a bar that closes costs a search of one block."""


class BarsOperator:
    """All bars of one asset that trades close.

    Raises:
        ValueError: a threshold is no whole number of the asset's lots or ticks.
    """

    name = "bars"

    def __init__(self, asset: str, units: AssetUnits, params: BarParams | None = None) -> None:
        params = params or BarParams()
        specs = params.of(asset)
        self._asset = asset
        self._rules: list[tuple[BarSpec, int]] = [(spec, spec.limit(units)) for spec in specs]
        self._pace_us = params.provisional_seconds * US_PER_SECOND
        self._recorder = Recorder(units, params_hash(units, *specs))
        self._attendance = Attendance()
        self._series: dict[ScopeKey, list[Series]] = {}
        self._day_start_us = 0

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; return the bars that it closed, and open ones that it changed."""
        if not self._rules:
            return []
        outputs: list[Output] = []
        day_start_us = second.start_us - second.start_us % US_PER_DAY
        if day_start_us != self._day_start_us:
            outputs += self._end_day(second)  # nobody was there around midnight
            self._attendance.begin()
            self._day_start_us = day_start_us
        outputs += self._take(second)
        if second.end_us % US_PER_DAY == 0:
            return outputs + self._end_day(second)
        if second.end_us % self._pace_us == 0:
            outputs += self._provisional(second)
        return outputs

    def _take(self, second: Second) -> Iterator[Output]:
        """Take the trades of one second in; yield the bars that they close."""
        before = self._attendance.totals
        self._attendance.take(second)
        for key, columns in _tapes(second):
            pieces = Pieces(columns, BLOCK_TRADES)
            for series in self._series_of(key):
                for bar in series.take(pieces, before):
                    yield self._output(series, bar, second.end_us, second)

    def _series_of(self, key: ScopeKey) -> list[Series]:
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = [
                Series(key, spec, limit, TapeBar(0, self._day_start_us, {}))
                for spec, limit in self._rules
            ]
        return series

    def _provisional(self, second: Second) -> Iterator[Output]:
        for key in sorted(self._series):
            for series in self._series[key]:
                if series.changed and not series.bar.empty:
                    yield self._output(series, series.bar, second.end_us, second)
                series.changed = False

    def _end_day(self, second: Second) -> list[Output]:
        """Close what is open at 00:00 UTC and forget the day's series."""
        end_us = self._day_start_us + US_PER_DAY
        outputs = []
        for key in sorted(self._series):
            for series in self._series[key]:
                bar = series.end(end_us)
                if bar is not None:
                    outputs.append(self._output(series, bar, end_us, second))
        self._series.clear()
        return outputs

    def _output(self, series: Series, bar: TapeBar, until_us: int, second: Second) -> Output:
        record = self._recorder.write(series, bar, until_us, second, self._attendance)
        return Output(BARS.name, self._asset, record, record.bar_start_us)

    # --- state

    def snapshot(self) -> State:
        """Return the open bars and the day's attendance; there are no parts."""
        series = [
            [
                key,
                [
                    [one.changed, one.bar.dump(self._attendance.names(key))]
                    for one in self._series[key]
                ],
            ]
            for key in sorted(self._series)
        ]
        head = {
            "day_start_us": self._day_start_us,
            "attendance": self._attendance.dump(),
            "series": series,
        }
        return State(head, {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self._day_start_us = head["day_start_us"]
        self._attendance = Attendance(head["attendance"])
        for values, bars in head["series"]:
            key = scope_key(values)
            made = []
            for (spec, limit), (changed, bar) in zip(self._rules, bars, strict=True):
                series = Series(key, spec, limit, TapeBar.load(bar))
                series.changed = changed
                made.append(series)
            self._series[key] = made

    def keeps(self, part: str) -> bool:
        """Say that no part is needed: there are none."""
        return False


def _tapes(second: Second) -> Iterator[tuple[ScopeKey, Columns]]:
    """Yield every scope that traded with its trades: by name, aggregates last."""
    for member in second.members.values():
        if member.trades:
            yield member.key, member.columns
    for aggregate in (PERP, SPOT):
        columns = second.columns(aggregate)
        if columns.size:
            yield aggregate, columns
