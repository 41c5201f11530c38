"""Which instruments a feed lists, asked over REST, and which of them are collected."""

from collections.abc import Callable, Iterable, Sequence

from collectors.rest import RestClient
from collectors.venue import Feed, Request
from runtime.settings import EVERYTHING
from schemas.instruments import Instrument
from schemas.market import Kind

OnAnswer = Callable[[Request, bytes], object]


async def fetch_instruments(feed: Feed, rest: RestClient, on_answer: OnAnswer) -> list[Instrument]:
    """Ask a venue for a feed's instruments; `on_answer` sees every call with its body.

    Raises:
        TransportError: not reached or an unclear answer; try again.
        RefusedError: the venue does not serve this address.
        PayloadError: the answer cannot be read.
    """
    calls = feed.instruments()
    body: bytes | None = None
    while True:
        try:
            request = next(calls) if body is None else calls.send(body)
        except StopIteration as done:
            instruments: list[Instrument] = done.value
            return instruments
        body = await rest.call(request)
        on_answer(request, body)


def choose_instruments(
    instruments: Iterable[Instrument], assets: Sequence[str], quotes: Sequence[str]
) -> list[Instrument]:
    """Return one trading instrument per asset: the one in the most preferred quote.

    They are in the order of the assets, and by name where every perpetual is wanted.
    """
    ranks = {quote: rank for rank, quote in enumerate(quotes)}
    best: dict[str, Instrument] = {}
    for instrument in instruments:
        if not _is_wanted(instrument, assets) or instrument.quote not in ranks:
            continue
        known = best.get(instrument.asset)
        if known is None or ranks[instrument.quote] < ranks[known.quote]:
            best[instrument.asset] = instrument
    named = [best.pop(asset) for asset in assets if asset in best]
    return named + [best[asset] for asset in sorted(best)]


def _is_wanted(instrument: Instrument, assets: Sequence[str]) -> bool:
    if instrument.status != "trading":
        return False
    everything = EVERYTHING in assets and instrument.kind is not Kind.SPOT
    return everything or instrument.asset in assets
