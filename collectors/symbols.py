"""A venue's symbol taken apart, where no list of instruments says what it is of."""

_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "EUR", "BTC", "ETH", "BNB")


def split_symbol(symbol: str, otherwise: str) -> tuple[str, str]:
    """Return asset and quote; `otherwise` is the quote where the symbol names none."""
    if "-" in symbol:
        asset, quote = symbol.split("-")[:2]
        return asset, quote
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)], quote
    return symbol, otherwise
