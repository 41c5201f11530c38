"""Known levels as tests need them: of whatever scope, said beforehand."""

from collections.abc import Callable, Sequence

from processors.measures.levels import Level, LevelKind
from processors.scopes import ScopeKey


class Said:
    """A source of the levels it was given, of one scope or of every one.

    Args:
        levels: the same all the time, or a function of how often they were asked for.
        only: of which scope; of all where it is None.
    """

    def __init__(
        self,
        levels: Sequence[Level] | Callable[[int], Sequence[Level]],
        only: ScopeKey | None = None,
    ) -> None:
        self._levels, self._only = levels, only
        self.asked = 0

    def levels(self, key: ScopeKey) -> list[Level]:
        """Return the levels of a scope."""
        self.asked += 1
        if self._only is not None and key != self._only:
            return []
        return list(self._levels(self.asked) if callable(self._levels) else self._levels)


def level(
    low: int, high: int | None = None, kind: LevelKind = LevelKind.PRIOR_POC, source: str = "p"
) -> Level:
    """Return a level, of one tick unless it is said otherwise."""
    return Level(kind, low, low + 1 if high is None else high, 0, source)
