"""The web socket to a venue, closed whatever happens."""

import asyncio

from websockets.server import ServerProtocol

from collectors.socket import open_socket

LONG = 30.0


class Mute:
    """A venue that shakes hands and says nothing more, not even to a farewell."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        for request in protocol.events_received():
            protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
        writer.writelines(protocol.data_to_send())
        try:
            while await reader.read(2**16):
                self.told.set()
        except ConnectionResetError:
            pass  # it was cut, not closed
        finally:
            self.gone.set()
            writer.close()


async def test_a_farewell_that_is_cut_short_still_closes() -> None:
    venue, opened = Mute(), asyncio.Event()

    async def converse(port: int) -> None:
        async with open_socket("a venue", f"ws://127.0.0.1:{port}/"):
            opened.set()
            await asyncio.sleep(LONG)

    async with await asyncio.start_server(venue, "127.0.0.1", 0) as server:
        task = asyncio.create_task(converse(server.sockets[0].getsockname()[1]))
        await opened.wait()
        task.cancel()
        await venue.told.wait()  # of the farewell, which waits for its answer
        task.cancel()
        await asyncio.wait({task})
        await asyncio.wait_for(venue.gone.wait(), LONG)
