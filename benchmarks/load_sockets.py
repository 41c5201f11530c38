"""What it costs to receive frames and do nothing with them, at the pace of ten times the market.

Run as a program it is the other side: a server that sends each connection so many frames a second,
a few at a time.

    python -m benchmarks.load_sockets
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from collectors.socket import open_socket

FRAME_BYTES = 400
TICK_SECONDS = 0.002
SETTLE_SECONDS = 2.0
SECONDS = 8.0
_FRAME = "x" * FRAME_BYTES


async def send(socket: ServerConnection) -> None:
    """Send as many frames a second as the path says, until the client goes."""
    loop = asyncio.get_running_loop()
    rate = float(socket.request.path.strip("/")) if socket.request is not None else 0.0
    began, sent = loop.time(), 0
    try:
        while True:
            due = int((loop.time() - began) * rate)
            for _ in range(due - sent):
                await socket.send(_FRAME)
            sent = due
            await asyncio.sleep(TICK_SECONDS)
    except ConnectionClosed:
        return


async def be_venues() -> None:
    """Serve until there is no more input; print the port."""
    async with serve(send, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


class _Reader:
    """Reads connections and counts."""

    def __init__(self) -> None:
        self.frames = 0

    async def read(self, url: str) -> None:
        async with open_socket("benchmark", url) as socket:
            while True:
                await socket.recv(decode=False)
                self.frames += 1


async def _receive(port: int, rates: Sequence[float]) -> tuple[float, float]:
    reader = _Reader()
    tasks = [
        asyncio.create_task(reader.read(f"ws://127.0.0.1:{port}/{rate:.1f}")) for rate in rates
    ]
    await asyncio.sleep(SETTLE_SECONDS)
    before = time.process_time(), time.perf_counter(), reader.frames
    await asyncio.sleep(SECONDS)
    cpu, wall = time.process_time() - before[0], time.perf_counter() - before[1]
    frames = reader.frames - before[2]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return frames / wall, cpu / max(1, frames) * 1e6


def receive(rates: Sequence[float]) -> tuple[float, float]:
    """Receive on one connection for each rate; return frames a second and us of processor each."""
    command = [sys.executable, "-m", "benchmarks.load_sockets"]
    with subprocess.Popen(  # noqa: S603  # our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            line = server.stdout.readline() if server.stdout is not None else ""
            if not line:
                raise RuntimeError("the sending side ended")
            return asyncio.run(_receive(int(line), rates))
        finally:
            server.kill()


if __name__ == "__main__":
    asyncio.run(be_venues())
