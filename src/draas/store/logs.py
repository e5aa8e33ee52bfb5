"""The LogStore protocol: every attempt's output, by offset. Files implement it (draas.store.log_files)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from draas.model.allocation import AllocationId
from draas.wire.link import LogChunk
from draas.wire.records import Stream


class Line(NamedTuple):
    """One line (or the last, unfinished piece of one). `number` counts an attempt's lines from 1 in order of arrival."""

    number: int
    at_ms: int
    stream: Stream
    data: bytes  # without the newline
    partial: bool = False  # a piece of a line longer than the reader's limit, or unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What of an attempt's output is wanted. `after_line` resumes; `tail` the last N that match; `since`/`until` Unix seconds."""

    stream: Stream | None = None
    after_line: int = 0
    tail: int | None = None
    since: float | None = None
    until: float | None = None
    grep: str | None = None  # see draas.store.grep
    limit: int | None = None


class LogStore(Protocol):
    async def append(self, chunks: Sequence[LogChunk]) -> Mapping[AllocationId, int]:
        """Store what is new of `chunks` durably; returns the durable end offset of each allocation among them.

        A chunk that starts below the end is cut, one that starts above it is dropped (the returned end tells the agent to
        send again from there), and so is one that is not made of records. Of a dropped output the end is UNWANTED.
        """
        ...

    async def ends(self, allocations: Sequence[AllocationId]) -> Mapping[AllocationId, int]:
        """Durable end offsets (0 where nothing is stored)."""
        ...

    async def closed(self, allocation: AllocationId) -> bool:
        """Whether the last chunk is stored (or the output was given up with its node)."""
        ...

    async def close_output(self, allocation: AllocationId) -> None:
        """Nothing more will come: followers end."""
        ...

    def read(self, allocation: AllocationId, query: Query, follow: bool = False) -> AsyncIterator[list[Line]]:
        """Matching lines in batches, in order. With `follow` goes on until the output is closed."""
        ...

    async def drop(self, allocations: Sequence[AllocationId]) -> None:
        """Delete all of these allocations' output. Followers end; what an agent still sends of it is not stored."""
        ...

    async def close(self) -> None: ...
