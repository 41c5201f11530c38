"""Bars of larger intervals as exact merges of base bars: 5 m, 15 m, 1 h, 4 h, 1 d."""

from collections.abc import Callable

from processors.bars import Bar
from processors.scopes import ScopeKey

BarAt = Callable[[ScopeKey, int], Bar | None]
"""Returns the closed base bar of a scope that starts at a time, or None."""


class WideBar:
    """The closed base bars of one scope, merged since the start of the current wide interval.

    Held only to spare merging them again: it is a function of the base bars, is not part of a
    snapshot, and is made anew when one of them is corrected.
    """

    __slots__ = ("bar", "start_us", "until_us")

    def __init__(self, start_us: int) -> None:
        self.start_us = self.until_us = start_us
        self.bar = Bar()


class WideBars:
    """The wide bars of one interval of all scopes; holds the newest one of each."""

    def __init__(self, interval_us: int, base_us: int, bar_at: BarAt) -> None:
        self.interval_us = interval_us
        self._base_us = base_us
        self._bar_at = bar_at
        self._newest: dict[ScopeKey, WideBar] = {}

    def until(self, key: ScopeKey, start_us: int, until_us: int) -> Bar:
        """Return the merge of the closed base bars from the start of a wide bar to a time.

        The result is shared: copy it before adding to it.
        """
        wide = self._newest.get(key)
        if wide is None or wide.start_us != start_us or wide.until_us > until_us:
            newest = wide is None or wide.start_us <= start_us
            wide = WideBar(start_us)
            if newest:
                self._newest[key] = wide
        while wide.until_us < until_us:
            bar = self._bar_at(key, wide.until_us)
            if bar is not None:
                wide.bar.then(bar)
            wide.until_us += self._base_us
        return wide.bar

    def forget(self, key: ScopeKey, time_us: int) -> None:
        """Make the bar around a time anew at the next call: one of its base bars was corrected."""
        wide = self._newest.get(key)
        if wide is not None and wide.start_us <= time_us < wide.start_us + self.interval_us:
            del self._newest[key]
