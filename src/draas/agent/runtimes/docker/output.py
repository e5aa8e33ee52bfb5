"""A container's output as records: followed, resumed after the engine was away, and complete at the end.

The engine's `follow` may end before the last lines that were written (it stops looking when the container is gone), and ends
early when the engine does. So an end is believed only when the container has ended and the newest frame the engine has is
the last one that was read; else the log is read once more, leaving out what was given on already.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp

from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.docker.log_frames import LogFrames
from draas.agent.runtimes.docker.watch import EngineWatch, woken
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.lib import clock
from draas.model.allocation import Cause
from draas.wire.records import Stream, pack, payload_bytes

RETRY_S = 1.0

HasEnded = Callable[[], Awaitable[bool]]


def cut_notice(cap_bytes: int) -> bytes:
    """What the output says where it is cut."""
    return f"output cut at {cap_bytes / 1e6:g} MB: the job runs on, but no more of its output is kept\n".encode()


async def follow_output(
    api: EngineApi, watch: EngineWatch, name: str, *, offset: int, cap_bytes: int, has_ended: HasEnded
) -> AsyncIterator[bytes]:
    """Items of records after `offset` payload bytes, to the end or until the container is removed.

    Raises RuntimeFailure(RUNTIME) where the engine cannot read what it has.
    """
    given = offset
    while True:
        with watch.waiting(name) as changed:
            frames = LogFrames(skip=given, cap_bytes=cap_bytes)
            try:
                ended = await has_ended()
                async with _logs(api, name, follow=not ended) as stream:
                    while not frames.full and (data := await stream.readany()):
                        for item in frames.feed(data):
                            given += payload_bytes(item)
                            yield item
                if frames.full:
                    break
                if ended:
                    return
                if not await has_ended():
                    await woken(changed, RETRY_S)
                elif await _complete(api, name, frames):
                    return
            except EngineAway:
                await woken(changed, RETRY_S)
            except EngineError as error:
                if error.status == 404:
                    return
                raise RuntimeFailure(
                    Cause.RUNTIME, f"the output of {name} cannot be read, what follows is lost: {error.message}"
                ) from error
    if given < cap_bytes + len(cut_notice(cap_bytes)):
        notice = cut_notice(cap_bytes)[max(given - cap_bytes, 0) :]
        yield pack(Stream.NOTICE, round(clock.now() * 1000), notice)


def _logs(
    api: EngineApi, name: str, *, follow: bool, tail: str = "all"
) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
    path = f"containers/{name}/logs"
    return api.stream("GET", path, stdout=1, stderr=1, timestamps=1, follow=int(follow), tail=tail)


async def _complete(api: EngineApi, name: str, frames: LogFrames) -> bool:
    if frames.ambiguous:
        return False
    async with _logs(api, name, follow=False, tail="1") as stream:
        return await stream.read() == frames.last_frame
