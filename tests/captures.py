"""Where the recorded frames lie, and the reason that is printed when they do not."""

import os
from pathlib import Path

import pytest

CAPTURES = Path(
    os.environ.get("PERPTAPE_CAPTURES", Path(__file__).parents[2] / "shared" / "captures")
)

needs_captures = pytest.mark.skipif(
    not CAPTURES.is_dir(),
    reason="recorded frames not found: put them at ../shared/captures or set PERPTAPE_CAPTURES",
)


def capture(name: str) -> Path:
    """Return the path of one recorded file, e.g. `bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst`."""
    return CAPTURES / name
