"""The main job as a whole process: two recordings through parsers, log, engine and chDB.

Beside it, in the same run: the least that anybody must do with these files, which is to unpack them
and decode every frame with `orjson.loads`.
"""

import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

CAPTURES = Path(
    os.environ.get("PERPTAPE_CAPTURES", Path(__file__).parents[2] / "shared" / "captures")
)
FILES = (
    "binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz",
    "binance/spot/hftbacktest_spot_btcusdt_20240808.gz",
)
KINDS = ("linear_perpetual", "spot")
TRADES = 31_070
ROUNDS = 3
PROGRAM = (sys.executable, "-c", "from runtime.cli.main import main; main()")


def _replay(folder: Path) -> float:
    command = [*PROGRAM, "replay", *(str(CAPTURES / name) for name in FILES)]
    command += ["--venue", "binance", "--store", str(folder / "store")]
    for kind in KINDS:
        command += ["--kind", kind]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own program
    elapsed = time.perf_counter() - started
    if f"{TRADES:,} trades" not in done.stdout:
        raise RuntimeError(f"replay went wrong: {done.stdout} {done.stderr}")
    return elapsed


def _decode() -> float:
    started = time.perf_counter()
    for name in FILES:
        with gzip.open(CAPTURES / name, "rb") as file:
            for line in file:
                orjson.loads(line.split(b" ", 1)[1])
    return time.perf_counter() - started


def run() -> list[dict[str, float]]:
    """Measure in turn; empty where the recordings are not there."""
    if not CAPTURES.is_dir():
        return []
    rows = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="perptape-bench-") as name:
            rows.append({"replay_seconds": _replay(Path(name)), "decode_seconds": _decode()})
    return rows


def main() -> None:
    """Print the table."""
    rows = run()
    if not rows:
        print("skipped: the recordings are not at ../shared/captures (or PERPTAPE_CAPTURES)")
        return
    seconds = statistics.median(row["replay_seconds"] for row in rows)
    floor = statistics.median(row["decode_seconds"] for row in rows)
    print(f"31,070 trades and 104,133 other frames into chDB, start included: {seconds:.1f} s")
    print(
        f"gunzip and orjson.loads of the same frames: {floor:.1f} s (ratio {seconds / floor:.1f})"
    )


if __name__ == "__main__":
    main()
