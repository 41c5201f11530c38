"""What the ladder shows: plain values in quote and base coin, apart from how they were had."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class RowView:
    """One price row of one bar; `price` is its lower edge.

    An imbalance is None where the bar's rows are too fine to tell it over venues; `buy_agree` and
    `sell_agree` count the member venues that have it on their own.
    """

    price: Decimal
    sell: Decimal
    buy: Decimal
    unknown: Decimal = Decimal(0)
    buy_imbalance: bool | None = False
    sell_imbalance: bool | None = False
    buy_agree: int = 0
    sell_agree: int = 0

    @property
    def total(self) -> Decimal:
        """Everything that traded on the row."""
        return self.sell + self.buy + self.unknown


@dataclass(frozen=True, slots=True)
class BarView:
    """One bar with its rows; None is what is not known. Venues are named `venue:symbol`."""

    bar_start_us: int
    is_final: bool
    close: Decimal | None
    sell: Decimal | None
    buy: Decimal | None
    unknown: Decimal | None
    delta: Decimal | None
    delta_min: Decimal | None
    delta_max: Decimal | None
    poc: Decimal | None
    vah: Decimal | None
    val: Decimal | None
    status: str
    venues_expected: tuple[str, ...]
    venues_complete: tuple[str, ...]
    venues_partial: tuple[str, ...]
    rows: tuple[RowView, ...] = ()

    @property
    def is_gap(self) -> bool:
        """No venue was there and nothing is known: its zeros are none."""
        return self.status == "gap" and not self.rows

    @property
    def total(self) -> Decimal | None:
        """Everything that traded in the bar, None where a part is not known."""
        if self.sell is None or self.buy is None or self.unknown is None:
            return None
        return self.sell + self.buy + self.unknown


@dataclass(frozen=True, slots=True)
class CvdView:
    """The newest cumulative volume delta, in base coin; `end_us` is the end of its second."""

    end_us: int
    day: Decimal | None
    hour: Decimal | None


@dataclass(frozen=True, slots=True)
class LadderView:
    """The picture: bars of one series, oldest first; `feeds` is what each venue's feed does now."""

    asset: str
    scope: str
    venue: str
    symbol: str
    interval_seconds: int
    row_size: Decimal
    bars: tuple[BarView, ...]
    cvd: CvdView | None = None
    feeds: Mapping[str, str] = field(default_factory=dict)

    @property
    def last_price(self) -> Decimal | None:
        """The newest price known."""
        return next((bar.close for bar in reversed(self.bars) if bar.close is not None), None)
