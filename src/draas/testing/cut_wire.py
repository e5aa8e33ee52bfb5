"""CutWire: a TCP relay that breaks the line again and again, as bad networks do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PIECE_BYTES = 65536


class CutWire:
    """Between a client and `host`:`port`; all connections are reset after every `cut_every` bytes, in both directions together.

    `sent` counts the bytes that were passed on to the server, `cuts` how often the line broke.
    """

    def __init__(self, port: int, cut_every: int, host: str = "127.0.0.1") -> None:
        self._host, self._port = host, port
        self._left, self._every = cut_every, cut_every
        self.cuts, self.sent = 0, 0
        self._open: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port on loopback to which the client connects."""
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        tasks = [
            asyncio.ensure_future(self._carry(reader, forth, is_forth=True)),
            asyncio.ensure_future(self._carry(back, writer, is_forth=False)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for end in (writer, forth):
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_forth: bool) -> None:
        while piece := await reader.read(PIECE_BYTES):
            self._left -= len(piece)
            if self._left < 0:
                self._left, self.cuts = self._every, self.cuts + 1
                return
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece) if is_forth else 0
