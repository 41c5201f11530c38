"""When an alert of a rule may go: quiet hours, cooldown, so many an hour, and each key once.

All times are the market's. What may not go is remembered with its reason and counted once; a state
that is still there at a later record is offered again, so a cascade that turned active while its
rule was cooling down is told a minute later, and is then no longer among those held back.
"""

import hashlib
from collections import Counter, deque

from processors.alerts.quiet import quiet_hours
from processors.alerts.rules import AlertRule
from processors.plain import Plain
from schemas.alerts import HeldBack
from schemas.units import US_PER_MINUTE, US_PER_SECOND

REMEMBERED = 1000
"""Keys of one rule and asset; beyond, the one that was not seen for longest is forgotten."""

_HOUR_US = 60 * US_PER_MINUTE
_SENT = -1
_DIGEST_BYTES = 8


class Gate:
    """Lets alerts of one rule and asset pass, or holds them back.

    State: the times of at most `most_per_hour` alerts, and `REMEMBERED` digests of keys. A key has
    the number of the round it was held back in, and why, or that it was sent; a round ends with
    each alert that goes.
    """

    def __init__(self, rule: AlertRule, state: Plain = None) -> None:
        self._quiet = [quiet_hours(text) for text in rule.quiet_hours]
        self._cooldown_us = rule.cooldown_seconds * US_PER_SECOND
        self._most = rule.most_per_hour
        self._round: int
        sent_us, keys, held, self._round = state or ([], [], {}, 0)
        self._sent_us: deque[int] = deque(sent_us, maxlen=self._most)
        self._keys: dict[str, tuple[int, str]] = {key: (at, why) for key, at, why in keys}
        self._held: Counter[str] = Counter(held)

    def ask(self, key: str, now_us: int) -> dict[str, int] | None:
        """Let an alert go, or not (None); say what was held back since the last one, by reason."""
        digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        before = self._keys.pop(digest, None)
        if before is not None and before[0] == _SENT:
            self._remember(digest, before)
            return None
        why = self._closed(now_us)
        if why is not None:
            if before is None:
                self._held[why.value] += 1
            self._remember(digest, before or (self._round, why.value))
            return None
        if before is not None and before[0] == self._round:
            self._held[before[1]] -= 1
        told = {reason: count for reason, count in sorted(self._held.items()) if count}
        self._held.clear()
        self._round += 1
        self._sent_us.append(now_us)
        self._remember(digest, (_SENT, ""))
        return told

    def _closed(self, now_us: int) -> HeldBack | None:
        if any(hours.hold(now_us) for hours in self._quiet):
            return HeldBack.QUIET_HOURS
        if self._sent_us and now_us < self._sent_us[-1] + self._cooldown_us:
            return HeldBack.COOLDOWN
        if len(self._sent_us) == self._most and now_us < self._sent_us[0] + _HOUR_US:
            return HeldBack.RATE_LIMIT
        return None

    def _remember(self, digest: str, what: tuple[int, str]) -> None:
        self._keys[digest] = what
        if len(self._keys) > REMEMBERED:
            del self._keys[next(iter(self._keys))]

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        keys = [[digest, at, why] for digest, (at, why) in self._keys.items()]
        return [list(self._sent_us), keys, dict(self._held), self._round]
