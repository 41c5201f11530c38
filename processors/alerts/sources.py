"""What rules may look at: a line for each kind of record, made of the names of its fields."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from processors.alerts.path import Chain
from processors.seconds.presence import StreamName
from schemas.cascades import Cascade
from schemas.context import MarketContext
from schemas.cvd_structure import CvdStructure
from schemas.events import FlowEvent
from schemas.footprints import FootprintBar
from schemas.imbalance import ImbalanceStep
from schemas.liquidation_flow import LiquidationFlow
from schemas.setups import SetupRecord


class Source(NamedTuple):
    """One kind of record, and where in it is what an alert needs to know.

    - `identity`: the fields that name a record as evidence.
    - `each`: the list whose elements are looked at, if it is not the record itself.
    - `id`: the field that names an event; without it only values can be watched.
    - `kind`, `form`, `state`, `side`: the fields that rules may choose by.
    - `lane`: fields by which values of one instrument are told apart.
    - `stream`: whose coverage counts where the record does not say who was there.
    - `shown`: what a message says of it, as word and path.
    """

    record: type[msgspec.Struct]
    identity: tuple[str, ...]
    each: str = ""
    id: str = ""
    kind: str = ""
    form: str = ""
    state: str = ""
    side: str = ""
    lane: tuple[str, ...] = ()
    stream: StreamName = "trade_stream"
    shown: tuple[tuple[str, str], ...] = ()

    @property
    def element(self) -> type[msgspec.Struct]:
        """What is looked at: the record, or an element of its list."""
        if not self.each:
            return self.record
        (field,) = (one for one in msgspec.structs.fields(self.record) if one.name == self.each)
        element: type[msgspec.Struct] = field.type.__args__[0]
        return element

    def elements(self, record: msgspec.Struct) -> Iterator[Chain]:
        """Yield what is looked at in a record, with the record itself before it."""
        if not self.each:
            yield (record,)
        else:
            for element in getattr(record, self.each):
                yield record, element


SOURCES = {
    "event": Source(
        FlowEvent,
        ("id", "state"),
        id="id",
        kind="kind",
        form="form",
        state="state",
        side="side",
        shown=(("worth", "values.usd_cents"), ("from", "low_ticks"), ("to", "high_ticks")),
    ),
    "cascade": Source(
        Cascade,
        ("id", "time_us"),
        id="id",
        state="state",
        side="liquidated_side",
        stream="liquidation_stream",
        shown=(
            ("liquidated in 60 s", "evidence.l60_usd_cents"),
            ("move", "move_bp"),
            ("last", "evidence.last_ticks"),
        ),
    ),
    "cluster": Source(
        LiquidationFlow,
        ("id",),
        each="clusters",
        id="id",
        side="liquidated_side",
        stream="liquidation_stream",
        shown=(("liquidated", "obs_usd_cents"), ("count", "count")),
    ),
    "setup": Source(
        SetupRecord,
        ("id", "state"),
        id="id",
        kind="setup",
        form="variant",
        state="state",
        side="side",
        shown=(("price", "price_ticks"), ("limit", "limit_ticks"), ("weight", "weight")),
    ),
    "liquidations": Source(
        LiquidationFlow,
        ("asset", "interval_seconds", "window_start_us"),
        lane=("interval_seconds",),
        stream="liquidation_stream",
    ),
    "imbalance": Source(ImbalanceStep, ("asset", "step_start_us"), stream="book_stream"),
    "context": Source(MarketContext, ("asset", "as_of_us"), stream="ticker_stream"),
    "cvd_structure": Source(CvdStructure, ("asset", "bar_start_us")),
    "bar": Source(
        FootprintBar,
        ("scope", "venue", "symbol", "bar_start_us", "interval_seconds", "row_size"),
        lane=("interval_seconds", "row_size"),
    ),
}
"""By the word that a rule has for it. Final footprint bars are `bar`."""
