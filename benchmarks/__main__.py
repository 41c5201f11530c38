"""`python -m benchmarks [NAME...]`: every benchmark, one after the other, each with its table."""

import importlib
import os
import platform
import sys
from pathlib import Path

NAMES = (
    "parse",
    "books",
    "operators",
    "toolkit",
    "bus",
    "replay",
    "backfill",
    "latency",
    "collect",
    "kafka",
    "peer_cryptofeed",
)


def machine() -> str:
    """Describe the machine in one line; figures mean little without it."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} cores, load {load:.1f}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def main() -> None:
    """Run the named benchmarks, all where none is named."""
    wanted = sys.argv[1:] or NAMES
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        sys.exit(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    print(machine())
    for name in wanted:
        print(f"\n== {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
