"""What each venue says on the wire, pure: client messages in, replies and frames out."""

from collections.abc import Mapping, Sequence

import msgspec

from runtime.errors import ConfigurationError, PayloadError
from simulator.dialects.base import Dialect
from simulator.dialects.binance import BinanceDialect
from simulator.dialects.bybit import BybitDialect
from simulator.dialects.hyperliquid import HyperliquidDialect
from simulator.dialects.okx import OkxDialect
from simulator.model import SimInstrument


def make_dialect(
    feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
) -> Dialect:
    """Return the dialect of a feed.

    Args:
        feed: one of the catalogue's feeds.
        instruments: what its metadata lists, where no recorded body does.
        metadata: recorded REST bodies by the name that `Dialect.metadata_name` gives them.

    Raises:
        ConfigurationError: there is no such feed.
        PayloadError: a metadata body is not one of this venue's.
    """
    try:
        return _make(feed, instruments, metadata)
    except msgspec.DecodeError as error:
        raise PayloadError("broken_metadata", f"{feed}: {error}") from error


def _make(
    feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
) -> Dialect:
    venue = feed.partition(".")[0]
    if venue == "binance":
        return BinanceDialect(feed, instruments, metadata)
    if venue == "bybit":
        return BybitDialect(feed, instruments, metadata)
    if venue == "okx":
        return OkxDialect(feed, instruments, metadata)
    if venue == "hyperliquid":
        return HyperliquidDialect(feed, instruments, metadata)
    raise ConfigurationError(f"the simulator speaks no dialect for {feed}")
