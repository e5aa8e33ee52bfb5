"""OpenSockets: WebSockets that are held open and spoken through, so that a dropped one is noticed. The other end echoes."""

import asyncio
from typing import Self

import aiohttp

SAY_EVERY_S = 0.2
ECHO_TIMEOUT_S = 5.0


class OpenSockets:
    """`async with OpenSockets(url, 20, host="shop.localhost") as sockets:`; `sockets.dropped` counts those that ended or fell silent."""

    def __init__(self, url: str, count: int, *, host: str) -> None:
        self._url = url
        self._count = count
        self._host = host
        self._talks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.dropped = 0
        self.echoes = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers={"Host": self._host})
        sockets = [await self._session.ws_connect(self._url) for _ in range(self._count)]
        self._talks = [asyncio.ensure_future(self._talk(socket)) for socket in sockets]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._talks)
        await self._session.close()

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        said = 0
        while not self._stopping:
            try:
                await socket.send_str(str(said))
                if await socket.receive_str(timeout=ECHO_TIMEOUT_S) != str(said):
                    raise ValueError("another echo")
            except (aiohttp.ClientError, TimeoutError, TypeError, ValueError, OSError):
                self.dropped += 1
                break
            said += 1
            self.echoes += 1
            await asyncio.sleep(SAY_EVERY_S)
        await socket.close()
