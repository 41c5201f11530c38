"""A store of made-up answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from runtime.errors import StoreError
from sinks.terminal.model import LadderView


@dataclass(frozen=True)
class Answer:
    rows: Sequence[Sequence[object]]


@dataclass
class StubReader:
    """Answers as a store that holds one picture; counts, and fails when told to."""

    view: LadderView | None
    row_sizes: tuple[str, ...] = ()
    failing: int = 0
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    closed: int = 0
    exclusive: bool = False

    def query(self, sql: str, parameters: dict[str, object] | None = None) -> Answer:
        self.asked.append((sql, dict(parameters or {})))
        if self.failing:
            self.failing -= 1
            raise StoreError("connection refused")
        if self.view is None:
            return Answer([])
        if "GROUP BY" in sql:
            return Answer(self._choices(self.view))
        if "FROM footprint_bars" in sql:
            return Answer(self._bars(self.view, parameters or {}))
        if "FROM footprint_rows" in sql:
            return Answer(self._rows(self.view))
        if "FROM footprints" in sql:
            return Answer([[dict(self.view.feeds)]])
        assert "FROM cvd" in sql
        cvd = self.view.cvd
        return Answer([] if cvd is None else [[cvd.end_us - 1_000_000, cvd.day, cvd.hour]])

    def _choices(self, view: LadderView) -> list[list[object]]:
        sizes = self.row_sizes or (str(view.row_size),)
        return [[view.symbol, size, view.bars[-1].bar_start_us, 100] for size in sizes]

    def _bars(self, view: LadderView, parameters: dict[str, object]) -> list[list[object]]:
        limit = parameters["bars"]
        assert isinstance(limit, int)
        return [
            [
                bar.bar_start_us,
                bar.is_final,
                bar.close,
                _scaled(bar.sell),
                _scaled(bar.buy),
                bar.unknown,
                bar.delta,
                bar.delta_min,
                bar.delta_max,
                bar.poc,
                bar.vah,
                bar.val,
                bar.status,
                list(bar.venues_expected),
                list(bar.venues_complete),
                list(bar.venues_partial),
            ]
            for bar in reversed(view.bars[-limit:])
        ]

    def _rows(self, view: LadderView) -> list[list[object]]:
        return [
            [
                bar.bar_start_us,
                row.price,
                row.sell,
                row.buy,
                row.unknown,
                row.buy_imbalance,
                row.sell_imbalance,
                row.buy_agree,
                row.sell_agree,
            ]
            for bar in view.bars
            for row in bar.rows
        ]

    def close(self) -> None:
        self.closed += 1


def _scaled(value: Decimal | None) -> Decimal | None:
    """Give a quantity the decimals that the store's columns have."""
    return None if value is None else value.quantize(Decimal("0.000000000001"))
