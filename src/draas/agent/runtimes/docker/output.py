"""A container's output as records: followed, resumed after the engine was away, and complete at the end.

Where the engine's own file can be read it is, for that costs half; else the engine is asked. Both give the same bytes. The engine closes the file
before it says that a container has ended, so what is there after that is all.

The engine's `follow` may end before the last lines that were written (it stops looking when the container is gone), and ends
early when the engine does. So an end is believed only when the container has ended and the newest frame the engine has is
the last one that was read; else the log is read once more, leaving out what was given on already.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass

import aiohttp

from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.docker.log_entries import UnknownFormat
from draas.agent.runtimes.docker.log_file import Growth, LogFile, open_log
from draas.agent.runtimes.docker.log_frames import LogFrames
from draas.agent.runtimes.docker.log_items import LogItems
from draas.agent.runtimes.docker.watch import RECHECK_S, EngineWatch, woken
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.lib import clock, log
from draas.model.allocation import Cause
from draas.wire.records import Stream, pack, payload_bytes

RETRY_S = 1.0

HasEnded = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One container's output, and what is needed to follow it. `id` is the engine's; `root` its folder, "" where that is not here."""

    api: EngineApi
    watch: EngineWatch
    growth: Growth
    name: str
    id: str
    root: str
    cap_bytes: int
    has_ended: HasEnded


def cut_notice(cap_bytes: int) -> bytes:
    """What the output says where it is cut."""
    return f"output cut at {cap_bytes / 1e6:g} MB: it runs on, but no more of its output is kept\n".encode()


async def follow_output(source: Source, offset: int) -> AsyncIterator[bytes]:
    """Items of records after `offset` payload bytes, to the end or until the container is removed.

    Raises RuntimeFailure(RUNTIME) where the engine cannot read what it has.
    """
    try:
        async for item in _follow_file(source, offset):
            yield item
    except UnknownFormat:
        log.warning(
            "the engine's log files have a format of their own; asking the engine instead", container=source.name
        )
    except FileNotFoundError:
        pass
    else:
        return
    async for item in _follow_engine(source, offset):
        yield item


def _notice(source: Source, given: int) -> Iterator[bytes]:
    """What is not given yet of the notice that output was cut."""
    if given < source.cap_bytes + len(cut_notice(source.cap_bytes)):
        notice = cut_notice(source.cap_bytes)[max(given - source.cap_bytes, 0) :]
        yield pack(Stream.NOTICE, round(clock.now() * 1000), notice)


# --- from the engine's file ---


async def _follow_file(source: Source, offset: int) -> AsyncIterator[bytes]:
    """Raises FileNotFoundError where there is no file to read here, UnknownFormat before anything is given."""
    with _opened(source) as file:
        items = LogItems(skip=offset, cap_bytes=source.cap_bytes)
        reading = LogFile(file, items, source.growth)
        ended = False
        while not ended and not items.cut:
            with source.watch.waiting(source.name) as changed:
                ended = await _has_ended(source)
                until = clock.monotonic() + (0 if ended else RECHECK_S)
                async for item in reading.follow(changed, until):
                    yield item
        if not items.cut:
            for item in reading.rest():
                yield item
        if items.cut:
            for item in _notice(source, max(offset, items.position)):
                yield item


@contextmanager
def _opened(source: Source) -> Iterator[int]:
    file = open_log(source.root, source.id)
    if file is None:
        raise FileNotFoundError(source.name)
    try:
        yield file
    finally:
        os.close(file)


async def _has_ended(source: Source) -> bool:
    """False also where the engine does not say: the watch tells when it is back."""
    try:
        return await source.has_ended()
    except (EngineAway, EngineError):
        return False


# --- from the engine ---


async def _follow_engine(source: Source, offset: int) -> AsyncIterator[bytes]:
    given = offset
    while True:
        with source.watch.waiting(source.name) as changed:
            items = LogItems(skip=given, cap_bytes=source.cap_bytes)
            frames = LogFrames(items)
            try:
                ended = await source.has_ended()
                async with _logs(source, follow=not ended) as stream:
                    while not items.cut and (data := await stream.readany()):
                        for item in frames.feed(data):
                            given += payload_bytes(item)
                            yield item
                if items.cut:
                    break
                if ended:
                    return
                if not await source.has_ended():
                    await woken(changed, RETRY_S)
                elif await _complete(source, frames):
                    return
            except EngineAway:
                await woken(changed, RETRY_S)
            except EngineError as error:
                if error.status == 404:
                    return
                raise RuntimeFailure(
                    Cause.RUNTIME,
                    f"the output of {source.name} cannot be read, what follows is lost: {error.message}",
                ) from error
    for item in _notice(source, given):
        yield item


def _logs(source: Source, *, follow: bool, tail: str = "all") -> AbstractAsyncContextManager[aiohttp.StreamReader]:
    path = f"containers/{source.name}/logs"
    return source.api.stream("GET", path, stdout=1, stderr=1, timestamps=1, follow=int(follow), tail=tail)


async def _complete(source: Source, frames: LogFrames) -> bool:
    if frames.ambiguous:
        return False
    async with _logs(source, follow=False, tail="1") as stream:
        return await stream.read() == frames.last_frame
