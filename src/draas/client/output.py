"""Output of jobs and builds: read, or followed over all attempts to the end."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, cast

import msgspec

from draas.client.apps import given
from draas.client.transport import Parameters, Transport
from draas.wire.views import LogLineView


class Followed(NamedTuple):
    """One thing seen while following: `kind` is line, attempt or end; `line` is there for line."""

    kind: str
    about: Mapping[str, Any]
    line: LogLineView | None = None


def log_query(
    attempt: int | None, stream: str | None, tail: int | None, since: str | None, grep: str | None, *, follow: bool
) -> Parameters:
    """What of the output is wanted."""
    return given(
        attempt=str(attempt) if attempt is not None else None,
        stream=stream,
        tail=str(tail) if tail is not None else None,
        since=since,
        grep=grep,
        follow="true" if follow else None,
    )


def read_output(transport: Transport, path: str, query: Parameters) -> AsyncIterator[bytes]:
    """It as it was written, in pieces."""
    return transport.stream(path, query, {"Accept": "text/plain"})


async def follow_output(transport: Transport, path: str, query: Parameters) -> AsyncIterator[Followed]:
    """It as it is written; a cut connection is resumed."""
    async for frame in transport.frames(path, query, end="end"):
        if frame.kind == "line":
            line = msgspec.json.decode(frame.data)
            yield Followed("line", line, cast(LogLineView, line))
        else:
            yield Followed(frame.kind, msgspec.json.decode(frame.data))
