"""Which instruments a feed lists, asked over REST, and which of them are collected."""

from collections.abc import Callable, Iterable, Sequence

import aiohttp

from collectors.venue import Feed, Request
from runtime.errors import PayloadError, RateLimited, RefusedError, TransportError
from schemas.instruments import Instrument

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
MAX_BODY_BYTES = 64 * 2**20

OnAnswer = Callable[[str, bytes], None]

_RATE = {418, 429}
_REFUSED = {401, 403, 451}


async def fetch_instruments(
    feed: Feed, rest_url: str, session: aiohttp.ClientSession, on_answer: OnAnswer
) -> list[Instrument]:
    """Ask a venue for a feed's instruments; `on_answer` sees every body with its address.

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
        body = await _call(feed, rest_url, request, session)
        on_answer(recorded_url(feed.rest_url, request), body)


def recorded_url(base_url: str, request: Request) -> str:
    """Name a REST call in a recording: its address, and what was posted as the fragment."""
    posted = f"#{request.body.decode()}" if request.body is not None else ""
    return f"{base_url}{request.path}{posted}"


async def _call(
    feed: Feed, rest_url: str, request: Request, session: aiohttp.ClientSession
) -> bytes:
    headers = {"Content-Type": "application/json"} if request.body is not None else {}
    try:
        async with session.request(
            request.method,
            rest_url + request.path,
            data=request.body,
            headers=headers,
            timeout=TIMEOUT,
        ) as response:
            if response.status in _REFUSED:
                raise RefusedError(f"{feed.venue} refuses this location (HTTP {response.status})")
            if response.status in _RATE:
                after = response.headers.get("Retry-After", "")
                seconds = float(after) if after.isdigit() else None
                raise RateLimited(f"{feed.venue} answered HTTP {response.status}", seconds)
            if response.status >= 400:
                raise TransportError(f"{feed.venue} answered HTTP {response.status}")
            body = await response.content.read(MAX_BODY_BYTES + 1)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        what = str(error) or type(error).__name__
        raise TransportError(f"{feed.venue} REST: {what}") from error
    if len(body) > MAX_BODY_BYTES:
        raise PayloadError("oversized", f"{feed.venue} sent more than {MAX_BODY_BYTES} bytes")
    return body


def choose_instruments(
    instruments: Iterable[Instrument], assets: Sequence[str], quotes: Sequence[str]
) -> list[Instrument]:
    """Return one trading instrument per asset: the one in the most preferred quote."""
    ranks = {quote: rank for rank, quote in enumerate(quotes)}
    best: dict[str, Instrument] = {}
    for instrument in instruments:
        if (
            instrument.asset not in assets
            or instrument.quote not in ranks
            or instrument.status != "trading"
        ):
            continue
        known = best.get(instrument.asset)
        if known is None or ranks[instrument.quote] < ranks[known.quote]:
            best[instrument.asset] = instrument
    return [best[asset] for asset in assets if asset in best]
