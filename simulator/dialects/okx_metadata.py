"""The instruments as OKX lists them.

Source: the venue sheet, section 7. Beside the market's there are a stock swap and a spot pair
that is not open yet and has no names.
"""

from collections.abc import Sequence

from schemas.units import plain
from simulator.dialects.base import Json
from simulator.model import SimInstrument


def listed(instruments: Sequence[SimInstrument], kind: str) -> list[Json]:
    """Return the rows of `instruments` for `SWAP` or `SPOT`."""
    rows = [_describe(item, kind) for item in instruments]
    if not rows:
        return []
    if kind == "SWAP":
        stock = {"instId": "TSLA-USDT-SWAP", "instFamily": "TSLA-USDT", "uly": "TSLA-USDT"}
        rows.append(rows[0] | stock | {"ctValCcy": "TSLA", "instCategory": "3"})
    else:
        unnamed = {"instId": "NEW-USDT", "baseCcy": "", "quoteCcy": "", "state": "preopen"}
        rows.append(rows[0] | unnamed)
    return rows


def family(item: SimInstrument) -> str:
    """Return the name that swaps share with their index, e.g. `BTC-USDT`."""
    return f"{item.asset}-{item.quote}"


def _describe(item: SimInstrument, kind: str) -> Json:
    swap = kind == "SWAP"
    return {
        "instType": kind,
        "instId": item.symbol,
        "instFamily": family(item) if swap else "",
        "uly": family(item) if swap else "",
        "baseCcy": "" if swap else item.asset,
        "quoteCcy": "" if swap else item.quote,
        "settleCcy": item.quote if swap else "",
        "ctVal": plain(item.contract) if swap else "",
        "ctMult": "1" if swap else "",
        "ctValCcy": item.asset if swap else "",
        "ctType": "linear" if swap else "",
        "listTime": "1573557408000",
        "expTime": "",
        "tickSz": plain(item.tick),
        "lotSz": plain(item.lot),
        "minSz": plain(item.lot),
        "state": "live",
        "ruleType": "normal",
        "instCategory": "1",
        "upcChg": [],
    }
