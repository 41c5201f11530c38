"""Which bars are made: rules and thresholds, per asset.

The defaults are our own, explicit and not validated. They aim at a bar every minute or so on the
largest venue; the same thresholds hold for single instruments and over venues.
"""

from decimal import Decimal

import msgspec

from processors.units import AssetUnits
from schemas.bars import BarRule
from schemas.units import parse_decimal, steps_in


class BarSpec(msgspec.Struct, frozen=True):
    """One kind of bar.

    Args:
        rule: what closes it.
        threshold: decimal text above zero: trades (`tick`), coins (`volume`, `delta`), quote
            (`notional`) or price (`range`).
        split: cut the trade that closes a volume bar exactly at the threshold.

    Raises:
        ValueError: the threshold is not above zero, or no whole number of trades; `split` with
            another rule than `volume` (a notional cannot be cut exactly in whole lots).
    """

    rule: BarRule
    threshold: str
    split: bool = False

    def __post_init__(self) -> None:
        value = parse_decimal(self.threshold)
        if value <= 0:
            raise ValueError(f"the threshold must be above zero, was {self.threshold}")
        if self.rule is BarRule.TICK and value != int(value):
            raise ValueError(f"trades are counted in whole numbers, was {self.threshold}")
        if self.split and self.rule is not BarRule.VOLUME:
            raise ValueError(f"only volume bars can be split, not {self.rule}")

    def limit(self, units: AssetUnits) -> int:
        """Return the threshold on the asset's grid: trades, lots, ticks, or ticks times lots.

        Raises:
            ValueError: it is no whole number of them.
        """
        match self.rule:
            case BarRule.TICK:
                return int(Decimal(self.threshold))
            case BarRule.NOTIONAL:
                return steps_in(self.threshold, "0.01") * units.notional_per_cent
            case BarRule.RANGE:
                return steps_in(self.threshold, units.tick)
            case BarRule.VOLUME | BarRule.DELTA:
                return steps_in(self.threshold, units.lot)


def _specs(trades: str, coins: str, quote: str, price: str, delta: str) -> tuple[BarSpec, ...]:
    return (
        BarSpec(BarRule.TICK, trades),
        BarSpec(BarRule.VOLUME, coins),
        BarSpec(BarRule.NOTIONAL, quote),
        BarSpec(BarRule.RANGE, price),
        BarSpec(BarRule.DELTA, delta),
    )


DEFAULT_SPECS = {
    "BTC": _specs("1000", "100", "10000000", "50", "50"),
    "ETH": _specs("1000", "2000", "5000000", "3", "1000"),
    "SOL": _specs("500", "15000", "2000000", "0.2", "7500"),
    "BNB": _specs("500", "1000", "500000", "0.6", "500"),
    "XRP": _specs("500", "500000", "1000000", "0.003", "250000"),
    "DOGE": _specs("500", "5000000", "500000", "0.0003", "2500000"),
}
"""Assets that are not named have no such bars: a threshold that fits cannot be guessed."""


class BarParams(msgspec.Struct, frozen=True, kw_only=True):
    """Which bars are made, and how often an open one is sent.

    `specs` overrides or adds to the default bars of assets; of an asset with none, none are made.
    Open bars every second would be 99 of 100 records, and 25 GB a day of six assets.

    Raises:
        ValueError: one kind of bar twice for an asset, or a pace below a second.
    """

    specs: dict[str, tuple[BarSpec, ...]] = {}
    provisional_seconds: int = 5

    def __post_init__(self) -> None:
        if self.provisional_seconds < 1:
            raise ValueError(f"must be a second or more, was {self.provisional_seconds}")
        for asset, specs in self.specs.items():
            if len(set(specs)) < len(specs):
                raise ValueError(f"a bar is named twice for {asset}")

    def of(self, asset: str) -> tuple[BarSpec, ...]:
        """Return the bars of an asset."""
        return self.specs.get(asset, DEFAULT_SPECS.get(asset, ()))
