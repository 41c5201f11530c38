"""The other side of `peer_cryptofeed`, run by a Python that has cryptofeed and not this project.

It reads the frames of its cases from a file, then takes the name of a case per line of input, lets
cryptofeed's own message handler work the frames off and answers with a line of JSON: nanoseconds of
its loop and how many of its callbacks were called, or why there are none.
"""

import asyncio
import json
import logging
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptofeed import exchanges  # type: ignore[import-not-found]
from cryptofeed.defines import L2_BOOK, TICKER, TRADES  # type: ignore[import-not-found]
from cryptofeed.symbols import Symbols  # type: ignore[import-not-found]

CLASSES = {
    "binance": (exchanges.BinanceFutures, "BTC-USDT-PERP", "BTCUSDT", ""),
    "bybit": (exchanges.Bybit, "BTC-USDT-PERP", "BTCUSDT", "linear"),
    "okx": (exchanges.OKX, "BTC-USDT-PERP", "BTC-USDT-SWAP", ""),
}
"""By venue: the handler's class, its name of the instrument, the venue's, and the market."""


class Peer:
    """One exchange of cryptofeed with callbacks that only count, and no network."""

    def __init__(self, venue: str, snapshot: str) -> None:
        maker, name, symbol, market = CLASSES[venue]
        info = {"instrument_type": {name: "perpetual"}, "tick_size": {}, "channels": {}}
        Symbols.set(maker.id, {name: symbol}, info)
        self.calls = 0
        callbacks = dict.fromkeys((L2_BOOK, TICKER, TRADES), self._count)
        self._handler = maker(symbols=[name], channels=list(callbacks), callbacks=callbacks)
        self._handler.http_conn = SimpleNamespace(read=self._read)
        if hasattr(self._handler, "_reset"):
            self._handler._reset()  # as its `subscribe` does
        self._snapshot = snapshot
        self._connection = SimpleNamespace(address=f"ws://none/{market}", uuid="benchmark")

    async def _count(self, *_: object) -> None:
        self.calls += 1

    async def _read(self, *_: object, **__: object) -> str:
        return self._snapshot

    async def work(self, frames: list[str]) -> int:
        """Return the nanoseconds for all frames but the first, which opens a book."""
        handle, connection = self._handler.message_handler, self._connection
        await handle(frames[0], connection, time.time())
        self.calls = 0
        began = time.perf_counter_ns()
        for frame in frames[1:]:
            await handle(frame, connection, 1.8e9)
        return time.perf_counter_ns() - began


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Work the frames of a case off once."""
    try:
        peer = Peer(case["venue"], case["snapshot"])
        nanoseconds = asyncio.run(peer.work(case["frames"]))
    except Exception:  # whatever its handlers raise is the answer
        return {"failed": traceback.format_exc(limit=-1).strip().splitlines()[-1]}
    return {"nanoseconds": nanoseconds, "calls": peer.calls}


def main() -> None:
    """Answer until there is no more input."""
    logging.disable(logging.CRITICAL)
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    cases = {case["name"]: case for case in map(json.loads, lines)}
    for line in sys.stdin:
        print(json.dumps(answer(cases[line.strip()])), flush=True)


if __name__ == "__main__":
    main()
