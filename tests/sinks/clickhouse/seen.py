"""What people must see of bars, profiles and CVD, in prices, coins and dollars, by view."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from schemas.lineage import Completeness
from tests.sinks.clickhouse.flat import Flat, moment

CENT = Decimal("0.01")


class Units:
    """The grids of one record; what is null stays null."""

    def __init__(self, record: Any) -> None:
        self.tick, self.lot = (Decimal(getattr(record, name, "0")) for name in ("tick", "lot"))

    def price(self, ticks: float | None) -> Decimal | None:
        return None if ticks is None else Decimal(ticks) * self.tick

    def coins(self, lots: int | None) -> Decimal | None:
        return None if lots is None else lots * self.lot

    def all_coins(self, lots: Iterable[int] | None) -> list[Decimal]:
        return [each * self.lot for each in lots or ()]


def usd(cents: int | None) -> Decimal | None:
    return None if cents is None else cents * CENT


def venues(about: Completeness) -> Flat:
    return {
        "status": about.status.value,
        "venues_expected": about.venues_expected,
        "venues_complete": about.venues_complete,
        "venues_partial": about.venues_partial,
    }


def series(record: Any, one: Any | None = None) -> Flat:
    of = one or record
    return {
        "asset": record.asset,
        "scope": of.scope.value,
        "venue": of.venue,
        "symbol": of.symbol,
    }


def bars(bar: Any) -> list[Flat]:
    units = Units(bar)
    seen = series(bar) | venues(bar.completeness)
    for name in ("open", "high", "low", "close"):
        seen[name] = units.price(getattr(bar, f"{name}_ticks"))
    for name in ("sell", "buy", "unknown"):
        seen[f"{name}_qty"] = units.coins(getattr(bar, f"{name}_lots"))
        seen[f"{name}_usd"] = usd(getattr(bar, f"{name}_usd_cents"))
        seen[f"trades_{name}"] = getattr(bar, f"trades_{name}")
    for name in ("delta", "delta_min", "delta_max", "delta_since_high", "delta_since_low"):
        seen[name] = units.coins(getattr(bar, f"{name}_lots"))
    for name in ("day_start", "bar_start", "bar_end", "first_trade_time", "last_trade_time"):
        seen[name] = moment(getattr(bar, f"{name}_us"))
    for name in ("split", "vwap", "aligned", "is_final", "null_reasons", "revision"):
        seen[name] = getattr(bar, name)
    seen |= {"rule": bar.rule.value, "threshold": Decimal(bar.threshold), "bar_index": bar.index}
    seen |= {"closed_by": bar.closed_by.value}
    seen["trades"] = bar.trades_sell + bar.trades_buy + bar.trades_unknown
    seen["overshoot_qty"] = units.coins(bar.overshoot_lots)
    return [seen | {"overshoot_usd": usd(bar.overshoot_usd_cents)}]


def _window(profile: Any) -> Flat:
    return series(profile) | {
        "window": profile.window.value,
        "window_start": moment(profile.window_start_us),
        "is_final": profile.is_final,
        "revision": profile.revision,
    }


def profiles(profile: Any) -> list[Flat]:
    units, common, prior = Units(profile), profile.common, profile.prior
    known = profile.completeness.status != "gap"
    seen = _window(profile) | venues(profile.completeness)
    seen |= {"window_end": moment(profile.window_end_us), "vwap": profile.vwap}
    seen |= {"until_time": moment(profile.until_time_us), "null_reasons": profile.null_reasons}
    seen |= {"row_size": Decimal(profile.row_size), "trades": profile.trades if known else None}
    for name in ("high", "low", "poc"):
        seen[name] = units.price(getattr(profile, f"{name}_ticks"))
    for prefix, of in (("", profile), ("common_", common)):
        area = of.value_area if of else None
        for name in ("val", "vah"):
            seen[prefix + name] = units.price(getattr(area, f"{name}_ticks", None))
        for name in ("sell", "buy", "unknown"):
            lots = getattr(of, f"{name}_lots", None) if known else None
            seen[f"{prefix}{name}_qty"] = units.coins(lots)
    seen["value_area_share"] = getattr(profile.value_area, "share", None)
    seen["common_venues"] = common.venues if common else []
    seen["common_poc"] = units.price(getattr(common, "poc_ticks", None))
    seen["prior_session_start"] = moment(getattr(prior, "session_start_us", None))
    for name in ("poc", "vah", "val", "high", "low"):
        seen[f"prior_{name}"] = units.price(getattr(prior, f"{name}_ticks", None))
    return [seen]


def profile_rows(profile: Any) -> list[Flat]:
    units = Units(profile)
    head = _window(profile) | {
        "row_size": Decimal(profile.row_size),
        "status": profile.completeness.status.value,
    }
    return [
        head
        | {
            "row_price": units.price(row.row_ticks),
            "sell_qty": units.coins(row.sell_lots),
            "buy_qty": units.coins(row.buy_lots),
            "unknown_qty": units.coins(row.unknown_lots),
            "delta": units.coins(row.buy_lots - row.sell_lots),
        }
        for row in profile.rows
    ]


def profile_nodes(profile: Any) -> list[Flat]:
    units = Units(profile)
    nodes = [("high", node) for node in profile.high_nodes]
    nodes += [("low", node) for node in profile.low_nodes]
    return [
        _window(profile)
        | {
            "kind": kind,
            "low": units.price(node.low_ticks),
            "high": units.price(node.high_ticks),
            "row_price": units.price(node.row_ticks),
            "qty": units.coins(node.lots),
            "prominence": node.prominence,
        }
        for kind, node in nodes
    ]


def naked_pocs(profile: Any) -> list[Flat]:
    units = Units(profile)
    head = _window(profile) | {"until_time": moment(profile.until_time_us)}
    del head["window"]
    return [
        head
        | {
            "session_start": moment(poc.session_start_us),
            "low": units.price(poc.low_ticks),
            "high": units.price(poc.high_ticks),
            "all_seen": poc.all_seen,
        }
        for poc in profile.naked_pocs
    ]


def _minute(record: Any, one: Any) -> Flat:
    return series(record, one) | {
        "composition": one.composition,
        "bar_start": moment(record.bar_start_us),
        "status": one.completeness.status.value,
        "revision": record.revision,
    }


def _sums(units: Units, of: Any) -> Flat:
    return {
        "delta": units.coins(getattr(of, "delta_lots", None)),
        "delta_usd": usd(getattr(of, "delta_usd_cents", None)),
        "volume": units.coins(getattr(of, "volume_lots", None)),
        "volume_usd": usd(getattr(of, "volume_usd_cents", None)),
    }


def cvd_structure(record: Any) -> list[Flat]:
    return [
        _minute(record, one)
        | _sums(Units(record), one.minute)
        | venues(one.completeness)
        | {
            "bar_end": moment(record.bar_end_us),
            "normalised": one.normalised,
            "path_resolution_us": one.path_resolution_us,
            "null_reasons": one.null_reasons,
        }
        for one in record.series
    ]


def cvd_candles(record: Any) -> list[Flat]:
    units, found = Units(record), []
    for one in record.series:
        for of in one.candles:
            seen = _minute(record, one) | {"path_resolution_us": one.path_resolution_us}
            seen |= {"reset": of.reset.value, "anchor_time": moment(of.anchor_us)}
            seen |= {"intact": of.intact, "venues": of.venues}
            for name in ("open", "high", "low", "close"):
                seen[name] = units.coins(getattr(of.candle, f"{name}_lots", None))
                seen[f"{name}_usd"] = usd(getattr(of.candle, f"{name}_usd_cents", None))
            found.append(seen)
    return found


def cvd_size_classes(record: Any) -> list[Flat]:
    units = Units(record)
    return [
        _minute(record, one)
        | _sums(units, size)
        | {"over": over, "least_usd": least_usd, "sweeps": size.sweeps}
        for one in record.series
        for over, sizes in (("minute", one.sizes), ("day", one.sizes_day))
        for least_usd, size in zip((0, 1_000, 10_000, 100_000), sizes or (), strict=False)
    ]


def cvd_shares(record: Any) -> list[Flat]:
    units = Units(record)
    return [
        _minute(record, one)
        | {
            "window_seconds": share.window_seconds,
            "cvd": units.coins(share.delta_lots),
            "share": share.share,
            "venues": share.venues,
        }
        for one in record.series
        for share in one.shares
    ]


def convictions(record: Any) -> list[Flat]:
    names = ("quote", "window_seconds", "spot_share", "perp_share", "spot_venues", "perp_venues")
    return [
        {
            "asset": record.asset,
            "bar_start": moment(record.bar_start_us),
            "revision": record.revision,
            "state": one.state.value if one.state else None,
            "null_reasons": one.null_reasons,
            **{name: getattr(one, name) for name in names},
        }
        for one in record.convictions
    ]
