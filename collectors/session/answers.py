"""REST calls that a session waits for: snapshots of books, missed trades, polls.

A call is known by its address, so that a recording, which has addresses and bodies, plays it back.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from collectors.messages import Message
from collectors.session.outcome import Ask
from collectors.venue import Call, Found, Gap, Request
from runtime.errors import PayloadError
from schemas.units import US_PER_SECOND

MAX_REPAIRS = 64
REPAIR_US = 120 * US_PER_SECOND
"""A repair that has not come to an end by then is given up."""


def call_key(request: Request) -> str:
    """Name a REST call below its address: its path, and what was posted as the fragment."""
    posted = f"#{request.body.decode()}" if request.body is not None else ""
    return f"{request.path}{posted}"


@dataclass(slots=True)
class Repair:
    """A gap whose trades are being fetched."""

    gap: Gap
    calls: Generator[Request, bytes, Found]
    begun_us: int


@dataclass(frozen=True, slots=True)
class Repaired:
    """How a repair ended: what was found, or why not all of it."""

    gap: Gap
    found: Found
    detail: str


class Answers:
    """The calls that are out, and those whose answers are always of use.

    Args:
        calls: polls and snapshots of books.
    """

    def __init__(self, calls: Iterable[Call]) -> None:
        self._calls = {call_key(call.request): call for call in calls}
        self._repairs: dict[str, Repair] = {}

    def awaits(self, key: str) -> bool:
        """Say whether an answer is of use."""
        return key in self._repairs or key in self._calls

    @property
    def keys(self) -> list[str]:
        """The keys of all answers that are of use."""
        return [*self._repairs, *self._calls]

    def repair(
        self, gap: Gap, calls: Generator[Request, bytes, Found], now_us: int
    ) -> Ask | Repaired:
        """Begin to fetch missed trades."""
        if len(self._repairs) >= MAX_REPAIRS:
            return Repaired(gap, Found([], False), "too many gaps at once")
        return self._go_on(Repair(gap, calls, now_us), None)

    def take(self, key: str, body: bytes) -> Ask | Repaired | Sequence[Message] | None:
        """Take an answer in; None where nobody waits for it.

        Raises:
            PayloadError: the answer of a single call or a poll cannot be read.
        """
        repair = self._repairs.pop(key, None)
        if repair is not None:
            return self._go_on(repair, body)
        call = self._calls.get(key)
        return call.read(body) if call is not None else None

    def fail(self, key: str, detail: str) -> Repaired | None:
        """Note that a call got no answer; return the repair that ends with it, if one does."""
        repair = self._repairs.pop(key, None)
        return Repaired(repair.gap, Found([], False), detail) if repair is not None else None

    def cut_off(self) -> list[Gap]:
        """Drop all repairs and return their gaps, whose end is for the next session to tell."""
        repairs, self._repairs = self._repairs, {}
        return [one.gap for one in repairs.values()]

    def expire(self, now_us: int) -> list[Repaired]:
        """Give up repairs that take too long."""
        late = [key for key, one in self._repairs.items() if now_us - one.begun_us > REPAIR_US]
        return [
            Repaired(self._repairs.pop(key).gap, Found([], False), "no answer in time")
            for key in late
        ]

    def _go_on(self, repair: Repair, body: bytes | None) -> Ask | Repaired:
        try:
            request = next(repair.calls) if body is None else repair.calls.send(body)
        except StopIteration as done:
            found: Found = done.value
            detail = "fetched" if found.complete else "the venue gave only a part"
            return Repaired(repair.gap, found, detail)
        except PayloadError as error:
            return Repaired(repair.gap, Found([], False), str(error))
        key = call_key(request)
        if key in self._repairs:
            return Repaired(repair.gap, Found([], False), "the same call is out already")
        self._repairs[key] = repair
        return Ask(request, urgent=True)
