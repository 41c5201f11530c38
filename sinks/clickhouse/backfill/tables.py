"""What the tables say before a file is loaded."""

from collections.abc import Collection
from decimal import Decimal

from runtime.errors import ConfigurationError
from schemas.units import plain
from sinks.clickhouse.backfill.admission import BarKey, Stored
from sinks.clickhouse.client import Store

_BARS = """
SELECT toString(scope), venue, symbol, interval_seconds, row_size,
       toUnixTimestamp64Micro(bar_start), revision, version, is_final, toString(status),
       venues_expected
FROM footprints_log FINAL
WHERE asset = {asset:String} AND bar_start >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
  AND bar_start < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
"""
_MINUTE = "intDiv(toUnixTimestamp64Micro(event_time), {base_us:Int64}) * {base_us:Int64}"
_TRADES = f"""
FROM trades_log FINAL
WHERE asset = {{asset:String}} AND venue = {{venue:String}} AND symbol = {{symbol:String}}
  AND event_time >= fromUnixTimestamp64Micro({{from_us:Int64}}, 'UTC')
  AND event_time < fromUnixTimestamp64Micro({{until_us:Int64}}, 'UTC')
  AND has({{minutes:Array(Int64)}}, {_MINUTE})
"""
_GRIDS = """
SELECT tick, lot, min(row_size) FROM footprints_log
WHERE asset = {asset:String} GROUP BY tick, lot ORDER BY max(revision) DESC LIMIT 1
"""
_CONTRACTS = """
SELECT venue, venue_symbol, lot, venue_lot FROM instruments_log FINAL
WHERE kind != 'spot' AND venue_lot > 0
"""
_DONE = """
SELECT count() FROM backfills_log
WHERE file = {file:String} AND size_bytes = {size:Int64} AND sha256 = {sha256:String}
"""


def is_loaded(store: Store, file: str, size_bytes: int, sha256: str) -> bool:
    """Say whether a file of this name, size and content was loaded before."""
    asked = {"file": file, "size": size_bytes, "sha256": sha256}
    return bool(store.query(_DONE, asked).rows[0][0])


def contract_sizes(store: Store) -> dict[tuple[str, str], Decimal]:
    """Return the base coins in one contract, by venue and venue symbol, as instruments say."""
    rows = store.query(_CONTRACTS).rows
    return {(venue, symbol): lot / venue_lot for venue, symbol, lot, venue_lot in rows}


def grids_of(store: Store, asset: str) -> tuple[str, str, str] | None:
    """Return tick, lot and finest row size of the bars that an asset has; None without any."""
    rows = store.query(_GRIDS, {"asset": asset}).rows
    if not rows:
        return None
    tick, lot, row_size = (plain(value) for value in rows[0])
    return tick, lot, row_size


def stored_bars(store: Store, asset: str, from_us: int, until_us: int) -> dict[BarKey, Stored]:
    """Return what there is of an asset's bars that begin in a span."""
    found = {}
    asked = {"asset": asset, "from_us": from_us, "until_us": until_us}
    for row in store.query(_BARS, asked).rows:
        (
            scope,
            venue,
            symbol,
            interval,
            row_size,
            start_us,
            revision,
            version,
            final,
            status,
            who,
        ) = row
        key = BarKey(scope, venue, symbol, interval, plain(row_size), start_us)
        found[key] = Stored(revision, version, bool(final), status, frozenset(who))
    return found


def known_trades(
    store: Store, market: tuple[str, str, str], minutes: Collection[int], base_us: int, stream: str
) -> set[str]:
    """Return the ids of the trades that an instrument has in some base bars.

    Args:
        store: the tables.
        market: asset, venue and symbol.
        minutes: the starts of the bars.
        base_us: how long they are.
        stream: whose trades are to be added.

    Raises:
        ConfigurationError: there are trades of another stream, whose ids say nothing about these.
    """
    if not minutes:
        return set()
    asked = {
        **dict(zip(("asset", "venue", "symbol"), market, strict=True)),
        "from_us": min(minutes),
        "until_us": max(minutes) + base_us,
        "minutes": sorted(minutes),
        "base_us": base_us,
    }
    streams = [row[0] for row in store.query(f"SELECT DISTINCT stream {_TRADES}", asked).rows]
    others = sorted(set(streams) - {stream})
    if others:
        raise ConfigurationError(
            f"{market[1]}:{market[2]} has trades of the stream {others[0]} in bars that the file "
            f"would close with trades of {stream}: they would count twice; load the file of the "
            "same stream, or pass --stream where the ids are the same"
        )
    if not streams:
        return set()
    return {row[0] for row in store.query(f"SELECT trade_id {_TRADES}", asked).rows}
