"""The market as the simulator knows it: instruments in venue units and prints of taker orders."""

from dataclasses import dataclass
from decimal import Decimal

from schemas.market import Side


@dataclass(frozen=True, slots=True)
class SimInstrument:
    """One tradable of one feed.

    The grids are integers: the tick is `tick_units * 10**-price_decimals` of the quote coin, the
    lot `lot_units * 10**-qty_decimals` of the venue's quantity unit, which is `contract` base
    coins. The decimals are those of the venue's texts.
    """

    feed: str
    asset: str
    quote: str
    symbol: str
    price_decimals: int
    tick_units: int
    qty_decimals: int
    lot_units: int
    contract: Decimal = Decimal(1)

    @property
    def tick(self) -> Decimal:
        """The price step."""
        return Decimal(self.tick_units).scaleb(-self.price_decimals)

    @property
    def lot(self) -> Decimal:
        """The quantity step, in the venue's unit."""
        return Decimal(self.lot_units).scaleb(-self.qty_decimals)

    def price_text(self, ticks: int) -> str:
        """Write a price with the venue's number of decimals."""
        return fixed_text(ticks * self.tick_units, self.price_decimals)

    def qty_text(self, lots: int) -> str:
        """Write a quantity with the venue's number of decimals."""
        return fixed_text(lots * self.lot_units, self.qty_decimals)


@dataclass(frozen=True, slots=True)
class SimTrade:
    """What one taker order traded at one price: one print of one or more fills.

    A sweep is several prints with equal `order_tag` and time. `fills` are quantities in lots;
    their ids are `first_id ... last_id`. The first `rpi_fills` of them met hidden (RPI) liquidity.
    `void_before` says that the id `first_id - 1` was spent without a fill. `order_tag` is 128
    random bits from which opaque ids are made.
    """

    instrument: SimInstrument
    time_us: int
    side: Side
    price_ticks: int
    fills: tuple[int, ...]
    first_id: int
    print_id: int
    order_tag: int
    rpi_fills: int = 0
    block: bool = False
    void_before: bool = False

    @property
    def feed(self) -> str:
        """The feed that carries it."""
        return self.instrument.feed

    @property
    def last_id(self) -> int:
        """Id of the last fill."""
        return self.first_id + len(self.fills) - 1

    @property
    def qty_lots(self) -> int:
        """Quantity of all fills."""
        return sum(self.fills)

    @property
    def time_ms(self) -> int:
        """Time in the unit that most venues send."""
        return self.time_us // 1000


Levels = tuple[tuple[int, int], ...]
"""Price levels `(price_ticks, qty_lots)`, best first; as a change, the quantity is the new one."""


@dataclass(frozen=True, slots=True)
class SimBookUpdate:
    """What changed in one book within 100 ms: new absolute quantities, 0 removes the level.

    `number` counts an instrument's updates from 1 without holes; the venues' update ids are made
    from it. Applied in order they never leave a crossed book.
    """

    instrument: SimInstrument
    time_us: int
    number: int
    bids: Levels
    asks: Levels


@dataclass(frozen=True, slots=True)
class SimTop:
    """The best prices of one book after they changed; `number` is the next update's."""

    instrument: SimInstrument
    time_us: int
    number: int
    bid: tuple[int, int]
    ask: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SimLiquidation:
    """One position closed by its venue.

    `price_ticks` is the price of the fills and `bankruptcy_ticks` where the position's margin was
    gone; `order_tag` is that of the prints it made, `user_tag` 160 bits that name the owner.
    """

    instrument: SimInstrument
    time_us: int
    long: bool
    qty_lots: int
    price_ticks: int
    bankruptcy_ticks: int
    order_tag: int
    user_tag: int


@dataclass(frozen=True, slots=True)
class SimTicker:
    """Mark, index, funding and open interest of one perpetual, once a second.

    `funding_rate` is the estimate for the settlement at `next_funding_us`, `settled_rate` the one
    before it; `open_interest_lots` counts one side.
    """

    instrument: SimInstrument
    time_us: int
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    settled_rate: Decimal
    next_funding_us: int
    interval_hours: int
    open_interest_lots: int


SimEvent = SimTrade | SimBookUpdate | SimTop | SimLiquidation | SimTicker


def fixed_text(units: int, decimals: int) -> str:
    """Write `units * 10**-decimals` with exactly that many decimals (units not negative)."""
    if decimals == 0:
        return str(units)
    whole, fraction = divmod(units, 10**decimals)
    return f"{whole}.{fraction:0{decimals}}"


def trimmed(text: str, least_decimals: int = 0) -> str:
    """Take trailing zeros off a decimal text, leaving at least so many decimals."""
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(least_decimals, "0")
    return f"{whole}.{fraction}" if fraction else whole
