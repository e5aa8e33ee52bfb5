"""Processes that die by SIGKILL while they commit. `store_crashes.py FOLDER` prints, for each way to die, what was acknowledged.

Each dies in a fork, so that everything is imported once: on its own, at a counted statement or a counted instruction of
SQLite's machine, or by its parent's hand as soon as that has read a counted acknowledgement.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import alembic.command  # noqa: F401  before the forks: its import takes half a second
from sqlalchemy import event
from sqlalchemy.pool import Pool
from store_samples import AT, step

from draas.store.sql import SqlStore

STEPS_BEFORE = 3  # commits that all are acknowledged before it counts
WAYS = (
    *(("statement", number) for number in range(1, 16)),
    *(("instruction", number) for number in (1, 7, 40, 90, 150, 250, 400, 600)),
    *(("acknowledged", number) for number in (1, 2, 5, 20, 60)),
)
Arm = Callable[[], None]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_statement(connection: sqlite3.Connection, number: int) -> None:
    left = iter(range(number - 1, -1, -1))
    connection.set_trace_callback(lambda _: die() if next(left) == 0 else None)


def at_instruction(connection: sqlite3.Connection, number: int) -> None:
    connection.set_progress_handler(die, number)


async def commit_until_dead(folder: Path, way: str, number: int, acknowledge: int) -> None:
    connections: list[sqlite3.Connection] = []
    event.listen(Pool, "connect", lambda connection, _: connections.append(connection))
    store = SqlStore(folder, now=lambda: AT)
    await store.open()
    for at in count(1):
        if at == STEPS_BEFORE + 1 and way == "statement":
            at_statement(connections[0], number)
        if at == STEPS_BEFORE + 1 and way == "instruction":
            at_instruction(connections[0], number)
        await store.commit(step(at))
        os.write(acknowledge, b".")


def run(folder: Path, way: str, number: int) -> int:
    """How many commits were acknowledged before the death."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        asyncio.run(commit_until_dead(folder, way, number, writing))
    os.close(writing)
    acknowledged = 0
    while got := os.read(reading, 1):
        acknowledged += len(got)
        if way == "acknowledged" and acknowledged == number:
            os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        sys.exit(f"{way} {number}: did not die as it should, status {status}")
    return acknowledged


if __name__ == "__main__":
    base = Path(sys.argv[1])
    print(json.dumps({f"{way}-{number}": run(base / f"{way}-{number}", way, number) for way, number in WAYS}))
