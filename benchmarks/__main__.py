"""`python -m benchmarks [NAME...]`: every benchmark, one after the other, each with its table.

`--trades N` has `backfill` and `store` take so many.
"""

import argparse
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
    "store",
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--trades", type=int, help="of `backfill` and `store`")
    given = parser.parse_args()
    wanted = given.names or NAMES
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        sys.exit(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    if given.trades:
        os.environ["PERPTAPE_BENCH_TRADES"] = str(given.trades)
    print(machine())
    for name in wanted:
        print(f"\n== {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
