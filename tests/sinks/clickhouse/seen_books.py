"""What people must see of books: imbalance, order flow and the heat map, by view."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from schemas.books import ASK_COVERED, BID_COVERED
from tests.sinks.clickhouse.flat import Flat, moment
from tests.sinks.clickhouse.seen import Units, series, usd, venues


def _second(record: Any, one: Any) -> Flat:
    return series(record, one) | {"step_start": moment(record.step_start_us)}


def _obi(items: Iterable[Any], key: str, wanted: int) -> float | None:
    return next((item.obi for item in items if getattr(item, key) == wanted), None)


def imbalance(record: Any) -> list[Flat]:
    units, found = Units(record), []
    for one in record.instruments:
        seen = _second(record, one) | {
            "revision": record.revision,
            "mid": units.price(one.mid_ticks),
        }
        seen |= {"status": one.status.value, "time_tol_ms": record.time_tol_ms}
        for name in ("valid_ms", "weighted_obi", "z_scores", "flow_seconds", "null_reasons"):
            seen[name] = getattr(one, name)
        mid = one.weighted_mid_ticks
        seen["weighted_mid"] = None if mid is None else mid * float(units.tick)
        seen["flow_usd"] = usd(one.flow_usd_cents)
        for levels in (1, 5, 10, 20, 50):
            seen[f"obi_top_{levels}"] = _obi(one.tops, "levels", levels)
        for width in (10, 20, 50, 100, 200, 500):
            seen[f"obi_{width}bp"] = _obi(one.bands, "half_width_bp", width)
        seen["persistent_obi_10s"] = _obi(one.persistent, "window_seconds", 10)
        for side in ("bid", "ask"):
            pull, refill = getattr(one, f"{side}_pull"), getattr(one, f"{side}_refill")
            seen[f"best_{side}"] = units.price(getattr(one, f"best_{side}_ticks"))
            seen[f"best_{side}_qty"] = units.coins(getattr(one, f"best_{side}_lots"))
            seen[f"{side}_pull_ratio"] = getattr(pull, "ratio", None)
            seen[f"{side}_refill_ratio"] = getattr(refill, "ratio", None)
            seen[f"{side}_refill_price"] = units.price(getattr(refill, "price_ticks", None))
            for name in ("removed", "traded"):
                seen[f"{side}_pull_{name}_qty"] = units.coins(getattr(pull, f"{name}_lots", None))
            for name in ("executed", "shown"):
                lots = getattr(refill, f"{name}_lots", None)
                seen[f"{side}_refill_{name}_qty"] = units.coins(lots)
        found.append(seen)
    return found


def imbalance_tops(record: Any) -> list[Flat]:
    units = Units(record)
    names = ("levels", "obi", "bid_levels_used", "ask_levels_used", "one_sided")
    return [
        _second(record, one)
        | {"bid_qty": units.coins(top.bid_lots), "ask_qty": units.coins(top.ask_lots)}
        | {name: getattr(top, name) for name in names}
        for one in record.instruments
        for top in one.tops
    ]


def imbalance_bands(record: Any) -> list[Flat]:
    units = Units(record)
    return [
        _second(record, one)
        | {"around": around, "half_width_bp": band.half_width_bp, "obi": band.obi}
        | {"bid_qty": units.coins(band.bid_lots), "ask_qty": units.coins(band.ask_lots)}
        | {"bid_usd": usd(band.bid_usd_cents), "ask_usd": usd(band.ask_usd_cents)}
        | {"bid_covered": bool(band.coverage & BID_COVERED)}
        | {"ask_covered": bool(band.coverage & ASK_COVERED), "one_sided": band.one_sided}
        for one in record.instruments
        for around, bands in (("mid", one.bands), ("best", one.bands_from_best))
        for band in bands
    ]


def imbalance_persistence(record: Any) -> list[Flat]:
    names = (
        *("window_seconds", "obi", "bid_fleeting", "ask_fleeting"),
        *("bid_known", "ask_known"),
    )
    return [
        _second(record, one) | {name: getattr(rested, name) for name in names}
        for one in record.instruments
        for rested in one.persistent
    ]


def imbalance_means(record: Any) -> list[Flat]:
    return [
        _second(record, one)
        | {"bar_start": moment(mean.bar_start_us), "measure": mean.measure}
        | {"obi": mean.obi, "valid_ms": mean.valid_ms}
        for one in record.instruments
        for mean in one.time_weighted
    ]


def order_flow_imbalance(record: Any) -> list[Flat]:
    units = Units(record)
    return [
        _second(record, one)
        | {"ofi_valid": one.ofi_valid, "ofi_normalised": one.ofi_normalised}
        | {"ofi": units.coins(one.ofi_lots), "tfi": units.coins(one.tfi_lots)}
        | {"ofi_100ms": units.all_coins(one.ofi_100ms_lots)}
        | {"mlofi": units.all_coins(one.mlofi_lots)}
        | {"mlofi_normalised": one.mlofi_normalised or []}
        | {"mean_depth": units.all_coins(one.mean_depth_lots)}
        | {"null_reasons": one.null_reasons, "revision": record.revision}
        for one in record.instruments
    ]


def _scope(record: Any, one: Any) -> Flat:
    return {
        "asset": record.asset,
        "scope": one.scope.value,
        "step_start": moment(record.step_start_us),
        "status": one.completeness.status.value,
    }


def cross_venue_imbalance(record: Any) -> list[Flat]:
    names = (
        *("half_width_bp", "sum_depth", "flow_weighted", "median", "dispersion"),
        *("venues", "flow_venues"),
    )
    return [
        _scope(record, one)
        | {"composition": composition}
        | {"bid_usd": usd(band.bid_usd_cents), "ask_usd": usd(band.ask_usd_cents)}
        | {name: getattr(band, name) for name in names}
        for one in record.scopes
        for composition, bands in (("all", one.all), ("common", one.common))
        for band in bands
    ]


def cross_venue_order_flow(record: Any) -> list[Flat]:
    units = Units(record)
    return [
        _scope(record, one)
        | venues(one.completeness)
        | {"ofi": units.coins(one.ofi_lots), "ofi_venues": one.ofi_venues}
        | {"tfi": units.coins(one.tfi_lots), "tfi_venues": one.tfi_venues}
        | {"revision": record.revision}
        for one in record.scopes
    ]


def _book(record: Any, venue: str, symbol: str) -> Flat:
    return {
        "asset": record.asset,
        "venue": venue,
        "symbol": symbol,
        "row_size": Decimal(record.row_size),
        "step_start": moment(record.step_start_us),
    }


def heatmap(record: Any) -> list[Flat]:
    units = Units(record)
    return [
        _book(record, one.venue, one.symbol)
        | {"side": side, "row_price": units.price(row.row_ticks)}
        | {"notional_usd": usd(row.notional_usd_cents)}
        | {"is_last": deepest // record.row_ticks * record.row_ticks == row.row_ticks}
        for one in record.columns
        for side, rows, deepest in (
            ("bid", one.bids, one.bid_deepest_ticks),
            ("ask", one.asks, one.ask_deepest_ticks),
        )
        for row in rows
    ]


def heatmap_columns(record: Any) -> list[Flat]:
    units = Units(record)
    found = [
        _book(record, one.venue, one.symbol)
        | {"bid_deepest": units.price(one.bid_deepest_ticks)}
        | {"ask_deepest": units.price(one.ask_deepest_ticks), "null_reason": None}
        for one in record.columns
    ]
    for name, reason in record.null_reasons.items():
        seen = _book(record, *name.split(":")) | {"null_reason": reason}
        found.append(seen | {"bid_deepest": None, "ask_deepest": None})
    return [seen | {"revision": record.revision} for seen in found]
