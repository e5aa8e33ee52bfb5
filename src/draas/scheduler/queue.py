"""Queue: the jobs that could start if a node took them, grouped so that one refusal answers for all that ask the same."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple

from draas.model.job import Job, JobId, JobState, ProjectName
from draas.model.plan import Plan
from draas.scheduler.ask import Ask, Shape, ask_of


class Entry(NamedTuple):
    """One queued job. Entries order by `seq`, which no two jobs share."""

    seq: int
    job_id: JobId
    image: str | None
    since: float  # when it was queued, Unix seconds


class Group:
    """Queued jobs of one priority, project and shape, oldest first. Entries of jobs that left stay until there are too many."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._entries: list[Entry] = []
        self._live: set[int] = set()
        self._first = 0

    def __len__(self) -> int:
        return len(self._live)

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one of the same job."""
        self._live.add(entry.seq)
        if not self._entries or self._entries[-1].seq < entry.seq:
            self._entries.append(entry)
            return
        at = bisect_left(self._entries, (entry.seq,))
        if self._entries[at].seq == entry.seq:
            self._entries[at] = entry
        else:
            self._entries.insert(at, entry)
        self._first = min(self._first, at)

    def drop(self, seq: int) -> None:
        """Take out the entry of this seq."""
        self._live.discard(seq)
        while self._first < len(self._entries) and self._entries[self._first].seq not in self._live:
            self._first += 1
        if len(self._entries) > 2 * len(self._live) + 64:
            self._entries = [entry for entry in self._entries if entry.seq in self._live]
            self._first = 0

    def entries(self) -> Iterator[Entry]:
        """Its jobs, oldest first. The group must not change meanwhile."""
        live = self._live
        return (entry for entry in islice(self._entries, self._first, None) if entry.seq in live)

    def count_before(self, seq: int) -> int:
        """How many of its jobs are older than `seq`."""
        return sum(1 for entry in self._entries[: bisect_left(self._entries, (seq,))] if entry.seq in self._live)


class _Place(NamedTuple):
    """Where a job of the queue is kept; not ready yet where `at` is set."""

    priority: int
    project: ProjectName
    shape: Shape
    entry: Entry
    at: float | None


Tier = Mapping[ProjectName, Mapping[Shape, Group]]


class Queue:
    """Jobs in state queued that hold nothing. Kept in step by `follow`, or by `put` and `drop`.

    Time only moves on for it: a job that was ready once stays so.
    """

    def __init__(self) -> None:
        self._places: dict[JobId, _Place] = {}
        self._tiers: dict[int, dict[ProjectName, dict[Shape, Group]]] = {}
        self._later: list[tuple[float, int, JobId]] = []
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._places

    def follow(self, plan: Plan) -> None:
        """Take over what `plan` changed."""
        for job in plan.jobs:
            self.put(job)
        for job_id in plan.gone_jobs:
            self.drop(job_id)

    def put(self, job: Job) -> None:
        """The job's new version: in if it is queued and holds nothing, out otherwise."""
        self.drop(job.id)
        if job.state is not JobState.QUEUED or job.current is not None:
            return
        ask = ask_of(job.spec)
        since = job.queued_at if job.queued_at is not None else job.created_at
        entry = Entry(job.seq, job.id, ask.image, max(since, job.ready_at))
        later = job.ready_at if job.ready_at > self._now else None
        place = _Place(job.spec.priority, job.project, ask.shape, entry, later)
        self._places[job.id] = place
        if later is None:
            self._admit(place)
        else:
            heappush(self._later, (later, job.seq, job.id))

    def drop(self, job_id: JobId) -> None:
        """Take the job out. Unknown ids are fine."""
        place = self._places.pop(job_id, None)
        if place is None or place.at is not None:
            return
        tier = self._tiers[place.priority]
        groups = tier[place.project]
        group = groups[place.shape]
        group.drop(place.entry.seq)
        if group:
            return
        del groups[place.shape]
        if not groups:
            del tier[place.project]
        if not tier:
            del self._tiers[place.priority]

    def _admit(self, place: _Place) -> None:
        groups = self._tiers.setdefault(place.priority, {}).setdefault(place.project, {})
        group = groups.get(place.shape)
        if group is None:
            group = groups[place.shape] = Group(place.shape)
        group.put(place.entry)

    def wake(self, now: float) -> None:
        """Let in whose back-off is over."""
        self._now = max(self._now, now)
        while self._later and self._later[0][0] <= now:
            at, _, job_id = heappop(self._later)
            place = self._places.get(job_id)
            if place is not None and place.at == at:
                ready = place._replace(at=None)
                self._places[job_id] = ready
                self._admit(ready)

    def tiers(self) -> list[Tier]:
        """The ready jobs by priority, the highest first."""
        return [self._tiers[priority] for priority in sorted(self._tiers, reverse=True)]

    def tier(self, priority: int) -> Tier:
        """The ready jobs of one priority."""
        return self._tiers.get(priority, {})

    def count_above(self, priority: int) -> int:
        """How many ready jobs have a higher priority."""
        return sum(
            len(group)
            for other, tier in self._tiers.items()
            if other > priority
            for groups in tier.values()
            for group in groups.values()
        )

    def ask(self, job_id: JobId) -> Ask | None:
        """What a queued job asks for."""
        place = self._places.get(job_id)
        return Ask(place.shape, place.entry.image) if place is not None else None
