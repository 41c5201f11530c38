"""What is wrong with a tape after an incident: nothing, if all promises were kept."""

from collections.abc import Iterator

from collectors.registry import all_feeds
from schemas.books import BookBatch, BookState
from schemas.market import FeedState
from schemas.ops import QualityEvent, QualityKind
from schemas.trades import TradeBatch
from tests.faults.venues.bench import connect_interval_seconds
from tests.faults.venues.incident import US, Incident
from tests.faults.venues.witness import (
    GAPLESS,
    Excuse,
    Rows,
    Witness,
    excuse,
    key_of,
    symbols_of,
)

SHOWN = 4
LATE_US = 2 * US
"""How long before a fault a print may have been made that it still took with it."""

LOST = {QualityKind.DISCONNECTED, QualityKind.STALE}
FROZEN_US = 4 * US


def complaints(incident: Incident, witness: Witness, seconds: float) -> list[str]:
    """Return everything that is wrong at one feed; `seconds` is how long all took."""
    found = [
        *_trades(incident, witness),
        *_books(incident, witness),
        *_sequences(incident),
        *_records(incident),
        *_connects(incident, seconds),
    ]
    return [f"{incident.feed}, {incident.case}: {one}" for one in found]


def _trades(incident: Incident, witness: Witness) -> Iterator[str]:
    """Every print once, or inside a gap on record; for ever unseen only what cannot be seen."""
    case, feed = incident.case, incident.feed
    for number, symbol in enumerate(symbols_of(feed)):
        rows = _rows(incident, witness, symbol)
        excuses = [excuse(gap) for gap in _gaps(incident, symbol)]
        concerned = not (case.one and number)
        if case.unseen and concerned and feed not in GAPLESS:
            excuses.append(Excuse(incident.began_us - LATE_US, incident.ended_us))
        wrong = witness.wrong_trades(feed, symbol, rows, excuses if concerned else ())
        yield from (f"{symbol} {one}" for one in wrong[:SHOWN])
        if concerned:
            yield from _bounds(incident, symbol, rows)


def _rows(incident: Incident, witness: Witness, symbol: str) -> Rows:
    shift_us = incident.case.shift_us
    known = frozenset(key_of(trade) for trade in witness.prints(incident.feed, symbol) if shift_us)
    return Rows(_batches(incident, symbol), shift_us, known)


def _batches(incident: Incident, symbol: str) -> list[TradeBatch]:
    return [one for one in incident.tape.trades if one.venue_symbol == symbol]


def _gaps(incident: Incident, symbol: str) -> list[QualityEvent]:
    """Return the gaps of an instrument that were given up."""
    names = {batch.symbol for batch in _batches(incident, symbol)}
    return [
        event
        for event in incident.tape.events
        if event.kind is QualityKind.GAP_PERMANENT and event.symbol in names
    ]


def _bounds(incident: Incident, symbol: str, rows: Rows) -> Iterator[str]:
    """A gap that was given up ends at a trade of the tape, and begins at one where ids tell."""
    times = {key[0] for key in rows.sums}
    for gap in _gaps(incident, symbol):
        known_us = (gap.from_us, gap.to_us) if gap.first_id is not None else (gap.to_us,)
        for bound_us in known_us:
            if bound_us // 1000 not in times:
                yield f"{symbol} no trade at {bound_us}, a bound of a gap"
        if gap.to_us < incident.began_us - US or gap.from_us > incident.ended_us + 10 * US:
            yield f"{symbol} gap {gap.from_us} to {gap.to_us} is not of this incident"


def _books(incident: Incident, witness: Witness) -> Iterator[str]:
    """A valid book is the market's; one that is not valid is empty and says why."""
    for symbol in symbols_of(incident.feed):
        mine = [one for one in incident.tape.books if one.venue_symbol == symbol]
        valid = [one for one in mine if one.book_valid and not _shifted(incident, one)]
        restarted = incident.case.restarts
        wrong = witness.wrong_books(incident.feed, symbol, valid, restarted=restarted)
        yield from (f"{symbol} {one}" for one in wrong[:SHOWN])
        if any(one.bids or one.asks for one in mine if not one.book_valid):
            yield f"{symbol} levels in a book that is not valid"
    yield from _silence(incident)
    yield from _frozen(incident)
    other = symbols_of(incident.feed)[-1]
    if incident.case.one and any(
        not one.book_valid
        for one in incident.tape.books
        if one.venue_symbol == other
        and incident.began_us <= one.receive_time_us <= incident.healed_us
    ):
        yield f"the book of {other} was not valid, and nothing was wrong with it"


def _silence(incident: Incident) -> Iterator[str]:
    """A book whose stream fell silent is of no use before the stream is back."""
    symbol = symbols_of(incident.feed)[0]
    silent = False
    for one in incident.tape.books:
        if one.venue_symbol == symbol and one.receive_time_us < incident.ended_us:
            silent = silent or one.book_state is BookState.SILENT
            if silent and one.book_valid:
                yield f"the book of {symbol} was valid while its stream was silent"
                return


def _frozen(incident: Incident) -> Iterator[str]:
    """A valid book moves, for every one does several times a second; a wrong clock stops none."""
    since: dict[str, tuple[int, int]] = {}
    for one in incident.tape.books if incident.case.shift_us else ():
        if not one.book_valid:
            since.pop(one.venue_symbol, None)
            continue
        stood, from_us = since.get(one.venue_symbol, (-1, 0))
        if stood != one.event_time_us:
            since[one.venue_symbol] = (one.event_time_us, one.receive_time_us)
        elif one.receive_time_us - from_us > FROZEN_US:
            yield f"the book of {one.venue_symbol} stood still, and was called valid"
            return


def _shifted(incident: Incident, book: BookBatch) -> bool:
    """Say whether a book without ids was written by a clock that was wrong."""
    if not incident.feed.startswith("hyperliquid") or not incident.case.shift_us:
        return False
    return incident.began_us - US < book.receive_time_us < incident.ended_us + 10 * US


def _sequences(incident: Incident) -> Iterator[str]:
    """No record of a session is missing."""
    numbers: dict[tuple[str, str, str], int] = {}
    for batch in (*incident.tape.trades, *incident.tape.books):
        key = (batch.session, batch.symbol, batch.schema)
        expected = numbers.get(key, 0)
        if batch.sequence != expected:
            yield f"{batch.symbol} {batch.schema}: sequence {batch.sequence}, not {expected}"
            return
        numbers[key] = expected + 1


def _records(incident: Incident) -> Iterator[str]:
    """What happened is said, in the words that were promised."""
    case = incident.case
    since = [one for one in incident.tape.events if one.log_time_us >= incident.began_us]
    said = {one.kind for one in since}
    for kind in case.says(incident.feed):
        if kind not in said:
            yield f"no {kind.value} on record"
    if case.words and not incident.said(case.words):
        details = {one.detail for one in since if one.kind is not QualityKind.SUMMARY}
        yield f"{case.words!r} is not said, but {sorted(details)[:SHOWN]}"
    if said & LOST and FeedState.DOWN not in {one.feed_state for one in incident.tape.trades}:
        yield "it was down, and no record says so"
    if not case.reconnects and QualityKind.CONNECTED in said:
        yield "it connected anew"
    damaged = sum(fault.touched for fault in incident.applied) if case.one else 1
    if case.damages and len(incident.tape.letters) < damaged:
        yield f"{damaged} frames damaged, {len(incident.tape.letters)} dead letters"
    if not case.damages and incident.tape.letters and case.name not in ("REST cut off",):
        yield f"dead letter {incident.tape.letters[0]}"


def _connects(incident: Incident, seconds: float) -> Iterator[str]:
    """Connection attempts, those that were refused included, stay inside the venue's limit."""
    interval = connect_interval_seconds(all_feeds()[incident.feed])
    refused = incident.touched if incident.case.refuses else 0
    attempts = incident.at.connects(incident.feed) + refused
    if attempts > 1 + seconds / interval:
        yield f"{attempts} connections in {seconds:.0f} seconds"
    if incident.case.name == "throttled" and incident.touched:
        yield "it sent more messages than the venue bears"
