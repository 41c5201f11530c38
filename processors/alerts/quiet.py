"""Hours of the day, in UTC, in which a rule is silent: `22:00-06:00`."""

import re
from typing import NamedTuple

from schemas.units import US_PER_DAY, US_PER_MINUTE

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class QuietHours(NamedTuple):
    """From a time of day to another, which is outside; over midnight where that is earlier."""

    start_us: int
    end_us: int

    def hold(self, time_us: int) -> bool:
        """Say whether a moment is inside."""
        of_day = time_us % US_PER_DAY
        if self.start_us < self.end_us:
            return self.start_us <= of_day < self.end_us
        return of_day >= self.start_us or of_day < self.end_us


def quiet_hours(text: str) -> QuietHours:
    """Read hours.

    Raises:
        ValueError: they do not read `HH:MM-HH:MM`, or end where they begin.
    """
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} does not read HH:MM-HH:MM (UTC), e.g. 22:00-06:00")
    start, end = (60 * int(found[at]) + int(found[at + 1]) for at in (1, 3))
    if start == end:
        raise ValueError(f"{text!r} ends where it begins")
    return QuietHours(start * US_PER_MINUTE, end * US_PER_MINUTE)
