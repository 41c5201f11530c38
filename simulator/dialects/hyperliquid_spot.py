"""Hyperliquid's spot pairs: tokens by index, pairs by `@index`, and two that are easily mistaken.

Source: the venue sheet, section 2. The fields of a token beside name and index, and the numbers of
pairs and tokens, are not in the sheet.
Bitcoin is the Unit token `UBTC`; a token that calls itself `BTC` is somebody else's.
"""

from collections.abc import Sequence

from simulator.dialects.base import Json
from simulator.model import SimInstrument

SILENT_PAIRS = ("@190", "@230")
"""Pairs that never trade: the false Bitcoin, and the true one in another dollar."""
# index, szDecimals
_UNIT_TOKENS = {"BTC": (197, 5), "ETH": (221, 4), "SOL": (254, 3)}
_USDC = 0
_FALSE_BITCOIN = 300
_USDH = 360


def spot_meta(instruments: Sequence[SimInstrument]) -> Json:
    """Write the answer to `spotMeta`: pairs and, apart from them, the tokens they are made of."""
    false_bitcoin, other_dollar = SILENT_PAIRS
    universe = [
        *(_pair(item.symbol, _UNIT_TOKENS[item.asset][0], _USDC) for item in instruments),
        _pair(false_bitcoin, _FALSE_BITCOIN, _USDC),
        _pair(other_dollar, _UNIT_TOKENS["BTC"][0], _USDH),
    ]
    tokens = [
        _token("USDC", 8, _USDC),
        *(_token(f"U{name}", decimals, index) for name, (index, decimals) in _UNIT_TOKENS.items()),
        _token("BTC", 2, _FALSE_BITCOIN),
        _token("USDH", 2, _USDH),
    ]
    return {"universe": universe, "tokens": tokens}


def _pair(name: str, base: int, quote: int) -> Json:
    index = int(name.removeprefix("@"))
    return {"tokens": [base, quote], "name": name, "index": index, "isCanonical": False}


def _token(name: str, size_decimals: int, index: int) -> Json:
    return {
        "name": name,
        "szDecimals": size_decimals,
        "weiDecimals": 8,
        "index": index,
        "tokenId": f"0x{index:032x}",
        "isCanonical": index == _USDC,
        "evmContract": None,
        "fullName": None,
    }
