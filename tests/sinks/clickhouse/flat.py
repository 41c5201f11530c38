"""What the rows of a derived record must be, from the record's own fields alone.

A field is a column of its name: a time without `_us`, a grid as a decimal. A list of rows is a
column of lists for each place of a row, and what is inside another record has its name before it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from schemas.bars import TradeBar
from schemas.cvd import Cumulative
from schemas.cvd_structure import SIZE_CLASSES_USD, CvdCandle, CvdStructure, SizeClass
from schemas.heatmap import HeatmapStep
from schemas.imbalance import (
    BandAggregate,
    BandDepth,
    ImbalanceStep,
    Persistent,
    Pull,
    Refill,
    TimeWeighted,
    TopDepth,
)
from schemas.lineage import Completeness, InputRange
from schemas.profiles import NakedPoc, Node, PriorSession, ProfileRow, VolumeProfile

Flat = dict[str, Any]
SIDES = ("bids", "asks")
GRIDS = {"tick", "lot", "row_size", "threshold"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_us: int | None) -> datetime | None:
    return None if time_us is None else EPOCH + timedelta(microseconds=time_us)


def named(name: str, value: Any) -> Flat:
    """Return one field as its column."""
    if name.endswith("_us") and name != "path_resolution_us":
        value = [moment(item) for item in value] if isinstance(value, list) else moment(value)
        return {name.removesuffix("_us"): value}
    return {name: Decimal(value) if name in GRIDS else value}


def fields(record: msgspec.Struct, *without: str) -> Flat:
    """Return all fields of a record but some, and `schema`."""
    found: Flat = {}
    for name in record.__struct_fields__:
        if name not in ("schema", "inputs", "completeness", *without):
            found |= named(name, getattr(record, name))
    if hasattr(record, "inputs"):
        found |= lists("inputs", InputRange, record.inputs)
    if hasattr(record, "completeness"):
        found |= inside(None, Completeness, record.completeness)
    return found


def inside(prefix: str | None, kind: type[msgspec.Struct], record: msgspec.Struct | None) -> Flat:
    """Return the fields of a record inside another, which may be missing."""
    found: Flat = {}
    for name in kind.__struct_fields__:
        value = None if record is None else getattr(record, name)
        found |= named(f"{prefix}_{name}" if prefix else name, value)
    return found


def lists(prefix: str, kind: type[msgspec.Struct], items: Sequence[msgspec.Struct] | None) -> Flat:
    """Return rows as a list for each place."""
    found: Flat = {}
    for name in kind.__struct_fields__:
        values = [getattr(item, name) for item in items or ()]
        found |= named(f"{prefix}_{name}", values)
    return found


def renamed(flat: Flat, **names: str) -> Flat:
    return {names.get(name, name): value for name, value in flat.items()}


def bar(record: TradeBar) -> list[Flat]:
    return [renamed(fields(record), index="bar_index")]


def profile(record: VolumeProfile) -> list[Flat]:
    nested = ("rows", "value_area", "high_nodes", "low_nodes", "common", "prior", "naked_pocs")
    area, common = record.value_area, record.common
    flat = fields(record, *nested) | lists("rows", ProfileRow, record.rows)
    flat |= lists("high_nodes", Node, record.high_nodes) | lists(
        "low_nodes", Node, record.low_nodes
    )
    flat |= inside("prior", PriorSession, record.prior)
    flat |= lists("naked", NakedPoc, record.naked_pocs)
    for name in ("val_ticks", "vah_ticks", "share"):
        column = "value_area_share" if name == "share" else name
        of_common = common.value_area if common else None
        flat[column] = getattr(area, name) if area else None
        flat[f"common_{column}"] = getattr(of_common, name) if of_common else None
    flat["common_venues"] = common.venues if common else []
    for name in ("sell_lots", "buy_lots", "unknown_lots", "poc_ticks"):
        flat[f"common_{name}"] = getattr(common, name) if common else None
    return [renamed(flat, rows_row_ticks="rows_ticks")]


def cvd_series(record: CvdStructure) -> list[Flat]:
    nested = ("minute", "candles", "sizes", "sizes_day", "shares")
    found = []
    for one in record.series:
        flat = fields(record, "series", "convictions") | fields(one, *nested)
        flat |= inside("minute", Cumulative, one.minute)
        flat |= lists("sizes", SizeClass, one.sizes) | lists("sizes_day", SizeClass, one.sizes_day)
        flat["sizes_least_usd"] = list(SIZE_CLASSES_USD)
        for name in ("reset", "anchor_us", "intact", "venues"):
            column = "anchor_time_us" if name == "anchor_us" else name
            flat |= named(f"candles_{column}", [getattr(reset, name) for reset in one.candles])
        for name in CvdCandle.__struct_fields__:
            values = [getattr(reset.candle, name, None) for reset in one.candles]
            flat[f"candles_{name}"] = values
        for name in ("window_seconds", "delta_lots", "share", "venues"):
            flat[f"shares_{name}"] = [getattr(share, name) for share in one.shares]
        found.append(flat)
    return found


def convictions(record: CvdStructure) -> list[Flat]:
    head = fields(record, "series", "convictions")
    return [head | fields(one) | {"state": one.state or ""} for one in record.convictions]


def imbalance(record: ImbalanceStep) -> list[Flat]:
    pulls, refills = ("bid_pull", "ask_pull"), ("bid_refill", "ask_refill")
    rows: dict[str, tuple[str, type[msgspec.Struct]]] = {
        "tops": ("tops", TopDepth),
        "bands": ("bands", BandDepth),
        "bands_from_best": ("best_bands", BandDepth),
        "persistent": ("persistent", Persistent),
        "time_weighted": ("time_weighted", TimeWeighted),
    }
    ranks = ("ofi_100ms_lots", "mlofi_lots", "mlofi_normalised", "mean_depth_lots")
    found = []
    for one in record.instruments:
        flat = fields(record, "instruments", "scopes") | fields(one, *pulls, *refills, *rows)
        for name, (prefix, kind) in rows.items():
            flat |= lists(prefix, kind, getattr(one, name))
        for name in pulls:
            flat |= inside(name, Pull, getattr(one, name))
        for name in refills:
            flat |= inside(name, Refill, getattr(one, name))
        found.append(flat | {name: getattr(one, name) or [] for name in ranks})
    return found


def imbalance_scopes(record: ImbalanceStep) -> list[Flat]:
    head = fields(record, "instruments", "scopes")
    return [
        head
        | fields(one, "all", "common")
        | lists("all", BandAggregate, one.all)
        | lists("common", BandAggregate, one.common)
        for one in record.scopes
    ]


def heatmap(record: HeatmapStep) -> list[Flat]:
    head = fields(record, "columns", "null_reasons")
    found = []
    for one in record.columns:
        flat = head | fields(one, "bids", "asks") | {"null_reason": ""}
        for side in SIDES:
            flat[f"{side}_ticks"] = [row.row_ticks for row in getattr(one, side)]
            flat[f"{side}_usd_cents"] = [row.notional_usd_cents for row in getattr(one, side)]
        found.append(flat)
    nothing: Flat = {f"{side}_{name}": [] for side in SIDES for name in ("ticks", "usd_cents")}
    for name, reason in record.null_reasons.items():
        venue, symbol = name.split(":")
        flat = head | nothing | {"venue": venue, "symbol": symbol, "null_reason": reason}
        found.append(flat | dict.fromkeys(("bid_deepest_ticks", "ask_deepest_ticks")))
    return found
