"""What a process says of itself at /metrics."""

import asyncio
import urllib.request
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

SECONDS = 30.0


def scrape(port: int) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return the samples of every metric by name and labels.

    Raises:
        OSError: nobody serves there.
    """
    address = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # our own
        text = answer.read().decode()
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def total(port: int, name: str) -> float:
    """Return the sum of a metric over its labels."""
    return sum((await asyncio.to_thread(scrape, port))[name].values())
