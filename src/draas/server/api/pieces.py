"""Pieces: a request's body as it comes, given up where nothing comes any more."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from draas.server.api.problems import TooSlow

IDLE_S = 120.0


async def pieces_of(request: Request, remedy: str) -> AsyncIterator[bytes]:
    """None of them empty. Raises TooSlow after IDLE_S without a byte, ClientDisconnect."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise TooSlow(f"nothing came for {IDLE_S:.0f} s: {remedy}") from None
        if piece:
            yield piece
