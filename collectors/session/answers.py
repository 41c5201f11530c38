"""REST calls that a session waits for: snapshots of books, missed trades, polls.

A call is known by its address, so that a recording, which has addresses and bodies, plays it back.
"""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from collectors.messages import Message
from collectors.session.outcome import Ask
from collectors.venue import Call, Found, Gap, Request
from runtime.errors import PayloadError, TransportError
from schemas.units import US_PER_SECOND

MAX_REPAIRS = 16
"""Repairs whose calls are out at once; the others wait for them. They share one budget anyway, and
what waits here does not grow old."""

MAX_WAITING = 4_096
"""Well above the instruments of any plan; a gap more is not fetched."""

REPAIR_US = 120 * US_PER_SECOND
"""A repair that has not come to an end so long after its first call is given up."""


def call_key(request: Request) -> str:
    """Name a REST call below its address: its path, and what was posted as the fragment."""
    posted = f"#{request.body.decode()}" if request.body is not None else ""
    return f"{request.path}{posted}"


@dataclass(slots=True, eq=False)
class Repair:
    """A gap whose trades are being fetched: the next call of it, and when the first was made."""

    gap: Gap
    calls: Generator[Request, bytes, Found]
    request: Request
    begun_us: int = 0


@dataclass(frozen=True, slots=True)
class Repaired:
    """How a repair ended: what was found, or why not all of it."""

    gap: Gap
    found: Found
    detail: str


NOTHING = Found([], False)


class Answers:
    """The calls that are out, and those whose answers are always of use.

    Args:
        calls: polls and snapshots of books.
    """

    def __init__(self, calls: Iterable[Call]) -> None:
        self._calls = {call_key(call.request): call for call in calls}
        self._repairs: dict[str, Repair] = {}
        self._waiting: deque[Repair] = deque()

    def awaits(self, key: str) -> bool:
        """Say whether an answer is of use."""
        return key in self._repairs or key in self._calls

    @property
    def keys(self) -> list[str]:
        """The keys of all answers that are of use."""
        return [*self._repairs, *self._calls]

    def repair(self, gap: Gap, calls: Generator[Request, bytes, Found]) -> Repaired | None:
        """Let a gap wait for its calls; return its end where there are none to make."""
        if len(self._waiting) >= MAX_WAITING:
            return Repaired(gap, NOTHING, "too many gaps at once")
        request = _advance(gap, calls, None)
        if isinstance(request, Repaired):
            return request
        self._waiting.append(Repair(gap, calls, request))
        return None

    def due(self, now_us: int) -> list[Ask]:
        """Return the calls to make now, of the oldest gaps first.

        Two gaps of one instrument may need the same call. It is made again after its answer, which
        may be from before the second gap's end.
        """
        asks = []
        waiting = len(self._waiting) if len(self._repairs) < MAX_REPAIRS else 0
        for _ in range(waiting):
            repair = self._waiting.popleft()
            key = call_key(repair.request)
            if len(self._repairs) >= MAX_REPAIRS or key in self._repairs:
                self._waiting.append(repair)
                continue
            repair.begun_us = repair.begun_us or now_us
            self._repairs[key] = repair
            asks.append(Ask(repair.request, urgent=True))
        return asks

    def take(self, key: str, body: bytes) -> Repaired | Sequence[Message]:
        """Take an answer in: what it says, or the repair that ends with it.

        Raises:
            PayloadError: the answer of a single call or a poll cannot be read.
        """
        repair = self._repairs.pop(key, None)
        if repair is None:
            call = self._calls.get(key)
            return call.read(body) if call is not None else ()
        request = _advance(repair.gap, repair.calls, body)
        if isinstance(request, Repaired):
            return request
        repair.request = request
        self._waiting.appendleft(repair)
        return ()

    def fail(self, key: str, detail: str) -> Repaired | None:
        """Note that a call got no answer; return the repair that ends with it, if one does."""
        repair = self._repairs.pop(key, None)
        return _give_up(repair, detail) if repair is not None else None

    def cut_off(self) -> list[Gap]:
        """Drop all repairs and return their gaps, whose end is for the next session to tell."""
        repairs = [*self._repairs.values(), *self._waiting]
        self._repairs.clear()
        self._waiting.clear()
        return [one.gap for one in repairs]

    def expire(self, now_us: int) -> list[Repaired]:
        """Give up repairs that take too long."""
        late = [key for key, one in self._repairs.items() if now_us - one.begun_us > REPAIR_US]
        return [_give_up(self._repairs.pop(key), "no answer in time") for key in late]


def _advance(
    gap: Gap, calls: Generator[Request, bytes, Found], body: bytes | None
) -> Request | Repaired:
    """Return the next call of a repair, or its end."""
    try:
        return next(calls) if body is None else calls.send(body)
    except StopIteration as done:
        found: Found = done.value
        detail = "fetched" if found.complete else "the venue gave only a part"
        return Repaired(gap, found, detail)
    except PayloadError as error:
        return Repaired(gap, NOTHING, str(error))


def _give_up(repair: Repair, detail: str) -> Repaired:
    """End a repair whose call has no answer; what was fetched before is kept."""
    found = NOTHING
    try:
        repair.calls.throw(TransportError(detail))
    except StopIteration as done:
        found = done.value
    except TransportError:
        pass  # it was the first call, or there is only one
    return Repaired(repair.gap, found, detail)
