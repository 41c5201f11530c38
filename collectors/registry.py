"""Find every venue: each module of `collectors.venues` that has `FEEDS` is one."""

import importlib
import pkgutil
from collections.abc import Iterable

import collectors.venues
from collectors.venue import Feed
from runtime.errors import ConfigurationError


def all_feeds() -> dict[str, Feed]:
    """Return every feed by name, variants included."""
    feeds: dict[str, Feed] = {}
    for module in pkgutil.iter_modules(collectors.venues.__path__):
        loaded = importlib.import_module(f"collectors.venues.{module.name}")
        for feed in getattr(loaded, "FEEDS", ()):
            feeds[feed.name] = feed
    return dict(sorted(feeds.items()))


def choose_feeds(names: Iterable[str]) -> list[Feed]:
    """Return the named feeds, or every default feed where none is named.

    Raises:
        ConfigurationError: an unknown name, or two feeds that carry the same instruments.
    """
    feeds = all_feeds()
    wanted = list(names)
    unknown = [name for name in wanted if name not in feeds]
    if unknown:
        raise ConfigurationError(f"unknown feed {unknown[0]!r}; there are: {', '.join(feeds)}")
    chosen = [feeds[name] for name in wanted] or [feed for feed in feeds.values() if feed.default]
    products: dict[tuple[str, str], str] = {}
    for feed in chosen:
        other = products.setdefault((feed.venue, feed.kind), feed.name)
        if other != feed.name:
            raise ConfigurationError(f"{other} and {feed.name} carry the same trades: choose one")
    return chosen
