"""What a durable job costs: commits of 1, 16 and 256 job rows against sqlite3's own executemany with the same flushes.

Prints rows a second and milliseconds a commit (median), then what a stream of jobs (queued, running, succeeded, with
events) costs in CPU, and lists over 100,000 jobs. `uv run python bench/store_commits.py [ROWS]`
"""

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import median

from draas.lib import ids
from draas.model.allocation import Allocation, AllocationId, AllocationState, NodeId, Observed
from draas.model.event import Event
from draas.model.job import DEFAULT_PROJECT, Job, JobId, JobSpec, JobState
from draas.model.plan import Plan
from draas.store.sql import SqlStore
from draas.store.store import JobFilter, Write

COMMITS = {1: 200, 16: 150, 256: 40}
ROUNDS = 3
LISTED = 100_000
SPEC = JobSpec(
    command="python -c 'print(1)'",
    name="resize",
    image="python:3.12-slim",
    env={"A": "1", "B": "two"},
    retries=2,
    timeout_s=600,
    labels={"team": "x"},
    constraints=("node.arch == amd64",),
)
seqs = count(1)


def fresh() -> Job:
    """A new job."""
    return Job(
        id=JobId(ids.new("j")),
        project=DEFAULT_PROJECT,
        seq=next(seqs),
        spec=SPEC,
        state=JobState.QUEUED,
        created_at=time.time(),
    )


def started(job: Job) -> Job:
    """`job` while it runs."""
    attempt = Allocation(
        id=AllocationId(ids.new("a")),
        number=1,
        node_id=NodeId(f"n-{job.seq % 10:020}"),
        node_name=f"node-{job.seq % 10}",
        assigned_at=job.created_at,
        observed=Observed(state=AllocationState.RUNNING, started_at=job.created_at),
    )
    return replace(job, state=JobState.RUNNING, attempts=(attempt,))


def succeeded(job: Job, state: JobState = JobState.SUCCEEDED) -> Job:
    """`job` after its end."""
    observed = replace(
        job.attempts[0].observed, state=AllocationState.SUCCEEDED, finished_at=time.time(), exit_code=0, log_bytes=7
    )
    attempt = replace(job.attempts[0], observed=observed)
    return replace(job, state=state, finished_at=time.time(), attempts=(attempt,))


def versions(live: list[Job], size: int) -> list[Job]:
    """`size` next versions: as many new jobs as jobs that start and jobs that end, so that the number of live ones is steady."""
    found = []
    for turn in range(size):
        job = live[turn]
        if job.state is JobState.QUEUED:
            live[turn] = started(job)
            found.append(live[turn])
        elif job.state is JobState.RUNNING:
            found.append(succeeded(job))
            live[turn] = found[-1]
        else:
            live[turn] = fresh()
            found.append(live[turn])
    return found


def events_of(jobs: Sequence[Job]) -> tuple[Event, ...]:
    return tuple(Event(at=time.time(), kind=f"job.{job.state}", subject=job.id, project=job.project) for job in jobs)


async def commit_times(store: SqlStore, size: int, number: int) -> tuple[list[float], float]:
    """Seconds of each commit of `size` job versions, and of CPU in all. Making the versions is not counted."""
    live = [fresh() for _ in range(size)]
    await store.commit(Write(plan=Plan(jobs=tuple(live))))
    live = [started(job) if turn % 3 else job for turn, job in enumerate(live)]
    await store.commit(Write(plan=Plan(jobs=tuple(job for job in live if job.attempts))))
    live = [succeeded(job) if turn % 3 == 2 else job for turn, job in enumerate(live)]
    await store.commit(Write(plan=Plan(jobs=tuple(job for job in live if job.ended))))
    times, cpu = [], 0.0
    for _ in range(number):
        write = Write(plan=Plan(jobs=tuple(versions(live, size))))
        began, before = time.perf_counter(), time.process_time()
        await store.commit(write)
        times.append(time.perf_counter() - began)
        cpu += time.process_time() - before
    return times, cpu


class Floor:
    """sqlite3 itself: one table, one blob of 200 bytes a row, the same flush."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
        self._numbers: Iterator[int] = count(1)

    def times(self, size: int, number: int) -> tuple[list[float], float]:
        """Seconds of each commit, and of CPU in all."""
        found, before = [], time.process_time()
        for _ in range(number):
            rows = [(next(self._numbers), os.urandom(200)) for _ in range(size)]
            began = time.perf_counter()
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
            self._connection.execute("COMMIT")
            found.append(time.perf_counter() - began)
        return found, time.process_time() - before


@dataclass(slots=True)
class Measured:
    """Commits of `size` rows."""

    size: int
    times: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def add(self, times: list[float], cpu_s: float) -> None:
        self.times += times
        self.cpu_s += cpu_s

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.size * len(self.times) / sum(self.times)

    def __str__(self) -> str:
        cpu_us = self.cpu_s / len(self.times) / self.size * 1e6
        return f"{self.rate:7.0f} rows/s, {median(self.times) * 1e3:5.2f} ms, {cpu_us:4.0f} us CPU a row"


async def compare(store: SqlStore, floor: Floor) -> None:
    for size, number in COMMITS.items():
        ours, bare = Measured(size), Measured(size)
        for _ in range(ROUNDS):  # turn about, so that whatever else the machine does weighs on both
            bare.add(*floor.times(size, number // ROUNDS))
            ours.add(*await commit_times(store, size, number // ROUNDS))
        print(f"{size:3} rows a commit: draas {ours}; sqlite3 {bare}; ratio {ours.rate / bare.rate:.2f}")


async def stream(store: SqlStore, jobs: int, at_once: int) -> None:
    """CPU of whole lives: each job in three commits of `at_once`, with an event a version."""
    before_cpu, began, spent = time.process_time(), time.perf_counter(), 0.0
    for _ in range(jobs // at_once):
        made = time.process_time()
        queued = [fresh() for _ in range(at_once)]
        running = [started(job) for job in queued]
        lives = [queued, running, [succeeded(job) for job in running]]
        writes = [Write(plan=Plan(jobs=tuple(some), events=events_of(some))) for some in lives]
        spent += time.process_time() - made
        for write in writes:
            await store.commit(write)
    cpu, took = time.process_time() - before_cpu - spent, time.perf_counter() - began
    print(
        f"{jobs} jobs from queued to succeeded with 3 events, {at_once} a commit: {cpu / jobs * 1e6:.0f} us CPU a job, "
        f"{jobs / took:.0f} jobs/s"
    )


async def lists(store: SqlStore, fill: int) -> None:
    """Pages of 50 and their totals, the store's thread and decoding in it."""
    while fill > 0:
        some = [
            succeeded(started(fresh()), JobState.FAILED if turn % 100 == 0 else JobState.SUCCEEDED)
            for turn in range(1000)
        ]
        some = [
            replace(job, spec=replace(SPEC, name=f"n-{job.seq % 1000}", labels={"run": str(job.seq % 500)}))
            for job in some
        ]
        await store.commit(Write(plan=Plan(jobs=tuple(some))))
        fill -= len(some)
    filters: Mapping[str, JobFilter] = {
        "all": JobFilter(),
        "project": JobFilter(project="default"),
        "succeeded": JobFilter(state=JobState.SUCCEEDED),
        "failed in project": JobFilter(project="default", state=JobState.FAILED),
        "name": JobFilter(name="n-7"),
        "label": JobFilter(labels={"run": "77"}),
        "label, succeeded": JobFilter(labels={"run": "77"}, state=JobState.SUCCEEDED),
        "node": JobFilter(node="node-3"),
        "node, succeeded in project": JobFilter(node="node-3", state=JobState.SUCCEEDED, project="default"),
    }
    for name, match in filters.items():
        page = await store.list_jobs(match, None, 50)
        took = median([await seconds(lambda match=match: store.list_jobs(match, None, 50)) for _ in range(7)])
        print(f"list {name:27} {took * 1e3:6.1f} ms, total {page.total}")


async def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    await work()  # type: ignore[misc]
    return time.perf_counter() - began


async def main(listed: int) -> None:
    """Measure all and print."""
    with tempfile.TemporaryDirectory(prefix="draas-bench-", dir=".") as folder:  # not /tmp, which may be memory
        store = SqlStore(Path(folder))
        await store.open()
        await compare(store, Floor(Path(folder)))
        for at_once in (5, 50):
            await stream(store, 2000, at_once)
        await lists(store, listed)
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else LISTED))
